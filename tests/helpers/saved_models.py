"""Checkpoints as the trainer saves them, with a random head instead of a trained one: quick, and no two
outputs are alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trainers import TrainConfig
from trainers.loading import open_base
from trainers.saving import make_manifest, save_model

CPU = torch.device("cpu")
RECORD = {
    "steps": 3,
    "counts": {"rows": 24, "used": 20, "too_long": 4},
    "eval_counts": {"rows": 7, "used": 6},
    "evals": [{"loss": 0.5, "accuracy": 0.75, "auroc": None, "items": 18.0}],
    "best_eval": 0,
}


def save_random(folder: Path, base: Path, objective: str = "bt", seed: int = 0, **changes: Any) -> Path:
    """A saved model on `base`; `changes` are settings of TrainConfig."""
    settings = {"objective": objective, "model": str(base), "data": ["made.parquet"], "output": str(folder)}
    if objective == "regression":
        settings["attributes"] = ["helpfulness", "verbosity"]
    config = TrainConfig.model_validate(settings | changes)
    model = open_base(config, CPU, seed)
    torch.nn.init.normal_(model.hf.score.weight, std=0.3, generator=torch.Generator().manual_seed(seed))
    moments = {"head_mean": [0.1 * i for i in range(config.heads)], "head_std": [1.0 + seed] * config.heads}
    model.extras |= {"reward_mean": 0.1, "reward_std": 1.5, "training": "0" * 32, **moments}
    save_model(model, folder, make_manifest(config, "0" * 32, RECORD))
    return folder

"""Held-out metrics of a model in training: whole-set numbers, never means over batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from . import metrics
from .config import Objective
from .losses import LOSSES
from .model import RewardModel
from .pack import Row, group_by_prompt, make_trees, pack
from .units import Unit

Metrics = dict[str, float | None]
# What "better" means when the best epoch is kept: the order within a prompt, which best-of-N lives on. The
# lower loss decides between equals, and where no prompt has both labels.
PRIMARY: dict[Objective, str] = {
    "bt": "accuracy",
    "orm": "auroc_within_prompt",
    "prm": "auroc_within_prompt",
}


def pack_all(units: Sequence[Unit], budget: int) -> list[Row]:
    """Every unit once, grouped by prompt."""
    return pack((t for group in group_by_prompt(units) for t in make_trees(group, budget)), budget)


@torch.no_grad()
def evaluate(model: RewardModel, rows: Sequence[Row]) -> Metrics:
    """Loss and ranking metrics over all items of the rows, and mean and deviation of the logits."""
    logits = np.concatenate([model.logits(row).cpu().numpy() for row in rows])
    target, weight, margin = (
        np.concatenate([getattr(row, name) for row in rows]) for name in ("target", "weight", "margin")
    )
    parts = (torch.from_numpy(a) for a in (logits, target, weight, margin))
    found: Metrics = {
        "loss": float(LOSSES[model.objective](*parts) / weight.sum()),
        "reward_mean": float(logits.mean(dtype=np.float64)),
        "reward_std": float(logits.std(dtype=np.float64)),
    }
    if model.objective == "bt":
        return found | _pairs(logits[0::2] - logits[1::2], target)
    prompts = [u.prompt_id for row in rows for u in row.units for _ in u.target]
    return found | _labels(1 / (1 + np.exp(-logits.astype(np.float64))), target, prompts)


def _pairs(margins: np.ndarray, target: np.ndarray) -> Metrics:
    low, middle, high = np.quantile(margins, (0.1, 0.5, 0.9))
    decided = target != 0.5  # a tie has no side that it would be right to prefer
    toward = np.where(target > 0.5, margins, -margins)[decided]
    return {
        "items": float(len(margins)),
        "accuracy": metrics.pair_accuracy(toward) if decided.any() else None,
        "tie_rate": float((margins == 0).mean()),
        "margin_p10": float(low),
        "margin_p50": float(middle),
        "margin_p90": float(high),
    }


def _labels(probabilities: np.ndarray, target: np.ndarray, prompts: list[str]) -> Metrics:
    labels = target >= 0.5
    return {
        "items": float(len(labels)),
        "positive_rate": float(labels.mean()),
        "accuracy": float(((probabilities >= 0.5) == labels).mean()),
        "auroc": metrics.auroc(probabilities, labels),
        "auroc_within_prompt": metrics.auroc_within(probabilities, labels, prompts),
        "ece": metrics.ece(probabilities, target),
    }


def better(objective: Objective, new: Metrics, old: Metrics | None) -> bool:
    """Higher primary metric, then lower loss. A metric that is undefined loses to one that is not."""
    if old is None:
        return True

    def rank(found: Metrics) -> tuple[float, float]:
        main, loss = found[PRIMARY[objective]], found["loss"]
        return (-1.0 if main is None else main, -(loss or 0.0))

    return rank(new) > rank(old)

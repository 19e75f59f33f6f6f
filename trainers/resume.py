"""Resume points: everything the next optimiser step depends on, in one file that appears by rename.

The data order is a function of seed and epoch, so the cursor is the number of finished steps.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from store.errors import InputError

from .evaluate import Metrics
from .model import RewardModel


@dataclass
class Progress:
    """`losses` and `grad_norms` have one entry per finished step, `evals` one per finished epoch."""

    key: str
    step: int = 0
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    evals: list[Metrics] = field(default_factory=list)
    best_epoch: int = -1


def save_point(path: Path, progress: Progress, model: RewardModel, optimizer: torch.optim.Optimizer) -> None:
    state = {
        "progress": vars(progress),
        "model": model.hf.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }
    write_atomic(path, state)


def load_point(path: Path, key: str, model: RewardModel, optimizer: torch.optim.Optimizer) -> Progress:
    """The state of an interrupted run put back; a fresh Progress where there is none."""
    if not path.exists():
        return Progress(key)
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    progress = Progress(**state["progress"])
    if progress.key != key:
        raise InputError(
            f"{path.parent}: holds an interrupted run with other settings, model or data; "
            "delete the folder or choose another output"
        )
    model.hf.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    return progress


def write_atomic(path: Path, state: dict[str, Any]) -> None:
    """torch.save that is complete on disk before it has its name."""
    partial = path.with_suffix(".tmp")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)

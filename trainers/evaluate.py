"""Held-out metrics of a model in training: whole-set numbers (`measures`), never means over batches.

The rewards are those of `readout`, an ensemble's as it aggregates them; `spread` is how far its members
deviate from each other, on the scale on which they are aggregated. `reward_mean` and `reward_std` are of the
reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch

from .config import Objective
from .ensemble import How, aggregate
from .items import join_items
from .losses import Loss
from .measures import Judged, Metrics, measures_of
from .model import RewardModel
from .pack import Row, by_unit, group_by_prompt, label_starts, make_trees, pack
from .readout import rewards
from .units import Unit

# What "better" means when the best evaluation is kept: the order within a prompt, which best-of-N lives on.
# The lower loss decides between equals, and where no prompt has both labels.
PRIMARY: dict[Objective, str] = {
    "bt": "accuracy",
    "orm": "auroc_within_prompt",
    "prm": "auroc_within_prompt",
    "regression": "pearson",
}


def pack_all(units: Sequence[Unit], budget: int) -> list[Row]:
    """Every unit once, grouped by prompt."""
    return pack((t for group in group_by_prompt(units) for t in make_trees(group, budget)), budget)


@torch.no_grad()
def evaluate(model: RewardModel, rows: Sequence[Row], loss: Loss) -> Metrics:
    """The metrics of the model on all items of the rows."""
    return measure(model, rows, [model.outputs(row).cpu().numpy() for row in rows], loss)


def measure(model: RewardModel, rows: Sequence[Row], outputs: Sequence[np.ndarray], loss: Loss) -> Metrics:
    """`evaluate` for outputs that are known already, (L, H, C) float32 of each row; runs no model."""
    found = by_unit(rows, outputs)
    units, logits = [unit for unit, _ in found], np.concatenate([part for _, part in found])
    starts = label_starts(units)
    items = join_items(zip((unit.items for unit in units), starts, strict=True))
    reward, spread = _together(model, rewards(model.head, model.objective, logits))
    judged = Judged(units, items, starts, logits, reward, model.extras["aggregate"])
    total = loss(torch.from_numpy(logits), items.to(torch.device("cpu")))
    return {
        "loss": float(total) / float(items.weight.sum(dtype=np.float64)),
        "reward_mean": float(reward.mean()),
        "reward_std": float(reward.std()),
        **spread,
        **measures_of(model.head, model.objective)(judged),
    }


def head_moments(model: RewardModel, outputs: Sequence[np.ndarray]) -> tuple[list[float], list[float]]:
    """Mean and deviation of each head's reward over all labels, as an ensemble is standardised with them."""
    members = rewards(model.head, model.objective, np.concatenate(outputs))
    return members.mean(axis=0).tolist(), members.std(axis=0).tolist()


def _together(model: RewardModel, members: np.ndarray) -> tuple[np.ndarray, Metrics]:
    """Members (L, H) → the reward (L,) and their spread. Bradley-Terry rewards have no common scale: these
    rows give one."""
    if model.head.n == 1:
        return members[:, 0], {}
    moments = (members.mean(axis=0), members.std(axis=0)) if model.objective == "bt" else (None, None)
    each = {how: aggregate(members.T, how, *moments) for how in get_args(How)}
    return each[model.extras["aggregate"]], {"spread": float((each["mean"] - each["mean-std"]).mean())}


def better(objective: Objective, new: Metrics, old: Metrics | None) -> bool:
    """Higher primary metric, then lower loss. A metric that is undefined loses to one that is not."""
    if old is None:
        return True

    def rank(found: Metrics) -> tuple[float, float]:
        main, loss = found[PRIMARY[objective]], found["loss"]
        return (-1.0 if main is None else main, -(loss or 0.0))

    return rank(new) > rank(old)

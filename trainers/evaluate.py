"""Held-out metrics of a model in training: whole-set numbers, never means over batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from . import metrics
from .config import Objective
from .items import join_items
from .losses import Loss
from .model import RewardModel
from .pack import Row, by_unit, group_by_prompt, label_starts, make_trees, pack
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
def evaluate(model: RewardModel, rows: Sequence[Row], loss: Loss) -> Metrics:
    """Loss and ranking metrics over all items of the rows, and mean and deviation of the outputs."""
    found = by_unit(rows, [model.outputs(row).cpu().numpy() for row in rows])
    units, outputs = [unit for unit, _ in found], np.concatenate([part for _, part in found])
    items = join_items(zip((unit.items for unit in units), label_starts(units), strict=True))
    total = loss(torch.from_numpy(outputs), items.to(torch.device("cpu")))
    logits = outputs.mean(axis=(1, 2))  # of a single head: the reward, or the log-odds of correct
    metrics: Metrics = {
        "loss": float(total / items.weight.sum()),
        "reward_mean": float(logits.mean(dtype=np.float64)),
        "reward_std": float(logits.std(dtype=np.float64)),
    }
    target = items.target[:, 0]
    if model.objective == "bt":
        better, worse = (logits[items.member[:, side]] for side in (0, 1))
        return metrics | _pairs(better - worse, target)
    prompts = [unit.prompt_id for unit in units for _ in range(len(unit.items))]
    return metrics | _labels(1 / (1 + np.exp(-logits.astype(np.float64))), target, prompts)


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

"""Batch-invariance probe: how far a completion's reward depends on what it is computed with.

The same items are scored alone, in rows with others, in the opposite order (siblings of a tree and trees of a
row change places), in rows of half the length, and in padded rows without any tree. In exact arithmetic all
are equal; what differs is rounding, and any more is a fault. Rewards that come closer than this are ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..model import RewardModel
from ..readout import rewards
from .forward import Item, make_labelled, packed_outputs, padded_outputs


@torch.no_grad()
def probe(
    model: RewardModel, items: Sequence[Item], token_budget: int = 4096, max_tokens: int | None = None
) -> dict[str, float]:
    """Largest difference, over items, labels and heads, between the rewards of packed rows and those of each
    other way of computing them."""
    units = make_labelled(model, items, token_budget, max_tokens)
    longest = max(len(unit.paths[0]) for unit in units)
    others = {
        "alone": {k: v for unit in units for k, v in packed_outputs(model, [unit], token_budget).items()},
        "opposite order": packed_outputs(model, units[::-1], token_budget),
        "half rows": packed_outputs(model, units, max(longest, token_budget // 2)),
        "padded rows": padded_outputs(model, units),
    }
    packed = packed_outputs(model, units, token_budget)
    return {name: _difference(model, packed, found) for name, found in others.items()}


def _difference(model: RewardModel, one: dict[int, np.ndarray], other: dict[int, np.ndarray]) -> float:
    said, again = (
        np.concatenate([rewards(model.head, model.objective, found[i]) for i in sorted(one)])
        for found in (one, other)
    )
    return float(np.abs(said - again).max())

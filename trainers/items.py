"""Items: what a loss is a sum of. Each joins one or more labelled positions of a unit, row or step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Items:
    """N items over labels; numpy arrays, or torch tensors after `to`.

    `member` (N, M) are the labels that make an item, -1 where it has fewer than M: a comparison has two, the
    better one first; an ordering has K, best first; anything else one. `target` (N, T) float32: a probability
    (comparison, binary label), class probabilities, attribute values (NaN where missing), or the ranks of an
    ordering's members (ascending, equal for ties, NaN behind the last). `weight` and `margin` are (N,);
    `weight` sums to the denominator of the loss, so an item with several attribute values has as much of it.
    `copies` (N, H), or (N, 1) for all heads alike, is how often each head's bootstrap sample holds the
    item."""

    member: Any
    target: Any
    weight: Any
    margin: Any
    copies: Any

    def __len__(self) -> int:
        return len(self.member)

    def to(self, device: torch.device) -> Items:
        return Items(*(torch.tensor(getattr(self, f.name), device=device) for f in fields(self)))

    def summed(self, cost: Tensor) -> Tensor:
        """Costs (N, H) of the items under each head → their weighted sum, averaged over heads."""
        return (self.weight[:, None] * self.copies * cost).sum() / cost.shape[1]


def make_items(member: Any, target: Any, weight: Any = 1.0, margin: Any = 0.0) -> Items:
    """Items of `member` (N, M), or (N,) for single labels; `target` (N, T), (N,) or a scalar; the others (N,)
    or scalars. Every head sees each of them once. Scalars are repeated without a copy: a set of solutions
    labelled on every token has as many items as tokens."""
    members, targets = np.asarray(member, np.int32), np.asarray(target, np.float32)
    n = len(members)
    if targets.ndim == 0:
        targets = np.broadcast_to(targets, (n,))
    return Items(
        members.reshape(n, -1) if n else np.zeros((0, 1), np.int32),
        targets.reshape(n, -1) if n else np.zeros((0, 1), np.float32),
        np.broadcast_to(np.asarray(weight, np.float32), (n,)),
        np.broadcast_to(np.asarray(margin, np.float32), (n,)),
        np.broadcast_to(np.float32(1), (n, 1)),
    )


def join_items(parts: Iterable[tuple[Items, int]]) -> Items:
    """One Items of several, each with the number of labels that stand before its own."""
    listed = [(items, before) for items, before in parts if len(items)]
    if not listed:
        return make_items([], [])
    width = [max(getattr(items, name).shape[1] for items, _ in listed) for name in ("member", "target")]
    return Items(
        np.concatenate([_widen(_shifted(items.member, before), width[0], -1) for items, before in listed]),
        np.concatenate([_widen(items.target, width[1], np.nan) for items, _ in listed]),
        np.concatenate([items.weight for items, _ in listed]),
        np.concatenate([items.margin for items, _ in listed]),
        np.concatenate([items.copies for items, _ in listed]),
    )


def _shifted(member: np.ndarray, before: int) -> np.ndarray:
    return np.where(member < 0, -1, member.astype(np.int64) + before)


def _widen(table: np.ndarray, width: int, filler: float) -> np.ndarray:
    if table.shape[1] == width:
        return table
    return np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=filler)

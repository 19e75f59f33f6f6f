"""Units cut over several rows: their items join labels of different forward passes.

By the chain rule the gradient of such a loss is that of Σ outputs · g, with g the gradient with respect to
the outputs. So all rows of these units are run once without gradient, g is computed, and each row is then
run again and goes back by itself: the gradient of one row that would hold everything, in the memory of one
row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from .items import join_items
from .losses import Loss
from .pack import Row, label_starts
from .units import Unit


def is_split(row: Row) -> bool:
    return any(unit.whole is not None for unit in row.units)


def whole_units(units: Iterable[Unit]) -> list[Unit]:
    """The units that these are, or are parts of, each once."""
    found = {id(whole): whole for whole in (unit.whole or unit for unit in units)}
    return list(found.values())


def split_loss(
    rows: Sequence[Row], outputs: Sequence[np.ndarray], loss: Loss
) -> tuple[float, list[torch.Tensor]]:
    """The summed loss of the units that `rows` hold in parts, and its gradient with respect to each row's
    `outputs` (L, H, C)."""
    if not rows:
        return 0.0, []
    flat = torch.from_numpy(np.concatenate(outputs)).requires_grad_()
    parts = [unit for row in rows for unit in row.units]
    place: dict[int, np.ndarray] = {}
    wholes = []
    for unit, start in zip(parts, label_starts(parts), strict=True):
        if unit.whole is None or unit.labels is None:
            continue
        if id(unit.whole) not in place:
            place[id(unit.whole)] = np.empty(len(unit.whole.at), np.int64)
            wholes.append(unit.whole)
        place[id(unit.whole)][unit.labels] = start + np.arange(len(unit.labels))
    at = torch.from_numpy(np.concatenate([place[id(whole)] for whole in wholes]))
    items = join_items(zip((whole.items for whole in wholes), label_starts(wholes), strict=True))
    total = loss(flat[at], items.to(flat.device))
    total.backward()
    assert flat.grad is not None
    return total.item(), list(flat.grad.split([len(row.index) for row in rows]))

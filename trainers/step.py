"""The gradient of one optimiser step, from rows that each go forward and back by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .distributed import Ranks, forward_shared
from .losses import Loss
from .losses.language import language_edges, language_weight
from .network import Network
from .pack import Row
from .split import is_split, split_loss, whole_units


def backward(
    network: Network,
    rows: Sequence[Row],
    loss: Loss,
    lm_coef: float,
    among: Ranks,
    start_pass: Callable[[], None] = lambda: None,
) -> Tensor:
    """Adds to the gradients those of the loss of all `rows`, this process doing its share of them; returns
    this process's part of the loss, float64. `start_pass` is called before each pass over the rows; random
    draws must be the same after each call.

    loss = Σ items / Σ weights + lm_coef · Σ next-token losses / their number, with sums over the step."""
    cut, plain = [row for row in rows if is_split(row)], [row for row in rows if not is_split(row)]
    units = whole_units(unit for row in rows for unit in row.units)
    total = float(sum(unit.items.weight.sum(dtype=float) for unit in units))
    predictions = language_weight(units) if lm_coef else 0
    device = network.model.device
    start_pass()
    cut_loss, slopes = split_loss(cut, forward_shared(network, cut, among), loss)
    parts = [torch.tensor(cut_loss / total if among.main else 0.0, dtype=torch.float64, device=device)]
    slope_of = {id(row): slope for row, slope in zip(cut, slopes, strict=True)}
    start_pass()
    for row in [*among.share(cut), *among.share(plain)]:
        outputs, language = network(row, language_edges(row) if predictions else None)
        value = loss(outputs, row.items.to(device)) / total
        if language is not None:
            value = value + lm_coef * language / predictions
        parts.append(value.detach().double())
        if id(row) in slope_of:
            value = value + (outputs * slope_of[id(row)].to(device)).sum() / total
        value.backward()
    return torch.stack(parts).sum()

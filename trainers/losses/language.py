"""The joint objective of a verifier that goes on modelling language (Cobbe et al. 2021, arXiv 2110.14168):

    Σ over right completions, Σ over their tokens t of  -log softmax(lm_head(hidden before t))[t]

In a packed tree a token stands once however many completions go through it, and so does the prediction of it:
an edge from its parent, counted once for each right completion on it. Only parents of such edges pass the
language-model head, in chunks whose logits are computed again in the backward pass, so no more than one
chunk's logits exist at a time: over 150,000 words those of a row of 16,384 tokens would take 10 GB."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..pack import Row
from ..units import Unit

CHUNK = 512  # edges; enough for a matrix product at full speed, and 0.3 GB of float32 logits at 150,000 words


@dataclass(frozen=True)
class Edges:
    """Next-token predictions of a row, all (E,): from the hidden state at `source` to `token`, made by
    `weight` completions. Numpy arrays, or torch tensors after `to`."""

    source: Any
    token: Any
    weight: Any

    def to(self, device: torch.device) -> Edges:
        return Edges(*(torch.from_numpy(a).to(device) for a in (self.source, self.token, self.weight)))


def language_edges(row: Row) -> Edges:
    """The predictions of the completion and closing tokens of the row's right completions."""
    parent, weight = np.zeros(len(row), np.int64), np.zeros(len(row), np.float32)
    units = [unit for unit in row.units for _ in unit.paths]
    for unit, (at, _) in zip(units, row.paths, strict=False):  # a filler path behind them belongs to no unit
        if _is_right(unit):
            parent[at[unit.n_prompt :]] = at[unit.n_prompt - 1 : -1]
            weight[at[unit.n_prompt :]] += 1
    child = np.flatnonzero(weight)
    return Edges(parent[child], row.tokens[child], weight[child])


def language_weight(units: Iterable[Unit]) -> int:
    """How many tokens the units' right completions have: the denominator of their language_loss."""
    return sum(len(path) - unit.n_prompt for unit in units if _is_right(unit) for path in unit.paths)


def _is_right(unit: Unit) -> bool:
    """All items of an outcome unit have the label of its solution."""
    return bool(unit.items.target[0, 0] > 0.5)


def language_loss(hidden: Tensor, edges: Edges, lm_head: Callable[[Tensor], Tensor]) -> Tensor:
    """The weighted sum of the edges' cross-entropies; `hidden` (T, D), `lm_head` (n, D) → (n, V). A row
    without edges costs 0 and takes part in the backward pass like any other."""
    parts = [
        checkpoint(
            _chunk_loss,
            hidden.index_select(0, source),
            token,
            weight,
            lm_head,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for source, token, weight in zip(
            *(a.split(CHUNK) for a in (edges.source, edges.token, edges.weight)), strict=True
        )
    ]
    return torch.stack(parts).sum()


def _chunk_loss(hidden: Tensor, token: Tensor, weight: Tensor, lm_head: Callable[[Tensor], Tensor]) -> Tensor:
    cost = F.cross_entropy(lm_head(hidden).float(), token, reduction="none")
    return (cost * weight).sum()  # a dot product would be rounded to bfloat16 under autocast

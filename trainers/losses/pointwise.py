"""Losses of single labels.

binary   -[ p log σ(r) + (1 - p) log σ(-r) ],  p = P(correct)
         (Cobbe et al. 2021, arXiv 2110.14168; soft p: Math-Shepherd, arXiv 2312.08935, eq. 3)

From logits, never from log(σ + ε)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ..items import Items


def binary_loss(outputs: Tensor, items: Items) -> Tensor:
    """`outputs` (L, H, 1); `items.target` (N, 1)."""
    z = outputs[items.member[:, 0], :, 0]  # (N, H)
    cost = F.binary_cross_entropy_with_logits(z, items.target.expand_as(z), reduction="none")
    return (items.weight[:, None] * cost).sum() / z.shape[1]

"""Losses of single labels.

binary      -[ p log σ(r) + (1 - p) log σ(-r) ],  p = P(correct)
            (Cobbe et al. 2021, arXiv 2110.14168; soft p: Math-Shepherd, arXiv 2312.08935, eq. 3)
class       -Σ_c p_c log softmax(r)_c,  p over bad, neutral, good (Lightman et al. 2023, arXiv 2305.20050)
attribute   mean over the attributes with a value of (r_a - y_a)²  (HelpSteer2, arXiv 2406.08673)

An item's weight in the last one is the number of its values, so that over a step the loss is the mean over
values. From logits, never from log(σ + ε)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..items import Items


def binary_loss(outputs: Tensor, items: Items) -> Tensor:
    """`outputs` (L, H, 1); `items.target` (N, 1)."""
    z = outputs[items.member[:, 0], :, 0]  # (N, H)
    return items.summed(F.binary_cross_entropy_with_logits(z, items.target.expand_as(z), reduction="none"))


def class_loss(outputs: Tensor, items: Items) -> Tensor:
    """`outputs` (L, H, C); `items.target` (N, C), each row summing to 1."""
    z = outputs[items.member[:, 0]]  # (N, H, C)
    return items.summed(-(items.target[:, None] * z.log_softmax(-1)).sum(-1))


def attribute_loss(outputs: Tensor, items: Items) -> Tensor:
    """`outputs` (L, H, A); `items.target` (N, A), NaN where missing, at least one value in each row."""
    z = outputs[items.member[:, 0]]  # (N, H, A)
    target = items.target[:, None]
    present = ~target.isnan()
    # Masked by the target: an output that is not a number must reach the loss, not pass for a missing value.
    error = torch.where(present, z - target.nan_to_num(), 0)
    return items.summed(error.square().sum(-1) / present.sum(-1))

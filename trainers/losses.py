"""Losses on the logits of labelled positions; each returns the weighted SUM, to be divided once per optimiser
step.

    bt        -[ s log σ(z) + (1 - s) log σ(-z) ],  z = r_chosen - r_rejected - margin,  s = P(chosen better)
              (Bradley & Terry 1952; margin: Llama 2, arXiv 2307.09288, eq. 2)
    orm, prm  -[ p log σ(r) + (1 - p) log σ(-r) ],  p = P(correct)
              (Cobbe et al. 2021, arXiv 2110.14168; soft p: Math-Shepherd, arXiv 2312.08935, eq. 3)

Both are computed from logits, never from log(σ + ε), and in float32. The caller divides by the total weight
over all rows of the step: a mean of row means would weigh comparisons by the company they keep."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from .config import Objective

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def bt_loss(logits: Tensor, target: Tensor, weight: Tensor, margin: Tensor) -> Tensor:
    """`logits` (2n,) chosen and rejected in turn; the others (n,)."""
    z = logits[0::2] - logits[1::2] - margin
    return (weight * F.binary_cross_entropy_with_logits(z, target, reduction="none")).sum()


def bce_loss(logits: Tensor, target: Tensor, weight: Tensor, margin: Tensor) -> Tensor:
    """Binary cross-entropy of each labelled position; `margin` has no meaning here."""
    return (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()


LOSSES: dict[Objective, Loss] = {"bt": bt_loss, "orm": bce_loss, "prm": bce_loss}

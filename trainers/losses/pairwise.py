"""Bradley-Terry:

    -[ s log σ(z) + (1 - s) log σ(-z) ],  z = r_chosen - r_rejected - margin,  s = P(chosen better)

(Bradley & Terry 1952; margin: Llama 2, arXiv 2307.09288, eq. 2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ..items import Items


def pairwise_loss(outputs: Tensor, items: Items) -> Tensor:
    """`outputs` (L, H, 1); `items.member` (N, 2), the better one first."""
    better, worse = (outputs[items.member[:, side], :, 0] for side in (0, 1))  # (N, H)
    z = better - worse - items.margin[:, None]
    cost = F.binary_cross_entropy_with_logits(z, items.target.expand_as(z), reduction="none")
    return (items.weight[:, None] * cost).sum() / z.shape[1]

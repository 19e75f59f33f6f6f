"""Bradley-Terry:

    -[ p log σ(z) + (1 - p) log σ(-z) ],  z = r_chosen - r_rejected - margin
    p = s (1 - ε) + (1 - s) ε,            s = P(chosen better), one half for a tie

(Bradley & Terry 1952; margin: Llama 2, arXiv 2307.09288, eq. 2). ε is the label smoothing, the share of
preferences taken to be the wrong way round, as in conservative DPO (Mitchell 2023): the loss is least at
log-odds log((1 - ε) / ε) rather than at infinity."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ..items import Items
from .centering import off_centre


def pairwise_loss(
    outputs: Tensor, items: Items, label_smoothing: float = 0.0, centering: float = 0.0
) -> Tensor:
    """`outputs` (L, H, 1); `items.member` (N, 2), the better one first; `items.target` (N, 1) = s."""
    rewards = outputs[items.member, :, 0]  # (N, 2, H)
    z = rewards[:, 0] - rewards[:, -1] - items.margin[:, None]
    share = items.target * (1 - 2 * label_smoothing) + label_smoothing
    cost = F.binary_cross_entropy_with_logits(z, share.expand_as(z), reduction="none")
    if centering:
        cost = cost + centering * off_centre(rewards, items.member)
    return items.summed(cost)

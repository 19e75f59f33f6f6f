"""Plackett-Luce: the negative log-probability of a whole ranking, drawn best first without replacement:

    Σ_i [ log Σ_{j : rank_j >= rank_i} exp(r_j) - r_i ]

(Plackett 1975; as a ranking loss: ListMLE, Xia et al. 2008). For two members without a tie it is
Bradley-Terry. Ties follow Breslow (1974), whose partial likelihood for survival times has the same form: each
of a group of equals is drawn from all that are not better than the group, the equals themselves included.
That draws their rewards together; two tied members alone cost twice what Bradley-Terry takes for a preference
of one half. The cost of a ranking grows with its length, as log-probabilities of orders do."""

from __future__ import annotations

import torch
from torch import Tensor

from ..items import Items
from .centering import off_centre


def order_loss(outputs: Tensor, items: Items, centering: float = 0.0) -> Tensor:
    """`outputs` (L, H, 1); `items.member` (N, K) best first, -1 behind the last; `items.target` (N, K) are
    ascending ranks, equal for ties, NaN behind the last."""
    rewards = outputs[items.member, :, 0]  # (N, K, H)
    # What stands behind the last is another label's output, which must not matter even where it is NaN.
    rewards = rewards.masked_fill((items.member < 0)[:, :, None], 0)
    rank = items.target
    itself = torch.eye(rank.shape[1], dtype=torch.bool, device=rank.device)
    # NaN compares false: a filler has no rival but itself, so it costs log exp(r) - r = 0, and is nobody's.
    rivals = (rank[:, None, :] >= rank[:, :, None]) | itself  # (N, i, j)
    r = rewards.transpose(1, 2)  # (N, H, K)
    among = r[:, :, None, :].masked_fill(~rivals[:, None], -torch.inf).logsumexp(-1)
    cost = (among - r).sum(-1)
    if centering:
        cost = cost + centering * off_centre(rewards, items.member)
    return items.summed(cost)

"""How far a comparison's rewards lie from 0, which preferences alone leave open:

    mean over the pairs i < j of an item's members of  (r_i + r_j)²

For a pair that is (r_chosen + r_rejected)² (Eisenstein et al. 2023, arXiv 2312.09244, as in TRL). For K
members the sum over all their pairs is (K - 2) Σ r² + (Σ r)²."""

from __future__ import annotations

from torch import Tensor


def off_centre(rewards: Tensor, member: Tensor) -> Tensor:
    """`rewards` (N, M, H) of `member` (N, M), -1 where there is none, at least two in each row → (N, H)."""
    real = member >= 0
    r = rewards * real[:, :, None]
    k = real.sum(1, keepdim=True)
    return ((k - 2) * r.square().sum(1) + r.sum(1).square()) / (k * (k - 1) / 2)

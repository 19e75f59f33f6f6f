"""Losses against closed forms written out independently of torch."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.losses import bce_loss, bt_loss

LOGIT = st.floats(-20, 20)
SHARE = st.floats(0, 1)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


@given(st.lists(st.tuples(LOGIT, LOGIT, SHARE, SHARE, st.floats(0, 3)), min_size=1, max_size=6))
def test_bt_is_the_weighted_soft_cross_entropy_of_reward_differences(
    pairs: list[tuple[float, float, float, float, float]],
) -> None:
    wanted = sum(
        -w * (s * log_sigmoid(c - r - m) + (1 - s) * log_sigmoid(m + r - c)) for c, r, s, w, m in pairs
    )
    logits = torch.tensor([x for c, r, *_ in pairs for x in (c, r)], dtype=torch.float64)
    soft, weight, margin = (torch.tensor([p[i] for p in pairs], dtype=torch.float64) for i in (2, 3, 4))
    assert math.isclose(bt_loss(logits, soft, weight, margin).item(), wanted, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.tuples(LOGIT, SHARE, SHARE), min_size=1, max_size=6))
def test_bce_is_the_weighted_cross_entropy_of_each_label(labels: list[tuple[float, float, float]]) -> None:
    wanted = sum(-w * (p * log_sigmoid(x) + (1 - p) * log_sigmoid(-x)) for x, p, w in labels)
    logits, target, weight = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*labels, strict=True)
    )
    found = bce_loss(logits, target, weight, torch.zeros_like(target)).item()
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def test_a_pair_of_equal_rewards_costs_ln_2() -> None:
    one = torch.ones(1)
    assert math.isclose(
        bt_loss(torch.tensor([3.0, 3.0]), one, one, 0 * one).item(), math.log(2), rel_tol=1e-6
    )


def test_extreme_logits_give_a_finite_gradient() -> None:
    logits = torch.tensor([-200.0, 200.0], requires_grad=True)
    one = torch.ones(1)
    bt_loss(logits, one, one, 0 * one).backward()
    assert logits.grad.tolist() == [-1.0, 1.0]

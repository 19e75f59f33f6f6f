"""Losses against closed forms written out independently of torch."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.items import Items, make_items
from trainers.losses.pairwise import pairwise_loss
from trainers.losses.pointwise import binary_loss

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
    outputs = torch.tensor([x for c, r, *_ in pairs for x in (c, r)], dtype=torch.float64)
    soft, weight, margin = (torch.tensor([p[i] for p in pairs], dtype=torch.float64) for i in (2, 3, 4))
    items = Items(torch.arange(len(outputs)).view(-1, 2), soft[:, None], weight, margin)
    found = pairwise_loss(outputs[:, None, None], items).item()
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.tuples(LOGIT, SHARE, SHARE), min_size=1, max_size=6))
def test_bce_is_the_weighted_cross_entropy_of_each_label(labels: list[tuple[float, float, float]]) -> None:
    wanted = sum(-w * (p * log_sigmoid(x) + (1 - p) * log_sigmoid(-x)) for x, p, w in labels)
    logits, target, weight = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*labels, strict=True)
    )
    items = Items(torch.arange(len(labels))[:, None], target[:, None], weight, torch.zeros_like(weight))
    found = binary_loss(logits[:, None, None], items).item()
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


PAIR = make_items([[0, 1]], [1])


def test_a_pair_of_equal_rewards_costs_ln_2() -> None:
    loss = pairwise_loss(torch.full((2, 1, 1), 3.0), PAIR.to(torch.device("cpu")))
    assert math.isclose(loss.item(), math.log(2), rel_tol=1e-6)


def test_extreme_logits_give_a_finite_gradient() -> None:
    outputs = torch.tensor([-200.0, 200.0]).view(2, 1, 1).requires_grad_()
    pairwise_loss(outputs, PAIR.to(torch.device("cpu"))).backward()
    assert outputs.grad.flatten().tolist() == [-1.0, 1.0]

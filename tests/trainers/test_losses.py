"""Losses against closed forms written out independently of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainers.config import TrainConfig
from trainers.items import Items, join_items, make_items
from trainers.losses import choose_loss
from trainers.losses.listwise import order_loss
from trainers.losses.pairwise import pairwise_loss
from trainers.losses.pointwise import attribute_loss, binary_loss, class_loss

CPU = torch.device("cpu")
LOGIT = st.floats(-20, 20)
SHARE = st.floats(0, 1)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def one_head(rewards: list[float]) -> Tensor:
    return torch.tensor(rewards, dtype=torch.float64).view(-1, 1, 1)


def double(items: Items) -> Items:
    """As tensors of double precision."""
    moved = (torch.tensor(getattr(items, f.name)) for f in fields(items))
    return Items(*(t.double() if t.is_floating_point() else t for t in moved))


def cost(loss: Callable[[Tensor, Items], Tensor], rewards: list[float], items: Items) -> float:
    return loss(one_head(rewards), double(items)).item()


@given(
    st.lists(st.tuples(LOGIT, LOGIT, SHARE, SHARE, st.floats(0, 3)), min_size=1, max_size=6),
    st.floats(0, 0.49),
    st.floats(0, 1),
)
def test_bt_is_the_weighted_soft_cross_entropy_of_reward_differences(
    pairs: list[tuple[float, float, float, float, float]], smoothing: float, centering: float
) -> None:
    wanted = 0.0
    for c, r, s, w, m in pairs:
        p = (1 - smoothing) * s + smoothing * (1 - s)
        z = c - r - m
        wanted += w * (-p * log_sigmoid(z) - (1 - p) * log_sigmoid(-z) + centering * (c + r) ** 2)
    soft, weight, margin = (torch.tensor([p[i] for p in pairs], dtype=torch.float64) for i in (2, 3, 4))
    ones = torch.ones(len(pairs), 1, dtype=torch.float64)
    items = Items(torch.arange(2 * len(pairs)).view(-1, 2), soft[:, None], weight, margin, ones)
    outputs = one_head([x for c, r, *_ in pairs for x in (c, r)])
    found = pairwise_loss(outputs, items, smoothing, centering).item()
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.tuples(LOGIT, SHARE, SHARE), min_size=1, max_size=6))
def test_bce_is_the_weighted_cross_entropy_of_each_label(labels: list[tuple[float, float, float]]) -> None:
    wanted = sum(-w * (p * log_sigmoid(x) + (1 - p) * log_sigmoid(-x)) for x, p, w in labels)
    logits, target, weight = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*labels, strict=True)
    )
    zero, one = torch.zeros_like(weight), torch.ones(len(labels), 1, dtype=torch.float64)
    items = Items(torch.arange(len(labels))[:, None], target[:, None], weight, zero, one)
    found = binary_loss(logits[:, None, None], items).item()
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


PAIR = make_items([[0, 1]], [1])


def test_a_pair_of_equal_rewards_costs_ln_2() -> None:
    assert math.isclose(cost(pairwise_loss, [3, 3], PAIR), math.log(2))


def test_extreme_logits_give_a_finite_gradient() -> None:
    outputs = torch.tensor([-200.0, 200.0]).view(2, 1, 1).requires_grad_()
    pairwise_loss(outputs, PAIR.to(CPU)).backward()
    assert outputs.grad.flatten().tolist() == [-1.0, 1.0]


def test_a_smoothed_pair_is_content_with_the_log_odds_of_its_label() -> None:
    # At z = log(0.9 / 0.1) the model says 0.9, which is what a preference that is wrong once in ten deserves.
    outputs = one_head([math.log(9), 0]).requires_grad_()
    pairwise_loss(outputs, double(PAIR), label_smoothing=0.1).backward()
    assert torch.allclose(outputs.grad, torch.zeros(()).double(), atol=1e-9)


def test_a_tie_pulls_its_rewards_together_whatever_the_smoothing() -> None:
    for smoothing in (0, 0.3):
        outputs = torch.tensor([2.0, 0.0]).view(2, 1, 1).requires_grad_()
        pairwise_loss(outputs, make_items([[0, 1]], [0.5]).to(CPU), smoothing).backward()
        assert outputs.grad[0].item() == -outputs.grad[1].item() > 0


ORDER = st.lists(st.tuples(st.floats(-8, 8), st.integers(0, 3)), min_size=2, max_size=6)


def ordered(scored: list[tuple[float, int]]) -> tuple[list[float], Items]:
    """Rewards and the ranking of them, best (lowest rank) first."""
    best_first = sorted(range(len(scored)), key=lambda i: scored[i][1])
    return [r for r, _ in scored], make_items([best_first], [[scored[i][1] for i in best_first]])


@given(ORDER)
def test_an_order_costs_what_drawing_it_stage_by_stage_does(scored: list[tuple[float, int]]) -> None:
    wanted = 0.0
    for reward, rank in scored:  # each is drawn from all that are not better than it
        wanted += math.log(sum(math.exp(r) for r, other in scored if other >= rank)) - reward
    rewards, items = ordered(scored)
    assert math.isclose(cost(order_loss, rewards, items), wanted, rel_tol=1e-6, abs_tol=1e-6)


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=4))
@settings(max_examples=20)
def test_the_probabilities_of_all_orders_sum_to_one(rewards: list[float]) -> None:
    ranks = list(range(len(rewards)))
    total = sum(
        math.exp(-cost(order_loss, rewards, make_items([list(order)], [ranks])))
        for order in permutations(ranks)
    )
    assert math.isclose(total, 1, rel_tol=1e-9)


@given(LOGIT, LOGIT, st.floats(0, 1))
def test_an_order_of_two_is_a_pair(better: float, worse: float, centering: float) -> None:
    pair = pairwise_loss(one_head([better, worse]), double(PAIR), centering=centering).item()
    items = make_items([[0, 1]], [[0, 1]])
    order = order_loss(one_head([better, worse]), double(items), centering=centering).item()
    assert math.isclose(order, pair, rel_tol=1e-9, abs_tol=1e-9)


def test_two_tied_members_cost_twice_a_preference_of_one_half() -> None:
    tie = cost(order_loss, [1.5, -0.5], make_items([[0, 1]], [[0, 0]]))
    assert math.isclose(tie, 2 * cost(pairwise_loss, [1.5, -0.5], make_items([[0, 1]], [0.5])))


@given(ORDER, ORDER)
def test_short_orders_beside_long_ones_cost_the_same_and_fillers_feel_nothing(
    first: list[tuple[float, int]], second: list[tuple[float, int]]
) -> None:
    (a, a_items), (b, b_items) = ordered(first), ordered(second)
    # The label in front belongs to no item: fillers point at it, and it must not be pushed anywhere.
    joined = double(join_items([(a_items, 1), (b_items, 1 + len(a))]))
    outputs = one_head([50.0, *a, *b]).requires_grad_()
    found = order_loss(outputs, joined, centering=0.1)
    alone = [
        order_loss(one_head(r), double(i), centering=0.1).item() for r, i in ((a, a_items), (b, b_items))
    ]
    assert math.isclose(found.item(), sum(alone), rel_tol=1e-9, abs_tol=1e-9)
    found.backward()
    assert outputs.grad[0].item() == 0 and outputs.grad.isfinite().all()


def test_a_label_that_is_not_a_number_is_the_matter_of_its_own_item() -> None:
    short, long = make_items([[0, 1]], [[0, 1]]), make_items([[0, 1, 2]], [[0, 1, 2]])
    joined = join_items([(short, 0), (long, 2)])  # a filler of the short one points at the last label
    first = Items(*(getattr(joined, f.name)[:1] for f in fields(joined)))
    rewards = [1.0, 2.0, 3.0, 4.0, math.nan]
    assert cost(partial(order_loss, centering=1.0), rewards, first) == pytest.approx(
        cost(partial(order_loss, centering=1.0), rewards[:2], short)
    )


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6))
def test_an_order_is_centred_as_all_its_pairs_are(rewards: list[float]) -> None:
    ranks = list(range(len(rewards)))
    items = double(make_items([ranks], [ranks]))
    outputs = one_head(rewards)
    found = (order_loss(outputs, items, centering=1.0) - order_loss(outputs, items)).item()
    squares = [(a + b) ** 2 for a, b in combinations(rewards, 2)]
    assert math.isclose(found, sum(squares) / len(squares), rel_tol=1e-6, abs_tol=1e-6)


CLASSES = st.tuples(st.tuples(LOGIT, LOGIT, LOGIT), st.tuples(SHARE, SHARE, SHARE), SHARE)


@given(st.lists(CLASSES, min_size=1, max_size=4))
def test_classes_cost_the_weighted_soft_cross_entropy(rows: list[Any]) -> None:
    wanted = 0.0
    for logits, target, weight in rows:
        log_sum = math.log(sum(math.exp(x) for x in logits))
        wanted += weight * sum(p * (log_sum - x) for x, p in zip(logits, target, strict=True))
    outputs = torch.tensor([row[0] for row in rows], dtype=torch.float64)[:, None]
    items = make_items(range(len(rows)), [row[1] for row in rows], [row[2] for row in rows])
    assert math.isclose(class_loss(outputs, double(items)).item(), wanted, rel_tol=1e-6, abs_tol=1e-6)


MISSING = float("nan")


def test_attributes_cost_the_mean_over_the_values_that_are_there() -> None:
    target = [[1.0, MISSING, 3.0], [MISSING, 0.0, MISSING]]
    items = double(make_items([0, 1], target, np.isfinite(target).sum(1)))
    outputs = torch.tensor([[1.5, 9, 1], [7, 2, 7]], dtype=torch.float64)[:, None].requires_grad_()
    # (1.5 - 1)² + (1 - 3)² + (2 - 0)² = 8.25 over three values
    loss = attribute_loss(outputs, items) / items.weight.sum()
    assert math.isclose(loss.item(), 8.25 / 3)
    loss.backward()
    wanted = torch.tensor([[1 / 3, 0, -4 / 3], [0, 4 / 3, 0]], dtype=torch.float64)
    assert torch.allclose(outputs.grad[:, 0], wanted)


def test_an_output_that_is_no_number_is_not_taken_for_a_missing_value() -> None:
    items = make_items([0], [[1.0, MISSING]]).to(CPU)
    assert attribute_loss(torch.tensor([[[0.5, MISSING]]]), items).isfinite()
    assert attribute_loss(torch.tensor([[[MISSING, 0.5]]]), items).isnan()


LOSSES = {
    "pairs": TrainConfig(objective="bt", model="", data=["x"], output="x", centering=0.1),
    "order": TrainConfig(
        objective="bt", model="", data=["x"], output="x", centering=0.1, loss="plackett-luce"
    ),
    "binary": TrainConfig(objective="orm", model="", data=["x"], output="x"),
    "classes": TrainConfig(objective="prm", model="", data=["x"], output="x", prm_target="ratings"),
    "attributes": TrainConfig(objective="regression", model="", data=["x"], output="x", attributes=["a"]),
}


def some_items(name: str, rng: np.random.Generator, n: int) -> tuple[int, Items]:
    """Random items of a loss, and over how many labels."""
    weight = rng.uniform(0.5, 2, n)
    if name == "pairs":
        return 2 * n, make_items(np.arange(2 * n).reshape(n, 2), rng.uniform(size=n), weight, 0.3)
    if name == "order":
        return 4 * n, make_items(np.arange(4 * n).reshape(n, 4), [[0, 1, 1, 2]] * n, weight)
    width = {"binary": 1, "classes": 3, "attributes": 2}[name]
    return n, make_items(np.arange(n), rng.dirichlet([1.0] * (width + 1), n)[:, :width], weight)


WIDTH = {"classes": 3, "attributes": 2}


@pytest.mark.parametrize("name", LOSSES)
def test_a_head_feels_its_bootstrap_sample_and_heads_are_averaged(name: str) -> None:
    rng = np.random.default_rng(0)
    loss, (n_labels, items) = choose_loss(LOSSES[name]), some_items(name, rng, 3)
    outputs = torch.from_numpy(rng.normal(size=(n_labels, 2, WIDTH.get(name, 1))))
    copies = np.array([[2, 0], [0, 1], [1, 3]])
    resampled = replace(items, copies=copies.astype(np.float32))
    heads = 0.0
    for h in range(2):
        at = np.repeat(np.arange(3), copies[:, h])  # the sample written out
        sample = make_items(items.member[at], items.target[at], items.weight[at], items.margin[at])
        heads += loss(outputs[:, h : h + 1], double(sample)).item()
    assert math.isclose(loss(outputs, double(resampled)).item(), heads / 2, rel_tol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_sum_over_its_items_however_they_fell_into_rows(name: str) -> None:
    rng = np.random.default_rng(1)
    loss, parts = choose_loss(LOSSES[name]), []
    for n in (1, 3):
        n_labels, items = some_items(name, rng, n)
        parts.append((n_labels, replace(items, copies=rng.poisson(1, (n, 2)).astype(np.float32))))
    outputs = [torch.from_numpy(rng.normal(size=(n, 2, WIDTH.get(name, 1)))) for n, _ in parts]
    joined = join_items(zip((items for _, items in parts), (0, parts[0][0]), strict=True))
    apart = sum(loss(o, double(items)).item() for o, (_, items) in zip(outputs, parts, strict=True))
    assert math.isclose(loss(torch.cat(outputs), double(joined)).item(), apart, rel_tol=1e-9)


@pytest.mark.parametrize("n_labels", [0, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_a_row_without_items_costs_nothing_and_still_goes_backward(name: str, n_labels: int) -> None:
    outputs = torch.ones(n_labels, 2, WIDTH.get(name, 1), requires_grad=True)
    loss = choose_loss(LOSSES[name])(outputs, make_items([], []).to(CPU))
    loss.backward()
    assert loss.item() == 0 and (outputs.grad == 0).all()

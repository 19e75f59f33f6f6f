"""What is measured on held-out rows: hand-counted sets, and agreement with what `trainers.score` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import sum_rows, write_rows

from trainers import Item, TrainConfig
from trainers.evaluate import better, evaluate, head_moments, measure
from trainers.heads import RATINGS, Head
from trainers.items import Items, join_items, make_items
from trainers.loading import open_base
from trainers.losses import choose_loss
from trainers.measures import Judged, Metrics, measures_of
from trainers.plan import make_plan
from trainers.score import score_with
from trainers.units import Unit

CPU = torch.device("cpu")
REWARD, BINARY = Head("reward", ("reward",), False), Head("binary", ("incorrect", "correct"), True)


def unit(prompt: str, paths: Sequence[Sequence[int]], items: Items) -> Unit:
    """One label a path, or all labels on the only one."""
    arrays = tuple(np.array(path, np.int32) for path in paths)
    n = len(paths) if len(paths) > 1 else int(items.member.max()) + 1
    path = np.arange(n) if len(paths) > 1 else np.zeros(n, np.int64)
    return Unit("", prompt, arrays, path, np.zeros(n, np.int64), items)


def judged(units: list[Unit], reward: Sequence[float], outputs: Any = None) -> Judged:
    starts = np.cumsum([0, *(len(u.at) for u in units)])[:-1].tolist()
    items = join_items(zip((u.items for u in units), starts, strict=True))
    rewards = np.array(reward, float)
    return Judged(units, items, starts, rewards[:, None, None] if outputs is None else outputs, rewards)


def compared(units: list[Unit], reward: Sequence[float]) -> Metrics:
    return measures_of(REWARD, "bt")(judged(units, reward))


def test_pairs_of_even_odds_are_no_part_of_accuracy() -> None:
    # Targets of the reward gaps: 1 and .9 right, .2 right (the second side is preferred), 1 wrong; .5 twice.
    gaps, targets = [1.0, 2, -1, -1, 3, -3], [1, 0.9, 0.2, 1, 0.5, 0.5]
    units = [unit("p", [[i, 0], [i, 1]], make_items([[0, 1]], [t])) for i, t in enumerate(targets)]
    found = compared(units, [r for gap in gaps for r in (gap, 0.0)])
    assert found["accuracy"] == 3 / 4 and found["items"] == 4
    assert found["margin_p50"] == 1.0  # margins toward the preferred side: 1, 2, 1, -1
    assert compared(units[4:], [3.0, 0, -3, 0])["accuracy"] is None


def test_all_pairs_of_a_ranking_and_its_order_are_measured_alike() -> None:
    # Rewards of a ranking best first: 3, 5, 1 (one of three pairs wrong), and a second one with a tie, 2 = 1.
    pairs = [
        unit("p", [[0], [1], [2]], make_items([[0, 1], [0, 2], [1, 2]], [1.0] * 3, 1 / 3)),
        unit("q", [[0], [1], [2]], make_items([[0, 1], [0, 2], [1, 2]], [1.0, 1.0, 0.5], 1 / 3)),
    ]
    orders = [
        unit("p", [[0], [1], [2]], make_items([[0, 1, 2]], [[0.0, 1, 2]])),
        unit("q", [[0], [1], [2]], make_items([[0, 1, 2]], [[0.0, 1, 1]])),
        unit("r", [[0], [1]], make_items([[0, 1]], [[0.0, 1]])),
    ]
    reward = [3.0, 5, 1, 2, 2, 1]
    found = compared(pairs, reward)
    # p: 2 of 3; q: a tie (half) and a right one of the two decided pairs; all with the same weight
    assert found["accuracy"] == pytest.approx((2 + 1.5) / 5)
    assert found["tie_rate"] == 1 / 5
    assert found == compared(orders[:2], reward)
    # r is a pair: it weighs 1, three times as much as each pair of p and q.
    assert compared(orders, [*reward, 1.0, 0.0])["accuracy"] == pytest.approx((3.5 / 3 + 1) / (5 / 3 + 1))


def test_top1_of_pairs_joins_the_pairs_of_a_prompt() -> None:
    # Answer 1 beats 2, 2 beats 3: only 1 is unbeaten. Its reward is above 2's, but 3 is the highest.
    chain = [
        unit("p", [[1], [2]], make_items([[0, 1]], [1.0])),
        unit("p", [[2], [3]], make_items([[0, 1]], [1.0])),
    ]
    found = compared(chain, [2.0, 1, 1, 3])
    assert found["accuracy"] == 0.5 and found["top1"] == 0.0
    assert compared(chain, [4.0, 1, 1, 3])["top1"] == 1.0
    assert compared(chain, [3.0, 1, 1, 3])["top1"] == 0.5  # 1 and 3 share the first place


def test_outcomes_are_ranked_within_their_prompts() -> None:
    units = [unit("p", [[i]], make_items([0], [label])) for i, label in enumerate([1.0, 0.0, 0.0])]
    found = measures_of(Head("reward", ("reward",), False), "orm")(judged(units, [0.8, 0.9, 0.1]))
    assert (found["top1"], found["auroc"], found["auroc_within_prompt"]) == (0.0, 0.5, 0.5)
    assert found["accuracy"] == 2 / 3 and found["positive_rate"] == 1 / 3
    assert found["brier"] == pytest.approx((0.04 + 0.81 + 0.01) / 3)


def test_first_errors_are_found_solution_by_solution() -> None:
    # The second solution's first error is its second step. Between .4 and .6 both are judged rightly.
    units = [
        unit("p", [[0]], make_items([0, 1], [1.0, 1])),
        unit("p", [[1]], make_items([0, 1, 2], [1.0, 0, 1])),
    ]
    found = measures_of(BINARY, "prm")(judged(units, [0.9, 0.6, 0.8, 0.4, 0.1]))
    assert found["first_error_f1"] == 1.0
    assert found["first_error_threshold"] == pytest.approx(0.5)


def test_each_class_of_rated_steps_is_counted() -> None:
    # True classes bad, bad, neutral, good; said: bad, good, neutral, neutral.
    target = np.eye(3)[[0, 0, 1, 2]]
    logits = 9.0 * np.eye(3, dtype=np.float32)[[0, 2, 1, 1]][:, None, :]
    units = [unit("p", [[0]], make_items(np.arange(4), target))]
    found = measures_of(Head("classes", RATINGS, True), "prm")(judged(units, [0, 1, 0.5, 0.5], logits))
    assert [found[f"accuracy_{name}"] for name in RATINGS] == [0.5, 1.0, 0.0]
    assert found["accuracy"] == 0.5
    assert found["brier"] == pytest.approx((0 + 2 + 0 + 2) / 4, abs=1e-2)


def test_attributes_count_only_where_they_are_known() -> None:
    nan = float("nan")
    units = [
        unit("p", [[i]], make_items([0], [values]))
        for i, values in enumerate([[1.0, 0], [2.0, nan], [3.0, nan]])
    ]
    outputs = np.array([[1.0, 3], [2, 0], [5, 0]], np.float32)[:, None, :]
    found = measures_of(Head("attributes", ("help", "tone"), False), "regression")(
        judged(units, [1, 2, 5], outputs)
    )
    assert found["mse_help"] == pytest.approx(4 / 3) and found["mse_tone"] == 9.0
    assert found["mse"] == pytest.approx((4 / 3 + 9) / 2)
    assert found["pearson_tone"] is None  # one value has no correlation
    assert found["pearson_help"] == pytest.approx(np.corrcoef([1, 2, 5], [1, 2, 3])[0, 1])
    assert found["pearson"] == found["pearson_help"] / 2  # the other attribute counts 0


def test_the_better_evaluation_has_the_higher_ranking_metric_then_the_lower_loss() -> None:
    old: Metrics = {"loss": 0.5, "auroc_within_prompt": 0.7}
    assert better("prm", {"loss": 0.9, "auroc_within_prompt": 0.8}, old)
    assert better("prm", {"loss": 0.4, "auroc_within_prompt": 0.7}, old)
    assert not better("prm", {"loss": 0.6, "auroc_within_prompt": 0.7}, old)
    assert not better("prm", {"loss": 0.1, "auroc_within_prompt": None}, old)


@pytest.mark.parametrize("objective", ["bt", "orm"])
def test_metrics_are_those_of_the_rewards_that_scoring_gives(
    settings: Callable[..., TrainConfig], objective: str
) -> None:
    config = settings(objective, eval_fraction=0.5)
    model = open_base(config, CPU, 0)
    plan = make_plan(config, model)
    found = evaluate(model, plan.eval_rows, choose_loss(config))
    held = {u.prompt_id for row in plan.eval_rows for u in row.units}
    rows = [row for row in sum_rows(objective) if row["prompt_id"] in held]
    names = ("chosen", "rejected") if objective == "bt" else ("completion",)
    rewards = [
        [s.reward for s in score_with(model, [Item(r["prompt"], r[name][0]["content"]) for r in rows])]
        for name in names
    ]
    assert found["reward_mean"] == pytest.approx(np.mean(rewards), abs=1e-5)
    if objective == "bt":
        assert found["accuracy"] == np.mean(np.array(rewards[0]) > np.array(rewards[1]))
    else:
        assert found["accuracy"] == np.mean((np.array(rewards[0]) >= 0.5) == [r["label"] for r in rows])


def test_an_ensemble_is_measured_as_it_aggregates(settings: Callable[..., TrainConfig]) -> None:
    config = settings("bt", heads=3, aggregate="min")
    model = open_base(config, CPU, 0)
    plan = make_plan(config, model)
    rows, loss = plan.eval_rows, choose_loss(config)
    with torch.no_grad():
        outputs = [model.outputs(row).numpy() for row in rows]
    found, means, stds = measure(model, rows, outputs, loss), *head_moments(model, outputs)
    members = np.concatenate(outputs)[:, :, 0].astype(float)  # (L, 3)
    np.testing.assert_allclose((means, stds), (members.mean(0), members.std(0)), rtol=1e-9)
    scaled = (members - members.mean(0)) / members.std(0)
    reward = scaled.min(1)
    assert found["reward_mean"] == pytest.approx(reward.mean())
    assert found["spread"] == pytest.approx(scaled.std(1).mean())
    before = np.cumsum([0, *map(len, outputs)])
    gaps = [
        reward[i + a] - reward[i + b]
        for row, i in zip(rows, before, strict=False)
        for a, b in row.items.member
    ]
    assert found["accuracy"] == np.mean(np.array(gaps) > 0)


def test_how_held_out_rows_are_packed_changes_nothing(
    settings: Callable[..., TrainConfig], tmp_path: Any
) -> None:
    rows = [
        {"prompt": r["prompt"], "prompt_id": r["prompt_id"], "completions": texts, "scores": [2.0, 1.0, 1.0]}
        for r in sum_rows("bt", 8)
        for texts in [[r["chosen"][0]["content"], r["rejected"][0]["content"], "I do not know."]]
    ]
    data = write_rows(tmp_path / "rankings.parquet", rows)
    found = []
    for budget in (70, 2000):  # in the small one every ranking is split, a completion to a row
        config = settings("bt", data=[data], row_tokens=budget, max_tokens=70, eval_fraction=0.5)
        model = open_base(config, CPU, 0)
        plan = make_plan(config, model)
        found.append(evaluate(model, plan.eval_rows, choose_loss(config)))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        assert value == pytest.approx(found[1][name], abs=1e-5), name

"""Metrics against hand-computed numbers, brute force and published reference values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import completions

from evaluators.aggregation import NO_STEPS, aggregate
from evaluators.intervals import bootstrap_mean, paired_difference
from evaluators.metrics import (
    auc,
    auc_within,
    brier,
    calibration_error,
    first_error,
    pairwise_accuracy,
    processbench,
    step_agreement,
)
from evaluators.score_table import score_table
from store.errors import InputError
from store.tables import COMPLETION_VERDICTS, SCORES


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(drawn: list[tuple[int, bool]]) -> None:
    scores, labels = zip(*drawn, strict=True)
    right, wrong = ([s for s, y in drawn if y is side] for side in (True, False))
    pairs = [(r > w) + 0.5 * (r == w) for r in right for w in wrong]
    if pairs:
        assert auc(scores, labels) == pytest.approx(np.mean(pairs))
    else:
        assert math.isnan(auc(scores, labels))


def test_auc_within_ignores_differences_between_prompts() -> None:
    # all of p's samples score above all of q's, and within each prompt the order is reversed
    ids, scores, labels = list("ppqqz"), [9, 8, 2, 1, 5], [False, True, False, True, True]
    assert auc_within(ids, scores, labels) == 0.0
    assert math.isnan(auc_within(["z"], [1.0], [True]))


def test_equal_pairs_count_half_unless_told() -> None:
    assert pairwise_accuracy([1, 2, 3, 0], [0, 2, 3, 1]) == 0.5
    assert pairwise_accuracy([1, 2, 3, 0], [0, 2, 3, 1], tie=0) == 0.25
    assert math.isnan(pairwise_accuracy([], []))


def test_strict_pairs_reproduce_rewardbench(shared_data: Path) -> None:
    path = shared_data / "conformance/evaluation/rb1_pairs.jsonl"
    for case in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        for subset, wanted in case["output"]["per_subset"].items():
            pairs = [p for p in case["input"]["pairs"] if p["subset"] == subset]
            found = pairwise_accuracy([p["chosen"] for p in pairs], [p["rejected"] for p in pairs], tie=0)
            assert found == pytest.approx(wanted)


def test_brier_and_calibration_of_known_forecasts() -> None:
    assert brier([1.0, 0.0, 0.5], [True, False, True]) == pytest.approx(0.25 / 3)
    assert calibration_error([0.25] * 4, [True, False, False, False], bins=1) == 0
    # two bins of two: |0.5 - 0.2| and |1 - 0.8|, each half of the rows
    assert calibration_error([0.2, 0.2, 0.8, 0.8], [True, False, True, True], bins=2) == pytest.approx(0.25)


def test_a_calibrated_forecaster_has_little_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    assert calibration_error(p, rng.random(20000) < p) < 0.015
    assert calibration_error(p**3, rng.random(20000) < p) > 0.1


def test_processbench_values_are_reproduced(shared_data: Path) -> None:
    path = shared_data / "conformance/evaluation/processbench_f1.jsonl"
    for case in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        found = processbench(case["input"]["labels"], case["output"]["predictions"])
        for ours, theirs in zip(found[:3], ("error_acc", "correct_acc", "f1"), strict=True):
            assert 100 * ours == pytest.approx(float(case["output"][theirs]), nan_ok=True)


def test_the_first_error_is_the_first_minus(shared_data: Path) -> None:
    path = shared_data / "conformance/evaluation/processbench_prm_first_error.jsonl"
    for case in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        tokens = case["input"]["step_tokens"]
        assert first_error([token.startswith("+") for token in tokens]) == case["output"]["prediction"]


def test_step_agreement_is_about_finding_wrong_steps() -> None:
    found = step_agreement([True, True, False, False, True], [True, False, False, True, True])
    assert (found.accuracy, found.error_precision, found.error_recall, found.n) == (0.6, 0.5, 0.5, 5)
    assert math.isnan(step_agreement([True], [True]).error_f1)
    with pytest.raises(ValueError, match="1 labels for 2 steps"):
        step_agreement([True], [True, False])


@pytest.mark.parametrize(("how", "value"), [("min", 0.2), ("prod", 0.08), ("last", 0.8), ("mean", 0.5)])
def test_aggregations(how: str, value: float) -> None:
    assert aggregate([0.5, 0.2, 0.8], how) == pytest.approx(value)
    assert aggregate([], how) == NO_STEPS < aggregate([0.0], how)


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        interval = bootstrap_mean(rng.random(60) < 0.7, draws=400, seed=seed)
        hits += interval.low <= 0.7 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_pairing_removes_what_both_share() -> None:
    rng = np.random.default_rng(2)
    hard = rng.random(200)
    gain = paired_difference(hard + 0.02, hard)
    assert gain.low == pytest.approx(0.02) and gain.high == pytest.approx(0.02)
    assert paired_difference([1.0], [0.5]) == paired_difference([1.0], [0.5])
    with pytest.raises(ValueError, match="same prompts"):
        paired_difference([1.0], [0.5, 0.1])


@dataclass(frozen=True)
class Score:
    reward: float
    step_rewards: list[float] | None = None
    n_tokens: int = 7
    truncated: bool = False


VERDICTS = pl.DataFrame(
    [
        (f"p{i}", "p", "math", v, None, "none")
        for i, v in enumerate(["correct", "no_answer", "gold_unparseable"])
    ],
    schema=COMPLETION_VERDICTS,
    orient="row",
)


def test_a_score_table_joins_by_id() -> None:
    said = completions(p=["a", "b", "c"])
    names = {"model": "orm", "revision": "r", "dataset": "d"}
    ids = ["p2", "p0", "p1"]
    frame = score_table(
        ids, [Score(0.2), Score(0.0, [0.1, 0.2]), Score(0.1)], said.reverse(), VERDICTS, **names
    )
    assert frame.schema == SCORES
    assert frame.select("completion_id", "reward", "label").rows() == [
        ("p0", 0.0, True),
        ("p1", 0.1, False),
        ("p2", 0.2, None),
    ]
    with pytest.raises(InputError, match="1 scores for 3"):
        score_table(ids, [Score(0.1)], said, VERDICTS, **names)
    with pytest.raises(InputError, match="p9, which is not among"):
        score_table(["p9"], [Score(0.1)], said, VERDICTS, **names)

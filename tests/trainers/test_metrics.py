"""Metrics against hand-counted cases and the definition as a double loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers import metrics

scored = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20)
solution = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=5)


@given(scored)
def test_auroc_is_the_share_of_right_wrong_pairs_in_order(items: list[tuple[int, bool]]) -> None:
    right = [s for s, label in items if label]
    wrong = [s for s, label in items if not label]
    found = metrics.auroc(np.array([float(s) for s, _ in items]), np.array([label for _, label in items]))
    if not right or not wrong:
        assert found is None
    else:
        wins = sum((a > b) + 0.5 * (a == b) for a in right for b in wrong)
        assert found is not None and abs(found - wins / len(right) / len(wrong)) < 1e-12


def test_auroc_within_prompts_ignores_that_one_prompt_is_easier() -> None:
    # Prompt a: scores 1, 2 with labels 0, 1 (right order: 1). Prompt b: scores 8, 9 with labels 1, 0 (0).
    # Prompt c has only right ones and says nothing.
    scores, labels = np.array([1.0, 9, 2, 8, 7]), np.array([0, 0, 1, 1, 1])
    assert metrics.auroc_within(scores, labels, ["a", "b", "a", "b", "c"]) == 0.5


def test_top1_is_the_share_of_prompts_whose_best_answer_is_good() -> None:
    # a: the highest is good. b: good and bad share the highest place. c: bad. d has no bad one: left out.
    scores = np.array([2.0, 1, 3, 3, 1, 2, 5])
    good = np.array([True, False, True, False, True, False, True])
    assert metrics.top1(scores, good, list("aabbccd")) == (1 + 0.5 + 0) / 3
    assert metrics.top1(scores[6:], good[6:], ["d"]) is None


def test_ties_count_one_half() -> None:
    assert metrics.pair_accuracy(np.array([1.0, 0.0, -1.0, 0.0])) == 0.5
    assert metrics.pair_accuracy(np.array([1.0, -1.0]), np.array([3.0, 1.0])) == 0.75


def test_calibration_error_of_a_known_case() -> None:
    # bin .2: mean probability .25, half right: gap .25; bin .9: .95 against 1: gap .05; two items each
    probabilities, labels = np.array([0.25, 0.25, 0.95, 0.95]), np.array([1.0, 0, 1, 1])
    assert abs(metrics.ece(probabilities, labels) - (2 * 0.25 + 2 * 0.05) / 4) < 1e-12
    assert (
        metrics.ece(np.array([-0.25, 1.0]), np.array([1.0, 1.0])) == 1.25 / 2
    )  # a lower bound may be below 0


def test_brier_of_known_cases() -> None:
    assert metrics.brier(np.array([0.5, 1.0]), np.array([1.0, 1.0])) == 0.125
    shares, target = np.array([[0.5, 0.5, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    assert metrics.brier(shares, target) == 0.5


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=20))
def test_pearson_is_numpys_correlation(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    found = metrics.pearson(x, y)
    if len(x) < 3:
        assert found is None
    elif min(x.std(), y.std()) > 1e-3:
        assert found == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
    elif x.std() == 0 or y.std() == 0:
        assert found is None


def f1_at(threshold: float, solutions: list[list[tuple[float, bool]]]) -> float:
    """ProcessBench's F1 from its definition."""
    rates = []
    for faulty in (True, False):
        right = []
        for steps in solutions:
            wrong = [i for i, (_, label) in enumerate(steps) if not label]
            if bool(wrong) == faulty:
                reported = next((i for i, (score, _) in enumerate(steps) if score < threshold), -1)
                right.append(reported == (wrong[0] if wrong else -1))
        rates.append(np.mean(right))
    return 2 * rates[0] * rates[1] / sum(rates) if sum(rates) else 0.0


@given(st.lists(solution, min_size=1, max_size=6))
def test_the_first_error_f1_is_the_best_of_all_thresholds(solutions: list[list[tuple[int, bool]]]) -> None:
    shares = [[(score / 6, label) for score, label in steps] for steps in solutions]
    found = metrics.first_error(
        [np.array([score for score, _ in steps]) for steps in shares],
        [np.array([label for _, label in steps]) for steps in shares],
    )
    if len({all(label for _, label in steps) for steps in shares}) < 2:
        assert found is None
        return
    assert found is not None
    f1, threshold = found
    assert f1 == pytest.approx(f1_at(threshold, shares))
    assert f1 == pytest.approx(max(f1_at((i + 0.5) / 6, shares) for i in range(6)))

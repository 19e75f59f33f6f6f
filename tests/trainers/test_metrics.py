"""Metrics against hand-counted cases and the definition as a double loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainers import metrics
from trainers.evaluate import _pairs, better


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
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


def test_ties_count_one_half() -> None:
    assert metrics.pair_accuracy(np.array([1.0, 0.0, -1.0, 0.0])) == 0.5


def test_pairs_of_even_odds_are_no_part_of_accuracy() -> None:
    # Targets of the reward gaps: 1 and .9 right, .2 right (the second side is preferred), 1 wrong; .5 twice.
    margins, target = np.array([1.0, 2, -1, -1, 3, -3]), np.array([1, 0.9, 0.2, 1, 0.5, 0.5], np.float32)
    assert _pairs(margins, target)["accuracy"] == 3 / 4
    assert _pairs(margins[4:], target[4:])["accuracy"] is None


def test_calibration_error_of_a_known_case() -> None:
    # bin .2: mean probability .25, half right: gap .25; bin .9: .95 against 1: gap .05; two items each
    probabilities, labels = np.array([0.25, 0.25, 0.95, 0.95]), np.array([1.0, 0, 1, 1])
    assert abs(metrics.ece(probabilities, labels) - (2 * 0.25 + 2 * 0.05) / 4) < 1e-12


def test_the_better_epoch_has_the_higher_ranking_metric_then_the_lower_loss() -> None:
    old = {"loss": 0.5, "auroc_within_prompt": 0.7}
    assert better("prm", {"loss": 0.9, "auroc_within_prompt": 0.8}, old)
    assert better("prm", {"loss": 0.4, "auroc_within_prompt": 0.7}, old)
    assert not better("prm", {"loss": 0.6, "auroc_within_prompt": 0.7}, old)
    assert not better("prm", {"loss": 0.1, "auroc_within_prompt": None}, old)

"""Scores of several judges become one, and scores imply preferences."""

from __future__ import annotations

import polars as pl
import pytest

from labelers.judges.scores import JUDGE_SCORES, implied, mean_scores


def scores(**by_judge: list[float | None]) -> pl.DataFrame:
    """`x=[1, None]`: what judge x gave to completions p0 and p1 of prompt p."""
    rows = [
        ("p", f"p{i}", judge, score) for judge, given in by_judge.items() for i, score in enumerate(given)
    ]
    return pl.DataFrame(rows, schema=JUDGE_SCORES, orient="row")


def test_a_completion_that_one_judge_could_not_score_has_no_mean():
    merged, facts = mean_scores(scores(x=[2.0, 4.0, 6.0], y=[4.0, None, 8.0]))
    assert merged["score"].to_list() == [3.0, None, 7.0]
    assert set(merged["judge"]) == {"panel"} and facts["judges"] == 2


def test_a_completion_that_one_judge_was_never_shown_has_no_mean():
    missing = scores(x=[2.0, 4.0], y=[4.0, 5.0]).filter((pl.col("judge") == "x") | (pl.col("score") < 5))
    assert mean_scores(missing)[0]["score"].to_list() == [3.0, None]


def test_judges_that_agree_in_everything_have_an_alpha_of_one():
    assert mean_scores(scores(x=[1.0, 5.0, 9.0], y=[1.0, 5.0, 9.0]))[1][
        "krippendorff_alpha"
    ] == pytest.approx(1)


def test_one_judge_stays_what_it_is():
    alone = scores(x=[2.0, None])
    merged, facts = mean_scores(alone)
    assert merged.equals(alone) and facts == {}


def test_every_two_scored_completions_of_a_prompt_are_compared_and_equal_ones_tie():
    found = implied(scores(x=[2.0, 5.0, None, 5.0]))
    said = {(row["a_id"], row["b_id"]): (row["preference"], row["rejected"]) for row in found.to_dicts()}
    assert said == {("p0", "p1"): ("B", None), ("p0", "p3"): ("B", None), ("p1", "p3"): (None, "tie")}


def test_a_difference_of_rounding_is_a_tie():
    assert implied(scores(x=[0.1 + 0.2, 0.3]))["preference"].to_list() == [None]


def test_scores_of_different_judges_are_not_compared():
    assert implied(scores(x=[2.0], y=[5.0])).is_empty()

"""Scores of completions, from judges, constraints and system variants."""

from __future__ import annotations

import polars as pl
import pytest

from curation.scores import SCORES, scores_from_constraints, scores_from_judge, scores_from_variants
from store.errors import InputError
from store.tables import COMPLETION_VERDICTS, COMPLETIONS


def verdicts(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    """(verdict, method, extracted) of completions c0, c1, ..."""
    full = [
        (f"c{i}", "p", "instructions", v, extracted, method) for i, (v, method, extracted) in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=COMPLETION_VERDICTS, orient="row")


def sampled(*rows: tuple[str | None, str]) -> pl.DataFrame:
    """(system variant, finish reason) of completions c0, c1, ..."""
    full = [
        dict.fromkeys(COMPLETIONS)
        | {"completion_id": f"c{i}", "prompt_id": "p", "system_variant": v, "finish_reason": f, "text": "t"}
        for i, (v, f) in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=COMPLETIONS)


def test_a_rating_that_could_not_be_read_is_no_score() -> None:
    ratings = pl.DataFrame({"completion_id": ["c", "a", "b"], "score": [7, None, float("nan")]}, strict=False)
    found = scores_from_judge(ratings, "rating")
    assert found.schema == SCORES
    assert found.select("completion_id", "score", "reason").rows() == [
        ("a", None, "no_score"),
        ("b", None, "no_score"),
        ("c", 7.0, None),
    ]


def test_constraints_score_by_the_share_that_is_kept_and_keep_each_check() -> None:
    found = scores_from_constraints(
        verdicts(
            ("correct", "constraints", "[true, true, true]"),
            ("incorrect", "constraints", "[false, true, true]"),
        )
    )
    assert found["score"].to_list() == pytest.approx([1, 2 / 3])
    assert found["parts"].to_list() == [[1, 1, 1], [0, 1, 1]]


def test_what_constraints_alone_did_not_decide_has_no_score() -> None:
    found = scores_from_constraints(
        verdicts(
            ("no_answer", "none", None),
            ("incorrect", "rational+constraints", '{"math": "3", "instructions": "[true]"}'),
            ("correct", "rational", "3"),
        )
    )
    assert found["score"].null_count() == 3
    assert found["reason"].to_list() == ["no_answer", "other_verifier", "other_verifier"]


def test_an_earlier_variant_scores_higher_and_a_cut_completion_not_at_all() -> None:
    said = sampled(("careless", "stop"), (None, "stop"), ("careful", "stop"), ("careful", "length"))
    found = scores_from_variants(said, ["careful", None, "careless"])
    scores = dict(found.select("completion_id", "score").iter_rows())
    assert scores["c2"] > scores["c1"] > scores["c0"] and scores["c3"] is None
    assert found.filter(completion_id="c3")["reason"].to_list() == ["truncated"]


@pytest.mark.parametrize("given", [["a"], [], ["a", "a"], ["a", "b", "a"]])
def test_variants_that_order_nothing_are_refused(given: list[str]) -> None:
    with pytest.raises(InputError, match="two different ones"):
        scores_from_variants(sampled(("a", "stop")), given)


def test_a_variant_that_is_not_in_the_order_stops_the_build() -> None:
    with pytest.raises(InputError, match="c1: system variant 'other'"):
        scores_from_variants(sampled(("a", "stop"), ("other", "stop")), ["a", "b"])


def test_two_scores_for_one_completion_stop_the_build() -> None:
    twice = pl.DataFrame({"completion_id": ["c", "c"], "score": [1.0, 2.0]})
    with pytest.raises(InputError, match="completion c is labelled or scored twice"):
        scores_from_judge(twice, "rating")

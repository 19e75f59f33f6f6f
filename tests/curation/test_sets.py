"""Builders of training sets: what gets in, what stays out and under which name."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import completions, labels, prompts, steps

from curation.candidates import Row
from curation.evidence import labels_from_verdicts, labels_from_votes
from curation.pairs import _pairs
from curation.sets import outcome, preference, preference_judged, ranking, split_by_prompt, stepwise
from store.errors import InputError
from store.tables import COMPLETION_VERDICTS, OUTCOME, PREFERENCE, RANKING, STEPWISE, VOTES


def agreed(*rows: tuple[str, str, float | None]) -> pl.DataFrame:
    """(chosen, rejected, soft) of prompt p."""
    schema = {"chosen_id": pl.String, "rejected_id": pl.String, "soft": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(prompt_id=pl.lit("p"))


def test_preference_pairs_right_over_wrong_and_accounts_for_every_completion() -> None:
    said = completions(p=["r1", "w1", "r2", "w2", "??"], q=["r", "r'"], z=["w"])
    frame, account = preference(
        prompts("p", "q", "z"), said, labels(p="+-+-?", q="++", z="-"), pairs_per_prompt=2
    )
    assert frame.schema == PREFERENCE
    assert {(c[:1], r[:1]) for c, r in frame.select("chosen_id", "rejected_id").iter_rows()} == {("p", "p")}
    assert set(frame["chosen_id"]) == {"p0", "p2"} and set(frame["rejected_id"]) == {"p1", "p3"}
    assert frame["soft"].to_list() == [1.0, 1.0] and frame["evidence"].unique().to_list() == ["verifier"]
    assert account.to_dict() == {
        "stage": "preference",
        "in": 8,
        "out": 4,
        "rejected": {"no_answer": 1, "prompt_all_right": 2, "prompt_all_wrong": 1},
    }


def test_completions_beyond_the_pair_limit_are_counted() -> None:
    _, account = preference(
        prompts("p"), completions(p=["r1", "r2", "r3", "w"]), labels(p="+++-"), pairs_per_prompt=1
    )
    assert account.kept == 2 and account.rejected == {"over_pairs_per_prompt": 2}


def test_a_text_labelled_both_ways_is_in_no_set() -> None:
    said = completions(p=["same", "same ", "wrong", "right"])
    marks = labels(p="+--+")
    pairs, account = preference(prompts("p"), said, marks)
    assert pairs.select("chosen_id", "rejected_id").rows() == [("p3", "p2")]
    assert account.rejected == {"conflicting_label": 2}
    rows, account = outcome(prompts("p"), said, marks)
    assert rows["completion_id"].to_list() == ["p2", "p3"] and account.rejected == {"conflicting_label": 2}


def test_repeated_texts_count_once() -> None:
    rows, account = outcome(prompts("p"), completions(p=["a", "a\n", "b"]), labels(p="++-"))
    assert rows["completion_id"].to_list() == ["p0", "p2"] and account.rejected == {"duplicate_text": 1}


def test_only_clean_training_prompts_are_used() -> None:
    everyone = pl.concat([prompts("p", "c"), prompts("t", split="test")])
    said = completions(p=["r", "w"], c=["r", "w"], t=["r", "w"])
    marks = labels(p="+-", c="+-", t="+-")
    for build in (preference, outcome):
        frame, account = build(everyone, said, marks, contaminated=["c"])
        assert set(frame["prompt_id"]) == {"p"}
        assert account.rejected == {"contaminated_prompt": 2, "held_out_prompt": 2}


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 40))
def test_pairs_are_distinct_and_use_every_side_before_repeating(
    n_right: int, n_wrong: int, limit: int
) -> None:
    right: list[Row] = [{"i": i} for i in range(n_right)]
    wrong: list[Row] = [{"i": i} for i in range(n_wrong)]
    pairs = [(a["i"], b["i"]) for a, b in _pairs(right, wrong, limit)]
    assert len(pairs) == len(set(pairs)) == min(limit, n_right * n_wrong)
    assert len({a for a, _ in pairs}) == min(limit, n_right)
    assert len({b for _, b in pairs}) == min(limit, n_wrong)


def test_the_order_of_the_input_changes_nothing() -> None:
    said = completions(**{f"p{i}x": ["r1", "w1", "r2", "w2", "r3"] for i in range(20)})
    marks = labels(**{f"p{i}x": "+-+-+" for i in range(20)})
    asked = prompts(*(f"p{i}x" for i in range(20)))
    first, _ = preference(asked, said, marks)
    shuffled, _ = preference(*(f.sample(fraction=1, shuffle=True, seed=3) for f in (asked, said, marks)))
    assert first.equals(shuffled)


def test_judges_must_agree_and_never_overrule_a_verifier() -> None:
    said = completions(p=["a", "b", "c", "d", "e", "a "])
    opinions = agreed(
        ("p1", "p0", 0.8),
        ("p1", "p0", 0.6),
        ("p0", "p2", None),
        ("p2", "p3", 0.9),
        ("p3", "p2", 0.9),
        ("p3", "p4", 0.5),
        ("p0", "p5", 0.9),
    )
    frame, account = preference_judged(prompts("p"), said, opinions, labels=labels(p="-?+"))
    assert frame.select("chosen_id", "rejected_id").rows() == [("p1", "p0")]
    assert frame["soft"][0] == pytest.approx(0.7) and frame["margin"][0] == pytest.approx(0.8472979)
    assert account.rejected == {
        "judge_contradicts_label": 1,
        "judges_disagree": 1,
        "no_preference": 1,
        "same_text": 1,
    }


def test_a_judgement_of_somebody_elses_completion_stops_the_build() -> None:
    with pytest.raises(InputError, match="q0 is not among the answers to p"):
        preference_judged(prompts("p", "q"), completions(p=["a"], q=["b"]), agreed(("p0", "q0", 0.9)))


def test_ranking_sorts_by_score_and_needs_a_difference() -> None:
    said = completions(p=["a", "b", "c"], q=["d", "e"])
    scores = pl.DataFrame(
        {"completion_id": ["p0", "p1", "p2", "q0", "q1"], "score": [0.1, 0.9, None, 1.0, 1.0]}
    )
    frame, account = ranking(prompts("p", "q"), said, scores)
    assert frame.schema == RANKING
    assert frame["completions"].to_list() == [["b", "a"]] and frame["scores"].to_list() == [[0.9, 0.1]]
    assert account.rejected == {"no_score": 1, "prompt_all_equal": 2}


def test_balance_keeps_as_many_right_as_wrong() -> None:
    frame, account = outcome(prompts("p"), completions(p=list("abcde")), labels(p="+++-+"), balance=True)
    assert frame.schema == OUTCOME
    assert sorted(frame["label"]) == [False, True] and account.rejected == {"balance": 3}


def test_stepwise_keeps_steps_that_spell_the_solution() -> None:
    said = completions(p=["one\ntwo\nthree", "one\ntwo"])
    marked = steps(p0=("+-+", ["one\n", "two\n", "three"]), p1=("+?", ["one\n", "two"]))
    frame, account = stepwise(prompts("p"), said, marked)
    assert frame.schema == STEPWISE
    assert frame["labels"].to_list() == [[True, False, True]] and frame["values"].to_list() == [
        [0.5, 0.0, 0.5]
    ]
    assert account.to_dict()["rejected"] == {"undecided_step": 1}
    frame, _ = stepwise(prompts("p"), said, marked, truncate_after_error=True)
    assert frame["completions"].to_list() == [["one\n", "two\n"]]


def test_an_undecided_step_after_the_cut_does_not_matter() -> None:
    said = completions(p=["one\ntwo\nthree"])
    marked = steps(p0=("+-?", ["one\n", "two\n", "three"]))
    assert stepwise(prompts("p"), said, marked)[1].rejected == {"undecided_step": 1}
    assert stepwise(prompts("p"), said, marked, truncate_after_error=True)[0]["labels"].to_list() == [
        [True, False]
    ]


@pytest.mark.parametrize("texts", [["one\n", "TWO"], ["one\n"], ["one", "two"]])
def test_steps_that_do_not_spell_the_solution_stop_the_build(texts: list[str]) -> None:
    with pytest.raises(InputError, match="do not spell"):
        stepwise(prompts("p"), completions(p=["one\ntwo"]), steps(p0=("+" * len(texts), texts)))


def test_ids_that_lead_nowhere_stop_the_build() -> None:
    with pytest.raises(InputError, match="not in the prompts"):
        outcome(prompts("q"), completions(p=["a"]), labels(p="+"))
    with pytest.raises(InputError, match="no such completion"):
        stepwise(prompts("p"), completions(p=["a"]), steps(p9=("+", ["a"])))
    with pytest.raises(InputError, match="there twice"):
        outcome(prompts("p", "p"), completions(p=["a"]), labels(p="+"))


def test_what_cannot_be_read_is_never_wrong() -> None:
    verdicts = pl.DataFrame(
        [
            (f"c{i}", "p", "math", v, None, "none")
            for i, v in enumerate(["correct", "incorrect", "no_answer", "timeout"])
        ],
        schema=COMPLETION_VERDICTS,
        orient="row",
    )
    assert labels_from_verdicts(verdicts).select("label", "reason").rows() == [
        (True, None),
        (False, None),
        (None, "no_answer"),
        (None, "timeout"),
    ]


def test_votes_label_only_where_a_majority_leads() -> None:
    votes = pl.DataFrame(
        [
            ("a0", "a", "3", 3, 4, True, 0.5),
            ("a1", "a", "4", 1, 4, False, 0.5),
            ("a2", "a", None, 1, 4, False, 0.5),
            ("b0", "b", "3", 2, 4, True, 0.0),
            ("c0", "c", "3", 2, 4, True, 0.25),
        ],
        schema=VOTES,
        orient="row",
    )
    found = labels_from_votes(votes, min_margin=0.4).select("label", "reason").rows()
    assert found == [
        (True, None),
        (False, None),
        (None, "no_answer"),
        (None, "no_majority"),
        (None, "weak_majority"),
    ]


def test_a_split_moves_whole_prompts_and_is_stable_when_prompts_are_added() -> None:
    frame = pl.DataFrame({"prompt_id": [f"p{i % 200}" for i in range(600)]})
    train, test = split_by_prompt(frame, 0.25, seed=1)
    assert not set(train["prompt_id"]) & set(test["prompt_id"]) and train.height + test.height == 600
    assert 0.15 < test.height / 600 < 0.35
    half = frame.filter(
        pl.col("prompt_id").is_in(random.Random(0).sample(sorted(set(frame["prompt_id"])), 100))
    )
    assert set(split_by_prompt(half, 0.25, seed=1)[1]["prompt_id"]) <= set(test["prompt_id"])

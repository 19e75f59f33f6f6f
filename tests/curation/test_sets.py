"""Builders of training sets: what gets in, what stays out and under which name."""

from __future__ import annotations

import random

import polars as pl
import pytest
from candidate_worlds import World, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import completions, labels, prompts, steps

from curation.audit import Sources, audit, audit_split
from curation.evidence import labels_from_verdicts, labels_from_votes
from curation.pairs import preference
from curation.sets import outcome, ranking, split_by_prompt, stepwise
from store.accounting import Account
from store.errors import InputError
from store.tables import COMPLETION_VERDICTS, OUTCOME, RANKING, STEPWISE, VOTES


def test_a_text_labelled_both_ways_is_in_no_set() -> None:
    said = completions(p=["same", "same ", "wrong", "right"])
    marks = labels(p="+--+")
    pairs, account, _ = preference(prompts("p"), said, marks)
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
        frame, account = build(everyone, said, marks, contaminated=["c"])[:2]
        assert set(frame["prompt_id"]) == {"p"}
        assert account.rejected == {"contaminated_prompt": 2, "held_out_prompt": 2}


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


def test_a_solution_whose_steps_were_labelled_in_two_ways_is_in_no_set() -> None:
    said = completions(p=["one\ntwo", "one\ntwo", "one\ntwo ", "three", "three"])
    lines = ["one\n", "two"]
    marked = steps(
        p0=("++", lines),
        p1=("+-", lines),
        p2=("++", ["one\n", "two "]),
        p3=("+", ["three"]),
        p4=("+", ["three"]),
    )
    frame, account = stepwise(prompts("p"), said, marked)
    assert frame["completion_id"].to_list() == ["p3"]
    assert account.rejected == {"conflicting_labels": 3, "duplicate_text": 1}


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
            ("a0", "a", "3", 3, 4, True, 0.5, 0.6),
            ("a1", "a", "4", 1, 4, False, 0.5, 0.6),
            ("a2", "a", None, 1, 4, False, 0.5, 0.6),
            ("b0", "b", "3", 2, 4, True, 0.0, 0.6),
            ("c0", "c", "3", 2, 4, True, 0.25, 0.6),
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


# Whatever the candidates


def built(world: World) -> dict[str, tuple[pl.DataFrame, Account]]:
    asked, said, marks, rated, marked, _ = world
    return {
        "outcome": outcome(asked, said, marks),
        "balanced": outcome(asked, said, marks, balance=True),
        "ranking": ranking(asked, said, rated),
        "stepwise": stepwise(asked, said, marked),
        "cut": stepwise(asked, said, marked, truncate_after_error=True),
    }


KIND = {"balanced": "outcome", "cut": "stepwise"}


@settings(max_examples=50)
@given(worlds)
def test_no_set_has_a_defect_that_the_audit_knows(world: World) -> None:
    sources = Sources(world.prompts, world.completions, world.labels)
    for name, (frame, _) in built(world).items():
        assert audit({KIND.get(name, name): frame}, sources) == []


@settings(max_examples=50)
@given(worlds)
def test_accounts_count_what_is_in_the_sets(world: World) -> None:
    sets = built(world)
    for name in ("outcome", "balanced", "stepwise", "cut"):
        assert sets[name][1].kept == sets[name][0]["completion_id"].n_unique() == sets[name][0].height
    frame, account = sets["ranking"]
    assert account.kept == frame["completion_ids"].explode(empty_as_null=False).n_unique()
    assert all(
        account.rows_in == world.completions.height
        for name, (_, account) in sets.items()
        if name in ("outcome", "ranking")
    )


@settings(max_examples=50)
@given(worlds)
def test_the_order_of_the_tables_changes_nothing_and_other_prompts_only_the_balance(world: World) -> None:
    first, again, own = built(world), built(world.shuffled(5)), built(world.only("p0x"))
    for name, (frame, account) in first.items():
        assert frame.equals(again[name][0]) and account == again[name][1]
        if name != "balanced":
            assert frame.filter(prompt_id="p0x").equals(own[name][0])


@settings(max_examples=50)
@given(worlds)
def test_steps_concatenate_to_their_solution_up_to_its_first_error(world: World) -> None:
    texts = dict(world.completions.select("completion_id", "text").iter_rows())
    sets = built(world)
    for row in sets["stepwise"][0].to_dicts():
        assert "".join(row["completions"]) == texts[row["completion_id"]]
    for row in sets["cut"][0].to_dicts():
        assert texts[row["completion_id"]].startswith("".join(row["completions"]))
        assert False not in row["labels"][:-1]


@settings(max_examples=50)
@given(worlds, st.floats(0, 0.99), st.integers(0, 3))
def test_no_prompt_is_in_both_splits(world: World, fraction: float, seed: int) -> None:
    for frame, _ in built(world).values():
        train, test = split_by_prompt(frame, fraction, seed)
        assert audit_split(train, test) == [] and train.height + test.height == frame.height

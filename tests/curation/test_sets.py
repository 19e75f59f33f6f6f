"""Builders of training sets: what gets in, what stays out and under which name."""

from __future__ import annotations

import random

import polars as pl
import pytest
from candidate_worlds import World, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import completions, labels, prompts, steps

from curation.audit import Sources, audit
from curation.candidates import EXCLUDED
from curation.evidence import labels_from_verdicts, labels_from_votes
from curation.pairs import preference
from curation.sets import outcome, ranking, stepwise
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


def test_only_training_prompts_are_used_and_what_is_excluded_is_named() -> None:
    everyone = pl.concat([prompts("p", "c"), prompts("t", split="test")])
    rows = [("c0", "refusal"), ("c1", "too_easy"), ("t0", "refusal"), ("nobody", "refusal")]
    excluded = pl.DataFrame(rows, schema=EXCLUDED, orient="row")
    said = completions(p=["r", "w"], c=["r", "w"], t=["r", "w"])
    marks = labels(p="+-", c="+-", t="+-")
    for build in (preference, outcome):
        frame, account = build(everyone, said, marks, excluded=excluded)[:2]
        assert set(frame["prompt_id"]) == {"p"}
        assert account.rejected == {"refusal": 1, "too_easy": 1, "held_out_prompt": 2}


def test_ranking_sorts_by_score_and_needs_a_difference() -> None:
    said = completions(p=["a", "b", "c"], q=["d", "e"])
    scores = pl.DataFrame(
        {"completion_id": ["p0", "p1", "p2", "q0", "q1"], "score": [0.1, 0.9, None, 1.0, 1.0]}
    )
    frame, account = ranking(prompts("p", "q"), said, scores)
    assert frame.schema == RANKING
    assert frame["completions"].to_list() == [["b", "a"]] and frame["scores"].to_list() == [[0.9, 0.1]]
    assert account.rejected == {"no_score": 1, "prompt_all_equal": 2}


def test_the_commoner_label_is_cut_to_the_factor_asked_for() -> None:
    asked, said, marks = prompts("p"), completions(p=list("abcde")), labels(p="+++-+")
    frame, account = outcome(asked, said, marks, max_imbalance=1)
    assert frame.schema == OUTCOME
    assert sorted(frame["label"]) == [False, True] and account.rejected == {"balance": 3}
    frame, account = outcome(asked, said, marks, max_imbalance=2.5)
    assert sorted(frame["label"]) == [False, True, True] and account.rejected == {"balance": 2}


def test_steps_are_balanced_by_dropping_solutions_without_an_error() -> None:
    said = completions(p=["a\nb\nc", "d\ne\nf"], q=["g\nh", "i\nj"])
    marked = steps(
        p0=("+++", ["a\n", "b\n", "c"]),
        p1=("++-", ["d\n", "e\n", "f"]),
        q0=("++", ["g\n", "h"]),
        q1=("--", ["i\n", "j"]),
    )
    # 7 right steps, 3 wrong ones. Prompt p leads by 5 - 1 = 4 right steps, q by 0: p0 goes, 4 : 3 is left.
    frame, account = stepwise(prompts("p", "q"), said, marked, max_imbalance=1.5)
    assert frame["completion_id"].to_list() == ["p1", "q0", "q1"] and account.rejected == {"balance": 1}


def test_at_most_so_many_completions_of_a_prompt_right_and_wrong_ones_in_turn() -> None:
    asked, said = prompts("p"), completions(p=[f"text {i}" for i in range(9)])
    frame, account = outcome(asked, said, labels(p="+++++++--"), per_prompt=4)
    assert sorted(frame["label"]) == [False, False, True, True]
    assert account.rejected == {"over_completions_per_prompt": 5}
    scores = pl.DataFrame({"completion_id": said["completion_id"], "score": [1.0] * 7 + [2.0, 3.0]})
    frame, _ = ranking(asked, said, scores, per_prompt=3)
    assert frame["scores"].to_list() == [[3.0, 2.0, 1.0]]
    marked = steps(**{f"p{i}": ("+" if i < 7 else "-", [f"text {i}"]) for i in range(9)})
    frame, _ = stepwise(asked, said, marked, per_prompt=2)
    assert sorted(frame["labels"].to_list()) == [[False], [True]]


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


# Whatever the candidates


def built(world: World) -> dict[str, tuple[pl.DataFrame, Account]]:
    asked, said, marks, rated, marked, _ = world
    return {
        "outcome": outcome(asked, said, marks),
        "balanced": outcome(asked, said, marks, max_imbalance=1),
        "few": outcome(asked, said, marks, per_prompt=2),
        "ranking": ranking(asked, said, rated),
        "stepwise": stepwise(asked, said, marked),
        "cut": stepwise(asked, said, marked, truncate_after_error=True),
        "fewer steps": stepwise(asked, said, marked, per_prompt=1, max_imbalance=2),
    }


KIND = {"balanced": "outcome", "few": "outcome", "cut": "stepwise", "fewer steps": "stepwise"}


@settings(max_examples=25)
@given(worlds)
def test_no_set_has_a_defect_that_the_audit_knows(world: World) -> None:
    sources = Sources(world.prompts, world.completions, world.labels)
    for name, (frame, _) in built(world).items():
        assert audit({KIND.get(name, name): frame}, sources) == []


@settings(max_examples=25)
@given(worlds)
def test_accounts_count_what_is_in_the_sets(world: World) -> None:
    sets = built(world)
    for name in ("outcome", "balanced", "few", "stepwise", "cut", "fewer steps"):
        assert sets[name][1].kept == sets[name][0]["completion_id"].n_unique() == sets[name][0].height
    frame, account = sets["ranking"]
    assert account.kept == frame["completion_ids"].explode(empty_as_null=False).n_unique()
    assert all(
        account.rows_in == world.completions.height
        for name, (_, account) in sets.items()
        if name in ("outcome", "ranking")
    )


@settings(max_examples=25)
@given(worlds)
def test_the_order_of_the_tables_changes_nothing_and_other_prompts_only_the_balance(world: World) -> None:
    first, again, own = built(world), built(world.shuffled(5)), built(world.only("p0x"))
    for name, (frame, account) in first.items():
        assert frame.equals(again[name][0]) and account == again[name][1]
        if name not in ("balanced", "fewer steps"):
            assert frame.filter(prompt_id="p0x").equals(own[name][0])


@settings(max_examples=25)
@given(worlds)
def test_steps_concatenate_to_their_solution_up_to_its_first_error(world: World) -> None:
    texts = dict(world.completions.select("completion_id", "text").iter_rows())
    sets = built(world)
    for row in sets["stepwise"][0].to_dicts():
        assert "".join(row["completions"]) == texts[row["completion_id"]]
    for row in sets["cut"][0].to_dicts():
        assert texts[row["completion_id"]].startswith("".join(row["completions"]))
        assert False not in row["labels"][:-1]


@settings(max_examples=25)
@given(worlds, st.randoms(use_true_random=False))
def test_what_is_excluded_leaves_the_sets_as_if_it_had_not_been_sampled(
    world: World, rng: random.Random
) -> None:
    asked, said, marks, rated, marked, _ = world
    out = [i for i in said["completion_id"] if rng.random() < 0.4]
    excluded = pl.DataFrame({"completion_id": out, "reason": ["refusal"] * len(out)}, schema=EXCLUDED)
    left = ~pl.col("completion_id").is_in(out)
    for build, values in ((preference, marks), (outcome, marks), (ranking, rated), (stepwise, marked)):
        found = build(asked, said, values, excluded=excluded)
        without = build(asked, said.filter(left), values.filter(left))
        assert found[0].equals(without[0])
        mine = [i for i in out if build is not stepwise or i in set(marked["completion_id"])]
        assert found[1].rejected.pop("refusal", 0) == len(mine)
        assert found[1].rejected == without[1].rejected

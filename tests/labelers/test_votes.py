"""Voting is a function of the set of completions, over classes of equal answers."""

import random
from collections import Counter
from math import log

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.proportions import wilson
from labelers.votes import audit_pseudo_gold, pseudo_gold, vote
from store.errors import InputError
from store.tables import COMPLETIONS, VOTES


def completions(texts: list[str], prompt_id: str = "p", finish_reason: str = "stop") -> pl.DataFrame:
    rows = [
        {
            "completion_id": f"{prompt_id}{i:03}",
            "prompt_id": prompt_id,
            "text": t,
            "finish_reason": finish_reason,
        }
        for i, t in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=COMPLETIONS)


def answers(*values: str) -> pl.DataFrame:
    return completions([f"The answer is {value}." for value in values])


def test_equal_numbers_vote_together_and_the_commonest_spelling_speaks_for_them() -> None:
    table = vote(answers("1/2", "0.5", "3", "0.5"))
    assert table.schema == VOTES
    assert table["answer"].to_list() == ["0.5", "0.5", "3", "0.5"]
    assert table["n_votes"].to_list() == [3, 3, 1, 3]
    assert table["is_majority"].to_list() == [True, True, False, True]
    assert table["margin"].unique().to_list() == [0.5]  # (3 - 1) / 4


def test_unreadable_completions_count_in_k_but_are_no_class() -> None:
    table = vote(completions(["The answer is 3.", "I have really no idea at all", "", "so \\boxed{}"]))
    assert table["answer"].to_list() == ["3", None, None, None]
    assert table["n_votes"].to_list() == [1, 0, 0, 0]
    assert table["margin"].to_list() == [0.25] * 4  # (1 - 0) / 4


def test_expressions_that_the_verifier_finds_equal_vote_together() -> None:
    square, expanded, other = "\\boxed{\\sin^2 x}", "\\boxed{1 - \\cos^2 x}", "\\boxed{\\cos x}"
    table = vote(completions([square, expanded, expanded, other]))
    assert table["n_votes"].to_list() == [3, 3, 3, 1]
    assert table["answer"].to_list() == ["1 - \\cos^2 x"] * 3 + ["\\cos x"]
    assert table["margin"].unique().to_list() == [0.5]  # (3 - 1) / 4


def test_a_percentage_does_not_join_two_different_numbers() -> None:
    table = vote(answers("10%", "10%", "0.1", "10"))
    assert table["n_votes"].to_list() == [3, 3, 1, 3]


def test_entropy_counts_every_unreadable_answer_as_a_class_of_its_own() -> None:
    table = vote(completions(["The answer is 3.", "The answer is 3.", "no idea", "none at all"]))
    # classes of 2, 1 and 1 in 4: 2/4 ln 2 + 2 * 1/4 ln 4
    assert table["entropy"].to_list() == pytest.approx([0.5 * log(2) + 0.5 * log(4)] * 4)
    assert set(vote(answers("3", "3.0"))["entropy"]) == {0.0}


def test_a_truncated_answer_does_not_vote() -> None:
    assert vote(completions(["The answer is 3"], finish_reason="length"))["answer"].to_list() == [None]


def test_a_tie_has_one_winner_but_is_no_pseudo_gold() -> None:
    table = vote(answers("3", "4"))
    assert table["is_majority"].sum() == 1
    assert table["margin"].to_list() == [0.0, 0.0]
    assert pseudo_gold(table).height == 0


def test_ties_favour_no_size_of_answer() -> None:
    pairs = [vote(completions(["The answer is 3.", "The answer is 40."], f"p{i}")) for i in range(400)]
    wins = sum(table.filter("is_majority")["answer"][0] == "3" for table in pairs)
    assert 150 < wins < 250  # 5 standard deviations of Binomial(400, 1/2) are 50


@pytest.mark.parametrize(("min_margin", "kept"), [(0.0, ["a", "b"]), (0.5, ["a"]), (1.0, [])])
def test_pseudo_gold_needs_the_margin(min_margin: float, kept: list[str]) -> None:
    table = pl.concat(
        [
            completions(["The answer is 3."] * 3 + ["The answer is 4."], "a"),  # (3 - 1) / 4
            completions(["The answer is 3."] * 2 + ["The answer is 4.", "what"], "b"),  # (2 - 1) / 4
            completions(["The answer is 3.", "The answer is 4."], "c"),
        ]
    )
    gold = pseudo_gold(vote(table), min_margin)
    assert gold["prompt_id"].to_list() == kept
    assert set(gold["answer"]) <= {"3"}


_TEXTS = st.lists(
    st.sampled_from(
        [
            "The answer is 1/2.",
            "\\boxed{0.5}",
            "\\boxed{\\frac12}",
            "#### 3",
            "A: 3.0",
            "\\boxed{x+1}",
            "\\boxed{(x+1)^2}",
            "\\boxed{x^2+2x+1}",
            "\\boxed{10\\%}",
            "\\boxed{0.1}",
            "\\boxed{10}",
            "no idea",
            "",
        ]
    ),
    min_size=1,
    max_size=12,
)


@given(_TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_completions_changes_nothing(texts: list[str], rng: random.Random) -> None:
    table = completions(texts)
    order = list(range(table.height))
    rng.shuffle(order)
    assert vote(table[order]).equals(vote(table))


@given(_TEXTS)
def test_votes_add_up(texts: list[str]) -> None:
    table = vote(completions(texts))
    assert table.height == len(texts)
    assert set(table["n_samples"]) == {len(texts)}
    for answer, n_votes in Counter(table["answer"].to_list()).items():
        expected = {0} if answer is None else {n_votes}
        assert set(table.filter(pl.col("answer").eq_missing(answer))["n_votes"]) == expected
    majority = table.filter("is_majority")
    assert majority["answer"].n_unique() == (1 if table["answer"].drop_nulls().len() else 0)
    assert majority.height == max(table["n_votes"])


def _voted(prompt_id: str, right: int, wrong: int) -> pl.DataFrame:
    """`right` votes for 3 and `wrong` for 4."""
    return completions(["The answer is 3."] * right + ["The answer is 4."] * wrong, prompt_id)


def test_the_audit_counts_wrong_majorities_by_margin() -> None:
    votes = vote(pl.concat([_voted("a", 4, 0), _voted("b", 3, 1), _voted("c", 1, 3), _voted("d", 2, 2)]))
    golds = pl.DataFrame({"prompt_id": ["a", "b", "c", "d"], "answer": ["3", "3.0", "3", "3"]})
    found = audit_pseudo_gold(votes, golds)
    assert (found["audited"], found["tied"], found["undecided"]) == (3, 1, 0)
    assert [(b["n"], b["wrong"]) for b in found["bins"]] == [(0, 0), (0, 0), (2, 1), (1, 0)]  # margins 1/2, 1
    assert found["bins"][0]["false_positive_rate"] is None
    low, high = wilson(1, 2)
    assert found["bins"][2] | {"n": 2} == {
        "margin_from": 0.5,
        "margin_to": 0.75,
        "wrong": 1,
        "n": 2,
        "false_positive_rate": 0.5,
        "low": low,
        "high": high,
    }
    assert [(t["min_margin"], t["n"], t["wrong"]) for t in found["thresholds"]] == [
        (0.0, 3, 1),
        (0.25, 3, 1),
        (0.5, 3, 1),
        (0.75, 1, 0),
    ]


def test_the_audit_judges_no_majority_without_a_readable_reference() -> None:
    votes = vote(
        pl.concat([_voted("a", 2, 0), _voted("b", 2, 0), _voted("c", 2, 0), completions(["?"], "e")])
    )
    golds = pl.DataFrame({"prompt_id": ["a", "b", "e", "x"], "answer": [None, "", "3", "3"]})
    found = audit_pseudo_gold(votes, golds)
    assert (found["prompts"], found["with_gold"], found["tied"]) == (4, 2, 1)
    assert (found["undecided"], found["audited"]) == (1, 0)


def test_a_reference_given_twice_counts_once_and_two_of_them_are_refused() -> None:
    votes = vote(pl.concat([_voted("a", 4, 0), _voted("b", 3, 1)]))
    twice = pl.DataFrame({"prompt_id": ["a", "a", "b"], "answer": ["3", "3", "3"]})
    assert audit_pseudo_gold(votes, twice) == audit_pseudo_gold(votes, twice.unique())
    assert audit_pseudo_gold(votes, twice)["prompts"] == 2
    with pytest.raises(InputError, match="prompt 'a' has the references '3' and '4'; keep one"):
        audit_pseudo_gold(votes, pl.DataFrame({"prompt_id": ["a", "b", "a"], "answer": ["4", "3", "3"]}))


@given(_TEXTS, st.sampled_from(["3", "x+1", None]))
def test_the_audit_adds_up(texts: list[str], gold: str | None) -> None:
    found = audit_pseudo_gold(vote(completions(texts)), pl.DataFrame({"prompt_id": ["p"], "answer": [gold]}))
    assert found["with_gold"] == found["tied"] + found["undecided"] + found["audited"]
    assert sum(b["n"] for b in found["bins"]) == found["audited"] == found["thresholds"][0]["n"]

"""Voting is a function of the set of completions, over classes of equal answers."""

import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.votes import pseudo_gold, vote
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

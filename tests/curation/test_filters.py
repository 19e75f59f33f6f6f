"""Filters: what each refuses and under which name; limits and balance against their plain definitions."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import completions, labels

from curation.filters.balance import Labelled, surplus
from curation.filters.difficulty import difficulty_checks, histogram, pass_rates
from curation.filters.funnel import Check, first_failures, funnel
from curation.filters.limits import at_most, over_quota
from curation.filters.texts import language_check, length_checks, n_words, prose, refuses
from curation.words.texts import plain_words


def test_a_row_is_refused_by_the_first_check_it_fails_and_unknown_is_no_failure() -> None:
    checks = [
        Check("short", pl.Series([True, False, False, None])),
        Check("rude", pl.Series([True, True, False, None])),
    ]
    reasons = first_failures(checks, 4)
    assert reasons.to_list() == ["short", "rude", None, None]
    assert funnel(reasons, ["short", "rude", "never"]) == [
        {"filter": "short", "rejected": 1, "left": 3},
        {"filter": "rude", "rejected": 1, "left": 2},
        {"filter": "never", "rejected": 0, "left": 2},
    ]


@settings(max_examples=30)
@given(st.lists(st.text("ab1 ,.-'é世\n", max_size=20)))
def test_words_are_those_of_the_project(texts: list[str]) -> None:
    found = n_words(pl.Series(texts, dtype=pl.String))
    assert found.to_list() == [len(plain_words(text)) for text in texts]


def test_length_bounds_are_inclusive() -> None:
    texts = pl.Series(["one", "one two", "one two three", None])
    assert first_failures(length_checks(texts, 2, 2), 4).to_list() == [
        *("too_short", None, "too_long", "too_short"),
    ]
    assert length_checks(texts, None, None) == []


REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, but I can’t help you with this request.",
    "I cannot provide instructions for making explosives.",
    "As an AI language model, I am unable to provide medical diagnoses.",
    "Sorry! I'm not able to help with that request.",
    "I must respectfully decline this request.",
    "I apologize, but I cannot in good conscience write such a story.",
    "I WON'T HELP YOU HURT ANYONE.",
    "I cannot and will not provide that.",
    "I can't facilitate that.",
    "Sorry, I can't.",
    "I'm sorry, but I won't. Ask me for something else.",
    "I cannot produce harmful content",
    "I don't think I can help with that.",
    "I'm sorry, but I can't tell you how to do it.",
    "We cannot assist with that request.",
    "This goes against my programming.",
]
ANSWERS = [
    "I cannot simplify the fraction further, so the answer is 3/4.",
    "Sorry for the confusion earlier: the capital of Australia is Canberra.",
    "Natalia sold 48/2 = 24 clips in May. The answer is 72.",
    "You can't help but notice the colours. " + "The valley is wide. " * 30 + "I cannot help you with that.",
    "def refuse():\n    return 'no'",
    "Luigi won't share his 5 apples, so 10 - 5 = 5.",
    "Naomi can't help Ben, so 3 + 4 = 7 hours remain.",
    "Mái can't help Ben, so 3 + 4 = 7 hours remain.",
    "A taxi cannot support more than 4 people, so 12/4 = 3.",
    "I cannot helpfully shorten 7/9.",
    "I can't help but notice that 17 is prime. The answer is 17.",
    "I won't write out every case, but the answer is 42.",
    "We cannot write 7 as a sum of two even numbers. We cannot produce 7 so, either.",
    "In chess, the player not comfortable with openings should study.",
    "Sorry, I cannot tell from the drawing alone; with x = 3 it is 9.",
    "",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_known_by_its_opening(text: str) -> None:
    assert refuses(pl.Series([text])).to_list() == [True]


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert refuses(pl.Series([text])).to_list() == [False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Solve $x^2 = 4$ and\n\\[\\sqrt{y} = 2\\]\nnow", ["Solve", "and", "now"]),
        ("Use `for` in: ```\nfor i in x:\n    pass\n``` please", ["Use", "in:", "please"]),
        ("[asy]\ndraw(A);\n[/asy] What \\textbf area?", ["What", "area?"]),
        ("It costs $5 in all.", ["It", "costs", "$5", "in", "all."]),
        ("", []),
    ],
)
def test_code_and_formulas_are_no_prose(text: str, words: list[str]) -> None:
    assert prose(pl.Series([text]))[0].split() == words


def test_a_text_in_no_language_is_not_in_another_one() -> None:
    check = language_check(pl.Series(["en", "de", None]), ["en"])
    assert first_failures([check], 3).to_list() == [None, "other_language", None]


def test_pass_rates_count_decided_completions_alone() -> None:
    said = completions(easy=["a", "b"], hard=["c", "d"], half=["e", "f", "g"], unread=["h"], chat=["i"])
    rates = pass_rates(said, labels(easy="++", hard="--", half="+-?", unread="?"))
    assert rates.rows() == [("easy", 1.0, 2), ("half", 0.5, 2), ("hard", 0.0, 2), ("unread", None, 0)]
    ids = pl.Series(["easy", "hard", "half", "unread", "chat"])
    found = first_failures(difficulty_checks(ids, rates, 0.1, 0.9), 5)
    assert found.to_list() == ["too_easy", "too_hard", None, "no_pass_rate", None]
    assert histogram(rates, 4) == [1, 0, 1, 1]


_kinds = st.lists(st.sampled_from([True, False]), max_size=12)


@given(_kinds, st.integers(1, 6))
def test_kinds_take_turns_under_a_limit(kinds: list[bool], limit: int) -> None:
    ids = [f"c{i}" for i in range(len(kinds))]
    kept = at_most(ids, kinds, limit)
    assert len(kept) == min(limit, len(ids)) and kept == [i for i in ids if i in kept]
    taken = Counter(kinds[ids.index(i)] for i in kept)
    there = Counter(kinds)
    # The rarer kind has its half, rounded either way, or all there is of it.
    assert all(taken[kind] >= min(there[kind], limit // 2) for kind in (True, False))


@given(_kinds, st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(kinds: list[bool], limit: int, shuffler) -> None:  # noqa: ANN001
    rows = [(f"c{i}", kind) for i, kind in enumerate(kinds)]
    again = shuffler.sample(rows, len(rows))
    first, second = (at_most([i for i, _ in r], [k for _, k in r], limit) for r in (rows, again))
    assert set(first) == set(second)


def test_an_odd_place_goes_to_right_and_wrong_alike_over_many_prompts() -> None:
    taken = Counter()
    for p in range(200):
        ids = [f"{p}-{i}" for i in range(6)]
        kinds = [i < 3 for i in range(6)]
        taken.update(kinds[ids.index(i)] for i in at_most(ids, kinds, 1))
    assert 70 < taken[True] < 130


def test_quotas_hold_for_each_group_and_the_star_for_every_other_one() -> None:
    groups = ["math"] * 5 + ["code"] * 4 + ["chat"] * 3 + [None] * 3
    ids = pl.Series([f"p{i}" for i in range(len(groups))])
    reason, over = over_quota(ids, pl.Series(groups), {"math": 2, "code": 0, "*": 1}, seed=0)
    left = Counter(group for group, out in zip(groups, over, strict=True) if not out)
    assert reason == "over_quota" and left == {"math": 2, "chat": 1, None: 1}
    _, over = over_quota(ids, pl.Series(groups), {"math": 2}, seed=0)
    assert over.to_list()[5:] == [False] * 10
    shuffled = [*range(len(groups))][::-1]
    again = over_quota(ids[shuffled], pl.Series(groups)[shuffled], {"math": 2}, seed=0).fails
    assert set(ids.filter(over)) == set(ids[shuffled].filter(again))
    assert set(ids.filter(over)) != set(ids.filter(over_quota(ids, pl.Series(groups), {"math": 2}, 2).fails))


_rows = st.lists(
    st.tuples(st.sampled_from("pqr"), st.integers(0, 3), st.integers(0, 3)).filter(lambda r: r[1] + r[2]),
    max_size=12,
)


@given(_rows, st.sampled_from([1.0, 1.5, 3.0]))
def test_balance_reaches_the_factor_or_runs_out_and_never_drops_a_rare_label(
    drawn: list[tuple[str, int, int]], factor: float
) -> None:
    rows = [Labelled(p, f"{p}{i}", right, wrong) for i, (p, right, wrong) in enumerate(drawn)]
    dropped = surplus(rows, factor)
    kept = [row for row in rows if row.row_id not in dropped]
    common, rare = ("right", "wrong") if sum(r.right - r.wrong for r in rows) >= 0 else ("wrong", "right")
    assert all(getattr(row, rare) == 0 for row in rows if row.row_id in dropped)
    n_common, n_rare = (sum(getattr(row, side) for row in kept) for side in (common, rare))
    sizes = [getattr(row, common) for row in kept if getattr(row, rare) == 0]
    # What could still go would leave the commoner label too rare.
    assert n_common <= factor * n_rare or all((n_common - size) * factor < n_rare for size in sizes)
    assert n_rare <= factor * n_common or not dropped
    # Without its last drop it would not have been reached, so no single row was dropped for nothing.
    sizes = [getattr(row, common) for row in rows if row.row_id in dropped]
    assert not sizes or n_common + max(sizes) > factor * n_rare
    assert surplus(rows[::-1], factor) == dropped


def test_balance_takes_from_the_prompt_where_one_label_leads_most() -> None:
    rows = [Labelled("easy", f"e{i}", 1, 0) for i in range(6)]
    rows += [Labelled("fair", f"f{i}", 1, 0) for i in range(3)] + [Labelled("fair", "f3", 0, 1)]
    rows += [Labelled("hard", f"h{i}", 0, 1) for i in range(5)]
    # 9 right, 6 wrong; easy leads by 6, fair by 2: all three go from easy.
    dropped = surplus(rows, 1.0)
    assert len(dropped) == 3 and all(row_id.startswith("e") for row_id in dropped)


def test_balance_never_makes_the_commoner_label_the_too_rare_one() -> None:
    rows = [Labelled("p", f"p{i}", 10, 0) for i in range(3)] + [Labelled("q", "q", 0, 9)]
    assert len(surplus(rows, 1.0)) == 2  # 10 : 9, where a third one would leave 0 : 9
    rows = [Labelled("p", "long", 30, 0)] + [Labelled("r", f"r{i}", 1, 0) for i in range(9)]
    dropped = surplus([*rows, Labelled("q", "q", 0, 19)], 2.0)
    assert len(dropped) == 1 and dropped < {f"r{i}" for i in range(9)}  # 39 : 19; without the long one 9 : 19

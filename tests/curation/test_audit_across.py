"""Hashes, circles, prefixes and biases against their definitions in plain Python."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.audit import Auditor
from curation.audit.across import repeated
from curation.audit.answers import number_of
from curation.audit.biases import Lengths, Position
from curation.audit.report import Found, Report, Tally
from curation.audit.splits import prompt_words, split_of
from curation.words.texts import plain_words
from store.tables import OUTCOME, PREFERENCE, STEPWISE

Row = dict[str, Any]


def asked(text: str) -> list[Row]:
    return [{"role": "user", "content": text}]


def said(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def audited(name: str, rows: list[Row], schema: pl.Schema) -> Report:
    auditor = Auditor(name, name)
    auditor.add(pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema))
    return auditor.close()


def counts(found: Report) -> dict[str, int]:
    return {one.check: one.count for one in found.found}


def reaches(edges: set[tuple[str, str]], a: str, b: str) -> bool:
    """Is there a way from `a` to `b`?"""
    seen, waiting = set(), [a]
    while waiting:
        at = waiting.pop()
        for x, y in edges:
            if x == at and y not in seen:
                seen.add(y)
                waiting.append(y)
    return b in seen


PAIRS = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=14
)


@settings(max_examples=60)
@given(PAIRS)
def test_pairs_across_rows_follow_their_definitions(given_pairs: list[tuple[str, str, str]]) -> None:
    pairs = [(p, a, b) for p, a, b in given_pairs if a != b]
    rows = [
        {"prompt": asked(p), "chosen": said(a), "rejected": said(b), "prompt_id": p, "soft": 1.0,
         "chosen_id": p + a, "rejected_id": p + b}
        for p, a, b in pairs
    ]  # fmt: skip
    found = counts(audited("preference", rows, PREFERENCE))
    distinct = set(pairs)
    both = {(p, a, b) for p, a, b in distinct if (p, b, a) in distinct}
    assert found.get("labelled_both_ways", 0) == len(both) / 2
    assert found.get("duplicate_row", 0) == len(pairs) - len(distinct)
    circular = 0
    for prompt in "pq":
        edges = {(a, b) for p, a, b in distinct - both if p == prompt}
        circular += any(reaches(edges, a, a) for a, _ in edges)
    assert found.get("cycle", 0) == circular


def test_a_circle_names_its_rows_and_ties_make_none() -> None:
    rows = [
        {"prompt": asked("p"), "chosen": said(a), "rejected": said(b), "prompt_id": "p", "soft": 1.0,
         "chosen_id": a, "rejected_id": b}
        for a, b in ("ab", "bc", "ca", "xa")
    ]  # fmt: skip
    (circle,) = (one for one in audited("preference", rows, PREFERENCE).found if one.check == "cycle")
    where, detail = circle.first[0]
    assert {where, *detail.removeprefix("a circle with ").split(", ")} == {"a > b", "b > c", "c > a"}
    tied = [row | {"soft": 0.5, "margin": 0.0} for row in rows]
    assert counts(audited("preference", tied, PREFERENCE)) == {}


SOLUTIONS = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1, max_size=3), max_size=8
)


@settings(max_examples=60)
@given(SOLUTIONS)
def test_prefixes_with_two_labels_follow_their_definition(solutions: list[list[tuple[str, bool]]]) -> None:
    rows = [
        {"prompt": asked("p"), "prompt_id": "p", "completion_id": f"c{i}",
         "completions": [text for text, _ in steps], "labels": [label for _, label in steps],
         "values": [None] * len(steps), "confidences": [None] * len(steps)}
        for i, steps in enumerate(solutions)
    ]  # fmt: skip
    labels: dict[tuple[str, ...], set[bool]] = {}
    for steps in solutions:
        for end in range(1, len(steps) + 1):
            labels.setdefault(tuple(text for text, _ in steps[:end]), set()).add(steps[end - 1][1])
    report = audited("stepwise", rows, STEPWISE)
    assert counts(report).get("prefix_labelled_both_ways", 0) == sum(len(x) > 1 for x in labels.values())


@given(st.lists(st.integers(0, 6), max_size=20))
def test_repeated_values(values: list[int]) -> None:
    found = repeated(np.array(values, np.uint64))
    assert found.tolist() == [values.count(value) > 1 for value in values]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so #### 1,234", 1234.0),
        ("The answer is: $ -2.50.", -2.5),
        (r"Thus \boxed{3/4}. Done.", 0.75),
        (r"\boxed{1} no, \boxed{2}", 2.0),  # the last one counts
        ("The answer is 1/0", None),
        ("The answer is 12 or 13", None),
        ("I have 3 apples", None),
        (r"\boxed{2x}", None),
        (r"\boxed{1,2}", None),  # a list, no thousand
        (r"\boxed{1,234,567}", 1234567.0),
        ("", None),
    ],
)
def test_the_number_of_an_answer(text: str, number: float | None) -> None:
    assert pl.select(number_of(pl.lit(text))).item() == number


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=2, max_size=30))
def test_what_length_tells_of_outcomes_is_the_share_of_ordered_pairs(rows: list[tuple[int, bool]]) -> None:
    lengths, facts = Lengths("outcome"), {}
    frame = pl.DataFrame({"text": ["x" * n for n, _ in rows], "label": [label for _, label in rows]})
    for part in frame.iter_slices(7):
        lengths.add(part)
    lengths.close(Tally(), facts)
    right, wrong = ([n for n, label in rows if label is side] for side in (True, False))
    if not right or not wrong:
        assert facts == {}
        return
    bins = [int(8 * np.log2(n + 1)) for n in range(41)]
    share = np.mean([(bins[a] > bins[b]) + (bins[a] == bins[b]) / 2 for a, b in product(right, wrong)])
    assert facts["longer_is_better"]["share"] == pytest.approx(share)


def test_a_seat_that_always_wins_needs_twenty_pairs() -> None:
    for pairs, found in ((19, ["position_bias"]), (20, ["chosen_by_position"])):
        position, tally = Position(), Tally()
        position.add(0, pairs)
        position.close(tally, {})
        assert [one.check for one in tally.close()] == found


@settings(max_examples=40)
@given(st.lists(st.text(alphabet="aA é,.1\n", max_size=8), max_size=12))
def test_prompts_of_the_same_words_have_one_hash(texts: list[str]) -> None:
    keys = prompt_words(pl.Series(texts, dtype=pl.String)).tolist()
    for (a, x), (b, y) in product(zip(texts, keys, strict=True), repeat=2):
        words = plain_words(a), plain_words(b)
        assert (x == y) == (words[0] == words[1] if any(words) else a == b)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train-00000-of-00002", "train"),
        ("gsm8k_test", "test"),
        ("validation", "test"),
        ("training", "train"),
        ("contest", None),
        ("part-0", None),
    ],
)
def test_the_side_of_a_split_is_read_from_names(name: str, side: str | None) -> None:
    assert split_of(name) == side


def test_halves_of_characters_leave_a_report_valid() -> None:
    found = Found("same_text", 1, 1, [("row 1", "half \ud800")]).to_dict()
    assert found["first"] == [{"where": "row 1", "detail": r"half \ud800"}]


def test_places_name_the_first_rows_only() -> None:
    rows = [
        {"prompt": asked("p"), "prompt_id": "p", "completion": said(""), "completion_id": f"c{i}"}
        for i in range(9)
    ]
    found = {one.check: one for one in audited("outcome", rows, OUTCOME).found}
    assert found["empty_text"].count == 9
    assert [where for where, _ in found["empty_text"].first] == ["c0", "c1", "c2", "c3", "c4"]

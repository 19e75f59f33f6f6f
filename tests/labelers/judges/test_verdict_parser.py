"""Properties of the verdict parsers on any reply; single replies stand in the corpus."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.judges.critique_parser import parse_first_error
from labelers.judges.last_line import MAX_LINE, TAIL, last_lines
from labelers.judges.rating_parser import parse_rating
from labelers.judges.verdict_parser import parse_choice, parse_level, parse_verdict

NOISE = st.text(alphabet="[]ABCD>=<ab0189:\n/thinkfvdr.*-\\{}$ 评", max_size=60)
REASONS = st.text(max_size=80).filter(lambda text: "think" not in text.lower())


@given(NOISE | st.text(max_size=60))
def test_what_a_parser_points_at_is_what_it_says(reply: str) -> None:
    letter, at = parse_choice(reply, "ABCD")
    assert (letter is None) == (at < 0)
    assert letter is None or reply[at].upper() == letter
    verdict, where = parse_verdict(reply)
    assert verdict == {"A": "A", "B": "B", "C": "tie", None: "unparsed"}[parse_choice(reply, "ABC").letter]
    assert verdict == "unparsed" or where >= 0
    rating, place = parse_rating(reply, 1, 10)
    assert rating is None or reply[place:].startswith(str(int(rating)))


@given(NOISE, st.integers(1, 10))
def test_what_is_read_is_always_on_the_scale(reply: str, n: int) -> None:
    rating = parse_rating(reply, 0, n).rating
    assert rating is None or 0 <= rating <= n
    index = parse_first_error(reply, n)
    assert index is None or -1 <= index < n
    assert parse_choice(reply, "ABCD"[: min(n, 4)]).letter in (None, *"ABCD"[: min(n, 4)])


@given(REASONS, st.sampled_from("ABCD"), st.integers(1, 10), st.integers(-1, 9))
def test_whatever_was_said_before_a_plain_last_line_decides_nothing(
    before: str, letter: str, rating: int, index: int
) -> None:
    assert parse_choice(f"{before}\n[[{letter}]]", "ABCD").letter == letter
    assert parse_level(f"{before}\n[[B>>A]]")[:2] == ("B", True)
    assert parse_rating(f"{before}\n[[{rating}]]", 1, 10).rating == rating
    assert parse_first_error(f"{before}\n\\boxed{{{index}}}", 10) == index


@given(st.sampled_from(["[[A]]", "[[8]]", r"\boxed{3}", "[[A>B]]", "Rating: 8", "Final verdict: A"]), REASONS)
def test_nothing_is_read_once_something_else_was_said(verdict: str, after: str) -> None:
    reply = f"{verdict}\nBut {after.strip()} no"
    assert parse_verdict(reply).verdict == "unparsed"
    assert parse_level(reply).verdict == "unparsed"
    assert parse_rating(reply, 1, 10).rating is None
    assert parse_first_error(reply, 9) is None


@given(st.text(alphabet="[[A]] \\boxed{1}thinkRating: 8\n", max_size=60))
def test_a_reply_that_never_stops_thinking_says_nothing(thoughts: str) -> None:
    reply = f"<think>{thoughts.replace('</think>', '')}"
    assert parse_verdict(reply).verdict == "unparsed"
    assert parse_rating(reply, 1, 10).rating is None
    assert parse_first_error(reply, 9) is None


@given(st.lists(st.sampled_from(["a", "[[A]]", "", "```", "---", "  "]), max_size=8))
def test_the_last_lines_are_the_last_two_with_words_in_them(parts: list[str]) -> None:
    last, before = last_lines("\n".join(parts))
    while parts and parts[-1] not in ("a", "[[A]]"):
        parts = parts[:-1]
    words = [part for part in parts if part.strip()]
    assert [before.text, last.text] == ["", "", *words][-2:]


def test_a_line_that_is_too_long_or_too_far_from_the_end_is_not_read() -> None:
    assert parse_verdict(" " * (MAX_LINE - 5) + "[[A]]").verdict == "A"
    assert parse_verdict(" " * MAX_LINE + "[[A]]").verdict == "unparsed"
    assert parse_verdict("x\n[[A]]" + "\n" * (TAIL - 10)).verdict == "A"
    assert parse_verdict("x\n[[A]]" + "\n" * TAIL).verdict == "unparsed"
    # The tail begins inside the line: its beginning may have been "not".
    assert parse_verdict("not" + " " * 10 + "[[A]]" + "\n" * (TAIL - 8)).verdict == "unparsed"


HOSTILE = [
    "[[A]]" + " " * 10**6 + "x",
    "*" * 10**6 + "[[A]]x",
    "[[A]] " * 10**5 + "x",
    "[[ " * 10**5,
    "\n*" * 10**6,
    "<think>" * 10**5,
    "the " * 10**5 + "[[A]]",
    "7" * 10**6,
    "Rating: " * 10**5,
    r"\boxed{" * 10**5,
]


@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_replies_are_nothing_and_are_read_in_no_time(reply: str) -> None:
    start = time.perf_counter()
    assert parse_verdict(reply).verdict == "unparsed"
    assert parse_level(reply).verdict == "unparsed"
    assert parse_rating(reply, 1, 10).rating is None
    assert parse_first_error(reply, 5) is None
    assert time.perf_counter() - start < 10  # a guard against a hang, not a measurement

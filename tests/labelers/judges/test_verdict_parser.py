"""Properties of the verdict parsers on any reply; single replies stand in the corpus."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.judges.critique_parser import parse_first_error
from labelers.judges.last_line import MAX_STATEMENT, TAIL, is_lead_in, last_statement
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
def test_whatever_was_said_in_whole_sentences_before_a_plain_last_line_decides_nothing(
    reasons: str, letter: str, rating: int, index: int
) -> None:
    before = f"{reasons}x."
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


@given(
    st.sampled_from(["I will not write", "The text of A ends with:", "If so,", "Step 2 is", "«", "x ="]),
    NOISE,
)
def test_a_sentence_left_open_on_the_line_before_governs_the_verdict(opened: str, reasons: str) -> None:
    before = f"{reasons}\n{opened}\n"
    assert parse_choice(f"{before}[[A]]", "ABCD").letter is None
    assert parse_level(f"{before}[[A>B]]").verdict == "unparsed"
    assert parse_rating(f"{before}[[7]]", 1, 10).rating is None
    assert parse_rating(f"{before}7/10", 1, 10).rating is None
    assert parse_first_error(f"{before}\\boxed{{1}}", 10) is None


LINES = st.lists(st.sampled_from(["so", "say:", "No.", "x = 3", "[[A]]", "", "```", "---", "  "]), max_size=8)


@given(LINES)
def test_the_last_statement_is_the_last_line_and_the_open_lines_above_it(parts: list[str]) -> None:
    text = last_statement("\n".join(parts)).text
    words = [part for part in parts if part not in ("", "```", "---", "  ")]
    begin = len(words) - 1
    while begin > 0 and words[begin - 1] in ("so", "say:"):
        begin -= 1
    assert [line for line in text.split("\n") if line in words] == words[max(begin, 0) :]


@given(
    st.lists(
        st.sampled_from(["so", "So,", "my", "final", "verdict", "is", "is:", "not", "**", "?"]), max_size=6
    )
)
def test_a_lead_in_is_a_known_phrase_and_no_mixture_of_its_words(parts: list[str]) -> None:
    words = [part.strip(":,*").lower() for part in parts if part != "**"]
    phrase = [word for word in words if word != "so"]
    known = [[], ["verdict"], ["my", "verdict"], ["verdict", "is"], ["my", "verdict", "is"]]
    whole = phrase in known and (not phrase or words[-len(phrase) :] == phrase)
    assert is_lead_in(" ".join(parts), "(?:my )?verdict(?: is)?") == whole


def test_a_statement_that_is_too_long_or_too_far_from_the_end_is_not_read() -> None:
    assert parse_verdict(" " * (MAX_STATEMENT - 5) + "[[A]]").verdict == "A"
    assert parse_verdict(" " * MAX_STATEMENT + "[[A]]").verdict == "unparsed"
    assert parse_verdict("x.\n[[A]]" + "\n" * (TAIL - 10)).verdict == "A"
    assert parse_verdict("x.\n[[A]]" + "\n" * TAIL).verdict == "unparsed"
    # The tail begins inside the statement: its beginning may have been "not".
    assert parse_verdict("not" + " " * 10 + "[[A]]" + "\n" * (TAIL - 8)).verdict == "unparsed"
    assert parse_verdict("not\nverdict\n[[A]]" + "\n" * (TAIL - 14)).verdict == "unparsed"


HOSTILE = [
    "[[A]]" + " " * 10**6 + "x",
    "*" * 10**6 + "[[A]]x",
    "[[A]] " * 10**5 + "x",
    "[[ " * 10**5,
    "\n*" * 10**6,
    "\n" * 10**6 + "<think",
    "verdict " * 10**5 + "[[A]]",
    "</think>" * 10**5 + "so",
    ("so, " * 59) + "[[A]]?",
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

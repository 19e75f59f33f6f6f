"""Check a mathematical answer against a reference: a verdict with a status, never a bare bool.

Stages decide in order, and the first that can decide does: equal normalised strings, then exact rational
numbers (no floats, no tolerance: 0.333 is not 1/3), then single words and choice letters. A stage returns
True, False, or None for "not mine"; a further stage is one more entry in `STAGES`.

Nothing is imputed. When no stage decides, the status says whose fault it is: `gold_unparseable` when the
reference is outside what the stages read, else `unparseable`. Only a decided difference is `incorrect`. No
text is ever evaluated, and sizes are bounded before any arithmetic (`limit`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from verifiers.extraction import MAX_ANSWER_CHARS, extract
from verifiers.normal import plain, string_key
from verifiers.rational import LimitExceeded, Number, decimal_comma, parse_number, same_number

Status = Literal["correct", "incorrect", "no_answer", "unparseable", "gold_unparseable", "limit"]
Method = Literal["string", "rational", "literal", "none"]

MEMO = 8_192  # (gold, answer) pairs; N samples of one problem share few distinct answers

_LITERAL = re.compile(r"[A-Za-z]|no|[a-z]{3,40}")
_PUNCTUATION = " $%-+.,:;=*!?"  # these alone answer nothing
_MATHEMATICS = frozenset(
    {"infinity", "infty", "none", "undefined", "zero"}
)  # words with synonyms of other shapes


class Policy(NamedTuple):
    """`last_number` reads the last number of a text that marks no answer; intermediate results then count."""

    last_number: bool = False


class Verdict(NamedTuple):
    """`method` is the stage that decided, "none" when no stage could."""

    status: Status
    extracted: str | None
    method: Method


class Reading(NamedTuple):
    """What the stages see of one answer."""

    text: str
    key: str
    number: Number | None
    over_limit: bool


DEFAULT = Policy()


def verify(gold: str, prediction: str, policy: Policy = DEFAULT, *, truncated: bool = False) -> Verdict:
    """Judge a completion (or a bare answer) against a reference solution (or a bare answer)."""
    found = extract(prediction, last_number=policy.last_number, truncated=truncated)
    if found.text is None:
        return Verdict("limit" if found.source == "limit" else "no_answer", None, "none")
    status, method = _decide(_gold_answer(gold), found.text)
    return Verdict(status, found.text, method)


def verify_many(pairs: Iterable[tuple[str, str]], policy: Policy = DEFAULT) -> list[Verdict]:
    """`verify` for each (gold, prediction), in order; repeated (gold, answer) pairs are decided once."""
    return [verify(gold, prediction, policy) for gold, prediction in pairs]


def equivalent(a: str, b: str) -> bool:
    """True when two bare answers are certainly the same; symmetric. False also when it cannot be decided."""
    return _compare(_read(a), _read(b))[0] is True


def canonical(answer: str) -> str | None:
    """The name of a bare answer's vote class: an exact fraction, else the normalised string.

    Units, labels and the percent sign are dropped, so "5 hours" votes with 5 and "10%" with 10. None when the
    answer is empty or over the limits.
    """
    reading = _read(answer)
    if reading.over_limit or not reading.key:
        return None
    return str(reading.number.value) if reading.number else reading.key


@lru_cache(MEMO)
def _gold_answer(gold: str) -> str:
    """A reference is an answer by declaration: without a marker, all of it counts."""
    found = extract(gold)
    return gold if found.text is None or found.source == "bare" else found.text


@lru_cache(MEMO)
def _decide(gold: str, answer: str) -> tuple[Status, Method]:
    reference, reading = _read(gold), _read(answer)
    if reading.over_limit:
        return "limit", "none"
    if not reference.key or reference.over_limit:
        return "gold_unparseable", "none"
    same, method = _compare(reference, reading)
    if same is None:
        readable = reference.number is not None or _is_literal(reference)
        return ("unparseable" if readable else "gold_unparseable"), "none"
    return ("correct" if same else "incorrect"), method


def _read(answer: str) -> Reading:
    if len(answer) > MAX_ANSWER_CHARS:
        return Reading("", "", None, True)
    text = plain(answer)
    key = string_key(text) if text.strip(_PUNCTUATION) else ""
    try:
        return Reading(text, key, parse_number(text), False)
    except LimitExceeded:
        return Reading(text, key, None, True)


def _compare(a: Reading, b: Reading) -> tuple[bool | None, Method]:
    if a.over_limit or b.over_limit:
        return None, "none"
    for method, stage in STAGES:
        same = stage(a, b)
        if same is not None:
            return same, method
    return None, "none"


def _same_string(a: Reading, b: Reading) -> bool | None:
    return True if a.key and a.key == b.key else None


def _same_rational(a: Reading, b: Reading) -> bool | None:
    if a.number and b.number:
        return same_number(a.number, b.number)
    if a.number or b.number:
        number, other = (a.number, b) if a.number else (b.number, a)
        return True if number and decimal_comma(other.text) == number.value else None
    return None


def _same_literal(a: Reading, b: Reading) -> bool | None:
    """Two single words or letters that differ are different answers; `ab` and `ba` may be one product."""
    if not (_is_literal(a) and _is_literal(b)):
        return None
    return False if sorted(a.key) != sorted(b.key) else None


def _is_literal(reading: Reading) -> bool:
    return bool(_LITERAL.fullmatch(reading.key)) and reading.key not in _MATHEMATICS


STAGES: tuple[tuple[Method, Callable[[Reading, Reading], bool | None]], ...] = (
    ("string", _same_string),
    ("rational", _same_rational),
    ("literal", _same_literal),
)

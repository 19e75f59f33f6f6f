"""Check a mathematical answer against a reference: a verdict with a status, never a bare bool.

Stages decide in order, and the first that can decide does: equal normalised strings, exact rational numbers
(no floats, no tolerance: 0.333 is not 1/3), words and choice letters, then the expressions that both answers
parse to (`expressions`). Only what needs a computer algebra system leaves the process: it runs in worker
processes that are killed at the deadline. A stage returns True, False, or None for "not mine".

Nothing is imputed. When no stage decides, the status says whose fault it is: `gold_unparseable` when the
reference cannot be read, else `unparseable`. Only a decided difference is `incorrect`. No text is ever
evaluated, and sizes are bounded before any arithmetic (`limit`).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Literal, NamedTuple

from verifiers.answers.letters import find_letter, written_choice
from verifiers.answers.normal import plain, string_key, unescaped
from verifiers.answers.rational import Number, is_decimal_comma, parse_number, same_number
from verifiers.answers.statements import MAX_BARE_CHARS
from verifiers.extraction import extract
from verifiers.policy import DEFAULT, MAX_ANSWER_CHARS, LimitExceeded, Policy
from verifiers.verdict import Status, Verdict

if TYPE_CHECKING:
    import polars as pl

    from verifiers.expressions.nodes import Node

logger = logging.getLogger(__name__)

Method = Literal["string", "rational", "algebraic", "numeric", "none"]

MEMO = 8_192  # (gold, answer) pairs; N samples of one problem share few distinct answers
DEADLINE = 2.0  # seconds for one pair that needs a computer algebra system

_LITERAL = re.compile(r"[A-Za-z]|no|[a-z]{3,40}")
_PUNCTUATION = " $%-+.,:;=*!?"  # these alone answer nothing
_MATHEMATICS = frozenset(
    {"infinity", "infty", "nosolution", "dne", "undefined"}
)  # have synonyms of other shapes


class Reading(NamedTuple):
    """What the stages see of one answer."""

    text: str
    plain: str
    key: str
    number: Number | None
    over_limit: bool


class Decision(NamedTuple):
    status: Status
    method: Method = "none"


Pair = tuple[str, str]  # bare answers
Text = str | int | float | None
Timed = tuple[Decision, float]  # and its seconds


def verify(
    gold: Text,
    prediction: Text,
    policy: Policy = DEFAULT,
    *,
    truncated: bool = False,
    deadline: float | None = DEADLINE,
) -> Verdict:
    """Judge a completion (or a bare answer) against a reference solution (or a bare answer).

    The verdict's method is the stage that decided: string, rational, algebraic, numeric, or none. A missing
    reference is `gold_unparseable`, a missing prediction has no answer. `deadline` bounds the seconds of
    algebra in a worker process; None runs it here, without a bound. Raises WorkerError (`workers.pool`) when
    no worker process can be started.
    """
    started = time.perf_counter()
    reference, answer, decision = _first_look(_text(gold), _text(prediction), policy, truncated)
    if decision is None:
        decision, _ = _algebra([(reference, answer)], policy, 1, deadline)[0]
    return Verdict(decision.status, answer or None, decision.method, time.perf_counter() - started)


def verify_many(
    pairs: Iterable[tuple[Text, Text]],
    policy: Policy = DEFAULT,
    *,
    truncated: Sequence[bool] = (),
    workers: int = 1,
    deadline: float = DEADLINE,
) -> list[Verdict]:
    """`verify` for each (gold, prediction), in order.

    The quick stages run here; the distinct pairs that need algebra are spread over `workers` processes, or
    run here without a deadline when it is 0. The seconds of a pair are those of its own decision, also where
    it was made in a worker. Raises ValueError when `truncated` is given and has another length than `pairs`.
    """
    pairs = list(pairs)
    if len(truncated) not in (0, len(pairs)):
        raise ValueError(f"truncated: {len(truncated)} values for {len(pairs)} pairs")
    looks, seconds = [], []
    for (gold, prediction), cut in zip(pairs, truncated or repeat(False, len(pairs)), strict=True):
        started = time.perf_counter()
        looks.append(_first_look(_text(gold), _text(prediction), policy, cut))
        seconds.append(time.perf_counter() - started)
    hard = list(dict.fromkeys((gold, answer) for gold, answer, decision in looks if decision is None))
    decided = dict(zip(hard, _algebra(hard, policy, workers, deadline if workers else None), strict=True))
    verdicts = []
    for (gold, answer, decision), spent in zip(looks, seconds, strict=True):
        (status, method), more = (decision, 0.0) if decision else decided[gold, answer]
        verdicts.append(Verdict(status, answer or None, method, spent + more))
    return verdicts


def verify_frame(
    frame: pl.DataFrame,
    policy: Policy = DEFAULT,
    *,
    gold: str = "answer",
    prediction: str = "text",
    truncated: str | None = None,
    workers: int = 1,
    deadline: float = DEADLINE,
) -> pl.DataFrame:
    """`frame` with the columns status, extracted, method and seconds of `verify_many`.

    `gold`, `prediction` and `truncated` name its columns; nulls count as missing, numbers as written.
    """
    import polars as pl

    golds, texts = frame[gold].to_list(), frame[prediction].to_list()
    cut = frame[truncated].to_list() if truncated else ()
    verdicts = verify_many(
        zip(golds, texts, strict=True), policy, truncated=cut, workers=workers, deadline=deadline
    )
    schema = {"status": pl.String, "extracted": pl.String, "method": pl.String, "seconds": pl.Float64}
    return frame.hstack(pl.DataFrame(verdicts, schema=schema, orient="row"))


def equivalent(a: str, b: str) -> bool:
    """True when two bare answers are certainly the same; symmetric. False also when it cannot be decided."""
    return (_quick(a, b, DEFAULT) or _algebra([(a, b)], DEFAULT, 1, DEADLINE)[0][0]).status == "correct"


def canonical(answer: str) -> str | None:
    """The name of a bare answer's vote class: an exact value or form, else the normalised string.

    Units, labels and the percent sign are dropped from numbers, so "5 hours" votes with 5 and "10%" with 10.
    None when the answer is empty or over the limits.
    """
    reading = _read(answer)
    if reading.over_limit or not reading.key:
        return None
    if reading.number:
        return str(reading.number.value)
    from verifiers.expressions import compare

    try:
        node = _node(reading.text)
        return (compare.canonical(node) if node else None) or reading.key
    except LimitExceeded:
        return None
    except Exception:  # as in `_decide_values`
        logger.exception("canonical: answer %r", answer)
        return reading.key


def _text(value: Text) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _first_look(
    gold: str, prediction: str, policy: Policy, truncated: bool
) -> tuple[str, str, Decision | None]:
    """(gold answer, answer, decision); the decision is None when it needs algebra."""
    found = extract(prediction, policy, truncated=truncated)
    reference = _gold_answer(gold, policy)
    if found.text is not None:
        return reference, found.text, _quick(reference, found.text, policy)
    if found.source == "none" and not truncated and _is_word_for_word(reference, prediction):
        return reference, prediction.strip(), Decision("correct", "string")
    return reference, "", Decision("limit" if found.source == "limit" else "no_answer")


@lru_cache(MEMO)
def _gold_answer(gold: str, policy: Policy) -> str:
    """A reference is an answer by declaration: without a marker, or in a box left open, all of it counts."""
    found = extract(gold, policy._replace(choices="", last_number=False))
    if found.text is None:
        return gold.rpartition("boxed{")[2]
    is_short = len(gold) <= MAX_BARE_CHARS and "\n" not in gold.strip()
    return gold if found.source == "bare" or (found.source == "conclusion" and is_short) else found.text


def _is_word_for_word(gold: str, prediction: str) -> bool:
    """A short text that says nothing but the reference, which may be a sentence."""
    if len(prediction) > MAX_BARE_CHARS or not prediction.strip():
        return False
    return string_key(plain(prediction)) == string_key(plain(gold))


@lru_cache(MEMO)
def _quick(gold: str, answer: str, policy: Policy) -> Decision | None:
    """The decision of the stages that run in this process; None when algebra is needed."""
    return _decide(gold, answer, policy, algebra=False)


def _decide(gold: str, answer: str, policy: Policy, *, algebra: bool) -> Decision | None:
    """None when only algebra can tell and `algebra` is False."""
    reference, reading = _read(gold), _read(answer)
    if reading.over_limit:
        return Decision("limit")
    if not reference.key or reference.over_limit:
        return Decision("gold_unparseable")
    if policy.choices:
        return _decide_choice(gold, answer, policy)
    choices = written_choice(reference.plain), written_choice(reading.plain)
    if any(choices):
        letters = [c[0] if c else r.key for c, r in zip(choices, (reference, reading), strict=True)]
        if all(len(letter) == 1 and letter.isupper() for letter in letters):
            return _decision(letters[0] == letters[1], "string")
        # "(B) 12" is 12 to one who answers with a value
        reference, reading = (
            _read(c[1]) if c and c[1] else r for c, r in zip(choices, (reference, reading), strict=True)
        )
    return _decide_values(reference, reading, policy, algebra)


def _decide_values(reference: Reading, reading: Reading, policy: Policy, algebra: bool) -> Decision | None:
    for method, stage in STAGES:
        equal = stage(reference, reading, policy)
        if equal is not None:
            return _decision(equal, method)
    try:
        return _decide_expressions(reference, reading, policy, algebra)
    except Exception:  # a defect that one answer meets must not end a run over millions
        logger.exception("verify: gold %r, answer %r", reference.text, reading.text)
        return Decision("unparseable")


def _decide_choice(gold: str, answer: str, policy: Policy) -> Decision:
    letter = find_letter(gold, policy.choices)
    if letter is None:
        return Decision("gold_unparseable")
    return _decision(letter == find_letter(answer, policy.choices), "string")


def _decide_expressions(a: Reading, b: Reading, policy: Policy, algebra: bool) -> Decision | None:
    from verifiers.expressions.compare import NeedsAlgebra, same

    try:
        gold = _node(a.text)
    except LimitExceeded:
        return Decision("gold_unparseable")
    if gold is None and not _is_literal(a):
        return Decision("gold_unparseable")
    try:
        answer = _node(b.text)
        if gold is None or answer is None:
            return Decision("unparseable")
        equal, method = same(gold, answer, policy, algebra=algebra)
    except NeedsAlgebra:
        return None
    except LimitExceeded:
        return Decision("limit")
    return Decision("unparseable") if equal is None else _decision(equal, method)


def _decision(equal: bool, method: Method) -> Decision:
    return Decision("correct" if equal else "incorrect", method)


@lru_cache(MEMO)
def _node(text: str) -> Node | None:
    from verifiers.expressions.parser import parse

    return parse(text)


@lru_cache(MEMO)
def _read(answer: str) -> Reading:
    if len(answer) > MAX_ANSWER_CHARS:
        return Reading("", "", "", None, True)
    text = unescaped(answer)
    short = plain(text)
    key = string_key(short) if short.strip(_PUNCTUATION) else ""
    try:
        return Reading(text, short, key, parse_number(short), False)
    except LimitExceeded:
        return Reading(text, short, key, None, True)


def _same_string(a: Reading, b: Reading, policy: Policy) -> bool | None:
    return True if a.key and a.key == b.key else None


def _same_rational(a: Reading, b: Reading, policy: Policy) -> bool | None:
    if a.number and b.number:
        return same_number(a.number, b.number, policy)
    if a.number or b.number:
        number, other = (a, b) if a.number else (b, a)
        return True if is_decimal_comma(other.plain, number.plain) else None
    return None


def _same_literal(a: Reading, b: Reading, policy: Policy) -> bool | None:
    """Two single words or letters that differ are different answers; `ab` and `ba` may be one product."""
    if not (_is_literal(a) and _is_literal(b)):
        return None
    return False if sorted(a.key) != sorted(b.key) else None


def _is_literal(reading: Reading) -> bool:
    is_word = bool(_LITERAL.fullmatch(reading.key)) and " " not in reading.plain
    return is_word and reading.key not in _MATHEMATICS


STAGES: tuple[tuple[Method, Callable[[Reading, Reading, Policy], bool | None]], ...] = (
    ("string", _same_string),
    ("rational", _same_rational),
    ("string", _same_literal),
)


_DECIDED: dict[tuple[str, str, Policy], Timed] = {}  # what workers found


def _algebra(pairs: Sequence[Pair], policy: Policy, workers: int, deadline: float | None) -> list[Timed]:
    """Decisions that need algebra: here without a deadline, else from the memo or worker processes.

    A timeout or a crash is not remembered: the machine may have been overloaded.
    """
    if deadline is None:
        return [_timed(gold, answer, policy) for gold, answer in pairs]
    found = {pair: _DECIDED[*pair, policy] for pair in pairs if (*pair, policy) in _DECIDED}
    missing = [pair for pair in pairs if pair not in found]
    for pair, (decision, seconds) in zip(
        missing, _in_workers(missing, policy, workers, deadline), strict=True
    ):
        found[pair] = decision or Decision("limit"), seconds
        if decision and decision.status != "timeout":
            _DECIDED[*pair, policy] = decision, 0.0
    if len(_DECIDED) > MEMO:
        _DECIDED.clear()
    return [found[pair] for pair in pairs]


def _in_workers(
    pairs: list[Pair], policy: Policy, workers: int, deadline: float
) -> list[tuple[Decision | None, float]]:
    """A decision is None when the worker died of it."""
    if not pairs:
        return []
    from verifiers.workers.pool import CRASHED, TIMEOUT, shared

    pool = shared("verifiers.math:decide_job", workers, warm="verifiers.math:warm_up")
    started = time.perf_counter()
    results = pool.run([[gold, answer, list(policy)] for gold, answer in pairs], deadline)
    elapsed = time.perf_counter() - started
    failures = {TIMEOUT: (Decision("timeout"), min(deadline, elapsed)), CRASHED: (None, elapsed)}
    return [
        failures[r] if r in (TIMEOUT, CRASHED) else (Decision(r[0], r[1]), r[2])  # type: ignore[index]
        for r in results
    ]


def decide_job(job: tuple[str, str, list[object]]) -> tuple[Status, Method, float]:
    """What a worker process runs: one (gold answer, answer, policy) with algebra."""
    gold, answer, policy = job
    decision, seconds = _timed(gold, answer, Policy(*policy))  # type: ignore[arg-type]  # JSON made a list
    return decision.status, decision.method, seconds


def _timed(gold: str, answer: str, policy: Policy) -> Timed:
    started = time.perf_counter()
    return _slow(gold, answer, policy), time.perf_counter() - started


def warm_up() -> None:
    """Load the algebra system once, before the workers are forked."""
    _slow(r"\sin^2 x", r"1 - \cos^2 x", DEFAULT)


@lru_cache(MEMO)
def _slow(gold: str, answer: str, policy: Policy) -> Decision:
    return _decide(gold, answer, policy, algebra=True) or Decision("unparseable")

"""Fuzz everything in `verifiers` that reads what a model wrote.

    python tests/verifiers/fuzz.py --seconds 600 [--seed 1] [--only verify parse]

What must hold for any input: no exception but the documented ones, a bounded time, the same verdict twice,
no verdict "incorrect" of a text against itself, no verdict that depends on which side is the gold, and the
right verdict where the pair of answers carries its own truth. Prints each kind of finding once, and exits
with 1 when there is any; a finding that is mended becomes a line of `test_fuzz_findings.py`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from fuzz_inputs import MAX_TEXT, Corpus, cosmetic, known_pair, mutate, perturbed, pumped, read_corpus  # noqa: E402

from verifiers import choice, instructions, json_schema, length  # noqa: E402
from verifiers.answers.rational import parse_number  # noqa: E402
from verifiers.expressions import parser  # noqa: E402
from verifiers.extraction import extract  # noqa: E402
from verifiers.instructions.sampler import NothingFits, append, sample_constraints  # noqa: E402
from verifiers.math import canonical, equivalent, verify  # noqa: E402
from verifiers.policy import DEFAULT, LimitExceeded, Policy  # noqa: E402
from verifiers.verdict import Reference, Row, Settings  # noqa: E402

SLOW_SECONDS = 0.5  # of CPU time, in process
STUCK_SECONDS = 10  # then the call is interrupted
DEADLINE = 1.0
EXAMPLES = 5  # of one kind are printed
SLACK = 0.5
POLICIES = (
    DEFAULT,
    DEFAULT,
    Policy(last_number=True, boxes="union"),
    Policy(ordered=True, percent="fraction", units="strict", simplified=True),
    Policy(units="ignore", choices="ABCDE"),
)


class Wrong(Exception):
    """A property that must hold does not."""


class Stuck(BaseException):
    """A call in this process went on for too long; no `except Exception` may swallow it."""


def answer(rng: Random, corpus: Corpus) -> str:
    return mutate(rng.choice(corpus.answers), rng, corpus)


def text(rng: Random, corpus: Corpus) -> str:
    return mutate(rng.choice(corpus.texts if rng.random() < 0.5 else corpus.answers), rng, corpus)


def fuzz_extract(rng: Random, corpus: Corpus) -> Iterator[Any]:
    value, policy, truncated = text(rng, corpus), rng.choice(POLICIES), rng.random() < 0.2
    yield value, policy, truncated
    found = extract(value, policy, truncated=truncated)
    if found != extract(value, policy, truncated=truncated):
        raise Wrong("two extractions differ")
    if (found.text is None) != (found.source in ("none", "limit")):
        raise Wrong(f"text and source contradict: {found}")


def fuzz_rational(rng: Random, corpus: Corpus) -> Iterator[Any]:
    value = answer(rng, corpus)
    yield value
    try:
        parse_number(value)
    except LimitExceeded:
        pass


def fuzz_parse(rng: Random, corpus: Corpus) -> Iterator[Any]:
    value = answer(rng, corpus)
    yield value
    try:
        if parser.parse(value) != parser.parse(value):
            raise Wrong("two parses differ")
    except LimitExceeded:
        pass


def fuzz_canonical(rng: Random, corpus: Corpus) -> Iterator[Any]:
    a, b = answer(rng, corpus), answer(rng, corpus)
    yield a, b
    if canonical(a) is not None and canonical(a) == canonical(b) and verify(a, bare(b)).status == "incorrect":
        raise Wrong("one vote class, but not the same answer")
    if equivalent(a, b) != equivalent(b, a):
        raise Wrong("equivalent is not symmetric")


def bare(value: str) -> str:
    return rf"\boxed{{{value}}}"


def fuzz_verify(rng: Random, corpus: Corpus) -> Iterator[Any]:
    """Answers against their own mutation: near misses take the long way through the stages."""
    gold = rng.choice(corpus.answers)
    prediction = mutate(gold, rng, corpus) if rng.random() < 0.7 else answer(rng, corpus)
    if rng.random() < 0.3:
        gold = answer(rng, corpus)
    policy = rng.choice(POLICIES)
    yield gold, prediction, policy
    first = timed_verify(gold, prediction, policy)
    if policy == DEFAULT and timed_verify(gold, gold, policy) == "incorrect":
        raise Wrong("the gold does not equal itself")
    if timed_verify(gold, prediction, policy) != first:
        raise Wrong("two verdicts differ")


def fuzz_symmetry(rng: Random, corpus: Corpus) -> Iterator[Any]:
    a = rng.choice(corpus.answers)
    b = mutate(a, rng, corpus)
    yield a, b
    statuses = {timed_verify(bare(a), bare(b), DEFAULT), timed_verify(bare(b), bare(a), DEFAULT)}
    if statuses == {"correct", "incorrect"}:
        raise Wrong("which side is the gold decides")


def fuzz_known(rng: Random, corpus: Corpus) -> Iterator[Any]:
    pair = known_pair(rng)
    yield pair
    status = timed_verify(pair.gold, bare(pair.answer), DEFAULT)
    UNDECIDED[pair.kind, status] += 1
    if status == ("incorrect" if pair.same else "correct"):
        raise Wrong(f"{pair.kind}: {status}")


def fuzz_typesetting(rng: Random, corpus: Corpus) -> Iterator[Any]:
    """Real golds: the same answer in other spellings, and an answer with another number in it."""
    gold = rng.choice(corpus.golds)
    same, other = cosmetic(gold, rng), perturbed(gold, rng)
    yield gold, same, other
    if timed_verify(gold, bare(same), DEFAULT) != "correct":
        raise Wrong("another spelling is not the same")
    if other and timed_verify(gold, bare(cosmetic(other, rng)), DEFAULT) == "correct":
        raise Wrong("another number is the same")


def fuzz_pumped(rng: Random, corpus: Corpus) -> Iterator[Any]:
    value, policy = pumped(rng), rng.choice(POLICIES)
    ids, kwargs, prompt, _ = rng.choice(corpus.checks)
    yield value, policy, ids
    if rng.random() < 0.5:
        timed_verify("7", value, policy)
    else:
        instructions.check_all(ids, kwargs, value, prompt=prompt)


UNDECIDED: Counter[tuple[str, str]] = Counter()


def timed_verify(gold: str, prediction: str, policy: Policy) -> str:
    begin = time.monotonic()
    status = verify(gold, prediction, policy, deadline=DEADLINE).status
    if time.monotonic() - begin > DEADLINE + SLACK:
        raise Wrong("over the deadline")
    return status


def fuzz_instructions(rng: Random, corpus: Corpus) -> Iterator[Any]:
    ids, kwargs, prompt, response = rng.choice(corpus.checks)
    response = mutate(response, rng, corpus)[: 10 * MAX_TEXT]
    mode = rng.choice(("fixed", "upstream"))
    yield ids, kwargs, mode, response
    for strict in (True, False):
        found = instructions.check_all(ids, kwargs, response, prompt=prompt, mode=mode, strict=strict)
        again = instructions.check_all(ids, kwargs, response, prompt=prompt, mode=mode, strict=strict)
        if found != again or not all(isinstance(one, bool) for one in found):
            raise Wrong(f"strict={strict}: {found}, then {again}")


def fuzz_sampled(rng: Random, corpus: Corpus) -> Iterator[Any]:
    """Constraints drawn for a prompt, the training suite among them, on any text."""
    _, _, prompt, response = rng.choice(corpus.checks)
    if rng.random() < 0.5:
        prompt = mutate(prompt, rng, corpus)[:MAX_TEXT].encode(errors="replace").decode()  # as tables hold it
    response, seed = mutate(response, rng, corpus)[: 10 * MAX_TEXT], rng.randrange(1_000)
    yield prompt, seed, response
    try:
        drawn = sample_constraints(prompt, 3, seed)
    except NothingFits:
        return
    if [one.describe() for one in drawn] != [one.describe() for one in sample_constraints(prompt, 3, seed)]:
        raise Wrong("two draws differ")
    append(prompt, drawn, seed)
    for one in drawn:
        if not isinstance(one.check(response or " x", "fixed", prompt), bool):
            raise Wrong(f"{one}: neither true nor false")


SCHEMAS = (
    '{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}',
    '{"type": "array", "items": {"type": "string", "pattern": "^(a+)+$"}}',
    "true",
)


def fuzz_json(rng: Random, corpus: Corpus) -> Iterator[Any]:
    start = rng.choice((*SCHEMAS, '```json\n{"a": 1}\n```', '[1, {"a": "b"}]', rng.choice(corpus.texts)))
    value, schema = mutate(start, rng, corpus), rng.choice(SCHEMAS)
    yield schema, value
    row = Row(Reference(schema=schema), value, truncated=rng.random() < 0.2)
    found = [json_schema.verify_rows([(row, schema)], Settings(deadline=DEADLINE))[0][:3] for _ in range(2)]
    if found[0] != found[1]:
        raise Wrong("two verdicts differ")


def fuzz_choice(rng: Random, corpus: Corpus) -> Iterator[Any]:
    said = rng.choice(
        ("The answer is (B).", "**C**", r"\boxed{\text{D}}", "A: five", rng.choice(corpus.texts))
    )
    value, options = mutate(said, rng, corpus), ["five", "six", r"\frac{1}{2}", mutate("x", rng, corpus)[:50]]
    yield options, value
    choice.verify("A", options, value)
    length.verify(value, rng.choice(("words", "characters", "sentences")), 3, 9)


TARGETS: dict[str, Callable[[Random, Corpus], Iterator[Any]]] = {
    "extract": fuzz_extract,
    "rational": fuzz_rational,
    "parse": fuzz_parse,
    "canonical": fuzz_canonical,
    "verify": fuzz_verify,
    "symmetry": fuzz_symmetry,
    "known": fuzz_known,
    "typesetting": fuzz_typesetting,
    "pumped": fuzz_pumped,
    "instructions": fuzz_instructions,
    "sampled": fuzz_sampled,
    "json": fuzz_json,
    "choice": fuzz_choice,
}


@contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Stuck

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Reports(logging.Handler):
    """What workers log: a target that raised is a finding although the pool survives it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Finding(NamedTuple):
    """`kind` counts like findings together, `detail` is of this one."""

    kind: str
    detail: str
    value: Any


def try_once(name: str, rng: Random, corpus: Corpus, reports: Reports) -> Finding | None:
    """One input for one target."""
    steps = TARGETS[name](rng, corpus)
    value = next(steps)
    begin = time.process_time()
    try:
        with interrupted(STUCK_SECONDS):
            next(steps, None)
    except Stuck as error:
        return Finding("stuck", where(error), value)
    except Wrong as error:
        return Finding("wrong", str(error), value)
    except Exception as error:
        return Finding(f"{type(error).__name__} at {where(error)}", str(error)[:80], value)
    if reports.messages:
        lines = reports.messages[0].strip().splitlines()
        reports.messages.clear()
        return Finding("in a worker: " + lines[-1].partition(":")[0], " | ".join(lines[-4:]), value)
    seconds = time.process_time() - begin
    return Finding("slow", f"{seconds:.1f} s", value) if seconds > SLOW_SECONDS else None


def where(error: BaseException) -> str:
    """The innermost line of ours, which names a finding better than one inside a library."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/verifiers/" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"


def fuzz(names: list[str], seconds: float, seed: int, corpus: Corpus) -> Counter[tuple[str, str]]:
    reports = Reports()
    logging.getLogger("verifiers").addHandler(reports)
    found: Counter[tuple[str, str]] = Counter()
    runs: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = seed * 10**9
    while time.monotonic() < end:
        for name in names:
            number += 1
            runs[name] += 1
            finding = try_once(name, Random(number), corpus, reports)
            if finding:
                found[name, finding.kind] += 1
                if found[name, finding.kind] <= EXAMPLES:
                    text = shorten(repr(finding.value))
                    print(f"[{name} {number}] {finding.kind}: {finding.detail}\n    {text}", flush=True)
    print("runs:", dict(runs))
    print("known pairs:", {" ".join(key): count for key, count in sorted(UNDECIDED.items())})
    return found


def shorten(value: str) -> str:
    return value if len(value) < 900 else f"{value[:500]} ... {value[-300:]} ({len(value)} characters)"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=1, help="another seed, other inputs")
    options.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    shared = os.environ.get("REWARDSMITH_SHARED", ROOT.parent / "shared")
    options.add_argument("--data", type=Path, default=Path(shared) / "data")
    given = options.parse_args()
    found = fuzz(given.only, given.seconds, given.seed, read_corpus(given.data))
    for (name, problem), count in found.most_common():
        print(f"{count:6d}  {name}: {problem}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

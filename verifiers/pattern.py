"""A regular expression that a completion must match.

The pattern is the recipe author's, the text is a model's, and together they may backtrack for ever. Python's
`re` cannot be interrupted, so the search runs in a worker process that is killed at the deadline
(`workers`): one mechanism for every kind of hostile text, and no second dialect of regular expressions.
What a text that was cut off would have gone on to say is not known, so it has no match yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from verifiers.extraction import extract, final_words
from verifiers.verdict import Row, Settings, Verdict
from verifiers.workers.pool import CRASHED, TIMEOUT, shared

MAX_TEXT = 200_000  # characters

Target = Literal["text", "answer"]


def compile_pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Raises ValueError with the pattern and what is wrong in it."""
    try:
        return re.compile(pattern, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r:.80} is not valid: {error}") from error


def verify_rows(
    rows: Iterable[Row], pattern: str, *, full: bool, ignore_case: bool, target: Target, settings: Settings
) -> list[Verdict]:
    """`full`: the whole target must match, else any part of it; `target`: all of the text, or its answer."""
    texts = [_target(row, target) for row in rows]
    asked = list(dict.fromkeys(text for text in texts if text is not None and len(text) <= MAX_TEXT))
    jobs = [[pattern, full, ignore_case, text] for text in asked]
    pool = shared("verifiers.pattern:search_job", max(1, settings.workers))
    found = dict(zip(asked, pool.run(jobs, settings.deadline) if jobs else [], strict=True))
    return [_verdict(text, found) for text in texts]


def search_job(job: tuple[str, bool, bool, str]) -> list[str]:
    """What a worker runs: the matched part in a list, or an empty list."""
    pattern, full, ignore_case, text = job
    expression = compile_pattern(pattern, ignore_case)
    match = expression.fullmatch(text) if full else expression.search(text)
    return [match[0]] if match else []


def _target(row: Row, target: Target) -> str | None:
    if target == "answer":
        return extract(row.text, truncated=row.truncated).text
    said = None if row.truncated else final_words(row.text)
    return None if said is None else said.strip()


def _verdict(text: str | None, found: dict[str, object]) -> Verdict:
    if text is None:
        return Verdict("no_answer")
    match = found.get(text, CRASHED)
    if match is TIMEOUT or match is CRASHED:
        return Verdict("timeout" if match is TIMEOUT else "limit")
    assert isinstance(match, list)
    return Verdict("correct" if match else "incorrect", match[0] if match else None, "regex")

"""What goes into a verifier and what comes out, whichever verifier it is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from verifiers.policy import DEFAULT, Policy

Status = Literal["correct", "incorrect", "no_answer", "unparseable", "gold_unparseable", "limit", "timeout"]
STATUSES: tuple[Status, ...] = (
    "correct",
    "incorrect",
    "no_answer",
    "unparseable",
    "gold_unparseable",
    "limit",
    "timeout",
)


class Verdict(NamedTuple):
    """`extracted` is what was judged, `method` how; "none" when nothing could decide."""

    status: Status
    extracted: str | None = None
    method: str = "none"
    seconds: float = 0.0


class Reference(NamedTuple):
    """What a prompt says about its right completions; everything but the prompt and an answer is JSON."""

    prompt: str = ""  # what the user wrote last
    answer: str | None = None
    constraints: str | None = None
    tests: str | None = None
    schema: str | None = None
    choices: str | None = None


class Row(NamedTuple):
    """One completion to judge; `truncated` says that it was cut off at the token limit."""

    reference: Reference
    text: str
    truncated: bool = False


class Settings(NamedTuple):
    """What a recipe sets for all its verifiers; `deadline` is in seconds, of one row in a worker process."""

    policy: Policy = DEFAULT
    workers: int = 1
    deadline: float = 2.0
    allow_code_execution: bool = False


class BadReference(ValueError):
    """A prompt's tests, schema, choices or constraints cannot be read; the message says why."""

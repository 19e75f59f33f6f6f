"""What the row formats of `curation.formats` share: table rows with ids of their own content, and one way of
saying that a row cannot be read or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import polars as pl

from store.ids import content_id

Row = dict[str, Any]
Messages = list[dict[str, str]]

EVIDENCE = "given"  # of labels that came with the file
STEP_END = "\n"  # TRL's default step separator: the trainer adds it after every step


class Unreadable(Exception):
    """Why a row is rejected: a name to count it under."""


@dataclass(frozen=True)
class Format:
    """`read` gives the table rows that one row of the format holds, `write` one row of the format for table
    rows; both raise Unreadable. `write` gets a single table row, or where `by_prompt` is set all neighbouring
    ones of a prompt. With `distinct`, a completion that was read before is left out."""

    table: str
    schema: pl.Schema
    read: Callable[[Row], list[Row]]
    write: Callable[[list[Row]], Row]
    by_prompt: bool = False
    distinct: bool = False


def one_row(write: Callable[[Row], Row]) -> Callable[[list[Row]], Row]:
    """`write` of a format that has a row for each table row."""
    return lambda rows: write(rows[0])


def to_messages(value: str | Messages, role: str) -> Messages:
    """A text as one message of `role`; of messages, role and content."""
    given = [{"role": role, "content": value}] if isinstance(value, str) else value
    messages = [{"role": m["role"], "content": m["content"]} for m in given]
    if not all(isinstance(text, str) for m in messages for text in m.values()):
        raise Unreadable("content_is_no_text")
    return messages


def to_answer(value: str | Messages) -> Messages:
    """The one assistant message that a completion must be."""
    messages = to_messages(value, "assistant")
    if [m["role"] for m in messages] != ["assistant"]:
        raise Unreadable("completion_is_a_conversation")
    if not messages[0]["content"]:
        raise Unreadable("empty_completion")
    return messages


def to_prompt(value: str | Messages) -> Messages:
    messages = to_messages(value, "user")
    if not messages:
        raise Unreadable("no_prompt")
    return messages


def plain_prompt(messages: Messages) -> str:
    """The text of a prompt that is a single user message."""
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise Unreadable("prompt_is_a_conversation")
    return messages[0]["content"]


def to_truth(label: Any) -> bool:
    """True, False, 1, 0, nothing else: a placeholder such as -100 must not become True."""
    if label not in (0, 1):
        raise Unreadable("label_neither_true_nor_false")
    return bool(label)


def to_number(value: Any, problem: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Unreadable(problem)
    return float(value)


def completion_id(prompt_id: str, messages: Messages) -> str:
    """The id of an answer that was read from a file: its prompt and its text."""
    return content_id("given", prompt_id, messages)


def preference_row(
    prompt: Messages, chosen: Messages, rejected: Messages, margin: float | None, soft: float = 1.0
) -> Row:
    if chosen == rejected:
        raise Unreadable("same_completion_twice")
    prompt_id = content_id(prompt)
    return {
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "margin": margin,
        "soft": soft,
        "evidence": EVIDENCE,
        "prompt_id": prompt_id,
        "chosen_id": completion_id(prompt_id, chosen),
        "rejected_id": completion_id(prompt_id, rejected),
    }


def ranking_row(prompt: Messages, completions: list[Messages], scores: list[float]) -> Row:
    """Best first."""
    texts = [messages[0]["content"] for messages in completions]
    if len(texts) < 2:
        raise Unreadable("fewer_than_two_completions")
    if len(set(texts)) < len(texts):
        raise Unreadable("same_completion_twice")
    order = sorted(range(len(texts)), key=lambda i: -scores[i])
    prompt_id = content_id(prompt)
    return {
        "prompt": prompt,
        "completions": [texts[i] for i in order],
        "scores": [scores[i] for i in order],
        "prompt_id": prompt_id,
        "completion_ids": [completion_id(prompt_id, completions[i]) for i in order],
    }


def outcome_row(prompt: Messages, completion: Messages, label: bool) -> Row:
    prompt_id = content_id(prompt)
    return {
        "prompt": prompt,
        "completion": completion,
        "label": label,
        "evidence": EVIDENCE,
        "prompt_id": prompt_id,
        "completion_id": completion_id(prompt_id, completion),
    }


def attributes_row(prompt: Messages, completion: Messages, values: dict[str, float | None]) -> Row:
    prompt_id = content_id(prompt)
    ids = {"prompt_id": prompt_id, "completion_id": completion_id(prompt_id, completion)}
    return {"prompt": prompt, "completion": completion, **values, **ids}


def stepwise_row(
    prompt: Messages,
    steps: list[str],
    labels: list[bool] | list[bool | None],
    method: str,
    values: list[float] | None = None,
) -> Row:
    """`steps` concatenate to the completion."""
    if not steps or not all(steps):
        raise Unreadable("empty_step")
    if not all(isinstance(step, str) for step in steps):
        raise Unreadable("content_is_no_text")
    prompt_id = content_id(prompt)
    nothing: list[float | None] = [None] * len(steps)
    return {
        "prompt": prompt,
        "completions": steps,
        "labels": labels,
        "values": values or nothing,
        "confidences": nothing,
        "method": method,
        "prompt_id": prompt_id,
        "completion_id": completion_id(prompt_id, [{"role": "assistant", "content": "".join(steps)}]),
    }


def with_ends(steps: list[str]) -> list[str]:
    """Steps that concatenate to the whole text: every one but the last ends its line."""
    return [step + STEP_END for step in steps[:-1]] + steps[-1:]


def without_ends(steps: list[str]) -> list[str]:
    """The inverse of `with_ends`."""
    if not all(step.endswith(STEP_END) for step in steps[:-1]):
        raise Unreadable("step_does_not_end_its_line")
    return [step.removesuffix(STEP_END) for step in steps[:-1]] + steps[-1:]


def decided(labels: list[bool | None]) -> list[bool]:
    """The labels of a format that has no other."""
    if None in labels:
        raise Unreadable("undecided_step")
    return [to_truth(label) for label in labels]

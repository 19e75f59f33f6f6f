"""What the row formats of `curation.formats` share: table rows with ids of their own content, and one way of
saying that a row cannot be read or written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import float_info
from typing import Any

import polars as pl

from store.ids import content_id

Row = dict[str, Any]
Messages = list[dict[str, str]]

EVIDENCE = "given"  # of labels that came with the file
SOFT = ("values", "confidences", "ratings")  # of steps, in formats of right and wrong
HARD = ("labels", "confidences", "ratings")  # in formats of values
UNSURE = ("soft_preference", "rejected_is_preferred", "same_completion_twice")
NOT_A_CHOICE = ("tie", *UNSURE)  # refused by formats of choices
SOFT_UNKNOWN = "a preference of which nobody says how sure it is becomes sure"
NO_LINES = ("step_does_not_end_its_line", "empty_step")  # refused by formats of steps without their newlines
STEP_END = "\n"  # TRL's default step separator: the trainer adds it after every step


class Unreadable(Exception):
    """Why a row, or a part of one, is rejected: a name to count it under."""


Parts = Sequence[Row | Unreadable]


@dataclass(frozen=True)
class Format:
    """`read` gives the table rows that one row of the format holds, and an Unreadable for each of its parts
    that had to be left out; `write` gives one row of the format for table rows. Both raise Unreadable where
    nothing can be done. `write` gets a single table row, or where `by_prompt` is set all neighbouring ones of
    a prompt. With `distinct`, a completion is read once, and not at all where its copies have different
    labels.

    The rest says what does not survive: `columns` are those that `read` looks at (any other that holds
    something is counted as left out; None: all are read), `unread` the columns of published rows among the
    others, `loses` columns of the table that the format has no place for, `refuses` what `write` may reject a
    row for, `alters` what comes back changed when written rows are read again."""

    table: str
    schema: pl.Schema
    read: Callable[[Row], Parts]
    write: Callable[[list[Row]], Row]
    columns: tuple[str, ...] | None
    unread: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    alters: str = ""
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
    for message in messages:
        check_unicode(message["content"])
    return messages


def check_unicode(text: str) -> None:
    """JSON can hold halves of characters (lone surrogates); UTF-8, so any file that is written, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable("text_is_no_unicode") from None


def to_answer(value: str | Messages) -> Messages:
    """The one assistant message that a completion must be."""
    messages = to_messages(value, "assistant")
    if [m["role"] for m in messages] != ["assistant"]:
        raise Unreadable("completion_is_a_conversation")
    if not messages[0]["content"]:
        raise Unreadable("empty_completion")
    return messages


def answer_text(value: str | Messages) -> str:
    return to_answer(value)[0]["content"]


def to_prompt(value: str | Messages) -> Messages:
    messages = to_messages(value, "user")
    if not messages or not messages[-1]["content"]:
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
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        raise Unreadable(problem)
    return float(value)


def completion_id(prompt_id: str, messages: Messages) -> str:
    """The id of an answer that was read from a file: its prompt and its text."""
    return content_id("given", prompt_id, messages)


def is_choice(row: Row) -> bool:
    """Is chosen preferred? False for a tie. Formats of choices cannot say how sure a preference is."""
    if row["chosen"] == row["rejected"]:
        raise Unreadable("same_completion_twice")
    if row["soft"] in (None, 0.5, 1.0):
        return row["soft"] != 0.5
    raise Unreadable("rejected_is_preferred" if row["soft"] < 0.5 else "soft_preference")


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
    check_unicode("".join(steps))
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
    if not all(isinstance(step, str) for step in steps):
        raise Unreadable("content_is_no_text")
    if not steps or not all(steps):
        raise Unreadable("empty_step")
    return [step + STEP_END for step in steps[:-1]] + steps[-1:]


def without_ends(steps: list[str]) -> list[str]:
    """The inverse of `with_ends`."""
    if not all(step.endswith(STEP_END) for step in steps[:-1]):
        raise Unreadable("step_does_not_end_its_line")
    bare = [step.removesuffix(STEP_END) for step in steps[:-1]] + steps[-1:]
    if not bare or not all(bare):
        raise Unreadable("empty_step")
    return bare


def decided(labels: list[bool | None]) -> list[bool]:
    """The labels of a format that has no other."""
    if None in labels:
        raise Unreadable("undecided_step")
    return [to_truth(label) for label in labels]


def step_values(row: Row) -> list[float]:
    """The values, from 0 to 1, of a format in which every step has one."""
    values = row.get("values")
    if values is None or len(values) != len(row["completions"]) or None in values:
        raise Unreadable("step_without_a_value")
    numbers = [to_number(value, "value_is_no_probability") for value in values]
    if not all(0 <= number <= 1 for number in numbers):
        raise Unreadable("value_is_no_probability")
    return numbers

"""Step labels as marks in a text: Math-Shepherd, OpenRLHF value lists, RLHFlow chat.

All three write "Step 1: …", "Step 2: …" after the question in one text, which is the only thing that says
where the question ends. Writers put these prefixes where the steps lack them; readers leave them in the
steps. The published collections hold rows that cannot be read (an annotation inside the question, a tag
missing); they are rejected by name, never repaired by guessing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from curation.formats.rows import (
    HARD,
    NO_LINES,
    SOFT,
    Format,
    Messages,
    Row,
    Unreadable,
    decided,
    one_row,
    plain_prompt,
    step_values,
    stepwise_row,
    to_number,
    to_prompt,
    with_ends,
    without_ends,
)
from store.tables import STEPWISE

TAG = "ки"  # Math-Shepherd's step tag: a word its base model never meets in English text
THRESHOLD = 0.5  # a step of a soft label above it is right
FIRST_STEP = re.compile(r"\bstep 1\s*:", re.IGNORECASE)
_STEP = re.compile(r"step (\d+)\s*:", re.IGNORECASE)


def read_math_shepherd(row: Row) -> list[Row]:
    """{input, label}: `label` is `input` with each tag replaced by + or -."""
    pieces, label = row["input"].split(TAG), row["label"]
    at, marks = 0, []
    for piece in pieces[:-1]:
        mark = label[at + len(piece) : at + len(piece) + 1]
        if not label.startswith(piece, at) or mark not in ("+", "-"):
            raise Unreadable("label_differs_from_input")
        at += len(piece) + 1
        marks.append(mark == "+")
    if label[at:].strip() != pieces[-1].strip():
        raise Unreadable("label_differs_from_input")
    question, steps = _untagged(row["input"])
    return [_row(question, steps, marks, "math-shepherd")]


def write_math_shepherd(row: Row) -> Row:
    """Without the published column `task`, which no trainer reads."""
    question, steps = _numbered(row)
    marks = _marks(row)
    return {"input": _tagged(question, steps, [TAG] * len(steps)), "label": _tagged(question, steps, marks)}


def read_openrlhf(row: Row) -> list[Row]:
    """{input, value}: a tag after each step of `input`, and for each tag +, - or a probability in `value`."""
    question, steps = _untagged(row["input"])
    value = row["value"]
    if len(value) != len(steps):
        raise Unreadable("values_differ_from_tags")
    if all(v in ("+", "-") for v in value):
        return [_row(question, steps, [v == "+" for v in value], "openrlhf")]
    soft = [to_number(v, "value_is_no_probability") for v in value]
    if not all(0 <= v <= 1 for v in soft):
        raise Unreadable("value_is_no_probability")
    return [_row(question, steps, [v > THRESHOLD for v in soft], "openrlhf", soft)]


def write_openrlhf(row: Row) -> Row:
    question, steps = _numbered(row)
    return {"input": _tagged(question, steps, [TAG] * len(steps)), "value": _marks(row)}


def write_openrlhf_soft(row: Row) -> Row:
    """Only the values are written: read again, a step is right where its value is above a half."""
    question, steps = _numbered(row)
    return {"input": _tagged(question, steps, [TAG] * len(steps)), "value": step_values(row)}


def read_rlhflow(row: Row) -> list[Row]:
    """{conversations}: the user gives question and steps, the assistant answers each with + or -."""
    turns = row["conversations"]
    if not turns or [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise Unreadable("turns_do_not_alternate")
    marks = [turn["content"].strip() for turn in turns[1::2]]
    if not set(marks) <= {"+", "-"}:
        raise Unreadable("turn_without_a_mark")
    said = [turn["content"] for turn in turns[0::2]]
    question, first = question_and_step(said[0])
    return [_row(question, [first, *said[1:]], [mark == "+" for mark in marks], "rlhflow")]


def write_rlhflow(row: Row) -> Row:
    question, steps = _numbered(row)
    said = [f"{question} {steps[0]}", *steps[1:]]
    turns = []
    for text, mark in zip(said, _marks(row), strict=True):
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": mark}]
    return {"conversations": turns}


def _row(
    question: str, steps: list[str], labels: list[bool], method: str, values: list[float] | None = None
) -> Row:
    return stepwise_row(to_prompt(question), with_ends(steps), labels, method, values)


def _untagged(text: str) -> tuple[str, list[str]]:
    *tagged, rest = text.split(TAG)
    if not tagged:
        raise Unreadable("no_step_tag")
    if rest.strip():
        raise Unreadable("text_after_last_tag")
    question, first = question_and_step(tagged[0])
    steps = [first, *tagged[1:]]
    return question, [step.removeprefix("\n").removesuffix(" ") for step in steps]


def question_and_step(text: str) -> tuple[str, str]:
    found = FIRST_STEP.search(text)
    question = text[: found.start()].removesuffix(" ") if found else ""
    if not found or not question.strip():
        raise Unreadable("no_question_before_step_1")
    return question, text[found.start() :]


def question_before_steps(prompt: Messages) -> str:
    """The text of a prompt behind which a reader finds "Step 1:"."""
    question = plain_prompt(prompt)
    if not question.strip():
        raise Unreadable("no_question")
    if FIRST_STEP.search(question):
        raise Unreadable("text_holds_the_marks_of_the_format")
    return question


def _numbered(row: Row) -> tuple[str, list[str]]:
    """Question and numbered steps; numbers that the steps have must be those that the format would give."""
    question, steps = question_before_steps(row["prompt"]), without_ends(row["completions"])
    if any(TAG in text for text in (question, *steps)):
        raise Unreadable("text_holds_the_marks_of_the_format")
    found = [_STEP.match(step) for step in steps]
    if not any(found):
        return question, [f"Step {i}: {step}" for i, step in enumerate(steps, 1)]
    if [match and int(match[1]) for match in found] != list(range(1, len(steps) + 1)):
        raise Unreadable("steps_numbered_otherwise")
    return question, steps


def _marks(row: Row) -> list[str]:
    return ["+" if label else "-" for label in decided(row["labels"])]


def _tagged(question: str, steps: list[str], marks: list[str]) -> str:
    lines = [f"{step} {mark}" for step, mark in zip(steps, marks, strict=True)]
    return f"{question} " + "\n".join(lines)


def _format(
    read: Callable[[Row], list[Row]], write: Callable[[Row], Row], *columns: str, unread: tuple[str, ...] = ()
) -> Format:
    soft = write is write_openrlhf_soft
    refuses = (
        *(("step_without_a_value", "value_is_no_probability") if soft else ("undecided_step",)),
        "prompt_is_a_conversation",
        "no_question",
        *NO_LINES,
        "steps_numbered_otherwise",
        "text_holds_the_marks_of_the_format",
    )
    alters = 'steps without "Step 1:", "Step 2:", … get it in front'
    if soft:
        alters += f"; a step is right where its value is above {THRESHOLD}"
    loses = HARD if soft else SOFT
    return Format("stepwise", STEPWISE, read, one_row(write), columns, unread, loses, refuses, alters)


FORMATS = {
    "math-shepherd": _format(read_math_shepherd, write_math_shepherd, "input", "label", unread=("task",)),
    "openrlhf-steps": _format(read_openrlhf, write_openrlhf, "input", "value"),
    "openrlhf-steps-soft": _format(read_openrlhf, write_openrlhf_soft, "input", "value"),
    "rlhflow-steps": _format(read_rlhflow, write_rlhflow, "conversations"),
}

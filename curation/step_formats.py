"""Step labels in the formats of process reward models: Math-Shepherd, OpenRLHF, RLHFlow chat, PRM800K.

The first three write "Step 1: …", "Step 2: …" after the question in one text, which is the only thing that
says where the question ends. Writers put these prefixes where the steps lack them; readers leave them in the
steps.

Readers give (STEPWISE, Account). A row that cannot be read is rejected under a reason, since the published
collections hold some (an annotation inside the question, a tag missing); it is never repaired by guessing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import polars as pl

from curation.formats import plain_prompt, stepwise_row, with_ends, without_ends
from store.accounting import Account
from store.errors import InputError
from store.tables import STEPWISE

Row = dict[str, Any]
Parts = tuple[str, list[str], list[bool], list[float] | None]  # question, steps, labels, values

TAG = "ки"  # Math-Shepherd's step tag: a word its base model never meets in English text
_FIRST_STEP = re.compile(r"\bstep 1\s*:", re.IGNORECASE)
_STEP = re.compile(r"step \d+\s*:", re.IGNORECASE)


class _Unreadable(Exception):
    """Why a row is rejected."""


def from_math_shepherd(rows: Iterable[Row]) -> tuple[pl.DataFrame, Account]:
    """Rows {input, label, task}: `label` is `input` with each tag replaced by + or -."""
    return _read("math_shepherd", rows, _math_shepherd)


def to_math_shepherd(frame: pl.DataFrame, task: str) -> list[Row]:
    rows = []
    for question, steps, labels, _ in _written(frame):
        marks = ["+" if label else "-" for label in labels]
        rows.append(
            {"input": _tagged(question, steps, [TAG] * len(steps)), "label": _tagged(question, steps, marks)}
        )
    return [row | {"task": task} for row in rows]


def from_openrlhf(rows: Iterable[Row], threshold: float = 0.5) -> tuple[pl.DataFrame, Account]:
    """Rows {input, value}: tags in `input`; per tag "+", "-" or a probability, right above `threshold`."""
    return _read("openrlhf", rows, lambda row: _openrlhf(row, threshold))


def to_openrlhf(frame: pl.DataFrame, soft: bool = False) -> list[Row]:
    """`soft` writes the values instead of + and -; every step must have one."""
    rows = []
    for number, (question, steps, labels, values) in enumerate(_written(frame)):
        if soft and (values is None or None in values):
            raise InputError(f"row {number}: a step without a value cannot be written as a soft label")
        value = values if soft else ["+" if label else "-" for label in labels]
        rows.append({"input": _tagged(question, steps, [TAG] * len(steps)), "value": value})
    return rows


def from_rlhflow(rows: Iterable[Row]) -> tuple[pl.DataFrame, Account]:
    """Rows {conversations}: the user gives question and steps, the assistant answers each with + or -."""
    return _read("rlhflow", rows, _rlhflow)


def to_rlhflow(frame: pl.DataFrame) -> list[Row]:
    rows = []
    for question, steps, labels, _ in _written(frame):
        turns = []
        for i, (step, label) in enumerate(zip(steps, labels, strict=True)):
            turns.append({"role": "user", "content": f"{question} {step}" if i == 0 else step})
            turns.append({"role": "assistant", "content": "+" if label else "-"})
        rows.append({"conversations": turns})
    return rows


def from_prm800k(
    rows: Iterable[Row],
    neutral: Literal["positive", "negative", "drop"] = "positive",
    alternatives: bool = True,
) -> tuple[pl.DataFrame, Account]:
    """OpenAI's PRM800K: ratings -1, 0, 1 on the candidates for each step.

    `neutral` is what a 0 becomes: Qwen's PRM counts it positive, TRL's example negative, `drop` rejects what
    passes through one. A step a human wrote counts as positive. With `alternatives`, each candidate that was
    not chosen makes a row of its own that ends with it. The account counts annotated solutions.
    """
    rows = list(rows)
    account, out, seen = Account("prm800k", len(rows)), [], set()
    for row in rows:
        reason = _unfit(row)
        found = (
            []
            if reason
            else list(_prm800k_paths(row, {1: True, 0: _NEUTRAL[neutral], -1: False}, alternatives))
        )
        question = [{"role": "user", "content": row["question"]["problem"]}]
        made = [
            stepwise_row(question, with_ends([t for t, _ in path]), [y for _, y in path], "prm800k")
            for path in found
        ]
        new = [r for r in made if r["completion_id"] not in seen]
        seen |= {r["completion_id"] for r in new}
        out += new
        if new:
            account.keep()
        else:
            account.reject(reason or ("duplicate" if made else "no_rated_steps"))
    account.close()
    return pl.DataFrame(out, schema=STEPWISE).unique(
        "completion_id", keep="first", maintain_order=True
    ), account


_NEUTRAL = {"positive": True, "negative": False, "drop": None}


def _unfit(row: Row) -> str | None:
    """Quality control and screening rows repeat questions whose answers the annotators were tested on."""
    if row.get("is_quality_control_question"):
        return "quality_control"
    if row.get("is_initial_screening_question"):
        return "initial_screening"
    finish = row["label"]["finish_reason"]
    return None if finish in ("found_error", "solution") else str(finish)


def _prm800k_paths(
    row: Row, meaning: dict[int, bool | None], alternatives: bool
) -> Iterator[list[tuple[str, bool]]]:
    prefix: list[tuple[str, bool]] = []
    steps = row["label"]["steps"]
    for number, step in enumerate(steps):
        rated = [(c["text"], meaning.get(c["rating"])) for c in step["completions"] or []]
        chosen = step["chosen_completion"]
        last = number == len(steps) - 1
        for i, (text, label) in enumerate(rated):
            # nothing chosen, nothing follows: the first candidate is the solution's own wrong step
            own_end = chosen is None and last and i == 0 and not step["human_completion"]
            if label is not None and i != chosen and (alternatives or own_end):
                yield [*prefix, (text, label)]
        if chosen is not None:
            text, label = rated[chosen]
        elif step["human_completion"]:
            text, label = step["human_completion"]["text"], True
        else:
            return
        if label is None:
            return
        prefix.append((text, label))
    if prefix:
        yield prefix


def _math_shepherd(row: Row) -> Parts:
    pieces = row["input"].split(TAG)
    label, at, marks = row["label"], 0, []
    for piece in pieces[:-1]:
        if not label.startswith(piece, at) or label[at + len(piece) : at + len(piece) + 1] not in ("+", "-"):
            raise _Unreadable("label_differs_from_input")
        at += len(piece) + 1
        marks.append(label[at - 1] == "+")
    if label[at:].strip() != pieces[-1].strip():
        raise _Unreadable("label_differs_from_input")
    question, steps = _untagged(row["input"])
    return question, steps, marks, None


def _openrlhf(row: Row, threshold: float) -> Parts:
    question, steps = _untagged(row["input"])
    value = row["value"]
    if len(value) != len(steps):
        raise _Unreadable("values_differ_from_tags")
    if all(v in ("+", "-") for v in value):
        return question, steps, [v == "+" for v in value], None
    if not all(isinstance(v, int | float) and 0 <= v <= 1 for v in value):
        raise _Unreadable("value_out_of_range")
    return question, steps, [v > threshold for v in value], [float(v) for v in value]


def _rlhflow(row: Row) -> Parts:
    turns = row["conversations"]
    roles = [turn["role"] for turn in turns]
    if not turns or roles != ["user", "assistant"] * (len(turns) // 2):
        raise _Unreadable("turns_do_not_alternate")
    marks = [turn["content"].strip() for turn in turns[1::2]]
    if not set(marks) <= {"+", "-"}:
        raise _Unreadable("turn_without_a_mark")
    said = [turn["content"] for turn in turns[0::2]]
    question, first = _question_and_step(said[0])
    return question, [first, *said[1:]], [mark == "+" for mark in marks], None


def _untagged(text: str) -> tuple[str, list[str]]:
    *tagged, rest = text.split(TAG)
    if not tagged:
        raise _Unreadable("no_step_tag")
    if rest.strip():
        raise _Unreadable("text_after_last_tag")
    question, first = _question_and_step(tagged[0])
    steps = [first, *tagged[1:]]
    return question, [step.removeprefix("\n").removesuffix(" ") for step in steps]


def _question_and_step(text: str) -> tuple[str, str]:
    found = _FIRST_STEP.search(text)
    question = text[: found.start()].removesuffix(" ") if found else ""
    if not found or not question.strip():
        raise _Unreadable("no_question_before_step_1")
    return question, text[found.start() :]


def _read(stage: str, rows: Iterable[Row], parse: Callable[[Row], Parts]) -> tuple[pl.DataFrame, Account]:
    rows = list(rows)
    account, out = Account(stage, len(rows)), []
    for row in rows:
        try:
            question, steps, labels, values = parse(row)
        except _Unreadable as reason:
            account.reject(str(reason))
            continue
        except (KeyError, TypeError, AttributeError):
            account.reject("not_in_this_format")
            continue
        prompt = [{"role": "user", "content": question}]
        account.keep()
        out.append(stepwise_row(prompt, with_ends(steps), labels, stage, values))
    return pl.DataFrame(out, schema=STEPWISE), account.close()


def _written(frame: pl.DataFrame) -> Iterator[Parts]:
    for number, row in enumerate(frame.iter_rows(named=True)):
        where = f"row {number}"
        question = plain_prompt(row["prompt"], where)
        steps = without_ends(row["completions"], where)
        if any(TAG in text for text in (question, *steps)) or _FIRST_STEP.search(question):
            raise InputError(
                f"{where}: {TAG!r} or 'Step 1:' in the text cannot be told from the format's own"
            )
        numbered = [s if _STEP.match(s) else f"Step {i}: {s}" for i, s in enumerate(steps, 1)]
        yield question, numbered, row["labels"], row["values"]


def _tagged(question: str, steps: list[str], marks: list[str]) -> str:
    lines = [f"{step} {mark}" for step, mark in zip(steps, marks, strict=True)]
    return f"{question} " + "\n".join(lines)

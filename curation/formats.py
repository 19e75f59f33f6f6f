"""To and from the row formats other trainers read: TRL preference, unpaired preference and stepwise
supervision.

Rows are dicts, as `datasets` and JSON Lines give them. Readers give the tables of `store.tables`, whose ids
are hashes of the content, so reading the same rows twice gives the same ids. The step-tag formats
(Math-Shepherd, OpenRLHF, RLHFlow, PRM800K) are in `curation.step_formats`.
"""

from __future__ import annotations

from collections.abc import Iterable
from os.path import commonprefix
from typing import Any

import polars as pl

from store.errors import InputError
from store.ids import content_id
from store.tables import OUTCOME, PREFERENCE, STEPWISE

Row = dict[str, Any]
Messages = list[dict[str, str]]

STEP_END = "\n"  # TRL's default step separator: the trainer adds it after every step


def to_trl_preference(frame: pl.DataFrame) -> list[Row]:
    """PREFERENCE to conversational rows with an explicit prompt; `margin` only where every pair has one.

    Ties are left out: these rows have no soft preference, and a tie would be learned as a choice.
    """
    frame = frame.filter(pl.col("soft").ne_missing(0.5))
    columns = ["prompt", "chosen", "rejected"]
    if frame.height and not frame["margin"].has_nulls():
        columns.append("margin")
    return frame.select(columns).to_dicts()


def from_trl_preference(rows: Iterable[Row], evidence: str = "given") -> pl.DataFrame:
    """All four forms of TRL's preference rows (standard or conversational, prompt explicit or implicit)."""
    out = []
    for number, row in enumerate(rows):
        prompt, chosen, rejected = _preference_parts(row, f"row {number}")
        prompt_id = content_id(prompt)
        out.append(
            {
                "prompt": prompt,
                "chosen": chosen,
                "rejected": rejected,
                "margin": row.get("margin"),
                "soft": 1.0,
                "evidence": evidence,
                "prompt_id": prompt_id,
                "chosen_id": completion_id(prompt_id, chosen),
                "rejected_id": completion_id(prompt_id, rejected),
            }
        )
    return pl.DataFrame(out, schema=PREFERENCE)


def to_trl_unpaired(frame: pl.DataFrame) -> list[Row]:
    """OUTCOME to unpaired preference rows (KTO, our ORM)."""
    return frame.select("prompt", "completion", "label").to_dicts()


def from_trl_unpaired(rows: Iterable[Row], evidence: str = "given") -> pl.DataFrame:
    out = []
    for number, row in enumerate(rows):
        for column in ("prompt", "completion", "label"):
            if row.get(column) is None:
                raise InputError(f"row {number} of an unpaired preference set has no {column!r}")
        prompt, completion = _messages(row["prompt"], "user"), _messages(row["completion"], "assistant")
        prompt_id = content_id(prompt)
        out.append(
            {
                "prompt": prompt,
                "completion": completion,
                "label": _truth(row["label"], f"row {number}"),
                "evidence": evidence,
                "prompt_id": prompt_id,
                "completion_id": completion_id(prompt_id, completion),
            }
        )
    return pl.DataFrame(out, schema=OUTCOME)


def to_trl_stepwise(frame: pl.DataFrame) -> list[Row]:
    """STEPWISE to TRL's stepwise rows: a plain text prompt, steps without the newline that ends them."""
    rows = frame.select("prompt", "completions", "labels").to_dicts()
    return [
        {
            "prompt": plain_prompt(row["prompt"], f"row {number}"),
            "completions": without_ends(row["completions"], f"row {number}"),
            "labels": row["labels"],
        }
        for number, row in enumerate(rows)
    ]


def from_trl_stepwise(rows: Iterable[Row], method: str = "given") -> pl.DataFrame:
    out = []
    for number, row in enumerate(rows):
        steps, labels = row.get("completions"), row.get("labels")
        if not steps or not isinstance(labels, list) or len(steps) != len(labels):
            raise InputError(
                f"row {number} of a stepwise set needs as many labels as completions, at least one"
            )
        truths = [_truth(label, f"row {number}") for label in labels]
        out.append(stepwise_row(_messages(row["prompt"], "user"), with_ends(steps), truths, method))
    return pl.DataFrame(out, schema=STEPWISE)


def stepwise_row(
    prompt: Messages, steps: list[str], labels: list[bool], method: str, values: list[float] | None = None
) -> Row:
    """One STEPWISE row with ids of its own content."""
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


def completion_id(prompt_id: str, messages: Messages) -> str:
    """The id of an answer that was read from a file: its prompt and its text."""
    return content_id("given", prompt_id, messages)


def with_ends(steps: list[str]) -> list[str]:
    """Steps that concatenate to the whole text: every one but the last ends its line."""
    return [step + STEP_END for step in steps[:-1]] + steps[-1:]


def without_ends(steps: list[str], where: str) -> list[str]:
    """The inverse of `with_ends`."""
    if not all(step.endswith(STEP_END) for step in steps[:-1]):
        raise InputError(f"{where}: a step that does not end its line cannot be written in this format")
    return [step.removesuffix(STEP_END) for step in steps[:-1]] + steps[-1:]


def plain_prompt(messages: Messages, where: str) -> str:
    """The text of a prompt that is a single user message."""
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise InputError(f"{where}: this format holds one user message as the prompt, not a conversation")
    return messages[0]["content"]


def _preference_parts(row: Row, where: str) -> tuple[Messages, Messages, Messages]:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if not chosen or not rejected or isinstance(chosen, str) != isinstance(rejected, str):
        raise InputError(
            f"{where} of a preference set needs chosen and rejected, both texts or both message lists"
        )
    if row.get("prompt"):
        prompt = _messages(row["prompt"], "user")
        return prompt, _messages(chosen, "assistant"), _messages(rejected, "assistant")
    if isinstance(chosen, str):
        # at the last space before the texts part: no word is cut, the space belongs to the answers
        shared = len(commonprefix([chosen, rejected]))
        cut = chosen.rfind(" ", 0, shared)
    else:
        same = (a == b for a, b in zip(chosen, rejected, strict=False))
        cut = next((i for i, equal in enumerate(same) if not equal), min(len(chosen), len(rejected)))
    if chosen == rejected or cut < 1 or cut >= min(len(chosen), len(rejected)):
        raise InputError(
            f"{where} of a preference set has no prompt, and chosen and rejected do not share a beginning"
        )
    prompt = _messages(chosen[:cut], "user")
    return prompt, _messages(chosen[cut:], "assistant"), _messages(rejected[cut:], "assistant")


def _messages(value: str | Messages, role: str) -> Messages:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return [{"role": m["role"], "content": m["content"]} for m in value]


def _truth(label: Any, where: str) -> bool:
    """True, False, 1, 0, nothing else: a placeholder such as -100 must not become True."""
    if label in (0, 1):
        return bool(label)
    raise InputError(f"{where}: label {label!r} is neither true nor false")

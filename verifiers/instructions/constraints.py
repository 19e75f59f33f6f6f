"""A prompt's constraints as the prompt table keeps them: a JSON list of {instruction_id, kwargs}."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from verifiers.instructions.base import BadArguments, Instruction, UnknownInstruction, build


class BadConstraints(ValueError):
    """A prompt's list of constraints cannot be read; the message says which of them and why."""


def arguments(instruction: Instruction) -> dict[str, Any]:
    """The keyword arguments that `build` makes the instruction from."""
    given = ((field.name, getattr(instruction, field.name)) for field in fields(instruction))
    return {name: value for name, value in given if value is not None}


def constraints_to_json(instructions: Iterable[Instruction]) -> str:
    """Equal lists give equal text."""
    rows = [{"instruction_id": one.id, "kwargs": arguments(one)} for one in instructions]
    return json.dumps(rows, ensure_ascii=False, sort_keys=True)


def constraints_from_json(value: str | list[Any]) -> list[Instruction]:
    """The instructions of a JSON list or of the list itself.

    Raises BadConstraints naming the constraint by its number, counted from 1, and its id.
    """
    try:
        rows = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise BadConstraints(f"constraints are not valid JSON: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise BadConstraints(f"constraints must be a list of {{instruction_id, kwargs}}, not {rows!r:.80}")
    return [_constraint(number, row) for number, row in enumerate(rows, 1)]


def _constraint(number: int, row: Any) -> Instruction:
    if not isinstance(row, dict) or not isinstance(row.get("instruction_id"), str):
        raise BadConstraints(f"constraint {number} must be {{instruction_id, kwargs}}, not {row!r:.80}")
    kwargs = row.get("kwargs") or {}
    if not isinstance(kwargs, dict):
        raise BadConstraints(f"constraint {number} ({row['instruction_id']}): kwargs must be a mapping")
    try:
        return build(row["instruction_id"], kwargs)
    except (UnknownInstruction, BadArguments) as error:
        raise BadConstraints(f"constraint {number} ({row['instruction_id']}): {error}") from error

"""Checks of keyword arguments, with messages that name the instruction, the argument and the value."""

from __future__ import annotations

from collections.abc import Sequence

from verifiers.instructions.base import BadArguments, Instruction

LESS_THAN, AT_LEAST = "less than", "at least"
RELATIONS = (LESS_THAN, AT_LEAST)


def holds(count: int, relation: str, threshold: int) -> bool:
    return count < threshold if relation == LESS_THAN else count >= threshold


def _refuse(instruction: Instruction, name: str, wanted: str) -> BadArguments:
    return BadArguments(f"{instruction.id}: {name} must be {wanted}, not {getattr(instruction, name)!r:.80}")


def need_count(instruction: Instruction, name: str, least: int = 0) -> None:
    """The field must be a whole number; published files write some as 5.0, which becomes 5."""
    value = getattr(instruction, name)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < least:
        raise _refuse(instruction, name, f"a whole number from {least} up")
    object.__setattr__(instruction, name, int(value))


def need_text(instruction: Instruction, name: str, *, strip: bool = True) -> None:
    """The field must be a text that is not blank; it is stripped unless its spaces matter to a check."""
    value = getattr(instruction, name)
    if not isinstance(value, str) or not value.strip():
        raise _refuse(instruction, name, "a text that is not blank")
    if strip:
        object.__setattr__(instruction, name, value.strip())


def need_word(instruction: Instruction, name: str) -> None:
    """The field must be a word or more; published rows wrap some in a list of one."""
    value = getattr(instruction, name)
    word = value[0] if isinstance(value, list | tuple) and value else value
    if not isinstance(word, str) or not any(map(str.isalnum, word)):
        raise _refuse(instruction, name, "a word")
    object.__setattr__(instruction, name, word.strip())


def need_texts(instruction: Instruction, name: str) -> None:
    """The field must be a list of texts that are not blank; it becomes a tuple."""
    value = getattr(instruction, name)
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(v, str) and v.strip() for v in value)
    ):
        raise _refuse(instruction, name, "a list of texts that are not blank")
    object.__setattr__(instruction, name, tuple(value))


def need_choice(instruction: Instruction, name: str, choices: Sequence[str]) -> None:
    if getattr(instruction, name) not in choices:
        raise _refuse(instruction, name, f"one of {list(choices)}")

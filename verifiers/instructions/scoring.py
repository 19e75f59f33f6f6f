"""Checks and scores of instruction lists.

Strict evaluation looks at the response as it is. Loose evaluation (IFEval section 2) accepts an instruction
when any of eight variants follows it: with or without the first line, the last line, both, and each of these
with or without asterisks. Results keep the order of the instructions, so an id may occur twice in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from verifiers.instructions.base import BadArguments, Instruction, Mode, UnknownInstruction, build


def loose_variants(response: str) -> tuple[str, ...]:
    """The variants of `response` that loose evaluation looks at: itself first, each once, none blank."""
    lines = response.split("\n")
    cut = (response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])))
    variants = dict.fromkeys((*cut, *(text.replace("*", "") for text in cut)))
    return tuple(text for text in variants if text.strip())


def _texts(response: str, strict: bool) -> tuple[str, ...]:
    if strict:
        return (response,) if response.strip() else ()
    return loose_variants(response)


def check(
    instruction_id: str,
    kwargs: Mapping[str, Any],
    response: str,
    *,
    prompt: str | None = None,
    mode: Mode = "fixed",
    strict: bool = True,
) -> bool:
    """Whether `response` follows one instruction; a blank response follows none.

    `prompt` is what the user wrote; instructions that compare with it need it. Raises UnknownInstruction and
    BadArguments (missing, unknown or senseless `kwargs`; nulls count as not given).
    """
    return followed([build(instruction_id, kwargs)], response, prompt=prompt, mode=mode, strict=strict)[0]


def check_all(
    instruction_ids: Sequence[str],
    kwargs_list: Sequence[Mapping[str, Any]],
    response: str,
    *,
    prompt: str | None = None,
    mode: Mode = "fixed",
    strict: bool = True,
) -> list[bool]:
    """`check` for each instruction of a prompt, by position. Lists of unequal length raise BadArguments."""
    if len(instruction_ids) != len(kwargs_list):
        raise BadArguments(f"{len(instruction_ids)} instructions but {len(kwargs_list)} sets of arguments")
    built = [build(name, kwargs) for name, kwargs in zip(instruction_ids, kwargs_list, strict=True)]
    return followed(built, response, prompt=prompt, mode=mode, strict=strict)


def followed(
    instructions: Iterable[Instruction],
    response: str,
    *,
    prompt: str | None = None,
    mode: Mode = "fixed",
    strict: bool = True,
) -> list[bool]:
    """`check_all` for instructions that are built already."""
    if mode not in get_args(Mode):
        raise BadArguments(f"mode must be one of {list(get_args(Mode))}, not {mode!r}")
    texts = _texts(response, strict)
    return [any(one.check(text, mode, prompt) for text in texts) for one in instructions]


@dataclass(frozen=True)
class Checked:
    """What one response follows of its prompt's instructions, by position."""

    instruction_ids: tuple[str, ...]
    followed: tuple[bool, ...]

    @property
    def all_followed(self) -> bool:
        return all(self.followed)

    @property
    def fraction(self) -> float:
        """Share of the instructions followed; 1.0 when there are none, since nothing was asked."""
        return sum(self.followed) / len(self.followed) if self.followed else 1.0


def check_rows(
    rows: Iterable[Mapping[str, Any]], *, mode: Mode = "fixed", strict: bool = True
) -> list[Checked]:
    """Checks rows with the published columns: instruction_id_list, kwargs, response and perhaps prompt.

    Kwargs of null are none. Raises UnknownInstruction and BadArguments naming the row, counted from 1.
    """
    return [_checked_row(number, row, mode, strict) for number, row in enumerate(rows, 1)]


def _checked_row(number: int, row: Mapping[str, Any], mode: Mode, strict: bool) -> Checked:
    try:
        names, kwargs, response = _columns(row)
        answers = check_all(names, kwargs, response, prompt=row.get("prompt"), mode=mode, strict=strict)
    except (UnknownInstruction, BadArguments) as error:
        raise type(error)(f"row {number}: {error}") from error
    return Checked(tuple(names), tuple(answers))


def _columns(row: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]], str]:
    """The ids, their arguments and the response of a row; BadArguments when they are something else."""
    names, kwargs, response = (row.get(column) for column in ("instruction_id_list", "kwargs", "response"))
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise BadArguments(f"instruction_id_list must be a list of ids, not {names!r:.80}")
    if not isinstance(kwargs, list | tuple):
        raise BadArguments(f"kwargs must be a list of mappings, not {kwargs!r:.80}")
    given = [{} if one is None else one for one in kwargs]
    if strange := [one for one in given if not isinstance(one, Mapping)]:
        raise BadArguments(f"kwargs must be a list of mappings, but has {strange[0]!r:.80}")
    if not isinstance(response, str):
        raise BadArguments(f"response must be a text, not {response!r:.80}")
    return list(names), given, response


@dataclass(frozen=True)
class Scores:
    """Accuracies as IFEval reports them, each in [0, 1]."""

    prompt_level: float  # responses that follow all their instructions
    instruction_level: float  # instructions followed
    by_instruction: dict[str, float]


def scores(checked: Sequence[Checked]) -> Scores:
    """Accuracy over responses and over single instructions; ValueError when there is nothing to score."""
    outcomes: dict[str, list[bool]] = {}
    for one in checked:
        for name, followed in zip(one.instruction_ids, one.followed, strict=True):
            outcomes.setdefault(name, []).append(followed)
    if not outcomes:
        raise ValueError("scores: no instruction was checked")
    every = [followed for of_id in outcomes.values() for followed in of_id]
    return Scores(
        prompt_level=sum(one.all_followed for one in checked) / len(checked),
        instruction_level=sum(every) / len(every),
        by_instruction={name: sum(of_id) / len(of_id) for name, of_id in sorted(outcomes.items())},
    )

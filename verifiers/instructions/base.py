"""An instruction: something a prompt can ask for and a program can check.

Every instruction is a small class with its published id, its keyword arguments, `describe` (the sentence for
a prompt) and `check`. Classes register themselves by id; importing `verifiers.instructions` imports all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, TypeVar

Mode = Literal["fixed", "upstream"]  # right, or exactly as the published checker labels


class UnknownInstruction(ValueError):
    """No instruction has this id."""


class BadArguments(ValueError):
    """The keyword arguments do not fit the instruction."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """Subclasses are frozen dataclasses too: their fields are the published keyword arguments.

    A field without a default must be given; `__post_init__` raises BadArguments on values that make no sense.
    `prompt_to_repeat`-like arguments are fields like any other. A check that needs the user's prompt itself
    reads `prompt` of `check`.
    """

    id: ClassVar[str]
    suite: ClassVar[Literal["ifeval", "ifbench", "ifeval-train", "if-functions", "ifeval-drafts"]]

    def describe(self) -> str:
        """The instruction as a sentence of a prompt."""
        raise NotImplementedError

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        """Whether `response` (never blank) follows the instruction."""
        raise NotImplementedError


INSTRUCTIONS: dict[str, type[Instruction]] = {}
ALIASES: dict[str, str] = {}  # other names in published files -> id

T = TypeVar("T", bound=type[Instruction])


def register(instruction_id: str, suite: str) -> Callable[[T], T]:
    """Class decorator for a frozen dataclass, as in `@register("punctuation:no_comma", "ifeval")`."""

    def add(cls: T) -> T:
        assert instruction_id not in INSTRUCTIONS, f"two instructions are called {instruction_id}"
        cls.id, cls.suite = instruction_id, suite  # type: ignore[assignment]
        INSTRUCTIONS[instruction_id] = cls
        return cls

    return add


def alias(name: str, cls: type[Instruction]) -> None:
    """Lets published files call the instruction `name` too."""
    assert name not in INSTRUCTIONS, f"{name} is an instruction"
    ALIASES[name] = cls.id


def _unknown(instruction_id: str) -> UnknownInstruction:
    near = get_close_matches(instruction_id, INSTRUCTIONS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UnknownInstruction(
        f"no instruction {instruction_id!r}; {hint}`flows verifiers instructions` lists all"
    )


def build(instruction_id: str, kwargs: Mapping[str, Any]) -> Instruction:
    """The instruction with its arguments; nulls in `kwargs` are padding of published files and are dropped.

    Raises UnknownInstruction or BadArguments, naming what is valid.
    """
    cls = INSTRUCTIONS.get(ALIASES.get(instruction_id, instruction_id))
    if cls is None:
        raise _unknown(instruction_id)
    given = {name: value for name, value in kwargs.items() if value is not None}
    known = {field.name: field for field in fields(cls)}
    if unknown := sorted(set(given) - set(known)):
        raise BadArguments(f"{instruction_id} has no argument {unknown[0]!r}; it takes {sorted(known)}")
    required = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(required - set(given)):
        raise BadArguments(f"{instruction_id} needs the argument {missing[0]!r}")
    return cls(**given)

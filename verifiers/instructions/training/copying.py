"""Copying the request, whole or in part, and repeating a phrase with variations.

Defect of the published copies: case does not matter, though each asks for no change at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import BadArguments, Instruction, Mode, register
from verifiers.instructions.text import whole_words
from verifiers.instructions.wording import counted

SEPARATOR = "******"


def is_copy(text: str, original: str, mode: Mode) -> bool:
    text, original = text.strip(), original.strip()
    if mode == "upstream":
        return text.lower() == original.lower()
    return text.replace("\r\n", "\n") == original.replace("\r\n", "\n")


@dataclass(frozen=True, kw_only=True)
class _Copy(Instruction):
    prompt_to_repeat: str

    def __post_init__(self) -> None:
        need_text(self, "prompt_to_repeat")

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return is_copy(response, self.prompt_to_repeat, mode)


@register("copy:copy", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class Copy(_Copy):
    def describe(self) -> str:
        return "Do not do any of this: only copy the text above this sentence, word for word."


@register("copy:copying_simple", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CopySimple(_Copy):
    def describe(self) -> str:
        return "Write out the request above without this sentence and without any change; do not answer it."


@register("copy:copying_multiple", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CopyMultiple(_Copy):
    N: int

    def __post_init__(self) -> None:
        need_text(self, "prompt_to_repeat")
        need_count(self, "N", 1)

    def describe(self) -> str:
        return (
            f"Write out the request above {counted(self.N, 'time')} with six asterisks ({SEPARATOR}) between "
            "the copies, without this sentence and without any change; do not answer it."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        copies = response.split(SEPARATOR)
        return len(copies) == self.N and all(is_copy(copy, self.prompt_to_repeat, mode) for copy in copies)


@register("new:copy_span_idx", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CopySpan(_Copy):
    """A start of 0 is a random one in the published checker, which takes 0 for missing."""

    n_start: int
    n_end: int

    def __post_init__(self) -> None:
        if not isinstance(self.prompt_to_repeat, str):  # not stripped: indices count from its start
            raise BadArguments(f"{self.id}: prompt_to_repeat must be a text")
        need_count(self, "n_start")
        need_count(self, "n_end", 1)
        if not self.prompt_to_repeat[self.n_start : self.n_end + 1].strip():
            raise BadArguments(f"{self.id}: nothing stands from {self.n_start} to {self.n_end} in the text")

    def describe(self) -> str:
        return (
            f"Copy only the part of the text above from character {self.n_start} to character {self.n_end}, "
            "both included, counting from 0."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: the published span leaves out its last character, though the prompt includes it.
        stop = self.n_end if mode == "upstream" else self.n_end + 1
        return is_copy(response, self.prompt_to_repeat[self.n_start : stop], mode)


@register("copy:repeat_phrase", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class RepeatPhrase(Instruction):
    phrase: str
    small_n: int

    def __post_init__(self) -> None:
        need_text(self, "phrase")
        need_count(self, "small_n", 1)
        if len(self.phrase.split()) < 3:
            raise BadArguments(
                f"{self.id}: a phrase of three words or more has a middle, {self.phrase!r} has none"
            )

    def describe(self) -> str:
        return (
            f'Write the phrase "{self.phrase}" exactly {counted(self.small_n, "time")}, each time with one '
            "word in the middle of it replaced by another."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = list(
            _between_ends(response, self.phrase) if mode == "upstream" else _windows(response, self.phrase)
        )
        wanted = self.phrase.split() if mode == "upstream" else _words(self.phrase)
        if len(found) != self.small_n or any(len(words) != len(wanted) for words in found):
            return False
        changes = [sum(a != b for a, b in zip(words, wanted, strict=True)) for words in found]
        # Defect: the published check wants a changed word in the last repetition only.
        return max(changes) == 1 and (changes[-1] == 1 if mode == "upstream" else min(changes) == 1)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in whole_words(text)]


def _windows(text: str, phrase: str) -> Iterator[list[str]]:
    """Runs of words like the phrase but for at most one word in the middle."""
    words, wanted = _words(text), _words(phrase)
    size = len(wanted)
    for start in range(len(words) - size + 1):
        window = words[start : start + size]
        ends = window[0] == wanted[0] and window[-1] == wanted[-1]
        if ends and sum(a != b for a, b in zip(window, wanted, strict=True)) <= 1:
            yield window


def _between_ends(text: str, phrase: str) -> Iterator[list[str]]:
    """What the pattern `first .*? last` finds, in linear time."""
    first, *_, last = phrase.split()
    for line in text.split("\n"):
        start = line.find(f"{first} ")
        while start >= 0 and (stop := line.find(f" {last}", start + len(first) + 1)) >= 0:
            stop += 1 + len(last)
            yield line[start:stop].split()
            start = line.find(f"{first} ", stop)

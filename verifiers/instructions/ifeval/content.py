"""detectable_content:*"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register

_TASK_BOX = re.compile(r"^[^\S\n]*[-*+] \[[ xX]\]", re.MULTILINE)
_BRACKETS = re.compile(r"\[([^\[\]\n]*+)\](?!\()")


def _bracketed(text: str) -> Iterator[str]:
    """What stands in square brackets, up to the first closing one on the same line."""
    for line in text.split("\n"):
        start = line.find("[")
        while start >= 0 and (stop := line.find("]", start)) >= 0:
            yield line[start + 1 : stop]
            start = line.find("[", stop)


@register("detectable_content:number_placeholders", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberPlaceholders(Instruction):
    num_placeholders: int

    def __post_init__(self) -> None:
        need_count(self, "num_placeholders")

    def describe(self) -> str:
        return f"Leave at least {self.num_placeholders} placeholders in square brackets, such as [address]."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "[]", "[1]", the box of a task list and the text of a link count as placeholders.
            return sum(1 for _ in _bracketed(response)) >= self.num_placeholders
        found = _BRACKETS.findall(_TASK_BOX.sub("", response))
        return sum(any(map(str.isalpha, inside)) for inside in found) >= self.num_placeholders


@register("detectable_content:postscript", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Postscript(Instruction):
    postscript_marker: str

    def __post_init__(self) -> None:
        need_text(self, "postscript_marker")

    def describe(self) -> str:
        return f"End your response with a postscript that starts with {self.postscript_marker}"

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        marker = self._marker(mode)
        if mode == "upstream":
            # Defect: the marker may stand anywhere, even inside a word, and P.P.S. passes for P.S.
            return re.search(marker, response.lower()) is not None
        # Not inside a word or a longer marker: the P.S. of P.P.S. is none.
        starts = rf"(?<!\w)(?<!\bp\.)(?<!\bp\.\s){marker}[\s*_:]*+\S"
        found = re.search(starts, response, re.IGNORECASE)
        return found is not None and any(map(str.isalnum, response[: found.start()]))

    def _marker(self, mode: Mode) -> str:
        """The marker as a pattern; the two usual ones may have a space after each dot."""
        if self.postscript_marker == "P.P.S":
            return r"p\.\s?p\.\s?s" if mode == "upstream" else r"p\.\s?p\.\s?s\b\.?"
        if self.postscript_marker == "P.S.":
            return r"p\.\s?s\."
        return self.postscript_marker.lower() if mode == "upstream" else re.escape(self.postscript_marker)

"""detectable_content:*"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifeval.patterns import pattern_of
from verifiers.instructions.text import paragraphs, whole_words
from verifiers.instructions.wording import counted

_TASK_BOX = re.compile(r"^[^\S\n]*[-*+] \[[ xX]\]", re.MULTILINE)
_INDEX = re.compile(r"(?<=[A-Za-z0-9_)])(?:\[[^\[\]\n]*+\])++")  # a[i][j]
_BRACKETS = re.compile(r"\[([^\[\]\n]*+)\](?!\()")
_AFTER_SENTENCE = re.compile(r"(?:^|[\n.!?…。！？)])[^\w\n]*\Z")
_NEAR = 40  # characters before a postscript that show whether it begins a sentence
_CLOSING_WORDS = 15  # of a signature or a phrase to end with, which may stand below a postscript
_POSTSCRIPT = re.compile(r"\W*(?:p\.\s?)+s\b", re.IGNORECASE)


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
        wanted = counted(self.num_placeholders, "placeholder")
        return f"Leave at least {wanted} in square brackets, such as [address]."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "[]", "[1]", the box of a task list, the text of a link and the index in a[i] count as
            # placeholders.
            return sum(1 for _ in _bracketed(response)) >= self.num_placeholders
        found = _BRACKETS.findall(_INDEX.sub("", _TASK_BOX.sub("", response)))
        return sum(any(map(str.isalpha, inside)) for inside in found) >= self.num_placeholders


@register("detectable_content:postscript", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Postscript(Instruction):
    postscript_marker: str

    def __post_init__(self) -> None:
        need_text(self, "postscript_marker")

    def describe(self) -> str:
        return f'End your response with a postscript that starts with "{self.postscript_marker}".'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        marker = self._marker(mode)
        if mode == "upstream":
            # Defect: the marker may stand anywhere, in the middle of a sentence or of a word, with the body
            # of the text behind it, and P.P.S. passes for P.S.
            return re.search(marker, response.lower()) is not None
        # Not inside a word or a longer marker: the P.S. of P.P.S. is none.
        starts = rf"(?<!\w)(?<!\bp\.)(?<!\bp\.\s){marker}[\s*_:]*+\S"
        found = None
        for match in re.finditer(starts, response, re.IGNORECASE):
            if _AFTER_SENTENCE.search(response, max(0, match.start() - _NEAR), match.start()):
                found = match
        if found is None or not any(map(str.isalnum, response[: found.start()])):
            return False
        others = (p for p in paragraphs(response[found.end() - 1 :])[1:] if not _POSTSCRIPT.match(p))
        return sum(len(whole_words(paragraph)) for paragraph in others) <= _CLOSING_WORDS

    def _marker(self, mode: Mode) -> str:
        """The marker as a pattern; the two usual ones may have a space after each dot."""
        if self.postscript_marker == "P.P.S":
            return r"p\.\s?p\.\s?s" if mode == "upstream" else r"p\.\s?p\.\s?s\b\.?"
        if self.postscript_marker == "P.S.":
            return r"p\.\s?s\."
        marker = self.postscript_marker
        return pattern_of(marker.lower()) if mode == "upstream" else re.escape(marker)

"""startend:*"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.instructions.arguments import need_text
from verifiers.instructions.base import Instruction, Mode, register


def _closed_early(text: str) -> bool:
    """Whether the quotation that opens `text`, a text in straight quotes, ends before its last character.

    A mark after a space and before a character opens an inner quotation, any other one closes the latest.
    """
    depth = 1
    for mark in re.finditer('"', text[:-1]):
        at = mark.start()
        if at == 0:
            continue
        opens = (
            not text[at - 1].isalnum() and text[at - 1] not in ".,!?…;:)*_'" and not text[at + 1].isspace()
        )
        depth += 1 if opens else -1
        if depth == 0:
            return True
    return False


def _curly_closed_early(text: str) -> bool:
    """The same for a text in typographic marks, “so” or „so“; a mark at each paragraph need not be closed."""
    opening = text[0]
    closing = "“”" if opening == "„" else "”"
    depth = 0
    for character in text[:-1]:
        depth += (character == opening) - (character in closing)
        if depth == 0:
            return True
    return False


@register("startend:quotation", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Quotation(Instruction):
    def describe(self) -> str:
        return "Put your whole response in double quotation marks."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        text = response.strip()
        straight = len(text) > 1 and text[0] == text[-1] == '"'
        if mode == "upstream":
            return straight
        # Defects: upstream takes no typographic marks, and it takes "Yes," he said. "No." and a bare "".
        curly = text[:1] in ("“", "„") and text[-1:] in ("”", "“")
        if len(text) < 3:
            return False
        return not _curly_closed_early(text) if curly else straight and not _closed_early(text)


@register("startend:end_checker", "ifeval")
@dataclass(frozen=True, kw_only=True)
class EndChecker(Instruction):
    end_phrase: str

    def __post_init__(self) -> None:
        need_text(self, "end_phrase")

    def describe(self) -> str:
        return f'End your response with exactly this phrase and nothing after it: "{self.end_phrase}"'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "no" ends "casino", and a closing ** or ” hides the phrase.
            return response.strip().strip('"').lower().endswith(self.end_phrase.lower())
        said, phrase = (
            " ".join(text.casefold().strip(" \t\r\n\"”“»*_'’").split())
            for text in (response, self.end_phrase)
        )
        before = said[: -len(phrase)] if phrase and said.endswith(phrase) else None
        return before is not None and not (before[-1:].isalnum() and phrase[0].isalnum())

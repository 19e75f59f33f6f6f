"""Two checks of open-instruct's older function set (`if_functions`), which has published cases for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verifiers.instructions.arguments import need_choice, need_count, need_texts
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.text import in_capitals, whole_words
from verifiers.instructions.wording import counted

QUANTIFIERS = ("at least", "around", "at most")
_CAPITALS = re.compile(r"\b[A-Z]+\b")


@register("if_functions:validate_choice", "if-functions")
@dataclass(frozen=True, kw_only=True)
class Choice(Instruction):
    options: Sequence[str]

    def __post_init__(self) -> None:
        need_texts(self, "options")

    def describe(self) -> str:
        return f"Answer with one of these: {', '.join(self.options)}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the option A stands in every "Apple".
            return any(option in response for option in self.options)
        return any(
            re.search(rf"(?<![^\W_]){re.escape(option)}(?![^\W_])", response) for option in self.options
        )


@register("if_functions:validate_frequency_capital_words", "if-functions")
@dataclass(frozen=True, kw_only=True)
class CapitalWords(Instruction):
    N: int
    quantifier: str

    def __post_init__(self) -> None:
        need_count(self, "N")
        need_choice(self, "quantifier", QUANTIFIERS)

    def describe(self) -> str:
        return f"Write {self.quantifier} {counted(self.N, 'word')} in capital letters only."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: "DON'T" is two words, "ÉTÉ" none.
        upstream = mode == "upstream"
        count = len(_CAPITALS.findall(response)) if upstream else sum(map(in_capitals, whole_words(response)))
        if self.quantifier == "around":
            return abs(count - self.N) <= max(round(self.N * 0.1), 1)
        return count >= self.N if self.quantifier == "at least" else count <= self.N

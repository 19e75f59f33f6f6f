"""change_case:*"""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.instructions.arguments import RELATIONS, holds, need_choice, need_count
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.language import detect, written_in
from verifiers.instructions.text import in_capitals, tokens, whole_words
from verifiers.instructions.wording import counted


def _english(response: str, mode: Mode) -> bool:
    # Defect: of words in capitals upstream sees the first letters only, so that "YES" is Welsh and French in
    # capitals may be English; a short title in small letters is in any language.
    return detect(response) in ("en", None) if mode == "upstream" else written_in(response, "en")


@register("change_case:english_lowercase", "ifeval")
@dataclass(frozen=True, kw_only=True)
class EnglishLowercase(Instruction):
    def describe(self) -> str:
        return "Write your whole response in English and in small letters; no capital letter may occur."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return response.islower() and _english(response, mode)


@register("change_case:english_capital", "ifeval")
@dataclass(frozen=True, kw_only=True)
class EnglishCapital(Instruction):
    def describe(self) -> str:
        return "Write your whole response in English and in capital letters; no small letter may occur."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return response.isupper() and _english(response, mode)


@register("change_case:capital_word_frequency", "ifeval")
@dataclass(frozen=True, kw_only=True)
class CapitalWordFrequency(Instruction):
    capital_frequency: int
    capital_relation: str

    def __post_init__(self) -> None:
        need_count(self, "capital_frequency")
        need_choice(self, "capital_relation", RELATIONS)

    def describe(self) -> str:
        return (
            f"Words in capital letters only, of two letters or more, should occur {self.capital_relation} "
            f"{counted(self.capital_frequency, 'time')} in your response."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "I" and "A" are words in capitals, "DON'T" is two.
            count = sum(map(str.isupper, tokens(response)))
        else:
            count = sum(len(word) > 1 and in_capitals(word) for word in whole_words(response))
        return holds(count, self.capital_relation, self.capital_frequency)

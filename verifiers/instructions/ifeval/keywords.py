"""keywords:*"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verifiers.instructions.arguments import RELATIONS, holds, need_choice, need_count, need_text, need_texts
from verifiers.instructions.base import BadArguments, Instruction, Mode, register
from verifiers.instructions.ifeval.patterns import pattern_of
from verifiers.instructions.text import count_word
from verifiers.instructions.wording import counted


def _pattern(keyword: str, around: str = "") -> re.Pattern[str]:
    """The keyword as upstream searches it: a regular expression, or a text where it is none."""
    return re.compile(around + pattern_of(keyword) + around, re.IGNORECASE)


def _quoted(keywords: Sequence[str]) -> str:
    return ", ".join(f'"{keyword}"' for keyword in sorted(keywords))


@register("keywords:existence", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Existence(Instruction):
    keywords: Sequence[str]

    def __post_init__(self) -> None:
        need_texts(self, "keywords")

    def describe(self) -> str:
        return f"Use each of these keywords in your response: {_quoted(self.keywords)}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "art" is found in "party", and a keyword is read as a regular expression.
            return all(_pattern(keyword).search(response) for keyword in self.keywords)
        return all(count_word(response, keyword) for keyword in self.keywords)


@register("keywords:frequency", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Frequency(Instruction):
    keyword: str
    frequency: int
    relation: str

    def __post_init__(self) -> None:
        need_text(self, "keyword")
        need_count(self, "frequency")
        need_choice(self, "relation", RELATIONS)

    def describe(self) -> str:
        return (
            f'The word "{self.keyword}" should occur {self.relation} '
            f"{counted(self.frequency, 'time')} in your response."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: as in keywords:existence.
        upstream = mode == "upstream"
        count = (
            len(_pattern(self.keyword).findall(response)) if upstream else count_word(response, self.keyword)
        )
        return holds(count, self.relation, self.frequency)


@register("keywords:forbidden_words", "ifeval")
@dataclass(frozen=True, kw_only=True)
class ForbiddenWords(Instruction):
    forbidden_words: Sequence[str]

    def __post_init__(self) -> None:
        need_texts(self, "forbidden_words")

    def describe(self) -> str:
        return f"Do not use any of these words in your response: {_quoted(self.forbidden_words)}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a word is read as a regular expression, in which "C++" is one C or more.
            return not any(_pattern(word, r"\b").search(response) for word in self.forbidden_words)
        return not any(count_word(response, word) for word in self.forbidden_words)


@register("keywords:letter_frequency", "ifeval")
@dataclass(frozen=True, kw_only=True)
class LetterFrequency(Instruction):
    """`letter` may be any character. Older checkers drew a random letter for one outside a to z."""

    letter: str
    let_frequency: int
    let_relation: str

    def __post_init__(self) -> None:
        need_text(self, "letter")
        if len(self.letter) != 1:
            raise BadArguments(f"{self.id}: letter must be one character, not {self.letter!r:.80}")
        need_count(self, "let_frequency")
        need_choice(self, "let_relation", RELATIONS)

    def describe(self) -> str:
        return (
            f'The letter "{self.letter}", small or capital, should occur {self.let_relation} '
            f"{counted(self.let_frequency, 'time')} in your response."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return holds(response.lower().count(self.letter.lower()), self.let_relation, self.let_frequency)

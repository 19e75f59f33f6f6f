"""How many letters and words, and of which kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.instructions.arguments import RELATIONS, holds, need_choice, need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifeval.keywords import LetterFrequency
from verifiers.instructions.text import rule_sentences, sentences, tokens, whole_words
from verifiers.instructions.training.keywords import count_keyword
from verifiers.instructions.training.layout import starred_parts
from verifiers.instructions.wording import counted

_LOWERCASE_RUN = re.compile(r"\b[a-z]+\b")
_ASCII_LETTER = re.compile(r"[a-zA-Z]")


@register("letters:letter_counting", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class LetterCounting(Instruction):
    N: int
    relation: str

    def __post_init__(self) -> None:
        need_count(self, "N", 1)
        need_choice(self, "relation", RELATIONS)

    def describe(self) -> str:
        return f"Answer with {self.relation} {counted(self.N, 'letter')} in all; only letters count."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: é and ж are no letters.
        upstream = mode == "upstream"
        count = len(_ASCII_LETTER.findall(response)) if upstream else sum(map(str.isalpha, response))
        return holds(count, self.relation, self.N)


@register("letters:letter_counting2", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class LetterCounting2(LetterFrequency):
    """IFEval's check under another id."""


@register("count:lowercase_counting", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class LowercaseCounting(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N")

    def describe(self) -> str:
        written = counted(self.N, "word")
        return f"No more than {written} of your answer may be written in small letters without any capital."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "don't" and "x-ray" are two words each, "café" is none.
            return len(_LOWERCASE_RUN.findall(response)) <= self.N
        return sum(map(str.islower, whole_words(response))) <= self.N


@register("count:counting_composition", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CountingComposition(Instruction):
    n_sent: int
    n_words: int

    def __post_init__(self) -> None:
        need_count(self, "n_sent", 1)
        need_count(self, "n_words", 1)

    def describe(self) -> str:
        return (
            f"Write 3 paragraphs with the markdown divider * * * between them. Each has exactly "
            f"{counted(self.n_sent, 'sentence')}, and each sentence exactly {counted(self.n_words, 'word')}."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        parts = starred_parts(response, mode)
        return len(parts) == 3 and all(self._fits(list(_word_counts(part, mode))) for part in parts)

    def _fits(self, counts: list[int]) -> bool:
        return counts == [self.n_words] * self.n_sent


def _word_counts(paragraph: str, mode: Mode) -> Iterator[int]:
    """Words of each sentence. Defect: the published count takes the full stop for a word."""
    if mode == "upstream":
        return (len(tokens(sentence)) for sentence in rule_sentences(paragraph))
    return (len(whole_words(sentence)) for sentence in sentences(paragraph))


@register("count:count_unique", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CountUnique(Instruction):
    def describe(self) -> str:
        return "Use no word more than once."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a second full stop is a repeated word, "The ... the" is none.
            words = tokens(response)
        else:
            words = tuple(word.casefold() for word in whole_words(response))
        return len(words) == len(set(words))


@register("count:count_increment_word", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class CountIncrementWord(Instruction):
    keyword1: str
    keyword2: str

    def __post_init__(self) -> None:
        need_text(self, "keyword1")
        need_text(self, "keyword2")

    def describe(self) -> str:
        return f'Use the word "{self.keyword1}" exactly once and the word "{self.keyword2}" exactly twice.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        once, twice = (count_keyword(response, word, mode) for word in (self.keyword1, self.keyword2))
        return once == 1 and twice == 2

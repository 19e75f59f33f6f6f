"""IFBench constraints on successive sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifbench.reading import (
    MARKS,
    bare,
    letter_words,
    lower_words,
    published_sentences,
    sentences_for,
)
from verifiers.instructions.text import count_word, sentences
from verifiers.instructions.wording import counted, ordinal


def _runs(words: Sequence[str]) -> list[int]:
    """Lengths, from 2 up, of the runs of words with the same first letter."""
    lengths = (len(list(run)) for _, run in groupby(words, key=lambda word: word[0]))
    return [length for length in lengths if length > 1]


def _words_without_left_marks(sentence: str) -> list[str]:
    return [stripped for word in sentence.lower().split() if (stripped := word.lstrip(MARKS))]


@register("sentence:alliteration_increment", "ifbench")
@dataclass(frozen=True, kw_only=True)
class AlliterationIncrement(Instruction):
    def describe(self) -> str:
        return "The longest run of alliterating words must grow from each sentence to the next."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the runs of a sentence are added up, so two pairs are longer than a run of three.
            sizes = [sum(_runs(_words_without_left_marks(s))) for s in published_sentences(response)]
        else:
            sizes = [max(_runs(letter_words(s)), default=0) for s in sentences(response)]
        return all(a < b for a, b in pairwise(sizes))


@register("sentence:keyword", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SentenceKeyword(Instruction):
    word: str
    N: int

    def __post_init__(self) -> None:
        need_text(self, "word", strip=False)
        need_count(self, "N", least=1)

    def describe(self) -> str:
        return f'The word "{self.word}" must occur in the {ordinal(self.N)} sentence.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = sentences_for(mode, response)[self.N - 1 : self.N]
        if mode == "upstream":
            # Defect: "C++" is never found, since no word ends after its last plus.
            pattern = re.compile(rf"\b{re.escape(self.word)}\b", re.IGNORECASE)
            return any(map(pattern.search, found))
        return any(count_word(sentence, self.word) for sentence in found)


@register("sentence:increment", "ifbench")
@dataclass(frozen=True, kw_only=True)
class WordIncrement(Instruction):
    small_n: int

    def __post_init__(self) -> None:
        need_count(self, "small_n")

    def describe(self) -> str:
        return f"Each sentence must be exactly {counted(self.small_n, 'word')} longer than the one before."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a dash between two words is a word.
            counts = [len(bare(sentence).split()) for sentence in published_sentences(response)]
        else:
            counts = [len(lower_words(sentence)) for sentence in sentences(response)]
        return all(b - a == self.small_n for a, b in pairwise(counts))

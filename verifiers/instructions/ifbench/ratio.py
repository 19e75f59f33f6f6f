"""IFBench constraints on proportions: kinds of sentences, stop words, overlap with a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import BadArguments, Instruction, Mode, register
from verifiers.instructions.ifbench.reading import lower_words, sentences_for
from verifiers.instructions.ifbench.tables import STOP_WORDS
from verifiers.instructions.text import rule_sentences, sentences, words

_AFTER_MARK = "\"'”’»)]}*_ \n\t"
_NO_LETTER = re.compile(r"\W+")
_TOLERANCE = 2  # percentage points, as the instruction says


def _percentage(instruction: Instruction) -> None:
    need_count(instruction, "percentage")
    if instruction.percentage > 100:  # type: ignore[attr-defined]
        raise BadArguments(f"{instruction.id}: percentage must be at most 100")


def _endings(response: str, mode: Mode) -> Counter[str]:
    """How many sentences end with each character; closing quotes and markup after the mark are passed over.

    The published labels come from a splitter that moves a closing quote before the mark.
    """
    found = rule_sentences(response) if mode == "upstream" else sentences(response)
    if mode == "fixed":
        found = tuple(sentence.rstrip(_AFTER_MARK) for sentence in found)
    return Counter(sentence[-1:] for sentence in found)


def _is_stop_word(word: str) -> bool:
    return all(piece in STOP_WORDS for piece in _NO_LETTER.split(word))


@register("ratio:stop_words", "ifbench")
@dataclass(frozen=True, kw_only=True)
class StopWords(Instruction):
    percentage: int

    def __post_init__(self) -> None:
        _percentage(self)

    def describe(self) -> str:
        return f"At most {self.percentage}% of all words may be stop words (the, of, and, ...)."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: "don't" is two words, "don" and "t", and both are stop words.
        found = [word.lower() for word in words(response)] if mode == "upstream" else lower_words(response)
        stops = sum(map(_is_stop_word, found))
        return bool(found) and stops / len(found) * 100 <= self.percentage


@register("ratio:sentence_type", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SentenceType(Instruction):
    def describe(self) -> str:
        return "Write two statements for every question: their ratio must be 2:1."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        endings = _endings(response, mode)
        # Defect: without any statement and question 0 == 2 * 0 passes.
        return endings["."] == 2 * endings["?"] and (mode == "upstream" or endings["?"] > 0)


@register("ratio:sentence_balance", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SentenceBalance(Instruction):
    def describe(self) -> str:
        return "Write equally many statements, questions and exclamations."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        endings = _endings(response, mode)
        # Defect: a response with none of the three passes.
        return endings["."] == endings["?"] == endings["!"] and (mode == "upstream" or endings["."] > 0)


def _trigrams(units: Sequence[Hashable]) -> set[tuple[Hashable, ...]]:
    return set(zip(units, units[1:], units[2:], strict=False))


@register("ratio:overlap", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Overlap(Instruction):
    reference_text: str
    percentage: int

    def __post_init__(self) -> None:
        _percentage(self)
        need_text(self, "reference_text", strip=False)

    def describe(self) -> str:
        return (
            f"Of the different sequences of three words in your answer, {self.percentage}% (give or take "
            f"{_TOLERANCE}%) must also stand in this text: {self.reference_text.strip()}"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the trigrams are of characters, and most English texts share most of those.
            found, wanted = _trigrams(response), _trigrams(self.reference_text)
        else:
            found, wanted = _trigrams(lower_words(response)), _trigrams(lower_words(self.reference_text))
        if not found:
            return False
        overlap = len(found & wanted) / len(found) * 100
        return self.percentage - _TOLERANCE <= overlap <= self.percentage + _TOLERANCE


@register("ratio:sentence_words", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SentenceWords(Instruction):
    def describe(self) -> str:
        return "Answer in exactly three sentences of equal length in characters, and use no word twice."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = sentences_for(mode, response)
        if len(found) != 3 or len({len(sentence.strip()) for sentence in found}) != 1:
            return False
        # Defect: repeated words are never looked for, so "Cat. Cat. Cat." passes.
        used = lower_words(response)
        return mode == "upstream" or len(used) == len(set(used))

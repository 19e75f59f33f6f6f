"""length_constraints:*"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.instructions.arguments import RELATIONS, holds, need_choice, need_count, need_text
from verifiers.instructions.base import BadArguments, Instruction, Mode, register
from verifiers.instructions.text import paragraphs, punkt_sentences, sentences, whole_words, words
from verifiers.instructions.wording import counted

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_DIVIDER_LINE = re.compile(r"^[^\S\n]*\*{3}[^\S\n]*$", re.MULTILINE)
_QUOTES = str.maketrans("’‘", "''")


@register("length_constraints:number_words", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberWords(Instruction):
    num_words: int
    relation: str

    def __post_init__(self) -> None:
        need_count(self, "num_words")
        need_choice(self, "relation", RELATIONS)

    def describe(self) -> str:
        return f"Your response should have {self.relation} {counted(self.num_words, 'word')}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream counts runs of word characters, so "don't" and "well-known" are two words and a
        # word of Hindi falls apart at its vowel signs.
        found = whole_words(response) if mode == "fixed" else words(response)
        return holds(len(found), self.relation, self.num_words)


@register("length_constraints:number_sentences", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberSentences(Instruction):
    num_sentences: int
    relation: str

    def __post_init__(self) -> None:
        need_count(self, "num_sentences")
        need_choice(self, "relation", RELATIONS)

    def describe(self) -> str:
        return f"Your response should have {self.relation} {counted(self.num_sentences, 'sentence')}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream's splitter takes the number of a list item for a sentence, splits after "Mr.", and
        # joins headings, list items and lines of verse to what follows.
        found = sentences(response) if mode == "fixed" else punkt_sentences(response)
        return holds(len(found), self.relation, self.num_sentences)


@register("length_constraints:number_paragraphs", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberParagraphs(Instruction):
    num_paragraphs: int

    def __post_init__(self) -> None:
        need_count(self, "num_paragraphs")

    def describe(self) -> str:
        return (
            f"Divide your response into exactly {counted(self.num_paragraphs, 'part')}, with a line that "
            "holds only the markdown divider *** between one part and the next."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream takes the asterisks of ***bold italics***, of ****** and of "a *** b" for dividers.
        divider = _DIVIDER_LINE if mode == "fixed" else _DIVIDER
        parts = [part.strip() for part in divider.split(response)]
        if not all(parts[1:-1]):  # nothing between two dividers
            return False
        return sum(map(bool, parts)) == self.num_paragraphs


@register("length_constraints:nth_paragraph_first_word", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NthParagraphFirstWord(Instruction):
    num_paragraphs: int
    nth_paragraph: int  # from 1
    first_word: str

    def __post_init__(self) -> None:
        need_count(self, "num_paragraphs", 1)
        need_count(self, "nth_paragraph", 1)
        need_text(self, "first_word")
        if self.nth_paragraph > self.num_paragraphs:
            raise BadArguments(
                f"{self.id}: nth_paragraph is {self.nth_paragraph} of only {self.num_paragraphs} paragraphs"
            )

    def describe(self) -> str:
        return (
            f"Write exactly {counted(self.num_paragraphs, 'paragraph')} with a blank line between them. "
            f'The first word of paragraph {self.nth_paragraph} must be "{self.first_word}".'
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            return self._published(response)
        found = paragraphs(response)
        if len(found) != self.num_paragraphs:
            return False
        wanted = whole_words(self.first_word.translate(_QUOTES).casefold())
        return (
            whole_words(found[self.nth_paragraph - 1].translate(_QUOTES).casefold())[: len(wanted)] == wanted
        )

    def _published(self, response: str) -> bool:
        # Defects: blank pieces are left out of the count but not of the index, a blank line with a space in
        # it ends no paragraph, and the word stops at an apostrophe but keeps asterisks and colons.
        parts = [part.strip() for part in response.split("\n\n")]
        count = sum(map(bool, parts))
        if self.nth_paragraph > count or not parts[self.nth_paragraph - 1]:
            return False
        word = parts[self.nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
        first = re.split(r"[.,?!'\"]", word, maxsplit=1)[0].lower()
        return count == self.num_paragraphs and first == self.first_word.lower()

"""Words that must or must not occur, how often and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_lowercase

from verifiers.instructions.arguments import (
    AT_LEAST,
    RELATIONS,
    holds,
    need_choice,
    need_count,
    need_text,
    need_word,
)
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.text import (
    count_word,
    plain_words,
    rule_sentences,
    sentences,
    tokens,
    whole_words,
)
from verifiers.instructions.wording import counted

SHORTEST_PALINDROME = 3  # letters; every one-letter word reads the same both ways


def count_anywhere(text: str, keyword: str) -> int:
    """As the published checkers count: also inside longer words.

    They take the keyword for a pattern; published ones are plain words, for which that is the same.
    """
    return len(re.findall(re.escape(keyword), text, re.IGNORECASE))


def count_keyword(text: str, keyword: str, mode: Mode) -> int:
    """Defect of the published count: `art` counts in `party`."""
    return count_anywhere(text, keyword) if mode == "upstream" else count_word(text, keyword)


@register("keywords:word_once", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class WordOnce(Instruction):
    keyword: str

    def __post_init__(self) -> None:
        need_text(self, "keyword")

    def describe(self) -> str:
        return f'Use the word "{self.keyword}" exactly once.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return count_keyword(response, self.keyword, mode) == 1


@register("keywords:word_count_different_numbers", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class WordCount(Instruction):
    """The published prompt asks for a number of times, the published check for a bound (`relation`) that the
    prompt does not mention; `fixed` wants the number."""

    keyword: str
    frequency: int
    relation: str = AT_LEAST

    def __post_init__(self) -> None:
        need_text(self, "keyword")
        need_count(self, "frequency")
        need_choice(self, "relation", RELATIONS)

    def describe(self) -> str:
        times = counted(self.frequency, "time")
        return f'Let the word "{self.keyword}" appear exactly {times}, no more and no less.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        count = count_keyword(response, self.keyword, mode)
        return holds(count, self.relation, self.frequency) if mode == "upstream" else count == self.frequency


@register("keywords:exclude_word_harder", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class ExcludeWord(Instruction):
    keyword: str

    def __post_init__(self) -> None:
        need_text(self, "keyword")

    def describe(self) -> str:
        return f'The word "{self.keyword}" must not occur in your answer.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the word passes beside punctuation or a line break, and with a capital.
            return f" {self.keyword} " not in response
        return count_word(response, self.keyword) == 0


@register("keywords:no_adjacent_consecutive", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class NoAdjacentConsecutive(Instruction):
    def describe(self) -> str:
        return (
            "Never let a word be followed by one whose first letter comes next in the alphabet "
            '(no "apple banana").'
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: quotes and brackets are taken for first letters, and digits for letters of the alphabet.
            first = [word[0].lower() for word in response.split()]
            if len(first) > 1 and any(len(letter) != 1 for letter in first):
                return False
        else:
            first = [word[0].lower() for word in whole_words(response)]
            first = [letter if letter in ascii_lowercase else " " for letter in first]
        return not any(ord(b) - ord(a) == 1 for a, b in zip(first, first[1:], strict=False))


@register("keywords:palindrome", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class Palindrome(Instruction):
    def describe(self) -> str:
        return (
            "Include a palindrome: a word of three letters or more, or a whole sentence, "
            "that reads the same backwards."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "a" and "I" pass, "Level" and "level." do not.
            return any(word == word[::-1] for word in response.split())
        return any(map(_is_palindrome, (*whole_words(response), *sentences(response))))


def _is_palindrome(text: str) -> bool:
    letters = [character for character in text.casefold() if character.isalnum()]
    return len(letters) >= SHORTEST_PALINDROME and any(map(str.isalpha, letters)) and letters == letters[::-1]


@register("keywords:keyword_specific_position", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class KeywordPosition(Instruction):
    keyword: str
    n: int
    m: int

    def __post_init__(self) -> None:
        need_word(self, "keyword")
        need_count(self, "n", 1)
        need_count(self, "m", 1)

    def describe(self) -> str:
        return f'Make "{self.keyword}" word number {self.m} of sentence number {self.n}.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            return self._published(response)
        found = sentences(response)[self.n - 1 : self.n]
        start, wanted = self.m - 1, plain_words(self.keyword)
        return any(plain_words(sentence)[start : start + len(wanted)] == wanted for sentence in found)

    def _published(self, response: str) -> bool:
        # Defect: punctuation marks and the halves of "don't" count as words, and case matters.
        found = rule_sentences(response)[self.n - 1 : self.n]
        return any(tokens(sentence)[self.m - 1 : self.m] == (self.keyword,) for sentence in found)


@register("keywords:start_end", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class StartEnd(Instruction):
    def describe(self) -> str:
        return (
            "Begin and finish with the same word, and put nothing behind that last word, "
            "not even a full stop."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "don't ... don't" fails, since its tokens are "do" and "n't".
            words = tokens(response)
        else:
            words = whole_words(response) if response.rstrip()[-1].isalnum() else ()
        return len(words) > 1 and words[0].lower() == words[-1].lower()

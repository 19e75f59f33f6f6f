"""IFBench constraints on single words: their letters, lengths, syllables, order and places."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifbench.reading import (
    MARKS,
    alike,
    bare,
    letter_words,
    lower_words,
    published_sentences,
    without_accents,
)
from verifiers.instructions.ifbench.syllables import published_syllables, syllables
from verifiers.instructions.ifbench.verbs import published_verb, starts_with_verb
from verifiers.instructions.text import sentences, tokens
from verifiers.instructions.training import keywords as training
from verifiers.instructions.wording import counted, ordinal

_ALPHABET = string.ascii_lowercase
_VOWELS = frozenset("aeiou")
_CONSONANTS = frozenset(_ALPHABET) - _VOWELS
_MAX_VOWELS = 3
_PALINDROMES = 10
_PALINDROME_LENGTH = 5
_PRIMES = frozenset(n for n in range(2, 100) if all(n % d for d in range(2, n)))


@register("words:alphabet", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Alphabet(Instruction):
    def describe(self) -> str:
        return "Let the first letters of successive words follow the alphabet, with A again after Z."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: a dash, a bullet and a curly quote are taken for the first letter of a word.
        found = bare(response).split() if mode == "upstream" else lower_words(without_accents(response))
        first = [word.lower()[0] for word in found]
        if not first or first[0] not in _ALPHABET:
            return False
        start = _ALPHABET.index(first[0])
        return all(letter == _ALPHABET[(start + i) % 26] for i, letter in enumerate(first))


@register("words:vowel", "ifbench")
@dataclass(frozen=True, kw_only=True)
class ThreeVowels(Instruction):
    def describe(self) -> str:
        return "Write a single paragraph in which no more than three of the five vowels occur."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: é is no vowel.
        paragraph = response if mode == "upstream" else without_accents(response)
        return "\n" not in response.strip() and len(_VOWELS.intersection(paragraph.lower())) <= _MAX_VOWELS


def _has_cluster(word: str) -> bool:
    return any(a in _CONSONANTS and b in _CONSONANTS for a, b in pairwise(word))


@register("words:consonants", "ifbench")
@dataclass(frozen=True, kw_only=True)
class ConsonantClusters(Instruction):
    def describe(self) -> str:
        return "Use only words in which two or more consonants stand side by side."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: numbers, dashes and list markers are words without a cluster.
        found = response.lower().split() if mode == "upstream" else letter_words(response)
        return bool(found) and all(map(_has_cluster, found))


@register("words:palindrome", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Palindromes(Instruction):
    def describe(self) -> str:
        return (
            f"Use at least {_PALINDROMES} words that read the same backwards, "
            f"each of {_PALINDROME_LENGTH} or more letters."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: the numbers 12321 and 10001 are words.
        found = bare(response).lower().split() if mode == "upstream" else letter_words(response)
        long = [word for word in found if len(word) >= _PALINDROME_LENGTH]
        return sum(word == word[::-1] for word in long) >= _PALINDROMES


@register("words:prime_lengths", "ifbench")
@dataclass(frozen=True, kw_only=True)
class PrimeLengths(Instruction):
    def describe(self) -> str:
        return "The number of letters of each word must be a prime."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            return all(len(word) in _PRIMES for word in bare(response).split())
        # Defect: curly quotes and dashes are letters, and marks without any word pass.
        lengths = [sum(map(str.isalnum, word)) for word in lower_words(response)]
        return bool(lengths) and all(length in _PRIMES for length in lengths)


@register("words:start_verb", "ifbench")
@dataclass(frozen=True, kw_only=True)
class StartVerb(Instruction):
    def describe(self) -> str:
        return "Let a verb be the very first word."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: the published tagger takes most imperatives ("Conceive an empire") for names.
        return published_verb(tokens(response)) if mode == "upstream" else starts_with_verb(response)


@register("words:repeats", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Repeats(Instruction):
    small_n: int

    def __post_init__(self) -> None:
        need_count(self, "small_n")

    def describe(self) -> str:
        return f"No word may occur more than {counted(self.small_n, 'time')}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: a word with a curly quote or a dash at it is another word.
        found = bare(response.lower()).split() if mode == "upstream" else lower_words(response)
        return max(Counter(found).values(), default=0) <= self.small_n


@register("words:odd_even_syllables", "ifbench")
@dataclass(frozen=True, kw_only=True)
class OddEvenSyllables(Instruction):
    def describe(self) -> str:
        return "Words with an odd and words with an even number of syllables must take turns."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "bigger" has one syllable and "walked" two; a number has none.
            counts = [published_syllables(word) for word in bare(response).lower().split()]
        else:
            counts = [syllables(word) for word in letter_words(response)]
        return all((a + b) % 2 for a, b in pairwise(counts))


@register("words:last_first", "ifbench")
@dataclass(frozen=True, kw_only=True)
class LastFirst(Instruction):
    def describe(self) -> str:
        return "Begin every sentence, but the first, with the word that ended the sentence before."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: only ASCII marks are cut off, and only from one side of each word.
            spaced = MARKS + " "
            found = [
                (s.rstrip(spaced).lower().split()[-1:], s.lstrip(spaced).lower().split()[:1])
                for s in published_sentences(response)
            ]
            return all(alike(before[0], after[1]) for before, after in pairwise(found))
        return all(alike(a, b) for a, b in pairwise(map(lower_words, sentences(response))))


@register("words:paragraph_last_first", "ifbench")
@dataclass(frozen=True, kw_only=True)
class ParagraphLastFirst(Instruction):
    def describe(self) -> str:
        return "End each paragraph with the word that it begins with, and put each on a line of its own."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        lines = response.lower().split("\n")
        if mode == "upstream":
            # Defect: "Time, they say, heals time." begins with "time," and ends with "time".
            found = [line.strip().strip(MARKS + " ").split() for line in lines]
        else:
            found = [list(lower_words(line)) for line in lines]
        return all(words[0] == words[-1] for words in found if words)


@register("words:no_consecutive", "ifbench")
@dataclass(frozen=True, kw_only=True)
class NoConsecutive(Instruction):
    def describe(self) -> str:
        return "Neighbouring words must begin with different letters."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: two words in curly quotes, two dashes and the numbers 10 and 12 share a first letter.
        found = bare(response.lower()).split() if mode == "upstream" else lower_words(response)
        first = [word[0] for word in found]
        return not any(a == b and (mode == "upstream" or a.isalpha()) for a, b in pairwise(first))


@register("words:keywords_specific_position", "ifbench")
@dataclass(frozen=True, kw_only=True)
class KeywordPosition(training.KeywordPosition):
    def describe(self) -> str:
        return f'The {ordinal(self.m)} word of the {ordinal(self.n)} sentence must be "{self.keyword}".'

    def _published(self, response: str) -> bool:
        # Defect: "don't" is two words, "do" and "n't".
        found = published_sentences(response)[self.n - 1 : self.n]
        words = [token for text in found for token in tokens(text) if any(map(str.isalnum, token))]
        return [word.lower() for word in words[self.m - 1 : self.m]] == [self.keyword.lower()]


@register("words:words_position", "ifbench")
@dataclass(frozen=True, kw_only=True)
class WordsPosition(Instruction):
    keyword: str

    def __post_init__(self) -> None:
        need_text(self, "keyword")

    def describe(self) -> str:
        return f'Write "{self.keyword}" as the second word and also as the last word but one.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: marks count as words, except for one at the very end: "(" shifts the second word.
            found = [token.lower() for token in tokens(response)]
            if found and found[-1] in MARKS:
                del found[-1]
        else:
            found = list(lower_words(response))
        return len(found) >= 2 and found[1] == found[-2] == self.keyword.lower()

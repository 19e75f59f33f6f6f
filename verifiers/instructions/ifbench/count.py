"""IFBench constraints that count something: words, names, numbers, marks, keywords."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import BadArguments, Instruction, Mode, register
from verifiers.instructions.ifbench.reading import (
    MARKS,
    bare,
    lower_words,
)
from verifiers.instructions.ifbench.tables import COORDINATING_CONJUNCTIONS, PERSON_NAMES, PRONOUNS
from verifiers.instructions.text import count_word, tokens, whole_words, words
from verifiers.instructions.wording import counted, ordinal

_DIGITS = re.compile(r"\d+")
# A number of a reader: 1,000 and 3.5 are one each, the 2 of H2O and of CO2 is none.
_NUMBER = re.compile(r"(?<![^\W_])\d+(?:[.,]\d+)*")
_NAMES = re.compile(rf"\b(?:{'|'.join(PERSON_NAMES)})\b")
_KANA_OR_KANJI = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
# With the iteration mark, kanji of the first extension, and half-width kana.
_JAPANESE = re.compile("[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f]")


@register("count:word_count_range", "ifbench")
@dataclass(frozen=True, kw_only=True)
class WordCountRange(Instruction):
    min_words: int
    max_words: int

    def __post_init__(self) -> None:
        need_count(self, "min_words")
        need_count(self, "max_words")
        if self.min_words > self.max_words:
            raise BadArguments(f"{self.id}: min_words {self.min_words} is above max_words {self.max_words}")

    def describe(self) -> str:
        return f"Write no fewer than {self.min_words} and no more than {self.max_words} words."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: runs of letters count, so "don't" and "well-known" are two words each.
        count = len(words(response) if mode == "upstream" else whole_words(response))
        return self.min_words <= count <= self.max_words


@register("count:unique_word_count", "ifbench")
@dataclass(frozen=True, kw_only=True)
class UniqueWordCount(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N")

    def describe(self) -> str:
        return f"Your answer must contain {self.N} or more different words."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a dash is a word, and so is a word once more when a curly quote touches it.
            found = {word.strip(MARKS) for word in response.lower().split()}
        else:
            found = set(lower_words(response))
        return len(found) >= self.N


@register("count:conjunctions", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Conjunctions(Instruction):
    small_n: int

    def __post_init__(self) -> None:
        need_count(self, "small_n")

    def describe(self) -> str:
        return f"Use {self.small_n} or more different coordinating conjunctions (and, but, or, ...)."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "and", "And" and "and," are three different conjunctions.
            used = {w for w in response.split() if w.strip(MARKS).lower() in COORDINATING_CONJUNCTIONS}
        else:
            used = set(COORDINATING_CONJUNCTIONS.intersection(lower_words(response)))
        return len(used) >= self.small_n


@register("count:person_names", "ifbench")
@dataclass(frozen=True, kw_only=True)
class PersonNames(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N")

    def describe(self) -> str:
        return f"Use at least {counted(self.N, 'different name')} out of these: {', '.join(PERSON_NAMES)}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return len(set(_NAMES.findall(response))) >= self.N


@register("count:numbers", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Numbers(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N")

    def describe(self) -> str:
        return f"Your answer must contain exactly {counted(self.N, 'number')}, written in digits."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: digits left and right of a mark are joined, so 10-20 and 3/4 are one number each.
            return len(_DIGITS.findall(bare(response))) == self.N
        return len(_NUMBER.findall(response)) == self.N


@register("count:punctuation", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Punctuation(Instruction):
    def describe(self) -> str:
        return (
            "Every usual punctuation mark must occur: full stop, comma, exclamation mark, question mark, "
            "semicolon, colon, and an interrobang (?!)."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        interrobang = next((mark for mark in ("?!", "!?", "‽") if mark in response), None)
        return interrobang is not None and set(".,!?;:") <= set(response.replace(interrobang, "", 1))


@register("count:words_japanese", "ifbench")
@dataclass(frozen=True, kw_only=True)
class JapaneseWords(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N", least=1)

    def describe(self) -> str:
        return f"Write each {ordinal(self.N)} word in Japanese." if self.N > 1 else "Write in Japanese."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = [word.strip(MARKS) for word in response.split()]
        japanese = _KANA_OR_KANJI
        if mode == "fixed":
            # Defect: a dash between two words counts as one, and then every later position is off by one.
            found = [word for word in found if any(map(str.isalnum, word))]
            japanese = _JAPANESE
        due = found[self.N - 1 :: self.N]
        return all(japanese.search(word) for word in due if word and not word.isdigit())


@register("count:pronouns", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Pronouns(Instruction):
    N: int

    def __post_init__(self) -> None:
        need_count(self, "N")

    def describe(self) -> str:
        return f"Use {counted(self.N, 'pronoun')} or more."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # A slash joins pronouns that count by themselves: she/her.
        found = tokens(response.replace("/", " ").lower())
        return sum(token in PRONOUNS for token in found) >= self.N


@register("count:keywords_multiple", "ifbench")
@dataclass(frozen=True, kw_only=True)
class KeywordsMultiple(Instruction):
    keyword1: str
    keyword2: str
    keyword3: str
    keyword4: str
    keyword5: str

    def __post_init__(self) -> None:
        for name in ("keyword1", "keyword2", "keyword3", "keyword4", "keyword5"):
            need_text(self, name)

    def _wanted(self) -> list[tuple[str, int]]:
        keywords = (self.keyword1, self.keyword2, self.keyword3, self.keyword4, self.keyword5)
        return list(zip(keywords, (1, 2, 3, 5, 7), strict=True))

    def describe(self) -> str:
        parts = ", ".join(f'"{word}" {counted(count, "time")}' for word, count in self._wanted())
        return f"Use each of these words exactly as often as it says: {parts}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "art" is found in "start".
            return all(response.lower().count(word.lower()) == count for word, count in self._wanted())
        return all(count_word(response, word) == count for word, count in self._wanted())

"""The first and the last word, of the answer or of each sentence.

Defect of all four published checks: a word is what stands between spaces. `"Well, ...` does not begin with
Well; ends lose their punctuation, but then "don't" has become dont; and the second mark of "Really?!" is a
sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.instructions.arguments import need_word
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.text import plain_words, rule_sentences, sentences

_PUNCTUATION = re.compile(r"[^\w\s]")


def _begins(text: str, wanted: str, mode: Mode) -> bool:
    if mode == "upstream":
        return [word.lower() for word in text.split()[:1]] == [wanted.lower()]
    words = plain_words(wanted)
    return plain_words(text)[: len(words)] == words


def _ends(text: str, wanted: str, mode: Mode) -> bool:
    if mode == "upstream":
        return [_PUNCTUATION.sub("", word).lower() for word in text.split()[-1:]] == [wanted.lower()]
    words = plain_words(wanted)
    return plain_words(text)[-len(words) :] == words


def _sentences(text: str, mode: Mode) -> tuple[str, ...]:
    return rule_sentences(text) if mode == "upstream" else sentences(text)


@register("first_word:first_word_sent", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class FirstWordOfSentences(Instruction):
    first_word: str

    def __post_init__(self) -> None:
        need_word(self, "first_word")

    def describe(self) -> str:
        return f'Start each sentence with the word "{self.first_word}".'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = _sentences(response, mode)
        return bool(found) and all(_begins(sentence, self.first_word, mode) for sentence in found)


@register("first_word:first_word_answer", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class FirstWordOfAnswer(Instruction):
    first_word: str

    def __post_init__(self) -> None:
        need_word(self, "first_word")

    def describe(self) -> str:
        return f'Let "{self.first_word}" be the first word of your answer.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return _begins(response, self.first_word, mode)


@register("last_word:last_word_sent", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class LastWordOfSentences(Instruction):
    last_word: str

    def __post_init__(self) -> None:
        need_word(self, "last_word")

    def describe(self) -> str:
        return f'End each sentence with the word "{self.last_word}", then its punctuation.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        found = _sentences(response, mode)
        return bool(found) and all(_ends(sentence, self.last_word, mode) for sentence in found)


@register("last_word:last_word_answer", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class LastWordOfAnswer(Instruction):
    last_word: str

    def __post_init__(self) -> None:
        need_word(self, "last_word")

    def describe(self) -> str:
        return f'Let "{self.last_word}" be the last word of your answer.'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return _ends(response, self.last_word, mode)

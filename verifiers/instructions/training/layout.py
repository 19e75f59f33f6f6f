"""Paragraphs, brackets, hyphens and marks to leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.text import rule_sentences, sentences, whole_words

_ANY_STARS = re.compile(r"\s?\*\*\*\s?")
_DIVIDER = re.compile(r"(?<!\S)(?:\*\*\*|\* \* \*)(?!\S)")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_BIGRAM = re.compile(r"<<\s*[^\s<>]+\s+[^\s<>]+\s*>>")
_BRACKETED = re.compile(r"\[[^\[\]\s]+\]")
# The exclamation mark, its fullwidth, small, doubled and inverted forms, and its emoji.
_EXCLAMATIONS = "!！﹗‼⁉¡❗❕"
_JOINT = re.compile(r"""([.!?…]["'”’)\]*_]*)-(?=\S)""")


def starred_parts(text: str, mode: Mode) -> list[str]:
    """What stands between the dividers.

    Defects of the published split: the stars of `***bold***` divide, and `* * *`, which one of the prompts
    names, does not.
    """
    if mode == "upstream":
        return _ANY_STARS.split(text)
    return _without_blank_ends(_DIVIDER.split(text))


def _without_blank_ends(parts: Sequence[str]) -> list[str]:
    found = list(parts)
    if found and not found[0].strip():
        del found[0]
    if found and not found[-1].strip():
        del found[-1]
    return found


def _are_two(parts: Sequence[str]) -> bool:
    found = _without_blank_ends(parts)
    return len(found) == 2 and all(part.strip() for part in found)


@register("paragraphs:paragraphs", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class TwoStarredParagraphs(Instruction):
    def describe(self) -> str:
        return "Write 2 paragraphs with the markdown divider *** between them."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return _are_two(starred_parts(response, mode))


@register("paragraphs:paragraphs2", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class TwoParagraphs(Instruction):
    def describe(self) -> str:
        return "Write 2 paragraphs with one empty line between them, and use no empty line elsewhere."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a space in the empty line, or a carriage return, joins the paragraphs.
            return _are_two(response.split("\n\n"))
        return _are_two(_BLANK_LINE.split(response.replace("\r\n", "\n")))


@register("detectable_format:bigram_wrapping", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class BigramWrapping(Instruction):
    def describe(self) -> str:
        return (
            "Put every two words into double angular brackets, "
            "like so: <<Two words>> <<at a>> <<time, never>> <<one alone.>>"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: one word passes bare, and so does `<<a>> b>>`.
            words = response.split()
            pairs = zip(words[::2], words[1::2], strict=False)
            return all(a.startswith("<<") and b.endswith(">>") for a, b in pairs)
        *before, last = _BIGRAM.split(response)
        leftover = len(whole_words(last))  # the last of an odd number of words has no partner
        return bool(before) and leftover <= 1 and not any(map(whole_words, before))


@register("detectable_format:square_brackets", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class SquareBrackets(Instruction):
    def describe(self) -> str:
        return "Put each word of your answer into square brackets, [like] [this]."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: `[word],` fails for the comma, `[]` passes.
            return all(word.startswith("[") and word.endswith("]") for word in response.split())
        bare = _BRACKETED.sub(" ", response)
        return not whole_words(bare) and bool(whole_words(response))


@register("detectable_format:sentence_hyphens", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class SentenceHyphens(Instruction):
    def describe(self) -> str:
        return "Join all your sentences with hyphens and no spaces.-Like this.-And so on."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a hyphen inside a word ("well-known") counts as a joint; what follows the last
            # comparable piece is not looked at; a single sentence, in which nothing is joined, passes.
            pieces = response.split("-")
            wanted = rule_sentences(response.replace("-", " "))
            return all(a == b for a, b in zip(pieces, wanted, strict=False))
        pieces = _JOINT.sub("\\1\0", response.strip()).split("\0")
        return len(pieces) > 1 and all(p == p.strip() and len(sentences(p)) == 1 for p in pieces)


@register("punctuation:punctuation_dot", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class NoDot(Instruction):
    def describe(self) -> str:
        return "Use no dots (.) anywhere in your answer, neither as full stops nor otherwise."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return "." not in response


@register("punctuation:punctuation_exclamation", "ifeval-train")
@dataclass(frozen=True, kw_only=True)
class NoExclamation(Instruction):
    def describe(self) -> str:
        return "Use no exclamation marks (!) anywhere in your answer."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: only the ASCII mark is known, so that every "停！" passes.
        return not any(mark in response for mark in (_EXCLAMATIONS if mode == "fixed" else "!"))

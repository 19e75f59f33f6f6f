"""Four checks that IFEval's code defines and tests but its registry leaves out.

They have no published id; the ones here are those that the registry notes for them. Published test cases name
the class, so that name is understood as well.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text, need_texts
from verifiers.instructions.base import BadArguments, Instruction, Mode, alias, register
from verifiers.instructions.text import rule_sentences, whole_words, words

_CHANGE = re.compile(r"\*.*\*")


@register("multi-turn:constrained_start", "ifeval-drafts")
@dataclass(frozen=True, kw_only=True)
class ConstrainedStart(Instruction):
    starter: str

    def __post_init__(self) -> None:
        need_text(self, "starter")

    def describe(self) -> str:
        return f'Start your response with "{self.starter}".'

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream is content when any line starts so.
        first = re.compile(rf"[^\S\n]*{re.escape(self.starter)}", re.MULTILINE)
        if mode == "upstream":
            return any(first.match(line) for line in response.split("\n"))
        return first.match(response.lstrip()) is not None


@register("keywords:key_sentences", "ifeval-drafts")
@dataclass(frozen=True, kw_only=True)
class KeySentences(Instruction):
    key_sentences: Sequence[str]
    num_sentences: int

    def __post_init__(self) -> None:
        if isinstance(self.key_sentences, str):  # a published case holds a set as Python writes it
            object.__setattr__(self, "key_sentences", _literal_texts(self, self.key_sentences))
        need_texts(self, "key_sentences")
        need_count(self, "num_sentences", 1)

    def describe(self) -> str:
        return f"Use exactly {self.num_sentences} of these sentences: {' / '.join(self.key_sentences)}"

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a sentence after a heading or with two spaces in it is not recognised.
            said = rule_sentences(response)
            return sum(sentence in said for sentence in self.key_sentences) == self.num_sentences
        text = " ".join(response.split())
        return sum(" ".join(s.split()) in text for s in self.key_sentences) == self.num_sentences


def _literal_texts(instruction: Instruction, written: str) -> list[str]:
    try:
        return sorted(ast.literal_eval(written))
    except (ValueError, SyntaxError, TypeError) as error:
        raise BadArguments(f"{instruction.id}: key_sentences must be a list, not {written!r:.80}") from error


@register("detectable_content:rephrase_paragraph", "ifeval-drafts")
@dataclass(frozen=True, kw_only=True)
class RephraseParagraph(Instruction):
    original_paragraph: str
    low: int
    high: int

    def __post_init__(self) -> None:
        need_text(self, "original_paragraph")
        need_count(self, "low")
        need_count(self, "high")

    def describe(self) -> str:
        return (
            f"Rephrase the paragraph below so that you keep between {self.low} and {self.high} of its words, "
            f"in small or capital letters.\n{self.original_paragraph}"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream takes "don't" for the two words "don" and "t".
        split = whole_words if mode == "fixed" else words
        shared = Counter(split(response.lower())) & Counter(split(self.original_paragraph.lower()))
        return self.low <= shared.total() <= self.high


@register("detectable_format:rephrase", "ifeval-drafts")
@dataclass(frozen=True, kw_only=True)
class Rephrase(Instruction):
    original_message: str

    def __post_init__(self) -> None:
        if not isinstance(self.original_message, str) or not _CHANGE.search(self.original_message):
            raise BadArguments(f"{self.id}: original_message must contain *a part to change*")

    def describe(self) -> str:
        return f"Rewrite only what stands between two asterisks, like *this*: {self.original_message}"

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Upstream raises an error for a response without *changes*; it has not followed.
        kept, original = (_CHANGE.sub("", text) for text in (response, self.original_message))
        return bool(_CHANGE.search(response)) and kept == original


alias("unregistered:ConstrainedStartChecker", ConstrainedStart)
alias("unregistered:KeySentenceChecker", KeySentences)
alias("unregistered:RephraseParagraph", RephraseParagraph)
alias("unregistered:RephraseChecker", Rephrase)

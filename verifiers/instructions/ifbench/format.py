"""IFBench constraints on layout: nesting, bullets, lines, emoji, templates."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from verifiers.instructions.arguments import need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifbench.emojis import EMOJI, KEYCAP, ends_with_emoji, split_leading
from verifiers.instructions.ifbench.nesting import (
    bracket_levels,
    published_bracket_levels_reached,
    published_quote_levels_reached,
    quote_levels,
)
from verifiers.instructions.ifbench.reading import MARKS, bare, published_sentences
from verifiers.instructions.ifbench.tables import MINOR_WORDS
from verifiers.instructions.text import sentences, tokens, whole_words

_BRACKET_LEVELS = 5
_QUOTE_LEVELS = 3


@register("format:parentheses", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Parentheses(Instruction):
    def describe(self) -> str:
        return "Put brackets, round, square or curly, inside each other, five levels or more."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: closing the innermost of five is enough, so "(((((x)" passes.
            return published_bracket_levels_reached(response, _BRACKET_LEVELS)
        return bracket_levels(response) >= _BRACKET_LEVELS


@register("format:quotes", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Quotes(Instruction):
    def describe(self) -> str:
        return "Put quotes inside quotes inside quotes, with double and single marks by turns."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: an apostrophe opens a quotation, so a few of them ("It isn't so", "it's fine") pass.
        if mode == "upstream":
            return published_quote_levels_reached(response, _QUOTE_LEVELS)
        return quote_levels(response) >= _QUOTE_LEVELS


_LETTERED = re.compile(r"\W*[aA]\W*[bB]\W*[cC]\W*")
_SEPARATOR = re.compile(r",|\bor\b", re.IGNORECASE)


@register("format:options", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Options(Instruction):
    options: str

    def __post_init__(self) -> None:
        need_text(self, "options", strip=False)

    def describe(self) -> str:
        return f"Your whole answer must be one of these, without any reason given: {self.options}"

    def _published_choices(self) -> list[str]:
        separator = "/" if "/" in self.options else "or" if "or" in self.options else ","
        return [option.strip() for option in self.options.split(separator)]

    def _choices(self) -> list[str]:
        options = self.options.replace("’", "'")
        parts = options.split("/") if "/" in options else _SEPARATOR.split(options)
        return [option.strip() for option in parts if option.strip()]

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "or" separates inside words too ("orange, coral"); a line break at the end is fatal.
            choices, answer = self._published_choices(), response
        else:
            choices, answer = self._choices(), response.strip().replace("’", "'")
        if _LETTERED.match(self.options):
            return answer in choices
        edge = MARKS + " "
        return answer.strip(edge).lower() in [option.strip(edge).lower() for option in choices]


@register("format:newline", "ifbench")
@dataclass(frozen=True, kw_only=True)
class WordPerLine(Instruction):
    def describe(self) -> str:
        return "Begin a new line after every word."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            return all(len(line.split()) < 2 for line in response.split("\n"))
        # Defect: a line of spaces makes up for a line of two words.
        stripped = bare(response).strip()
        return sum(line != "" for line in stripped.split("\n")) == len(stripped.split())


def _published_emoji_end(sentence: str, following: str) -> bool:
    if not EMOJI.isdisjoint(sentence[-2:]):
        return True
    return bool(sentence and following and following[0] in EMOJI)


def _sentences_with_emoji(pieces: Sequence[str]) -> Iterator[str]:
    """The sentences, each with the emoji that follow its last mark."""
    held = ""
    for piece in pieces:
        emoji, rest = split_leading(piece)
        if held and emoji:
            held += emoji
        elif held:
            yield held
            held = ""
        if any(map(str.isalnum, rest)):
            if held:
                yield held
            held = rest
        else:
            held += rest
    if held:
        yield held


@register("format:emoji", "ifbench")
@dataclass(frozen=True, kw_only=True)
class EmojiEndings(Instruction):
    def describe(self) -> str:
        return "Finish each sentence with an emoji."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            found = list(_sentences_with_emoji(published_sentences(KEYCAP.sub("🔢", response))))
            return bool(found) and all(map(ends_with_emoji, found))
        pieces = published_sentences(response)
        # Defect: one letter after the emoji is overlooked, flags and keycaps are none, a lone "..." fails.
        plain = [bare(piece).strip() for piece in pieces]
        return all(map(_published_emoji_end, plain, [*plain[1:], ""]))


def _without_published_blanks(lines: list[str]) -> list[str]:
    """What is left when blank lines are removed from the list that is being iterated over.

    After each removal the iteration skips a line, and `remove` takes the first line equal to the blank one.
    """
    removed: Counter[str] = Counter()
    position = 0
    while position < len(lines):
        blank = not lines[position].strip()
        removed[lines[position]] += blank
        position += 1 + blank
    left = []
    for line in lines:
        if removed[line] > 0:
            removed[line] -= 1
        else:
            left.append(line)
    return left


@register("format:line_indent", "ifbench")
@dataclass(frozen=True, kw_only=True)
class LineIndent(Instruction):
    def describe(self) -> str:
        return "Indent each line more than the one above it, like stairs."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        lines = response.split("\n")
        if mode == "upstream":
            # Defect: blank lines are removed while iterating, so every second of them stays and fails.
            indents = [len(line) - len(line.lstrip(" ")) for line in _without_published_blanks(lines)]
            return all(a < b for a, b in pairwise(indents))
        # Defect: tabs do not indent, and a single line passes although it is no stairs.
        kept = [line.expandtabs() for line in lines if line.strip()]
        indents = [len(line) - len(line.lstrip()) for line in kept]
        return len(kept) > 1 and all(a < b for a, b in pairwise(indents))


_QUOTED = re.compile(r'"[^"]*"|“[^“”]*”')


@register("format:quote_unquote", "ifbench")
@dataclass(frozen=True, kw_only=True)
class QuoteUnquote(Instruction):
    def describe(self) -> str:
        return "Explain every quotation in your own words, without quotes, right after it."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: curly quotes are none; two quotations with a comma between them need no explanation.
            packed = "".join(response.replace("'\"'", "").split())
            end = packed.strip(string.digits + MARKS.replace('"', ""))[-1:]
            return '""' not in packed and end != '"'
        outside = _QUOTED.split(response)[1:]
        return all(any(map(str.isalpha, part)) for part in outside)


_BULLET = re.compile(r"(?:[-*+•◦▪‣]|\d{1,3}[.)])\s")


@register("format:list", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SeparatorList(Instruction):
    sep: str

    def __post_init__(self) -> None:
        need_text(self, "sep", strip=False)

    def describe(self) -> str:
        return f"Answer with a list, and begin each item with {self.sep} where a bullet would stand."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the separator counts anywhere, so two ellipses in a sentence are a list.
            return response.count(self.sep) >= 2
        lines = [line.strip() for line in response.split("\n")]
        items = [line.startswith(self.sep.strip()) for line in lines]
        others = [line for line, item in zip(lines, items, strict=True) if not item]
        return sum(items) >= 2 and not any(map(_BULLET.match, others))


_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]\S[^\n]*|\*\*[^*\n]+\*\*:?[ \t]*|<h[1-6]\b[^\n]*"
    r"|(?:\*\*)?(?:Section|Part|Chapter)[ \t]+[\dIVX]{1,4}\b[^\n]{0,80})(?:\n|$)",
    re.IGNORECASE,
)
_ITALIC = re.compile(r"(?:<(?:p|div|section|article)>\s*)*<(i|em)>([^<]*)</\1>", re.IGNORECASE)


def _sections(response: str) -> list[str]:
    """The texts under the headings, or the whole response where there is none; empty ones are left out."""
    sections: list[list[str]] = []
    lines = response.split("\n")
    for line in lines:
        if _HEADING.match(line):
            sections.append([])
        elif sections:
            sections[-1].append(line)
    bodies = ["\n".join(body).strip() for body in sections or [lines]]
    return [body for body in bodies if body]


def _starts_with_thesis(section: str) -> bool:
    match = _ITALIC.match(section)
    return match is not None and match[2].strip() != "" and any(map(str.isalnum, section[match.end() :]))


def _published_thesis(response: str) -> bool:
    start = next((i for tag in ("<i>", "<em>") if (i := response.find(tag)) >= 0), -1)
    rest = response[start:] if start >= 0 else ""
    end = next((i for tag in ("</i>", "</em>") if (i := rest.find(tag)) >= 0), -1)
    return end >= 0 and rest[3:end].strip() != "" and rest[end + 4 :].strip() != ""


@register("format:thesis", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Thesis(Instruction):
    def describe(self) -> str:
        return "Open each section with its thesis in italics, marked up in HTML."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: one italic anywhere is enough, and an empty <em></em> with nothing behind it passes.
        if mode == "upstream":
            return _published_thesis(response)
        sections = _sections(response)
        return bool(sections) and all(map(_starts_with_thesis, sections))


_STAR, _DASH = re.compile(r"[ \t]*\*[ \t]+\S"), re.compile(r"[ \t]*-[ \t]+\S")


@register("format:sub-bullets", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SubBullets(Instruction):
    def describe(self) -> str:
        return (
            "Use bullets that begin with *, and below each of them one or more sub-bullets that begin with -."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: **bold** is two bullets, any hyphen a sub-bullet, and no bullet at all passes.
            return all("-" in part for part in response.split("*")[1:])
        kinds = ["*" if _STAR.match(line) else "-" for line in response.split("\n") if _bullet_line(line)]
        starts = [i for i, kind in enumerate(kinds) if kind == "*"]
        return bool(starts) and all(kinds[i + 1 : i + 2] == ["-"] for i in starts)


def _bullet_line(line: str) -> bool:
    return bool(_STAR.match(line) or _DASH.match(line))


@register("format:no_bullets_bullets", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SentencesThenBullets(Instruction):
    def describe(self) -> str:
        return "Begin with two or more sentences that end with a full stop; then give two or more * bullets."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        lines = response.split("\n")
        if mode == "upstream":
            return _published_bullets(lines)
        first = next((i for i, line in enumerate(lines) if _STAR.match(line)), len(lines))
        before = sentences("\n".join(lines[:first]))
        statements = sum(sentence.rstrip("\"'”’)*_").endswith(".") for sentence in before)
        return statements >= 2 and sum(bool(_STAR.match(line)) for line in lines[first:]) >= 2


def _published_bullets(lines: Sequence[str]) -> bool:
    # Defect: a blank line between two paragraphs or two bullets fails, and questions count as sentences.
    count = bullets = 0
    in_text = True
    for line in map(str.strip, lines):
        if line.startswith("*"):
            if count < 2:
                return False
            in_text = False
            bullets += 1
        elif in_text:
            found = len(published_sentences(line))
            in_text = found > 0
            count += found
        else:
            return False
    return bullets >= 2


def _published_title_case(token: str) -> bool:
    head, tail = token[0], token[1:]
    if not head.isalpha():
        return True
    if not tail:
        return not head.islower()
    return not (head.islower() and (tail.isupper() or tail.islower()))


def _in_title_case(word: str) -> bool:
    head, tail = word[0], word[1:]
    return not head.islower() or word in MINOR_WORDS or any(map(str.isupper, tail))


@register("format:title_case", "ifbench")
@dataclass(frozen=True, kw_only=True)
class TitleCase(Instruction):
    def describe(self) -> str:
        return "Set everything in title case: each major word begins with a capital letter."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "Don't" fails for its token "n't", "of" and "the" fail where they are not the first
            # word, and ALL CAPITALS pass.
            return all(map(_published_title_case, tokens(response)))
        found = whole_words(response)
        shouted = [word for word in found if len(word) > 1 and word.isupper()]
        long = [word for word in found if len(word) > 1 and any(map(str.isalpha, word))]
        all_capitals = len(long) > 1 and len(shouted) == len(long)
        return (
            bool(found) and not all_capitals and not found[0][0].islower() and all(map(_in_title_case, found))
        )


_TEMPLATE = ("My Answer:", "My Conclusion:", "Future Outlook:")


@register("format:output_template", "ifbench")
@dataclass(frozen=True, kw_only=True)
class OutputTemplate(Instruction):
    def describe(self) -> str:
        return f"Fill in this template and add nothing to it: {' [...] '.join(_TEMPLATE)} [...]"

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the labels may stand in any order, with nothing behind them.
            return all(label in response for label in _TEMPLATE)
        parts = []
        rest = response
        for label in _TEMPLATE:
            before, found, rest = rest.partition(label)
            if not found or label in rest:
                return False
            parts.append(before)
        written = [any(map(str.isalnum, part)) for part in (*parts, rest)]
        return written == [False, True, True, True]


@register("format:no_whitespace", "ifbench")
@dataclass(frozen=True, kw_only=True)
class NoWhitespace(Instruction):
    def describe(self) -> str:
        return "Write without any space, tab or line break."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: the line break that ends a file fails.
        text = response if mode == "upstream" else response.strip()
        return not any(map(str.isspace, text))

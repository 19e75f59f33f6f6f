"""detectable_format:*"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifeval.patterns import pattern_of
from verifiers.instructions.wording import counted

ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

_STARRED = re.compile(r"\*[^\n*]*\*")
_DOUBLE_STARRED = re.compile(r"\*\*[^\n*]*\*\*")
_STAR_BULLET = re.compile(r"^[^\S\n]*\*[^\S\n]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![*\\])(\*{1,3})(?![*\s])[^*\n]*(?<![*\s])\1(?!\*)")
_STAR_LINE = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
_DASH_LINE = re.compile(r"^[^\S\n]*-.*$", re.MULTILINE)
_RULE = re.compile(r"(?:\*[^\S\n]*){3,}|(?:-[^\S\n]*){3,}")
_BULLET = re.compile(r"[*+-]\s+\S|\*[^*\s][^*]*$")
_TIGHT_BULLET = re.compile(r"-[^\W\d]")
_TITLE = re.compile(r"(?<![\w<])<<++(?!\s)[^<>\n]*[^<>\s]>>++(?!\w)")
_NEAR = 20  # characters before an answer that show whether it begins a sentence
_SENTENCE_START = re.compile(r"(?:^|[\n.!?])[^\w\n]*\Z")
_FENCED = re.compile(r"```[A-Za-z]*\s(.*)```", re.DOTALL)


@register("detectable_format:number_highlighted_sections", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberHighlightedSections(Instruction):
    num_highlights: int

    def __post_init__(self) -> None:
        need_count(self, "num_highlights")

    def describe(self) -> str:
        return (
            f"Highlight at least {counted(self.num_highlights, 'part')} of your response in markdown, "
            "like *this highlighted part*."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            return len(_EMPHASIS.findall(_STAR_BULLET.sub("", response))) >= self.num_highlights
        # Defect: upstream counts what lies between the asterisks of two highlights or after a bullet, and
        # counts ***this*** twice.
        found = _STARRED.findall(response) + _DOUBLE_STARRED.findall(response)
        return sum(1 for part in found if part.strip("*").strip()) >= self.num_highlights


@register("detectable_format:title", "ifeval")
@dataclass(frozen=True, kw_only=True)
class Title(Instruction):
    def describe(self) -> str:
        return "Give your response a title in double angular brackets, such as <<a quiet morning>>."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            return bool(_TITLE.search(response)) or any(map(self._is_title, response.split("\n")))
        # Defect: the arrows of `cout << x; cin >> y;` are brackets.
        return any(title.lstrip("<").rstrip(">").strip() for title in self._published(response))

    @staticmethod
    def _is_title(line: str) -> bool:
        line = line.strip(" \t\r#*_")
        return line.startswith("<<") and line.endswith(">>") and any(map(str.isalnum, line))

    @staticmethod
    def _published(response: str) -> Iterator[str]:
        for line in response.split("\n"):
            start, stop = line.find("<<"), line.rfind(">>")
            if 0 <= start < stop - 2:
                yield line[start : stop + 2]


@register("detectable_format:number_bullet_lists", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NumberBulletLists(Instruction):
    num_bullets: int

    def __post_init__(self) -> None:
        need_count(self, "num_bullets")

    def describe(self) -> str:
        return (
            f"Include exactly {counted(self.num_bullets, 'bullet point')} in markdown, such as:\n"
            "* the first point\n* the second point"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: rules (---), negative numbers, signatures (-- Ann, -Ann) and lines that start with
            # *emphasis* are bullet points, and "+ point" is none.
            return len(_STAR_LINE.findall(response) + _DASH_LINE.findall(response)) == self.num_bullets
        lines = [line.strip() for line in response.split("\n")]
        proper = sum(bool(_BULLET.match(line)) and not _RULE.fullmatch(line) for line in lines)
        tight = sum(map(bool, map(_TIGHT_BULLET.match, lines)))
        signature = tight == 1 and proper > 0
        return proper + tight - signature == self.num_bullets


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _parsed(text: str) -> object:
    """The value of a JSON text; ValueError when it is none. Numbers stay text: no digit is too many."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


@register("detectable_format:json_format", "ifeval")
@dataclass(frozen=True, kw_only=True)
class JsonFormat(Instruction):
    def describe(self) -> str:
        return "Your whole response must be a JSON object or list; a markdown code fence is allowed."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        try:
            return self._fixed(response) if mode == "fixed" else self._published(response)
        except ValueError:
            return False

    @staticmethod
    def _fixed(response: str) -> bool:
        text = response.strip()
        fenced = _FENCED.fullmatch(text)
        return isinstance(_parsed(fenced.group(1) if fenced else text), dict | list)

    @staticmethod
    def _published(response: str) -> bool:
        # Defect: a fence need not be closed or opened, and any quoted sentence, number or NaN passes.
        text = response.strip()
        for fence in ("```json", "```Json", "```JSON", "```"):
            text = text.removeprefix(fence)
        try:
            json.loads(text.removesuffix("```").strip())
        except RecursionError:
            return False
        return True


@register("detectable_format:multiple_sections", "ifeval")
@dataclass(frozen=True, kw_only=True)
class MultipleSections(Instruction):
    section_spliter: str
    num_sections: int

    def __post_init__(self) -> None:
        need_text(self, "section_spliter")
        need_count(self, "num_sections")

    def describe(self) -> str:
        name = self.section_spliter
        return (
            f"Divide your response into at least {counted(self.num_sections, 'section')}. Start each with "
            f"{name} and its number, such as:\n{name} 1\n(the first section)\n{name} 2\n(the second section)"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: "as Section 1 says" inside a sentence starts a section, and so does its second mention;
            # a section may be empty.
            parts = re.split(rf"\s?{pattern_of(self.section_spliter, last=False)}\s?\d+\s?", response)
            return len(parts) - 1 >= self.num_sections
        mark = rf"^[^\w\n]*{re.escape(self.section_spliter)}[^\S\n]?(\d+|[IVXLC]+\b)"
        _, *found = re.split(mark, response, flags=re.MULTILINE)
        texts = zip(found[::2], found[1::2], strict=True)
        return len({number for number, text in texts if any(map(str.isalnum, text))}) >= self.num_sections


@register("detectable_format:constrained_response", "ifeval")
@dataclass(frozen=True, kw_only=True)
class ConstrainedResponse(Instruction):
    def describe(self) -> str:
        return f"Answer with one of these phrases, word for word: {' / '.join(ANSWERS)}"

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        given = [response.find(answer) for answer in ANSWERS if answer in response]
        if mode == "upstream":
            # Defect: all three answers pass, and so does "Do not say: My answer is yes."
            return bool(given)
        return len(given) == 1 and bool(_SENTENCE_START.search(response, max(0, given[0] - _NEAR), given[0]))

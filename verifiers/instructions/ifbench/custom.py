"""IFBench constraints that are one fixed task each: what to write and in which form."""

from __future__ import annotations

import csv
import io
import re
import string
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.ifbench.reading import (
    MARKS,
    ascii_letters,
    bare,
    published_sentences,
    without_accents,
)
from verifiers.instructions.ifbench.tables import AFRICAN_COUNTRIES, CAPITALS_NORTH_OF_45
from verifiers.instructions.text import sentences

_DIGITS = re.compile(r"\d+")
_MULTIPLES = [str(n) for n in range(14, 51, 7)]


@register("custom:multiples", "ifbench")
@dataclass(frozen=True, kw_only=True)
class Multiples(Instruction):
    def describe(self) -> str:
        return "Count up from 10 to 50, but write down only what 7 divides."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return _DIGITS.findall(response) == _MULTIPLES


_PUBLISHED_QUESTION = re.compile(r"Question \d+[.|):;]?\s*")
_PUBLISHED_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w")
_QUESTION = re.compile(r"^[#*_> \t]*Question\b[ \t]*\d*[ \t]*[.):;\-–—]*", re.MULTILINE)
_OPTION = re.compile(r"[*_\-• \t]*\(?([A-Ea-e])[.):]\**\s*\S")


def _question_and_options(block: str, option: re.Pattern[str]) -> tuple[str, list[str]]:
    """The text before the first option, and the option lines."""
    lines = [line.strip() for line in block.split("\n")]
    options = [line for line in lines if option.match(line)]
    before = lines[: lines.index(options[0])] if options else lines
    return " ".join(before).strip(), options


@register("custom:mcq_count_length", "ifbench")
@dataclass(frozen=True, kw_only=True)
class MultipleChoice(Instruction):
    def describe(self) -> str:
        return (
            "Write four multiple-choice questions on the history of art in the 20th century, with five "
            'options each. Label each with the word "Question", make each question longer than the one '
            "before, and explain nothing."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: "Question:" without a number, a label in bold and options like (A) are not recognised.
        if mode == "upstream":
            if not response.startswith("Question"):
                return False
            found, option = _PUBLISHED_QUESTION.split(response), _PUBLISHED_OPTION
        else:
            preface, *found = _QUESTION.split(response)
            option = _OPTION
            if preface.strip():
                return False
        parts = [_question_and_options(block.strip(), option) for block in found if block.strip()]
        if len(parts) != 4 or any(len(options) != 5 for _, options in parts):
            return False
        return all(len(a) < len(b) for (a, _), (b, _) in pairwise(parts))


_COUNTRIES = {name: number for number, names in enumerate(AFRICAN_COUNTRIES) for name in names}
_ITEM_MARKER = re.compile(r"[\s*•\-–]*(?:\d{1,3}[.):])?[\s*•\-–]*(?:the )?")
_TOLERATED_GAPS = 2  # the published check wants 52 of the 54 countries


def _country(line: str) -> str:
    folded = without_accents(line).lower().replace("’", "'")
    return folded[_ITEM_MARKER.match(folded).end() :].strip(MARKS + " ")  # type: ignore[union-attr]


@register("custom:reverse_newline", "ifbench")
@dataclass(frozen=True, kw_only=True)
class AfricaReversed(Instruction):
    def describe(self) -> str:
        return "Name the countries of Africa from Z to A, one per line."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            # Defect: any 52 lines count, a numbered list fails, and so does a word after the list.
            names = [name for line in response.split("\n") if (name := _country(line)) in _COUNTRIES]
            known = {_COUNTRIES[name] for name in names}
            return len(known) >= len(AFRICAN_COUNTRIES) - _TOLERATED_GAPS and names == sorted(names)[::-1]
        lines = [kept for line in response.split("\n") if (kept := line.strip(MARKS + " "))]
        start = next((i for i, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
        listed = list(map(ascii_letters, lines[start:]))
        return len(listed) >= 52 and listed == sorted(listed, reverse=True)


@register("custom:word_reverse", "ifbench")
@dataclass(frozen=True, kw_only=True)
class WordsReversed(Instruction):
    def describe(self) -> str:
        return "Say in a sentence which animal is the symbol of the US, with its words in reverse order."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        words = bare(response.lower()).split()
        if "bald eagle" not in " ".join(words[::-1]):
            return False
        # Defect: a sentence in the usual order passes when the reversed pair is somewhere in it.
        return mode == "upstream" or "bald eagle" not in " ".join(words)


@register("custom:character_reverse", "ifbench")
@dataclass(frozen=True, kw_only=True)
class LettersReversed(Instruction):
    def describe(self) -> str:
        return "Say in a sentence which animal is the symbol of the US, with its letters in reverse order."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        lower = response.lower()
        # Defect: an answer in the usual order passes when the reversed pair is somewhere in it.
        return "elgae dlab" in lower and (mode == "upstream" or "bald eagle" not in lower)


@register("custom:sentence_alphabet", "ifbench")
@dataclass(frozen=True, kw_only=True)
class AlphabetStory(Instruction):
    def describe(self) -> str:
        return "Tell a story of 26 sentences that begin with A, B, C and so on up to Z."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a sentence that opens with a quote begins with no letter.
            first = [sentence.lstrip()[:1].lower() for sentence in published_sentences(response)]
        else:
            first = [_first_letter(sentence) for sentence in sentences(response)]
        return first == list(string.ascii_lowercase)


def _first_letter(sentence: str) -> str:
    return next(filter(str.isalpha, without_accents(sentence)), "").lower()


_OTHER_NAMES = {"kiev": "kyiv", "luxembourg city": "luxembourg", "berne": "bern"}


@register("custom:european_capitals_sort", "ifbench")
@dataclass(frozen=True, kw_only=True)
class CapitalsByLatitude(Instruction):
    def describe(self) -> str:
        return (
            "Which European capitals lie north of 45 degrees? Give only their names, divided by commas, from "
            "north to south."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        names = [name for part in ascii_letters(response).split(",") if (name := part.strip())]
        if mode == "upstream":
            # Defect: Kyiv (50.4 degrees) is missing from the published list; a full stop at the end fails.
            return names == [name for name in CAPITALS_NORTH_OF_45 if name != "Kyiv"]
        lower = [name.rstrip(".").lower() for name in names]
        return [_OTHER_NAMES.get(name, name) for name in lower] == [n.lower() for n in CAPITALS_NORTH_OF_45]


def _table(text: str, delimiter: str = ",") -> list[list[str]]:
    """Rows of CSV data, no rows if it cannot be read; double quotes stay part of their fields."""
    try:
        return list(csv.reader(io.StringIO(text.replace('"', '"""')), delimiter=delimiter))
    except csv.Error:
        return []


_FENCE = re.compile(r"\s*```[a-z]*\n(.*?)\n?```\s*", re.DOTALL)


def _fixed_table(response: str, delimiter: str = ",") -> list[list[str]]:
    """The rows that are not blank, fields stripped, of a response that may be a code block."""
    fenced = _FENCE.fullmatch(response)
    rows = _table(fenced[1] if fenced else response, delimiter)
    return [[field.strip() for field in row] for row in rows if any(map(str.strip, row))]


def _header_fits(rows: list[list[str]], columns: tuple[str, ...]) -> bool:
    return bool(rows) and tuple(field.strip('"') for field in rows[0]) == columns


def _is_quoted(field: str) -> bool:
    return field[:1] == field[-1:] == '"'


_CITY_COLUMNS = ("ID", "Country", "City", "Year", "Count")


@register("custom:csv_city", "ifbench")
@dataclass(frozen=True, kw_only=True)
class CityCsv(Instruction):
    def describe(self) -> str:
        return f"Invent 7 rows of comma-separated data under this header: {', '.join(_CITY_COLUMNS)}."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: a code block, a blank line and a space after a comma of the header fail.
            try:
                rows = list(csv.reader(io.StringIO(response)))
            except csv.Error:
                return False
            fits = bool(rows) and tuple(rows[0]) == _CITY_COLUMNS
        else:
            rows = _fixed_table(response)
            fits = _header_fits(rows, _CITY_COLUMNS)
        return fits and len(rows) == 8 and all(len(row) == 5 for row in rows)


_PRODUCT_COLUMNS = ("ProductID", "Category", "Brand", "Price", "Stock")
_STUDENT_COLUMNS = ("StudentID", "Subject", "Grade", "Semester", "Score")
_SPECIAL = re.compile(r"[^\w\s]")


def _published_header(columns: tuple[str, ...], separator: str) -> re.Pattern[str]:
    return re.compile(separator.join(f'(?:{name}|"{name}")' for name in columns))


_PRODUCT_HEADER = _published_header(_PRODUCT_COLUMNS, r",[ \t]*")
_STUDENT_HEADER = _published_header(_STUDENT_COLUMNS, r"\t *")


def _quotes_special(field: str) -> bool:
    """Whether the first line of the field is a quoted text with a special character in it."""
    line = field.split("\n", 1)[0]
    return line.startswith('"') and bool(_SPECIAL.search(line[1 : max(line.rfind('"'), 1)]))


@register("custom:csv_special_character", "ifbench")
@dataclass(frozen=True, kw_only=True)
class SpecialCharacterCsv(Instruction):
    def describe(self) -> str:
        return (
            f"Invent 14 rows of comma-separated data under this header: {', '.join(_PRODUCT_COLUMNS)}. "
            "Put a field with a special character in it in double quotes."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            rows = _fixed_table(response)
            fits = _header_fits(rows, _PRODUCT_COLUMNS) and all(len(row) == 5 for row in rows)
            return fits and len(rows) == 15 and any(_quotes_special(f) for row in rows[1:] for f in row)
        if not _PRODUCT_HEADER.fullmatch(response.split("\n", 1)[0].strip()):
            return False
        rows = _table(response)
        if len(rows) != 15:
            return False
        # Defect: rows after the first one with a quoted special character may have any number of fields.
        for row in rows[1:]:
            if len(row) != 5:
                return False
            if any(map(_quotes_special, row)):
                return True
        return False


@register("custom:csv_quotes", "ifbench")
@dataclass(frozen=True, kw_only=True)
class QuotedCsv(Instruction):
    def describe(self) -> str:
        return (
            f"Invent 3 rows of tab-separated data under this header: {', '.join(_STUDENT_COLUMNS)}. "
            "Put each field, also of the header, in double quotes."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "fixed":
            rows = _fixed_table(response, "\t")
            fits = _header_fits(rows, _STUDENT_COLUMNS)
        else:
            # Defect: a code block or a line break at the end of the table fails; an empty field is an error.
            rows = [[field.strip() for field in row] for row in _table(response, "\t")]
            fits = _STUDENT_HEADER.fullmatch(response.split("\n", 1)[0].strip()) is not None
        return fits and len(rows) == 4 and all(len(row) == 5 and all(map(_is_quoted, row)) for row in rows)


_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NAPOLEON = range(1769, 1822)
_DAYS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def _published_date(year: int, month: int, day: int) -> bool:
    # Defect: month 0, day 0 and 29 February of every year exist.
    return month <= 12 and (month == 0 or day <= _DAYS.get(month, 31))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        return bool(date(year, month, day))
    except ValueError:
        return False


@register("custom:date_format_list", "ifbench")
@dataclass(frozen=True, kw_only=True)
class NapoleonDates(Instruction):
    def describe(self) -> str:
        return (
            "On which dates did the battles of Napoleon begin? Give nothing but the dates, as YYYY-MM-DD, "
            "divided by commas."
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        exists = _published_date if mode == "upstream" else _is_date
        for item in response.split(","):
            match = _DATE.fullmatch(item.strip())
            if not match:
                return False
            year, month, day = map(int, match.groups())
            if year not in _NAPOLEON or not exists(year, month, day):
                return False
        return True

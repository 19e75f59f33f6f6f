"""Find the equations between numbers that a text states: 48/2 = 24, <<48/2=24>>, 5 apples + 3 apples = 8,
\\frac{16 \\times 64}{20} = \\frac{1024}{20} = 51.2.

A chain a = b = c is cut at its signs. Beside each sign, to its left and to its right, stands the longest
expression of numbers that touches it; words that name what is counted are read over. What else the line says
comes with it. Nothing is computed here, and whether somebody claims the equation is for `labelers.claims`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from verifiers.answers.normal import plain
from verifiers.expressions.units import NOT_UNITS, spell

MAX_TOKENS = 2_000  # of a line; a longer one is not read
MAX_UNIT_WORDS = 4  # between a number and the next operator

Kind = Literal["number", "operator", "(", ")", "percent", "money", "word", "unit", "equals", "stop", "other"]

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+)"
    r"|(?P<word>[^\W\d_](?:[\w'’]|-(?=[^\W\d_]))*)"
    r"|(?P<equals>==?)|(?P<operator>[-+*/^])|(?P<open>\((?![^\W\d_]))|(?P<close>\))|(?P<percent>%)|(?P<money>¤)"
    r"|(?P<stop>[.,;:](?=\s|$)|[\"“”→•|])|(?P<other>\S)"
)
_NAMES: dict[str | None, Kind] = {"open": "(", "close": ")"}
_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_BULLET = re.compile(r"^\s*(?:[*+•]\s+|-\s+(?![0-9(¤.])|\(?[0-9]{1,2}[.)]\s+)")
_CURRENCY = re.compile(r"\\?[$€£¥](?=\s?\.?[0-9])")
_POWER = re.compile(r"(?<=[0-9)])\*\*(?=[0-9(])")
_EMPHASIS = re.compile(r"\*\*|__|`")
_COMMANDS = {"\\div": "/", "\\times": "*", "\\cdot": "*", "&": " ", "\\\\": " "}
_COMMAND = re.compile(r"\\(?:div|times|cdot)(?![A-Za-z])|&|\\\\")
_FRACTION = re.compile(r"\\frac\s?\{([^{}]*)\}\s?\{([^{}]*)\}")
_BRACES = re.compile(r"\{([^{}]*)\}")
_COMPARISON = re.compile(r"[<>!:~≠≤≥≈]=|=[<>~]")
_TIMES = re.compile(r"(?<=[0-9)%])\s{0,3}[xX]\s{0,3}(?=[0-9(¤.])")

_EXPRESSION = frozenset({"number", "operator", "(", ")", "percent", "money", "unit"})
_MIRROR: dict[str, Kind] = {"(": ")", ")": "("}


class Token(NamedTuple):
    kind: Kind
    text: str
    is_spaced: bool  # a space stands before it


class Side(NamedTuple):
    """The expression beside an equals sign, as it is written."""

    tokens: tuple[Token, ...]

    @property
    def numbers(self) -> list[str]:
        return [t.text.replace(",", "") for t in self.tokens if t.kind == "number"]

    @property
    def text(self) -> str:
        """Numbers and signs with spaces between them, for the verifiers' parser."""
        return " ".join(t.text.replace(",", "") for t in self.tokens if t.kind not in ("unit", "money"))

    @property
    def operations(self) -> int:
        """Signs that stand between two operands."""
        return sum(t.kind == "operator" for t in self.tokens[1:])


class Equation(NamedTuple):
    left: Side
    right: Side
    before: tuple[Token, ...]  # what the line says before the left side, and after the right side
    after: tuple[Token, ...]


def equations(text: str) -> Iterator[Equation]:
    """Every equals sign with numbers on both sides, in order; those of a calculator's annotations as well."""
    for line in text.split("\n"):
        for annotation in _ANNOTATION.findall(line):
            yield from _of_line(annotation)
        yield from _of_line(_ANNOTATION.sub("", line))


def _of_line(line: str) -> Iterator[Equation]:
    if "=" not in line:
        return
    parts: list[list[Token]] = [[]]
    for token in _tokens(_spelt(line)):
        parts[-1].append(token)
        if token.kind == "equals":
            parts.append([])
    tokens = [token for part in parts for token in _with_units(part)]
    if len(tokens) > MAX_TOKENS:
        return
    for at, token in enumerate(tokens):
        if token.kind != "equals":
            continue
        start, end = _beginning(tokens, at), _end(tokens, at + 1)
        left, right = Side(tuple(tokens[start:at])), Side(tuple(tokens[at + 1 : end]))
        if left.numbers and right.numbers:
            yield Equation(left, right, tuple(tokens[:start]), tuple(tokens[end:]))


def _spelt(line: str) -> str:
    """One spelling of signs, fractions and currency, without emphasis, bullets and LaTeX."""
    line = _EMPHASIS.sub("", _POWER.sub("^", _BULLET.sub("", line, count=1)))
    line = plain(_CURRENCY.sub("¤", line).replace("\\$", "¤").replace("$", " "))
    line = _COMMAND.sub(lambda m: _COMMANDS[m[0]], line)
    for _ in range(4):  # fractions stand in fractions
        line, changes = _FRACTION.subn(r" ((\1)/(\2)) ", line)
        if not changes:
            break
    return _TIMES.sub(" * ", _COMPARISON.sub(" # ", _BRACES.sub(r"(\1)", line)))


def _tokens(line: str) -> Iterator[Token]:
    end = 0
    for match in _TOKEN.finditer(line):
        name = match.lastgroup
        yield Token(_NAMES.get(name, name), match[0], match.start() > end)  # type: ignore[arg-type]
        end = match.end()


def _with_units(part: list[Token]) -> list[Token]:
    """The tokens with the words behind an operand made units where the expression goes on after them."""
    found: list[Token] = []
    at = 0
    while at < len(part):
        words = _words_at(part, at) if found and found[-1].kind in ("number", ")", "percent") else []
        if not words:
            found.append(part[at])
            at += 1
            continue
        at += len(words)
        goes_on = at < len(part) and part[at].kind in ("operator", ")", "equals")
        is_unit = goes_on and _may_be_unit(words)
        found += [token._replace(kind="unit") if is_unit else token for token in words]
    return found


def _words_at(part: list[Token], at: int) -> list[Token]:
    """Words from `at` on, and the strokes between them: `birds/snake`, `/hour`."""
    end = at
    while end < len(part):
        is_stroke = part[end].text == "/" and end + 1 < len(part) and part[end + 1].kind == "word"
        if part[end].kind != "word" and not is_stroke:
            break
        end += 2 if is_stroke else 1
    return part[at:end]


def _may_be_unit(words: list[Token]) -> bool:
    """At most a few ordinary words in lower case, or known units; a letter or a name may be a variable."""
    names = [token.text for token in words if token.kind == "word"]
    odd = any(len(n) == 1 or not (n.isalpha() or "-" in n) or n in NOT_UNITS for n in names)
    unknown = any(not spell(n) and (len(n) < 3 or not n.islower()) for n in names)
    return len(names) <= MAX_UNIT_WORDS and not odd and not unknown


def _beginning(tokens: list[Token], end: int) -> int:
    """Where the expression that goes up to `end` begins."""
    start = end
    while start and tokens[start - 1].kind in _EXPRESSION and not (start < end and _is_seam(tokens, start)):
        start -= 1
    return start + _unmatched(tokens[start:end])


def _end(tokens: list[Token], start: int) -> int:
    """Where the expression that begins at `start` ends."""
    end = start
    while (
        end < len(tokens) and tokens[end].kind in _EXPRESSION and not (end > start and _is_seam(tokens, end))
    ):
        end += 1
    return end - _unmatched(
        [t._replace(kind=_MIRROR.get(t.kind, t.kind)) for t in reversed(tokens[start:end])]
    )


def _is_seam(tokens: list[Token], at: int) -> bool:
    """Two operands meet before `at` with no sign between them: `1 1/2`, `2 (3 + 4)`, `17 % 5`."""
    if tokens[at - 1].kind not in ("number", ")", "percent", "unit"):
        return False
    return tokens[at].kind in ("number", "money") or (tokens[at].kind == "(" and tokens[at].is_spaced)


def _unmatched(tokens: Sequence[Token]) -> int:
    """How many tokens go up to the last bracket that is opened and not closed, it included."""
    depth = 0
    for i in range(len(tokens) - 1, -1, -1):
        depth += (tokens[i].kind == ")") - (tokens[i].kind == "(")
        if depth < 0:
            return i + 1
    return 0

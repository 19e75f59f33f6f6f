"""Find the equations between numbers that a text states: 48/2 = 24, <<48/2=24>>, 5 apples + 3 apples = 8,
\\frac{16 \\times 64}{20} = \\frac{1024}{20} = 51.2.

A chain a = b = c is cut at its signs. Beside each sign, to its left and to its right, stands the longest
expression of numbers that touches it. Words that name what is counted are left out of it; words and symbols
at its ends, by which it might go on, make it unclean. Nothing is computed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from verifiers.answers.normal import plain
from verifiers.expressions.units import NOT_UNITS, spell

MAX_UNIT_WORDS = 4  # between a number and the next operator

Kind = Literal["number", "operator", "(", ")", "percent", "money", "word", "unit", "equals", "stop", "other"]

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+)"
    r"|(?P<word>[^\W\d_](?:[\w'’]|-(?=[^\W\d_]))*)"
    r"|(?P<equals>==?)|(?P<operator>[-+*/^])|(?P<open>\((?![^\W\d_]))|(?P<close>\))|(?P<percent>%)|(?P<money>¤)"
    r"|(?P<stop>[.,;:!?](?=\s|$)|\(|[\"“”→•|])|(?P<other>\S)"
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

# Words by which an expression goes on: "half of 60 + 4", "12 and 5 + 3", "Day 2 - 5 + 3".
_BEFORE = frozenset(
    """
    of and plus minus times by from with to than over into less more twice thrice double triple
    quadruple half third quarter fourth fifth sixth seventh eighth ninth tenth halves thirds quarters
    fourths fifths sixths sevenths eighths ninths tenths sum product difference quotient ratio total
    subtract subtracting subtracted add adding added multiply multiplying multiplied divide dividing
    divided increase increased decrease decreased percent sqrt root square cube power base log sin
    cos tan negative choose step day week month year hour part case figure question problem option
    example number no phase stage chapter grade
    """.split()
)
_AFTER = frozenset(
    """
    of and plus minus times by over less more half third quarter fourth fifth sixth seventh eighth
    ninth tenth halves thirds quarters fourths fifths sixths sevenths eighths ninths tenths squared
    cubed percent dozen dozens hundred hundreds thousand thousands million millions billion billions
    trillion pair pairs couple couples score k m bn remainder r mod choose nickels dimes quarters
    pennies cents th st nd rd am pm
    """.split()
)


_EXPRESSION = frozenset({"number", "operator", "(", ")", "percent", "money", "unit"})
_MIRROR: dict[str, Kind] = {"(": ")", ")": "("}


class Token(NamedTuple):
    kind: Kind
    text: str
    is_spaced: bool  # a space stands before it


class Side(NamedTuple):
    """The expression beside an equals sign, as numbers and signs that the verifiers' parser reads."""

    tokens: tuple[Token, ...]
    units: frozenset[str]  # known units of measure in it
    is_clean: bool  # nothing at its ends suggests that it goes on
    is_whole: bool  # it fills the place between two equals signs

    @property
    def numbers(self) -> list[str]:
        return [t.text.replace(",", "") for t in self.tokens if t.kind == "number"]

    @property
    def text(self) -> str:
        """Tokens with spaces between them."""
        return " ".join(t.text.replace(",", "") for t in self.tokens)

    @property
    def operations(self) -> int:
        """Signs that stand between two operands."""
        return sum(t.kind == "operator" for t in self.tokens[1:])


class Equation(NamedTuple):
    left: Side
    right: Side


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
        if token.kind == "equals":
            parts.append([])
        else:
            parts[-1].append(token)
    parts = [_with_units(part, index < len(parts) - 1) for index, part in enumerate(parts)]
    for i, (before, after) in enumerate(zip(parts, parts[1:], strict=False)):
        left, right = _end(before, i > 0), _beginning(after, i < len(parts) - 2)
        if left and right:
            yield Equation(left, right)


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


def _with_units(part: list[Token], before_equals: bool) -> list[Token]:
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
        following = part[at].kind if at < len(part) else "equals" if before_equals else "stop"
        is_unit = following in ("operator", ")", "equals") and _may_be_unit(words)
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
    odd = any(len(n) == 1 or not (n.isalpha() or "-" in n) or n in _AFTER or n in NOT_UNITS for n in names)
    unknown = any(not spell(n) and (len(n) < 3 or not n.islower()) for n in names)
    return len(names) <= MAX_UNIT_WORDS and not odd and not unknown


def _end(part: list[Token], follows_equals: bool) -> Side | None:
    """The expression that ends the part."""
    start = len(part)
    while start and part[start - 1].kind in _EXPRESSION and not _is_seam(part, start):
        start -= 1
    opened = _unmatched(part[start:])
    is_clean = opened < 2 and not _is_seam(part, start) and _may_begin(part[:start], part[start:])
    start += opened
    return _side(part[start:], [], is_clean, follows_equals and start == 0)


def _beginning(part: list[Token], precedes_equals: bool) -> Side | None:
    """The expression that begins the part."""
    end = 0
    while end < len(part) and part[end].kind in _EXPRESSION and not _is_seam(part, end):
        end += 1
    closed = _unmatched([t._replace(kind=_MIRROR.get(t.kind, t.kind)) for t in reversed(part[:end])])
    is_clean = bool(closed) or (not _is_seam(part, end) and _may_end(part[:end], part[end:]))
    end -= closed
    return _side(part[:end], part[end : end + 1], is_clean, precedes_equals and end == len(part))


def _is_seam(part: list[Token], at: int) -> bool:
    """Two operands meet before `at` with no sign between them: `1 1/2`, `2 (3 + 4)`, `17 % 5`."""
    if not 0 < at < len(part) or part[at - 1].kind not in ("number", ")", "percent", "unit"):
        return False
    return part[at].kind in ("number", "money") or (part[at].kind == "(" and part[at].is_spaced)


def _unmatched(tokens: Sequence[Token]) -> int:
    """How many tokens go up to the last bracket that is opened and not closed, it included."""
    depth = 0
    for i in range(len(tokens) - 1, -1, -1):
        depth += (tokens[i].kind == ")") - (tokens[i].kind == "(")
        if depth < 0:
            return i + 1
    return 0


def _may_begin(before: list[Token], tokens: list[Token]) -> bool:
    """Nothing before the expression belongs to it."""
    if tokens and tokens[0].kind == "operator":  # a sign, not a bullet or what is left of `x - 5`
        is_sign = tokens[0].text == "-" and len(tokens) > 1 and not tokens[1].is_spaced
        return is_sign and (not before or before[-1].kind == "stop")
    words = 0
    while words < len(before) and before[-1 - words].kind == "word":
        words += 1
    beyond = before[-1 - words].kind if words < len(before) else "stop"
    if words:  # in `25 boys + his 1 teacher + 1 friend` the sum begins further left
        word = before[-1].text.lower()
        follows_quantity = beyond == "number" and spell(word)  # `5 feet 3 inches + 2 inches`
        return not follows_quantity and beyond != "operator" and len(word) > 1 and word not in _BEFORE
    # `14, 400 / 80` and `8 + . 84` are slips of the pen
    return beyond == "stop" and (len(before) < 2 or before[-2].kind not in ("number", "operator"))


def _may_end(tokens: list[Token], after: list[Token]) -> bool:
    """Nothing after the expression belongs to it."""
    if (tokens and tokens[-1].kind == "operator") or not after or after[0].kind != "word":
        return not after or after[0].kind == "stop"
    words = [token.text.lower() for token in _words_at(after, 0)]
    beyond = after[len(words)].kind if len(words) < len(after) else "stop"
    is_variable = len(words[0]) == 1 or not (after[0].is_spaced or spell(words[0]))
    goes_on = words[0] in _AFTER or "and" in words[:3] or (beyond == "number" and spell(words[0]) is not None)
    return not is_variable and not goes_on and beyond != "operator"


def _side(tokens: list[Token], beside: list[Token], is_clean: bool, is_whole: bool) -> Side | None:
    words = (t.text for t in [*tokens, *beside] if t.kind in ("unit", "word"))
    units = {known for word in words if (known := spell(word))}
    units |= {"$" for t in tokens if t.kind == "money"}
    kept = tuple(t for t in tokens if t.kind not in ("unit", "money"))
    if not any(t.kind == "number" for t in kept):
        return None
    return Side(kept, frozenset(units), is_clean, is_whole)

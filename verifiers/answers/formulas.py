"""Formulas inside prose: where they are, and the right side of the calculation that one shows.

A formula is delimited by dollars or LaTeX brackets; a dollar may also be a price, told apart by the words
between two of them. Of `20 \\times 2 = 40` the result is 40; an equation in unknowns is a result as a whole.
"""

from __future__ import annotations

import re
from fractions import Fraction

from verifiers.answers.normal import plain
from verifiers.answers.rational import parse_number
from verifiers.policy import LimitExceeded

TAIL_CHARS = 2_000  # a conclusion and the calculation before it

_FORMULA = re.compile(
    r"\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]|\$\$(.{1,400}?)\$\$|(?<!\\)\$([^$\n]{1,300})(?<!\\)\$(?![0-9])",
    re.DOTALL,
)
_MASK = "\0"
_WORD = re.compile(r"[A-Za-z]{2,}")
_LOWER_WORD = re.compile(r"[a-z]{2,}")
_NOT_WORDS = re.compile(
    r"\\(?:text(?:bf|it|rm)?|mathrm|mbox|begin|end)\s?\{[^{}]*\}|\\[A-Za-z]+|(?<![A-Za-z])(?:sqrt|pi)\b"
    r"|(?<![a-z])(?:and|or)(?![a-z])"
)
_RESULT = re.compile(
    r"=\s*(?:\\?\$|[€£])?\s?([-−]?[0-9][0-9,]*(?:\.[0-9]+)?|[-−]?\.[0-9]+)(?![0-9,.]*[0-9])"
    r"(?!\s?(?:\\?%)?\s?(?:[-+*/×÷^(=−]|\\(?!text|mbox|mathrm|[,; \])%])|x\s?[0-9]))"
)
_SIGN = re.compile(
    r"\\(?:begin|end)\s?\{[a-z]*\*?\}|\\\\|\\[{}]|[{}()\[\]]|\\equiv(?![A-Za-z])|(?<![<>!:])="
    r"|,(?![0-9]{3}(?![0-9]))|[;<>]|\\(?:pm|[lg]eq?|q?quad)(?![A-Za-z])"
    r"|\\(?:text|mbox)\s?\{\s?(?:or|and)\s?\}|\b(?:or|and)\b"
)
_WRITTEN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_UNKNOWN = re.compile(
    r"(?<![A-Za-z\\])(?:[a-z]|(?!avg|max|min|sum|num|age|pay|all|mod|gcd|lcm)[a-z]{2,3}(?=[-+*^=]))(?![A-Za-z(])"
)
_TIMES = re.compile(r"(?<=[0-9]) ?x ?(?=[$0-9])|(?<=[a-z] )a(?= [a-z]{2})")  # and the article: no unknowns
_MODULUS = re.compile(r"\\pmod\s?(?:\{[^{}]*\}|\d)|\(?\\mod\s?\{?\d+\}?\)?")
_DISPLAYS = (
    ("\\[", "\\]"),
    ("$$", "$$"),
    ("\\begin{align*}", "\\end{align*}"),
    ("\\begin{align}", "\\end{align}"),
)
_INNER = re.compile(r"\\begin\{(aligned|split|gathered)\}(.*)\\end\{\1\}", re.DOTALL)
_INDENT = re.compile(r"(\A|\\\\|&)\s*\\q?quad(?![A-Za-z])")


def formulas(sentence: str) -> list[re.Match[str]]:
    """The formulas of a sentence; between the signs of two prices there are words."""
    found = _FORMULA.finditer(sentence)
    return [m for m in found if m[4] is None or not _LOWER_WORD.search(_NOT_WORDS.sub(" ", m[4]))]


def content(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None).strip().rstrip(" .,")


def masked(sentence: str) -> str:
    """The sentence with its formulas blanked out, at the same positions."""
    for found in formulas(sentence):
        start, end = found.span()
        sentence = sentence[:start] + _MASK * (end - start) + sentence[end:]
    return sentence


def prose_words(line: str) -> list[str]:
    """The words of a line that are not mathematics, a unit in `\\text{}`, or the "and" of a list."""
    return _WORD.findall(_NOT_WORDS.sub(" ", line))


def exact_value(text: str) -> Fraction | None:
    try:
        number = parse_number(plain(text))
    except LimitExceeded:
        return None
    return number.value if number else None


def last_result(text: str) -> Fraction | None:
    """The right side of the last equation, `= 20`, when it is a number."""
    tail = text[-TAIL_CHARS:]
    match = _RESULT.match(tail, max(tail.rfind("="), 0))
    return exact_value(match[1].rstrip(",")) if match else None


def final_formula(tail: str) -> str | None:
    """The display formula that ends a text, or the right side of its last equation."""
    text = tail.rstrip(" .\n")
    for opening, closing in _DISPLAYS:
        start = text.rfind(opening, 0, len(text) - len(closing)) if text.endswith(closing) else -1
        if start >= 0:
            formula = text[start + len(opening) : -len(closing)].strip(" \n,").rstrip(" \n.,")
            inner = _INNER.fullmatch(formula)
            return result(_INDENT.sub(r"\1", inner[2] if inner else formula).strip(" \n,").rstrip(" \n.,"))
    return None


def result(formula: str) -> str:
    """The right side of a calculation `a + b = c`; an equation for or in unknowns, or several, as it is."""
    found = formulas(formula)
    if len(found) == 1 and found[0].span() == (0, len(formula)):
        formula = content(found[0])
    elif found:
        return formula
    sides = _sides(formula)
    if len(sides) < 2 or ("&" not in formula and _contradict(sides)):
        return formula
    if len(sides) == 2 and _UNKNOWN.search(_TIMES.sub("*", _NOT_WORDS.sub("", formula))):
        return formula
    right = _MODULUS.sub("", sides[-1]).strip(" &\n").rstrip(" .,")
    return formula if len(right) == 1 and right.isalpha() else right


def _contradict(sides: list[str]) -> bool:
    """Two different numbers, as in `4 = 5`: which one was meant is not known."""
    numbers = [side.strip() for side in sides if _WRITTEN_NUMBER.fullmatch(side.strip())]
    return len({exact_value(number) for number in numbers}) > 1


def _sides(formula: str) -> list[str]:
    """The sides of the equation in the last row; none when the formula is a list or a comparison.

    Signs inside brackets, braces and environments do not count.
    """
    depth, start = 0, 0
    sides: list[str] = []
    for token in _SIGN.finditer(formula):
        sign = token[0]
        if sign in ("\\{", "{", "(", "[") or sign.startswith("\\begin"):
            depth += 1
        elif sign in ("\\}", "}", ")", "]") or sign.startswith("\\end"):
            depth -= 1
        elif depth:
            continue
        elif sign == "\\\\":
            sides, start = ([*sides, formula[start : token.start()]] if sides else []), token.end()
        elif sign in ("=", "\\equiv"):
            sides, start = [*sides, formula[start : token.start()]], token.end()
        else:
            return []
    return [*sides, formula[start:]]

"""Check the arithmetic that steps write out, exactly and without accusing what may be right.

Both sides of an equation (`labelers.equations`) are computed as rational numbers by the expression parser of
the verifiers. Equal sides hold. Different sides are a mistake only where all of this is so:

- the line is a plain claim (`labelers.claims`), by a list of what may stand in one, not of what may not;
- the two values have one sign and are within a factor of two, as a slip leaves them;
- no number that is rounded, or computed from rounded ones, explains the difference, and no word announces it;
- nobody supposes, tries, verifies or takes back anything in the solution;
- it is no careless writing that every reader understands: "5 + 3 = 8 * 2 = 16", brackets left out.

CONFIDENCE is what this reading of a text has earned, not 1: see there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from operator import add, mul, sub, truediv
from typing import Any

from labelers.claims import is_claim
from labelers.equations import Equation, Side, equations
from verifiers.expressions.arithmetic import fold, power
from verifiers.expressions.parser import parse
from verifiers.policy import LimitExceeded

MAX_CHARS = 20_000  # of a step
FLOAT_DIGITS = 9  # 54.00000000000001
MAX_OPERANDS = 7  # of a side, to try all brackets
MAX_ROUNDING = Fraction(1, 100)  # relative error of a number written with one decimal

# (k + 1) / (k + 2) after k = 12 accusations, none of which was wrong: 7 of the 40,337 lines of GSM8K's own
# solutions, and 5 of the 400 solutions of ProcessBench-gsm8k (4 at the step that people marked, 1 after it).
CONFIDENCE = 0.93

# A rounded number is to come, or the equation may be another's, or hold on a condition.
_HEDGED = re.compile(
    r"approx|about|round|roughly|nearly|almost|nearest|around|estimat|instead|wait"
    r"|\b(?:if|whether|unless|would|could|should|no|not|never|however|\w+n['’]t)\b",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"suppos|assum|hypothe|imagin|contradict|impossib|guess|\b(?:try|tri(?:es|ed|al)|trying)\b|\btest"
    r"|\bcheck|verif|wrong|incorrect|mistake|\berror|\bfalse|\bfail|invalid",
    re.IGNORECASE,
)
# 1130 + 45 = 1215
_TIME_OF_DAY = re.compile(r"\b(?:[ap]\.?m\b|o['’]clock|noon|midnight|military)", re.IGNORECASE)
_OTHER_ARITHMETIC = re.compile(
    r"\b(?:mod(?:ul[aou]\w*)?|base|binary|octal|hexadecimal|defin\w+|operat(?:or|ion)s?|puzzles?)\b"
    r"|\b[a-z]\s?(?:\*|[@#&∗⋆]|\\\w+)\s?[a-z]\s?=",  # a * b = a^2 + b
    re.IGNORECASE,
)
_SIGNS: dict[str, Callable[[Fraction, Fraction], Any]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": truediv,
    "^": lambda x, y: power(x, int(y)) if y.denominator == 1 else None,
}
# A stroke too many (28 / 1/5), two signs that make none (3 * + 2), a time of day (0730).
_MUDDLED = re.compile(r"/ [0-9.]+ [/(]|[-+*/^] [+*/^]|[-+*/^]$|(?<![0-9.])0[0-9]")


def check_arithmetic(steps: Sequence[str], prompt: str = "") -> list[bool | None]:
    """Of each step: False when an equation is wrong, True when it has some and all hold, None otherwise.

    None also where the prompt or a step speaks of residues, number bases or operations of its own: there
    5 * 20 may be 3.
    """
    texts = [*steps, prompt]
    if any(_OTHER_ARITHMETIC.search(text[:MAX_CHARS]) for text in texts):
        return [None] * len(steps)
    may_accuse = not any(r.search(t[:MAX_CHARS]) for t in texts for r in (_SUPPOSED, _TIME_OF_DAY))
    return [_check_step(step, prompt, may_accuse) for step in steps]


def _check_step(step: str, prompt: str, may_accuse: bool) -> bool | None:
    if len(step) > MAX_CHARS:
        return None
    may_accuse = may_accuse and not _HEDGED.search(step)
    found = [_check(e, prompt, may_accuse) for e in equations(step) if e.left.operations + e.right.operations]
    return False if False in found else True if found and None not in found else None


def _check(equation: Equation, prompt: str, may_accuse: bool) -> bool | None:
    left, right = equation.left, equation.right
    for percent in ("/100", ""):
        a, b = (_compute(side.text.replace("%", percent)) for side in (left, right))
        if a is not None and a == b:
            return True
    if not may_accuse or a is None or b is None or not _is_slip(a, b):
        return None
    if any(_MUDDLED.search(side.text) for side in (left, right)) or not is_claim(equation, prompt):
        return None
    innocent = (
        _is_fraction_of(left, a, b) or _is_careless(left, right, a, b) or _is_rounded(left, right, a, b)
    )
    return None if innocent else False


@lru_cache(1024)
def _compute(text: str) -> Fraction | None:
    """None where the parser or exact arithmetic gives up."""
    try:
        node = parse(text)
        value = None if node is None else fold(node)
    except (ArithmeticError, LimitExceeded):
        return None
    return None if value is None else Fraction(value)


def _is_slip(a: Fraction, b: Fraction) -> bool:
    """Of one sign and within a factor of two.

    A clock, a calendar or an angle gives its remainder r < m for r + m, more than twice as much; other units,
    thousands left out and a distance without its sign differ by more too.
    """
    return a * b > 0 and max(abs(a), abs(b)) < 2 * min(abs(a), abs(b))


def _is_fraction_of(left: Side, a: Fraction, b: Fraction) -> bool:
    """ "2/3 = 1" says what two thirds of something are."""
    return left.operations == 1 and len(left.numbers) == 2 and abs(a) < 1 <= abs(b)


def _is_careless(left: Side, right: Side, a: Fraction, b: Fraction) -> bool:
    """The writer ran on after the result, or left brackets out."""
    return _runs_on(right, a) or b in _readings(left) or a in _readings(right)


def _runs_on(right: Side, a: Fraction) -> bool:
    """ "5 + 3 = 8 * 2 = 16" and "5 + 3 = 4 * 2 + 1 = 9"."""
    tokens = right.text.split()
    return any(_compute(" ".join(tokens[:n])) == a for n in range(1, min(len(tokens), 2 * MAX_OPERANDS)))


def _readings(side: Side) -> set[Fraction]:
    """The values of a side without brackets under every placing of brackets; {} where it has too many."""
    tokens = side.text.split()
    operands, signs = tokens[::2], tokens[1::2]
    if len(operands) > MAX_OPERANDS or any(t in _SIGNS or t in "()" for t in operands):
        return set()
    values = {(i, i): {Fraction(operand)} for i, operand in enumerate(operands)}
    for length in range(1, len(operands)):
        for i in range(len(operands) - length):
            values[i, i + length] = {
                value
                for k in range(i, i + length)
                for x, y in product(values[i, k], values[k + 1, i + length])
                if (value := _apply(signs[k], x, y)) is not None
            }
    return values[0, len(operands) - 1]


def _apply(sign: str, x: Fraction, y: Fraction) -> Fraction | None:
    try:
        return Fraction(_SIGNS[sign](x, y))
    except (ArithmeticError, LimitExceeded, TypeError):
        return None


def _is_rounded(left: Side, right: Side, a: Fraction, b: Fraction) -> bool:
    """The difference is within what the last digits written may have lost."""
    if (a.denominator == 1) != (b.denominator == 1) and left.operations * right.operations == 0:
        return True  # "7 + 9 + 1 + 2 = 19.50" where the price was 1.50
    for side, exact in ((right, a), (left, b)):
        if side.operations == 0 and _is_rounding(side.numbers[0], exact, abs(a - b)):
            return True
    operands = [n for side in (left, right) for n in side.numbers if side.operations and "." in n]
    errors = [_relative_error(n) for n in operands]
    size = max(abs(a), abs(b), *(Fraction(n) for n in operands)) if operands else Fraction(0)
    return abs(a - b) <= sum(errors) * size


def _is_rounding(written: str, exact: Fraction, difference: Fraction) -> bool:
    """`written` has too few digits for the exact value, or those of a computer's float, and is next to it."""
    digits = len(written.partition(".")[2])
    if digits > FLOAT_DIGITS:
        return difference < Fraction(1, 10**FLOAT_DIGITS)
    return difference < Fraction(1, 10**digits) and (exact * 10**digits).denominator > 1


def _relative_error(number: str) -> Fraction:
    value, digits = Fraction(number), len(number.partition(".")[2])
    if value.denominator == 1:
        return Fraction(0)
    return min(Fraction(1, 10**digits) / value, MAX_ROUNDING)

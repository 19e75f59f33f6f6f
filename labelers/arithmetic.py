"""Check the arithmetic that a step writes out, exactly and without ever accusing what may be right.

Both sides of an equation (`labelers.equations`) are computed as rational numbers by the expression parser of
the verifiers. Equal sides hold. Different sides are a mistake only where nothing else explains them; what
acquits:

- an expression that goes on in the words or variables beside it: "half of 60 + 4 = 34", "2x + 3 = 11";
- units that convert (hours and minutes, $ and cents), percent signs, ratios, "1/3 = 20" for a third of it;
- a number that is rounded, or computed from rounded ones, and words that announce it (about, rounded);
- an equation that may be no claim: the step speaks of a mistake, or supposes something;
- careless writing that every reader understands: "5 + 3 = 8 * 2 = 16", and 5 + 3 * 2 worked from the left.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from labelers.equations import Equation, Side, equations
from verifiers.expressions.arithmetic import fold
from verifiers.expressions.parser import parse
from verifiers.policy import LimitExceeded

MAX_CHARS = 20_000  # of a step
FLOAT_DIGITS = 9  # 54.00000000000001
MAX_ROUNDING = Fraction(1, 100)  # relative error of a number written with one decimal

_HEDGED = re.compile(
    r"approx|about|round|roughly|nearly|almost|nearest|around|estimat"  # a rounded number is to come
    r"|wrong|incorrect|mistake|instead|suppose|wait",  # the equation may be another's, or taken back
    re.IGNORECASE,
)
_OTHER_ARITHMETIC = re.compile(r"\b(?:mod(?:ul[aou]\w*)?|base|binary|octal|hexadecimal)\b", re.IGNORECASE)
# A stroke too many (28 / 1/5), two signs that make none (3 * + 2), a time of day (0730).
_MUDDLED = re.compile(r"/ [0-9.]+ [/(]|[-+*/^] [+*/^]|[-+*/^]$|(?<![0-9.])0[0-9]")


def check_arithmetic(step: str, prompt: str = "") -> bool | None:
    """False when an equation of the step is wrong, True when it has some and all hold, None otherwise.

    None also where the step or its prompt speaks of residues or number bases: there 5 * 20 may be 3.
    """
    if len(step) > MAX_CHARS or _OTHER_ARITHMETIC.search(step) or _OTHER_ARITHMETIC.search(prompt):
        return None
    is_hedged = bool(_HEDGED.search(step))
    found = [_check(e, is_hedged) for e in equations(step) if e.left.operations + e.right.operations]
    return False if False in found else True if found and None not in found else None


def _check(equation: Equation, is_hedged: bool) -> bool | None:
    left, right = equation
    for percent in ("/100", ""):
        a, b = (_compute(side.text.replace("%", percent)) for side in equation)
        if a is not None and a == b:
            return True
    if a is None or b is None or is_hedged or not _is_plain(equation):
        return None
    innocent = _is_fraction_of(left, a, b) or _leaves_out_zeros(a, b)
    innocent = innocent or _is_careless(equation, a, b) or _is_rounded(equation, a, b)
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


def _is_plain(equation: Equation) -> bool:
    """Both expressions are complete, and their numbers mean one thing."""
    left, right = equation
    if not (left.is_clean and right.is_clean) or len(left.units | right.units) > 1:
        return False
    if any(t.kind == "percent" for side in equation for t in side.tokens):
        return False
    if any(_MUDDLED.search(side.text) for side in equation):
        return False
    return left.operations > 0 or left.is_whole  # "Day 2 = 5 + 3"


def _is_fraction_of(left: Side, a: Fraction, b: Fraction) -> bool:
    """ "1/3 = 20" says what a third of something is."""
    return left.operations == 1 and len(left.numbers) == 2 and abs(a) < 1 <= abs(b)


def _is_careless(equation: Equation, a: Fraction, b: Fraction) -> bool:
    left, right = equation
    runs_on = right.operations > 0 and Fraction(right.numbers[0]) == a
    is_distance = a == -b  # "5 - 8 = 3"
    return runs_on or is_distance or _from_the_left(left) == b or _from_the_left(right) == a


def _from_the_left(side: Side) -> Fraction | None:
    """The value of a side without brackets when every operation is done in the order of writing."""
    tokens = side.text.split()
    if "(" in tokens or len(tokens) < 5:
        return None
    value = " ".join(tokens[:3])
    for i in range(3, len(tokens) - 1, 2):
        value = f"({value}) {tokens[i]} {tokens[i + 1]}"
    return _compute(value)


def _leaves_out_zeros(a: Fraction, b: Fraction) -> bool:
    """ "5 * 3 = 15,000" speaks of thousands."""
    ratio = abs(a / b) if b else Fraction(0)
    ratio = max(ratio, 1 / ratio) if ratio else ratio
    return ratio.denominator == 1 and re.fullmatch("100+", str(ratio)) is not None


def _is_rounded(equation: Equation, a: Fraction, b: Fraction) -> bool:
    """The difference is within what the last digits written may have lost."""
    for side, exact in ((equation.right, a), (equation.left, b)):
        if side.operations == 0 and _is_rounding(side.numbers[0], exact, abs(a - b)):
            return True
    operands = [n for side in equation for n in side.numbers if side.operations and "." in n]
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

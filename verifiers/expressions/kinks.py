"""Where an expression changes its formula, and points on every side of it.

|x - 700| and 700 - x agree at all small x. Agreement at sample points therefore says nothing about functions
with kinks unless the points lie on both sides of each. A kink is a zero of an expression: the argument of an
absolute value or a sign, the difference of two arguments of max or min, the radicand of an even root, a
denominator inside an arctangent. Where it is a polynomial in one variable, with the others held fixed, its
real zeros are computed, by bisection between those of its derivative, and every gap between them gets a
point. Remainders and common divisors are sampled over a whole period; floor and ceiling have no such set of
points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, pairwise

from verifiers.expressions import exact
from verifiers.expressions.arithmetic import Rational, fold
from verifiers.expressions.decisions import account
from verifiers.expressions.forms import Form
from verifiers.expressions.nodes import Add, Call, Div, Neg, Node, Num, Pow, Root
from verifiers.expressions.sums import Unresolved
from verifiers.expressions.tree import substitute, symbols, walk
from verifiers.policy import LimitExceeded

MAX_DEGREE = 8
MAX_PERIOD = 120
LARGEST = 1e30  # coefficient, in terms of the leading one
ZEROS = 500  # of the account of the pair, for the zeros of one polynomial, times its degree squared
BISECTIONS = 60
_OF_INTEGERS = frozenset(("mod", "gcd", "lcm"))
_ANGLES = frozenset(("arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"))
_PERIODIC = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))
_STEPS = frozenset(("floor", "ceil"))

Values = dict[str, Rational]


@lru_cache(4_096)
def kinks(node: Node) -> frozenset[Node]:
    """The expressions with variables at whose zeros the formula may change."""
    return frozenset(u for n in walk(node) for u in _kinks_at(n) if symbols(u))


def _kinks_at(node: Node) -> Iterable[Node]:
    match node:
        case Call("abs" | "sign", (arg,)):
            return (arg,)
        case Call("max" | "min", args):
            return (Add((x, Neg(y))) for x, y in combinations(args, 2))
        case Root(radicand, degree) if _is_even(fold(degree)):
            return (radicand,)
        case Call(name, (arg,)) if name in _ANGLES:  # jumps where its argument goes through infinity
            return (n.denominator for n in walk(arg) if isinstance(n, Div))
        case Pow(base, exponent) if symbols(base):
            value = fold(exponent)
            return (base,) if value is not None and _is_even(value.denominator) else ()
    return ()


def _is_even(value: Rational | None) -> bool:
    return value is not None and value.numerator % 2 == 0


def has_steps(node: Node) -> bool:
    """Whether it has jumps or corners again and again: floor(x), arctan(tan x)."""
    return any(
        isinstance(n, Call) and symbols(n) and (n.name in _STEPS or _is_sawtooth(n)) for n in walk(node)
    )


def _is_sawtooth(node: Call) -> bool:
    inside = (n for arg in node.args for n in walk(arg))
    return node.name in _ANGLES and any(isinstance(n, Call) and n.name in _PERIODIC for n in inside)


def period(node: Node) -> int | None:
    """The common period of all remainders and common divisors, 1 without any; None when it is not known."""
    result = 1
    for n in walk(node):
        if isinstance(n, Call) and n.name in _OF_INTEGERS and symbols(n):
            moduli = [fold(arg) for arg in n.args if not symbols(arg)]
            known = [int(m) for m in moduli if m is not None and m.denominator == 1 and m != 0]
            if n.name == "lcm" or len(known) != 1 or len(n.args) != 2:
                return None
            result = math.lcm(result, known[0])
    return result if result <= MAX_PERIOD else None


def points_between(turns: Iterable[Node], values: Values) -> Iterator[Values]:
    """`values` with one variable moved at a time into every gap between the zeros of `turns`."""
    turns = list(turns)
    for name in sorted(frozenset[str]().union(*map(symbols, turns))):
        zeros = sorted({zero for u in turns for zero in _zeros(u, name, values) or ()})
        if zeros:
            ends = [zeros[0] - abs(zeros[0]) - 2, *zeros, zeros[-1] + abs(zeros[-1]) + 2]
            for low, high in pairwise(ends):
                yield {**values, name: Fraction(low + (high - low) * 0.37)}


def is_located(turn: Node, values: Values) -> bool:
    """Whether `points_between` finds all zeros of it."""
    return all(_zeros(turn, name, values) is not None for name in symbols(turn))


def _zeros(turn: Node, name: str, values: Values) -> list[float] | None:
    """Points that include the real zeros of a polynomial in one variable; None for all else."""
    others: dict[str, Node] = {n: Num(Fraction(v)) for n, v in values.items() if n != name}
    coefficients = _coefficients(substitute(turn, others), name)
    if coefficients is None or len(coefficients) > MAX_DEGREE + 1:
        return None
    if coefficients[0] == 0 or max(map(abs, coefficients)) > LARGEST * abs(coefficients[0]):
        return None
    return _turning_points([c / coefficients[0] for c in coefficients])


def _coefficients(node: Node, name: str) -> list[float] | None:
    """From the highest power down, without leading zeros."""
    try:
        form = exact.normal_form(node)
        return _polynomial(form, name)
    except (Unresolved, ArithmeticError, LimitExceeded):
        return None


def _polynomial(form: Form, name: str) -> list[float] | None:
    if form.denominator != exact.UNIT:
        return None
    found: dict[int, float] = {}
    for monomial, coefficient in form.numerator.items():
        power, size = 0, float(coefficient)
        for atom, exponent in monomial:
            if atom == ("symbol", name) and exponent.denominator == 1 and 0 < exponent <= MAX_DEGREE:
                power = int(exponent)
            elif atom[0] == "prime":
                size *= float(atom[1]) ** float(exponent)
            elif atom[0] == "pi":
                size *= math.pi ** float(exponent)
            else:
                return None
        found[power] = found.get(power, 0.0) + size
    return [found.get(power, 0.0) for power in range(max(found, default=0), -1, -1)]


def _turning_points(coefficients: list[float]) -> list[float]:
    """The real zeros of a polynomial and of its derivative, which has the double ones."""
    degree = len(coefficients) - 1
    account.spend(ZEROS * degree**2)
    if degree < 1:
        return []
    if degree == 1:
        return [-coefficients[1] / coefficients[0]]
    derivative = [c * (degree - k) for k, c in enumerate(coefficients[:-1])]
    flat = _turning_points(derivative)
    far = 1 + max(abs(c / coefficients[0]) for c in coefficients)
    ends = sorted({-far, far, *flat})
    return sorted({*flat, *(_crossing(coefficients, low, high) for low, high in pairwise(ends))})


def _crossing(coefficients: list[float], low: float, high: float) -> float:
    """Where the polynomial changes its sign, by bisection; one of the ends when it does not."""
    rises = _at(coefficients, low) < 0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if (_at(coefficients, middle) < 0) is rises:
            low = middle
        else:
            high = middle
    return high


def _at(coefficients: list[float], x: float) -> float:
    value = 0.0
    for c in coefficients:
        value = value * x + c
    return value

"""Scalars as answers write them: with units, percent signs, numerals in a base, constants of integration.

Known units convert, unknown ones equal only themselves, and by policy a missing unit is fine.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial

from verifiers.expressions import numeric
from verifiers.expressions.decisions import Decision, account, every, some
from verifiers.expressions.measures import desugar, has_units, strip_units, units_of
from verifiers.expressions.nodes import Add, Call, Digits, Div, Neg, Node, Num, Percent, Quantity, Sym
from verifiers.expressions.numeric import Scene
from verifiers.expressions.precision import Floats, Unsupported
from verifiers.expressions.scalars import same_scalar
from verifiers.expressions.tree import substitute, symbols
from verifiers.expressions.units import measure
from verifiers.policy import LimitExceeded, Policy

UnitsOfBoth = tuple[frozenset[str], frozenset[str]]

COMPARISON = 100  # of the account of the pair, for what any comparison costs

_DIFFERENT: Decision = (False, "algebraic")
_CONSTANT = Sym("C")  # of integration


def same_value(a: Node, b: Node, policy: Policy, algebra: bool) -> Decision:
    """Raises NeedsAlgebra and LimitExceeded."""
    account.spend(COMPARISON)
    if isinstance(a, Digits) or isinstance(b, Digits):
        return _same_numerals(a, b)
    if policy.percent == "either" and isinstance(a, Percent) != isinstance(b, Percent):
        return _same_percent(a, b, policy, algebra)
    if policy.units == "strict" and has_units(a) != has_units(b):
        return _DIFFERENT
    if has_units(a) or has_units(b):
        return _same_quantity(a, b, algebra)
    if isinstance(a, Call) and isinstance(b, Call) and a.name == b.name == "mod" and a.args[1:] != b.args[1:]:
        return every([partial(same_scalar, x, y) for x, y in ((a, b), (a.args[1], b.args[1]))])
    rests = _without_constant(a, b), _without_constant(b, a)
    if rests[0] and rests[1]:
        return _same_antiderivative(rests[0], rests[1], algebra)
    return same_scalar(a, b, algebra=algebra)


def _same_percent(a: Node, b: Node, policy: Policy, algebra: bool) -> Decision:
    percent, other = (a, b) if isinstance(a, Percent) else (b, a)
    assert isinstance(percent, Percent)
    other = strip_units(other) if policy.units == "lenient" else other
    questions = (percent.arg, Div(percent.arg, Num(Fraction(100))))
    return some(partial(same_value, question, other, policy, algebra) for question in questions)


def _same_quantity(a: Node, b: Node, algebra: bool) -> Decision:
    units = units_of(a), units_of(b)
    if bool(units[0]) == bool(units[1]):
        return _two_quantities(a, b, units, algebra)
    if len(units[0]) + len(units[1]) > 1:
        return _in_one_of_its_units(a, b, units[0] | units[1], algebra)
    questions = [partial(same_scalar, strip_units(a), strip_units(b), algebra=algebra)]
    if "degree" in units[0] | units[1]:
        questions.append(partial(same_scalar, a, b, algebra=algebra))
    return some(questions)


def _in_one_of_its_units(a: Node, b: Node, units: frozenset[str], algebra: bool) -> Decision:
    """1 hour 30 minutes is 90 and 1.5."""
    quantity, number = (a, b) if units_of(a) else (b, a)
    readings = (Quantity(number, unit) for unit in sorted(units))
    return some(partial(same_scalar, quantity, reading, algebra=algebra) for reading in readings)


def _two_quantities(a: Node, b: Node, units: UnitsOfBoth, algebra: bool) -> Decision:
    """Known units convert; two unknown ones may be names of one thing."""
    alike = isinstance(a, Quantity) and isinstance(b, Quantity) and a.unit == b.unit
    if alike or not units[0]:
        return same_scalar(strip_units(a), strip_units(b), algebra=algebra)
    decision = same_scalar(a, b, algebra=algebra)
    if decision[0] is not False or all(measure(unit).known for unit in units[0] | units[1]):
        return decision
    values = same_scalar(strip_units(a), strip_units(b), algebra=algebra)
    return (None if values[0] and units[0] != units[1] else False), values[1]


def _same_antiderivative(a: Node, b: Node, algebra: bool) -> Decision:
    """Equal up to a constant: a(x) - b(x) is what it is at one point of both domains."""
    decision = same_scalar(a, b, algebra=algebra)
    if decision[0]:
        return decision
    names = sorted(symbols(a) | symbols(b))
    difference = Add((desugar(a), Neg(desugar(b))))
    for index in range(numeric.POINTS):
        point = {name: numeric.sample(name, index) for name in names}
        if _is_defined(difference, point):
            values: dict[str, Node] = {name: Num(value) for name, value in point.items()}
            return same_scalar(difference, substitute(difference, values), algebra=algebra)
    return None, "numeric"


def _is_defined(node: Node, point: Mapping[str, Fraction]) -> bool:
    try:
        numeric.evaluate(node, Scene(Floats, dict(point)))
    except (ArithmeticError, Unsupported, LimitExceeded):
        return False
    return True


def _same_numerals(a: Node, b: Node) -> Decision:
    values: list[tuple[int, int]] = []
    for node in (a, b):
        if isinstance(node, Digits):
            values.append((int(node.digits, node.base), node.base))
        elif isinstance(node, Num) and node.value.denominator == 1:
            values.append((int(node.value), 10))
        else:
            return _DIFFERENT
    return values[0] == values[1], "rational"


def _without_constant(node: Node, other: Node) -> Node | None:
    """The expression without its + C; None when it has none. A small c is one if the other side has a C."""
    if not isinstance(node, Add):
        return None
    constant = _CONSTANT
    if isinstance(other, Add) and _CONSTANT in other.terms and _CONSTANT.name not in symbols(node):
        constant = Sym("c")
    rest = Add(tuple(term for term in node.terms if term != constant))
    used = symbols(rest) | symbols(other) if constant != _CONSTANT else symbols(rest)
    if len(rest.terms) != len(node.terms) - 1 or not rest.terms or constant.name in used:
        return None
    return rest

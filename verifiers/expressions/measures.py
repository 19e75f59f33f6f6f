"""Units as arithmetic: 5 m is 5 times an unknown positive number, and 1 m is 100 cm by definition.

Every base unit is a variable of its own, so units that do not convert never make equal numbers by chance. A
degree is pi/180, because angles have no dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from verifiers.expressions.nodes import Call, Const, Digits, Div, Mul, Node, Num, Percent, Pow, Quantity, Sym
from verifiers.expressions.tree import children, rebuild
from verifiers.expressions.units import measure

_KEEPING_UNITS = frozenset(("abs", "norm", "max", "min", "floor", "ceil", "gcd", "lcm", "piecewise"))
_DIMENSIONLESS = frozenset(("radian", "unit", "ordinal"))  # "5 square units" is 5, "4th" is 4


@lru_cache(1_024)
def size_of(unit: str) -> Node:
    """The number that a unit stands for, an expression in base units."""
    dimension, factor, _ = measure(unit)
    factors: list[Node] = [Num(factor)]
    for base, power in dimension:
        if base not in _DIMENSIONLESS:
            number = Div(Const("pi"), Num(Fraction(180))) if base == "angle" else Sym(f"unit {base}")
            factors.append(Pow(number, Num(Fraction(power))))
    return Mul(tuple(factors))


def is_unit(symbol: str) -> bool:
    """Whether the name of a variable is one that `size_of` made."""
    return symbol.startswith("unit ")


def strip_units(node: Node) -> Node:
    """The numbers as written, without their units; the degrees of cos 60 degrees are part of the number."""
    if not has_units(node):
        return node
    return strip_units(node.value) if isinstance(node, Quantity) else rebuild(node, strip_units)


def units_of(node: Node) -> frozenset[str]:
    """The units of the value, but not those that say nothing ("4th", "5 units")."""
    units = (q.unit for q in _quantities(node))
    return frozenset(u for u in units if not {base for base, _ in measure(u).dimension} <= _DIMENSIONLESS)


def has_units(node: Node) -> bool:
    return next(_quantities(node), None) is not None


def _quantities(node: Node) -> Iterator[Quantity]:
    """Those whose unit the value has as well: not in the argument of a function such as the cosine."""
    if isinstance(node, Quantity):
        yield node
    if not isinstance(node, Call) or node.name in _KEEPING_UNITS:
        for child in children(node):
            yield from _quantities(child)


def desugar(node: Node) -> Node:
    """Percent signs, units and numerals in a base written out as arithmetic."""
    if not _needs_desugar(node):
        return node
    if isinstance(node, Percent):
        return Div(desugar(node.arg), Num(Fraction(100)))
    if isinstance(node, Quantity):
        return Mul((desugar(node.value), size_of(node.unit)))
    if isinstance(node, Digits):
        return Num(Fraction(int(node.digits, node.base)))
    return rebuild(node, desugar)


def _needs_desugar(node: Node) -> bool:
    return isinstance(node, Percent | Quantity | Digits) or any(map(_needs_desugar, children(node)))

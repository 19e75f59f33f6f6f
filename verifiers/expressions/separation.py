"""How close to zero a nonzero algebraic number can be, from the expression that writes it.

The bound of Burnikel, Funke, Mehlhorn, Schirra and Schmitt ("A separation bound for real algebraic
expressions", 2001/2009): an expression is U / L with algebraic integers whose conjugates are at most u and v,
in a field of degree at most D, the product of the degrees of its radicals; then it is zero or its size is at
least 1 / (u^(D-1) v). Agreement to that precision is a proof of equality. i and cosines of rational multiples
of pi live in a cyclotomic field, whose degree joins D.

Transcendental parts have no such bound; then the same sizes give a precision that no honest difference
escapes, and the caller reports the method as numeric.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verifiers.expressions.arithmetic import Rational, factorise, fold
from verifiers.expressions.nodes import Add, Call, Const, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.tree import children

Size = tuple[float, float]  # log2 of the bounds u and v

_TRANSCENDENTAL_BITS = 8  # size credited to a value of a transcendental function


class Measure:
    """The sizes of one or more expressions at given values of their variables."""

    def __init__(self, values: dict[str, Rational]) -> None:
        self.values = values
        self.algebraic = True
        self._radicals: dict[tuple[Node, int], int] = {}
        self._orders: set[int] = set()

    def size(self, node: Node) -> Size:
        rule = _RULES.get(type(node))
        return rule(self, node) if rule else self._opaque(node)

    def bits(self, *sizes: Size) -> float:
        """-log2 of the smallest nonzero size of the difference of two measured expressions."""
        u, v = _add(sizes) if len(sizes) > 1 else sizes[0]
        return (self.degree() - 1) * max(u, 0) + v

    def degree(self) -> int:
        return math.prod(self._radicals.values()) * _totient(math.lcm(*self._orders))

    def _num(self, node: Num) -> Size:
        return _of(node.value)

    def _sym(self, node: Sym) -> Size:
        return _of(self.values[node.name]) if node.name in self.values else self._opaque(node)

    def _const(self, node: Const) -> Size:
        if node.name == "i":
            self._orders.add(4)
            return 0.0, 0.0
        return self._opaque(node)

    def _terms(self, node: Add) -> Size:
        return _add([self.size(term) for term in node.terms])

    def _factors(self, node: Mul) -> Size:
        sizes = [self.size(factor) for factor in node.factors]
        return sum(u for u, _ in sizes), sum(v for _, v in sizes)

    def _neg(self, node: Neg) -> Size:
        return self.size(node.arg)

    def _div(self, node: Div) -> Size:
        (a, b), (c, d) = self.size(node.numerator), self.size(node.denominator)
        return a + d, b + c

    def _pow(self, node: Pow) -> Size:
        exponent = fold(node.exponent)
        if exponent is None:
            return self._opaque(node)
        size = self.size(node.base)
        if exponent.denominator != 1:
            size = self._radical(node.base, exponent.denominator, size)
        u, v = size if exponent > 0 else (size[1], size[0])
        return u * abs(exponent.numerator), v * abs(exponent.numerator)

    def _root(self, node: Root) -> Size:
        degree = fold(node.degree)
        if degree is None or degree.denominator != 1:
            return self._opaque(node)
        return self._radical(node.radicand, int(degree), self.size(node.radicand))

    def _radical(self, base: Node, degree: int, size: Size) -> Size:
        """The root of U/L is root(U L^(d-1)) / L or U / root(U^(d-1) L), whichever is smaller."""
        self._radicals[base, degree] = degree
        u, v = size
        if u >= v:
            return (u + (degree - 1) * v) / degree, v
        return u, ((degree - 1) * u + v) / degree

    def _call(self, node: Call) -> Size:
        if node.name == "abs" and len(node.args) == 1 and not self._orders:
            return self.size(node.args[0])
        angle = _turns(node.args[0]) if node.name in _ANGLES and len(node.args) == 1 else None
        exact = fold(node)
        if exact is not None:
            return _of(exact)
        if angle is None:
            return self._opaque(node)
        self._orders |= {4, 2 * angle.denominator}
        return (1.0, 1.0) if node.name in ("sin", "cos") else (2.0, 2.0 + math.log2(angle.denominator))

    def _opaque(self, node: Node) -> Size:
        self.algebraic = False
        sizes = [self.size(child) for child in children(node)]
        return _TRANSCENDENTAL_BITS + sum(u + v for u, v in sizes), _TRANSCENDENTAL_BITS


_ANGLES = ("sin", "cos", "tan", "cot", "sec", "csc")


def _turns(node: Node) -> Fraction | None:
    """q where the node is q pi."""
    if node == Const("pi"):
        return Fraction(1)
    if isinstance(node, Neg):
        inner = _turns(node.arg)
        return None if inner is None else -inner
    if isinstance(node, Div):
        inner, under = _turns(node.numerator), fold(node.denominator)
        return None if inner is None or not under else inner / under
    if isinstance(node, Mul):
        angles = [_turns(factor) for factor in node.factors]
        others = [fold(f) for f, angle in zip(node.factors, angles, strict=True) if angle is None]
        found = [angle for angle in angles if angle is not None]
        if len(found) == 1 and None not in others:
            return found[0] * math.prod(Fraction(value or 0) for value in others)
    return None


def _of(value: Rational) -> Size:
    return _log2(abs(value.numerator)), _log2(value.denominator)


def _log2(value: int) -> float:
    return math.log2(value) if value > 1 else 0.0


def _add(sizes: list[Size] | tuple[Size, ...]) -> Size:
    u, v = sizes[0]
    for other_u, other_v in sizes[1:]:
        high, low = max(u + other_v, other_u + v), min(u + other_v, other_u + v)
        u, v = high + math.log2(1 + 2.0 ** max(low - high, -60)), v + other_v
    return u, v


def _totient(n: int) -> int:
    for prime in factorise(n):
        n = n // prime * (prime - 1)
    return n


_RULES: dict[type, Callable[[Measure, Any], Size]] = {
    Num: Measure._num,
    Sym: Measure._sym,
    Const: Measure._const,
    Add: Measure._terms,
    Mul: Measure._factors,
    Neg: Measure._neg,
    Div: Measure._div,
    Pow: Measure._pow,
    Root: Measure._root,
    Call: Measure._call,
}

"""Limits, integrals, derivatives and sums with symbolic bounds, by sympy.

The tree becomes sympy objects one constructor at a time, unevaluated, from numbers and names: no text is ever
parsed. Sympy is asked to carry out the operations, and the difference is then tested: exactly by expansion
and simplification, and by its value at integer points, where a clear relative difference proves inequality
and agreement to 50 digits of closed forms is accepted as equality. Nothing here is bounded in time: callers
run it in a process that they can kill.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from verifiers.expressions import numeric
from verifiers.expressions.arithmetic import Rational
from verifiers.expressions.decisions import Decision
from verifiers.expressions.nodes import Add, Big, Call, Const, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.tree import symbols

DIGITS = 60
AGREEMENT = 50  # digits that two closed forms must share
_POINTS = 3
_HINTS = {"meijerg": False}  # sympy builds its table of these functions by parsing text


class Unsupported(Exception):
    """Sympy has no counterpart for this node."""


def same_by_algebra(a: Node, b: Node) -> Decision:
    """May take unbounded time."""
    try:
        first, second = (build(node).doit(**_HINTS) for node in (a, b))
    except (Unsupported, ArithmeticError, ValueError, TypeError, NotImplementedError):
        return None, "algebraic"
    names = sorted(symbols(a) | symbols(b))
    outcomes = [_compare_at(first, second, names, index) for index in range(_POINTS if names else 1)]
    if False in outcomes:
        return False, "numeric"
    if _is_zero(first - second):
        return True, "algebraic"
    return (True if outcomes and all(outcomes) else None), "numeric"


def _is_zero(difference: Any) -> bool:
    import sympy

    for attempt in (sympy.expand, sympy.cancel, partial(sympy.simplify, doit=False)):
        try:
            if attempt(difference) == 0:
                return True
        except (ArithmeticError, ValueError, TypeError, NotImplementedError, sympy.PolynomialError):
            continue
    return False


def _compare_at(a: Any, b: Any, names: list[str], index: int) -> bool | None:
    import sympy

    point = {_symbol(name): _rational(numeric.integer_sample(name, index)) for name in names}
    values = []
    for side in (a, b):
        value = side.subs(point).doit(**_HINTS).evalf(DIGITS)
        if not value.is_number or value.has(sympy.nan, sympy.zoo) or not value.is_finite:
            return None
        values.append(value)
    scale = max(abs(values[0]), abs(values[1]))
    gap = abs(values[0] - values[1])
    if gap > scale * sympy.Rational(1, 10**12):
        return False
    return True if gap <= scale * sympy.Rational(1, 10**AGREEMENT) else None


def _symbol(name: str) -> Any:
    import sympy

    return sympy.Symbol(name, real=True)


def _rational(value: Rational) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def build(node: Node) -> Any:
    """The tree as an unevaluated sympy expression. Raises Unsupported."""
    import sympy

    match node:
        case Num(value):
            return _rational(value)
        case Sym(name):
            return _symbol(name)
        case Const(name):
            return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}[name]
        case Add(terms):
            return sympy.Add(*map(build, terms), evaluate=False)
        case Mul(factors):
            return sympy.Mul(*map(build, factors), evaluate=False)
        case Neg(arg):
            return sympy.Mul(sympy.Integer(-1), build(arg), evaluate=False)
        case Div(numerator, denominator):
            inverse = sympy.Pow(build(denominator), sympy.Integer(-1), evaluate=False)
            return sympy.Mul(build(numerator), inverse, evaluate=False)
        case Pow(base, exponent):
            return sympy.Pow(build(base), build(exponent), evaluate=False)
        case Root(radicand, degree):
            inverse = sympy.Pow(build(degree), sympy.Integer(-1))
            return sympy.Pow(build(radicand), inverse, evaluate=False)
        case Call(name, args):
            return _call(name, [build(arg) for arg in args])
        case Big():
            return _big(node)
    raise Unsupported(type(node).__name__)


def _call(name: str, args: list[Any]) -> Any:
    import sympy

    if name == "log" and len(args) == 2:
        return sympy.log(args[0]) / sympy.log(args[1])
    function = _RENAMED.get(name, name)
    if function in _KNOWN:
        return getattr(sympy, function)(*args)
    return sympy.Function(name)(*args)


_RENAMED = {
    "ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec",
    "arccsc": "acsc", "abs": "Abs", "ceil": "ceiling", "binom": "binomial", "doublefactorial": "factorial2",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
}  # fmt: skip
_KNOWN = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth exp log asin acos atan acot asec acsc Abs floor ceiling "
    "factorial factorial2 binomial re im asinh acosh atanh sign".split()
)


def _big(node: Big) -> Any:
    import sympy

    variable = _symbol(node.variable)
    body = build(node.body)
    bounds = [build(bound) for bound in (node.lower, node.upper) if bound is not None]
    constructors: dict[tuple[str, int], Callable[[], Any]] = {
        ("sum", 2): lambda: sympy.Sum(body, (variable, *bounds)),
        ("prod", 2): lambda: sympy.Product(body, (variable, *bounds)),
        ("int", 2): lambda: sympy.Integral(body, (variable, *bounds)),
        ("int", 0): lambda: sympy.Integral(body, variable),
        ("diff", 0): lambda: sympy.Derivative(body, variable),
    }
    if node.op == "lim" and node.lower is not None:
        side = node.upper.name if isinstance(node.upper, Sym) else "+-"
        return sympy.Limit(body, variable, build(node.lower), dir=side)
    if (node.op, len(bounds)) not in constructors:
        raise Unsupported(node.op)
    return constructors[node.op, len(bounds)]()

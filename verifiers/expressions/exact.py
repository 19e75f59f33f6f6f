"""A normal form of expressions that proves equality without a computer algebra system.

An expression becomes a quotient of two sums; a sum maps products of atoms to rational coefficients. Atoms are
symbols, primes, pi, i, exp(m), ln(m), trigonometric and unknown functions of normal forms, and roots of sums.
Atoms known to be positive carry rational exponents, so sqrt(117) is 3 * 13^(1/2), and products of prime roots
are linearly independent over the rationals (Besicovitch, 1940), hence equal numbers made of them have equal
forms. Sines and cosines are written with exp(i x), which turns trigonometric identities into polynomial ones.

Symbols stand for positive reals here: the caller tests other signs numerically. Equal forms prove equality
wherever both expressions are defined and the variables positive; different forms prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verifiers.expressions.arithmetic import absolute, fold
from verifiers.expressions.forms import (
    FUNCTIONS,
    Form,
    add,
    constant,
    describe,
    exponential,
    inverse,
    is_phase,
    key,
    logarithm,
    of_atom,
    raised,
    times,
)
from verifiers.expressions.nodes import Add, Big, Call, Const, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.numeric import Scene, evaluate
from verifiers.expressions.precision import Floats, Imprecise, Undefined, Unsupported
from verifiers.expressions.sums import (
    IMAGINARY,
    MAX_EXPONENT,
    ONE,
    POSITIVE,
    UNIT,
    Unresolved,
    multiply,
    plus,
    work,
)
from verifiers.expressions.tree import substitute, walk

MAX_UNROLLED = 500  # terms of a finite sum
QUICK_WORK = 20_000  # steps for one expression, about 0.05 s
FULL_WORK = 1_000_000
_SYMMETRIC = frozenset(("gcd", "lcm", "max", "min"))


def normal_form(node: Node, log_base: int = 0, *, effort: int = QUICK_WORK) -> Form:
    """The normal form. `log_base`: what `log` without a base means, 0 for e.

    Raises Unresolved (OutOfWork where more effort might help), ZeroDivisionError and LimitExceeded.
    """
    work.left = effort
    return form(node, log_base)


def form(node: Node, log_base: int) -> Form:
    """A part of the normal form, on the account of the whole."""
    rule = _RULES.get(type(node))
    if rule is None:
        raise Unresolved
    return rule(node, log_base)


def equal(a: Form, b: Form, *, effort: int = QUICK_WORK) -> bool:
    """True proves equality; False proves nothing. Raises Unresolved and LimitExceeded."""
    work.left = effort
    if a.denominator == b.denominator:
        return a.numerator == b.numerator
    return multiply(a.numerator, b.denominator) == multiply(b.numerator, a.denominator)


def _form_pow(node: Pow, log_base: int) -> Form:
    base = form(node.base, log_base)
    exponent = fold(node.exponent)
    if exponent is not None:
        if exponent.denominator > MAX_EXPONENT:
            raise Unresolved
        return raised(base, exponent)
    return exponential(times(form(node.exponent, log_base), logarithm(base)))


def _form_root(node: Root, log_base: int) -> Form:
    degree = fold(node.degree)
    if degree is None:
        return _form_pow(Pow(node.radicand, Div(Num(Fraction(1)), node.degree)), log_base)
    if degree.denominator != 1 or not 0 < degree <= MAX_EXPONENT:
        raise Unresolved
    return raised(form(node.radicand, log_base), Fraction(1, int(degree)))


def _form_call(node: Call, log_base: int) -> Form:
    exact = fold(node)
    if exact is not None:
        return constant(exact)
    args = [form(arg, log_base) for arg in node.args]
    if node.name in FUNCTIONS and len(args) == 1:
        return FUNCTIONS[node.name](args[0])
    if node.name == "log" and len(args) == 2:
        return times(logarithm(args[0]), inverse(logarithm(args[1])))
    if node.name == "log" and len(args) == 1:
        top = logarithm(args[0])
        return times(top, inverse(logarithm(constant(log_base)))) if log_base else top
    if node.name == "abs" and len(args) == 1:
        return _absolute(node.args[0], args[0])
    if node.name == "factorial" and len(args) == 1:
        return _factorial(args[0])
    if node.name == "binom" and len(args) == 2:
        return _binomial(args[0], args[1])
    if node.name in _SYMMETRIC:
        args.sort(key=describe)
    return of_atom(("call", node.name, *map(key, args)))


def _absolute(arg: Node, a: Form) -> Form:
    positive = all(atom[0] in POSITIVE and not is_phase(atom) for m in a.numerator for atom, _ in m)
    if positive and len(a.numerator) == 1 and a.denominator == UNIT:
        return Form({m: absolute(c) for m, c in a.numerator.items()}, UNIT)
    try:
        value, error = evaluate(arg, Scene(Floats, {}, True))
    except (Undefined, Imprecise, Unsupported):
        return of_atom(("call", "abs", key(a)))
    if isinstance(value, complex) and value.imag:
        return _modulus(a)
    if abs(value) <= 2 * error:
        raise Unresolved
    return a if value.real > 0 else times(a, constant(-1))


def _modulus(a: Form) -> Form:
    """|x + i y| for numbers whose form shows x and y."""
    if a.denominator != UNIT or any(at[0] in ("turn", "root", "call") for m in a.numerator for at, _ in m):
        raise Unresolved
    x = {m: c for m, c in a.numerator.items() if (IMAGINARY, 1) not in m}
    y = {m - {(IMAGINARY, 1)}: c for m, c in a.numerator.items() if (IMAGINARY, 1) in m}
    return raised(Form(plus(multiply(x, x), multiply(y, y)), UNIT), Fraction(1, 2))


def _factorial(a: Form) -> Form:
    """(n + k)! = n! (n + 1) ... (n + k)"""
    shift = a.numerator.get(ONE, 0)
    if a.denominator != UNIT or Fraction(shift).denominator != 1 or absolute(shift) > MAX_EXPONENT:
        return of_atom(("call", "factorial", key(a)))
    base = Form({m: c for m, c in a.numerator.items() if m}, UNIT)
    result = of_atom(("call", "factorial", key(base)))
    for step in range(1, int(shift) + 1):
        result = times(result, add(base, constant(step)))
    for step in range(0, int(shift), -1):
        result = times(result, inverse(add(base, constant(step))))
    return result


def _binomial(n: Form, k: Form) -> Form:
    if k.denominator == UNIT and set(k.numerator) <= {ONE}:
        count = Fraction(k.numerator.get(ONE, 0))
        if count.denominator == 1 and 0 <= count <= MAX_EXPONENT:
            result = constant(1)
            for step in range(int(count)):
                result = times(result, add(n, constant(-step)))
                result = times(result, constant(Fraction(1, step + 1)))
            return result
    difference = add(n, times(k, constant(-1)))
    return times(_factorial(n), inverse(times(_factorial(k), _factorial(difference))))


def _form_big(node: Big, log_base: int) -> Form:
    """A finite sum or product is unrolled."""
    if node.op not in ("sum", "prod") or node.lower is None or node.upper is None:
        raise Unresolved
    low, high = fold(node.lower), fold(node.upper)
    if low is None or high is None or low.denominator != 1 or high.denominator != 1:
        raise Unresolved
    if high - low > MAX_UNROLLED or any(isinstance(inner, Big) for inner in walk(node.body)):
        raise Unresolved
    combine, total = (add, constant(0)) if node.op == "sum" else (times, constant(1))
    for index in range(int(low), int(high) + 1):
        body = substitute(node.body, {node.variable: Num(Fraction(index))})
        total = combine(total, form(body, log_base))
    return total


def _form_add(node: Add, log_base: int) -> Form:
    total = form(node.terms[0], log_base)
    for term in node.terms[1:]:
        total = add(total, form(term, log_base))
    return total


def _form_mul(node: Mul, log_base: int) -> Form:
    total = form(node.factors[0], log_base)
    for factor in node.factors[1:]:
        total = times(total, form(factor, log_base))
    return total


def _form_neg(node: Neg, log_base: int) -> Form:
    a = form(node.arg, log_base)
    return Form({m: -c for m, c in a.numerator.items()}, a.denominator)


def _form_div(node: Div, log_base: int) -> Form:
    return times(form(node.numerator, log_base), inverse(form(node.denominator, log_base)))


def _form_const(node: Const, log_base: int) -> Form:
    if node.name == "oo":
        raise Unresolved
    return of_atom(("exp", ONE)) if node.name == "e" else of_atom((node.name,))


_RULES: dict[type, Callable[[Any, int], Form]] = {
    Num: lambda node, _: constant(node.value),
    Sym: lambda node, _: of_atom(("symbol", node.name)),
    Const: _form_const,
    Add: _form_add,
    Mul: _form_mul,
    Neg: _form_neg,
    Div: _form_div,
    Pow: _form_pow,
    Root: _form_root,
    Call: _form_call,
    Big: _form_big,
}

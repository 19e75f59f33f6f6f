"""Evaluate expressions with error bounds, to prove that two of them differ.

Every value is a pair (value, bound on its absolute error). First-order running error analysis with generous
constants gives the bound; a result too uncertain to use raises `Imprecise`, so a difference larger than both
bounds is a proof of inequality. Floats decide nearly all pairs within microseconds; `mpmath` at a given
precision has the same rules and an unbounded exponent range.

Variables are real and unknown functions are arbitrary but fixed. Over the reals an even root of a negative
number, or its logarithm, is `Undefined`; `complex_values` gives principal values instead. An odd root of a
negative number is the real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple
from zlib import crc32

from verifiers.expressions.arithmetic import FUNCTIONS, Rational, absolute, fold
from verifiers.expressions.nodes import (
    Add,
    Big,
    Call,
    Const,
    Div,
    Mul,
    Neg,
    Node,
    Num,
    Pow,
    Root,
    Sym,
)
from verifiers.expressions.precision import (
    Ambiguous,
    Imprecise,
    Undefined,
    Unsupported,
)
from verifiers.expressions.tree import substitute, symbols
from verifiers.policy import LimitExceeded

Ball = tuple[Any, Any]

_REALS = (float, int)

VANISHING = 1e-120  # a denominator that is less than this, as far as one can see, is zero: tan(pi/2)
MAX_RELATIVE = 1e-3  # beyond this, first-order error propagation is not trusted


class Scene(NamedTuple):
    """Where to evaluate: arithmetic, values of the variables, and the base of an unmarked `log`."""

    arithmetic: Any
    values: dict[str, Rational]
    complex_values: bool = False
    has_i: bool = False  # whether either side writes i, so that (-8)^(1/3) may mean the principal value
    log_base: int = 0  # 0 is e
    terms: int = 1_000  # of a finite sum; a sum inside another one shares them


def evaluate(node: Node, scene: Scene) -> Ball:
    """(value, error). Raises Undefined, Imprecise, Unsupported or LimitExceeded."""
    rule = _RULES.get(type(node))
    if rule is None:
        raise Unsupported(type(node).__name__)
    return _narrowed(rule(node, scene))


def _narrowed(ball: Ball) -> Ball:
    """A real number in the type of one, which alone can be compared with zero."""
    value = ball[0]
    return ball if type(value) in _REALS or value.imag != 0 else (value.real, ball[1])


def _folded(node: Node) -> Rational | None:
    try:
        return fold(node)
    except ZeroDivisionError:
        raise Undefined from None


def differ(a: Ball, b: Ball) -> bool:
    """True when no value within the errors of one is within the errors of the other."""
    return abs(a[0] - b[0]) > 2 * (a[1] + b[1])


SIGN_POINTS = 7  # two positive, one negative, two opposite patterns for each of two bits of the name
SCALES = (Fraction(1, 7), Fraction(11), Fraction(-1, 7), Fraction(-11), Fraction(1, 90), Fraction(160))
POINTS = SIGN_POINTS + len(SCALES)


def sample(name: str, index: int) -> Fraction:
    """A value of the variable `name`, of size between 3/4 and 4, with a sign pattern that depends on `index`.

    Points 0 and 1 are positive and 2 is negative; from 3 on the signs of the variables vary in pairs of
    opposite patterns. From SIGN_POINTS on the values are small or large, for domains like x > 10.
    """
    seed = crc32(f"{name}/{index}".encode())
    size = Fraction(seed % 99_991 + 24_999, 33_331)
    if index >= SIGN_POINTS:
        return size * SCALES[index - SIGN_POINTS]
    if index < 2:
        return size
    if index == 2:
        return -size
    bit = crc32(name.encode()) >> (index - 3) // 2 & 1
    return -size if bit ^ (index % 2) else size


def integer_sample(name: str, index: int) -> Fraction:
    """A small positive integer, for factorials and the bounds of sums."""
    return Fraction(crc32(f"{name}/{index}".encode()) % 7 + 3 + index)


def _exact(value: Rational, scene: Scene) -> Ball:
    number = scene.arithmetic.number(value)
    small = value.denominator == 1 and -(1 << 50) < value.numerator < 1 << 50
    return number, 0 if small else abs(number) * scene.arithmetic.eps


def _num(node: Num, scene: Scene) -> Ball:
    return _exact(node.value, scene)


def _sym(node: Sym, scene: Scene) -> Ball:
    if node.name not in scene.values:
        raise Unsupported(node.name)
    return _exact(scene.values[node.name], scene)


def _const(node: Const, scene: Scene) -> Ball:
    if node.name == "oo":
        raise Unsupported("infinity")
    value = getattr(scene.arithmetic, node.name)
    return value, 0 if node.name == "i" else value * scene.arithmetic.eps


def _add(node: Add, scene: Scene) -> Ball:
    value, error = evaluate(node.terms[0], scene)
    eps = scene.arithmetic.eps
    for term in node.terms[1:]:
        x, e = evaluate(term, scene)
        value = value + x
        error = error + e + abs(value) * eps
    return value, error


def _mul(node: Mul, scene: Scene) -> Ball:
    value, error = evaluate(node.factors[0], scene)
    for factor in node.factors[1:]:
        value, error = _times((value, error), evaluate(factor, scene), scene)
    return value, error


def _times(a: Ball, b: Ball, scene: Scene) -> Ball:
    value = a[0] * b[0]
    if value == 0 and a[0] != 0 and b[0] != 0:
        raise Imprecise
    scene.arithmetic.check(value)
    error = abs(a[0]) * b[1] + abs(b[0]) * a[1] + a[1] * b[1] + abs(value) * scene.arithmetic.eps
    return value, error


def _neg(node: Neg, scene: Scene) -> Ball:
    value, error = evaluate(node.arg, scene)
    return -value, error


def _div(node: Div, scene: Scene) -> Ball:
    return _over(evaluate(node.numerator, scene), evaluate(node.denominator, scene), scene)


def _over(a: Ball, b: Ball, scene: Scene) -> Ball:
    size = abs(b[0])
    if size <= 2 * b[1]:
        raise Undefined if b[1] < VANISHING else Imprecise
    value = scene.arithmetic.check(a[0] / b[0])
    if value == 0 and a[0] != 0:
        raise Imprecise
    return value, (a[1] + abs(value) * b[1]) / (size - b[1]) + abs(value) * scene.arithmetic.eps


def _pow(node: Pow, scene: Scene) -> Ball:
    base = evaluate(node.base, scene)
    exponent = _folded(node.exponent)
    if exponent is not None:
        return _rational_power(base, exponent, scene)
    x = evaluate(node.exponent, scene)
    if base[0] == 0 and base[1] == 0:
        raise Undefined
    if isinstance(node.base, Const) and node.base.name == "e":
        return _function("exp", x, scene)
    if not is_complex(base[0]) and base[0] < 0:
        whole = _exact_at(node.exponent, scene)
        if whole is not None and whole.denominator == 1:
            return _rational_power(base, whole, scene)
    return _function("exp", _times(x, _logarithm(base, scene), scene), scene)


def _rational_power(base: Ball, exponent: Rational, scene: Scene) -> Ball:
    value, error = base = _narrowed(base)
    if exponent > 0 and error and abs(value) <= 4 * error:
        return 0, scene.arithmetic.power(abs(value) + 2 * error, scene.arithmetic.number(exponent))
    if exponent.denominator == 1 and exponent >= 0 and value == 0:
        if exponent == 0:
            return scene.arithmetic.number(1), 0
        return base
    if exponent.denominator == 1:
        return _power(base, exponent, scene)
    if is_complex(value) or (value < 0 and exponent.denominator % 2 == 0):
        if value != 0 and not scene.complex_values:
            raise Undefined
        return _function("exp", _times(_exact(exponent, scene), _logarithm(base, scene), scene), scene)
    if value < 0:
        if scene.has_i:
            raise Ambiguous
        size, error = _power((-value, error), exponent, scene)
        return (-size if exponent.numerator % 2 else size), error
    if value == 0 and error == 0 and exponent > 0:
        return base
    return _power(base, exponent, scene)


def _power(base: Ball, exponent: Rational, scene: Scene) -> Ball:
    value, error = base
    if value == 0 and error == 0:
        raise Undefined
    relative = error / abs(value) if value != 0 else 1
    growth = absolute(exponent) if absolute(exponent) > 1 else 1
    if absolute(exponent) > 1 << 40:
        raise LimitExceeded("an exponent is too large")
    arithmetic = scene.arithmetic
    if relative * growth > MAX_RELATIVE:
        raise Imprecise
    power = int(exponent) if exponent.denominator == 1 else arithmetic.number(exponent)
    result = arithmetic.power(value, power)
    rounding = arithmetic.number(4)
    if exponent.denominator != 1 or is_complex(value):  # the rounding of the exponent counts ln |base| times
        rounding += arithmetic.number(absolute(exponent)) * (abs(arithmetic.call("log", abs(value))) + 4)
    return result, abs(result) * (relative * growth * 2 + arithmetic.eps * rounding)


def _root(node: Root, scene: Scene) -> Ball:
    degree = _folded(node.degree)
    if degree is None:
        return _pow(Pow(node.radicand, Div(Num(Fraction(1)), node.degree)), scene)
    if degree == 0:
        raise Undefined
    base = evaluate(node.radicand, scene)
    if not is_complex(base[0]) and base[0] < 0 and degree.denominator == 1 and degree % 2:
        size, error = _rational_power((-base[0], base[1]), 1 / Fraction(degree), scene)
        return -size, error
    return _rational_power(base, 1 / Fraction(degree), scene)


def is_complex(value: Any) -> bool:
    return getattr(value, "imag", 0) != 0


def _real(ball: Ball) -> Ball:
    if is_complex(ball[0]):
        raise Undefined
    return getattr(ball[0], "real", ball[0]), ball[1]


def _logarithm(ball: Ball, scene: Scene) -> Ball:
    value, error = _narrowed(ball)
    size = abs(value)
    if size == 0 and error == 0:
        raise Undefined
    if error > MAX_RELATIVE * size or (error == 0 and size == 0):
        raise Imprecise
    if is_complex(value) or value.real < 0:
        if not scene.complex_values:
            raise Undefined
        if value.real < 0 and 0 < abs(value.imag) <= error:
            raise Imprecise  # which side of the cut is not known
        if isinstance(value, float | int) or (isinstance(value, complex) and value.imag == 0):
            value = complex(value.real, 0.0)
    else:
        value = value.real
    result = scene.arithmetic.call("log", value)
    return result, 2 * error / size + scene.arithmetic.eps * (abs(result) + 1) * 2


def _function(name: str, ball: Ball, scene: Scene) -> Ball:
    """An entire function or a bounded one: |f'| near x is at most |f(x)| + 1 (sin, cos, exp, sinh, cosh)."""
    value, error = ball
    if error > MAX_RELATIVE:
        raise Imprecise
    if not is_complex(value):
        value = getattr(value, "real", value)
    result = scene.arithmetic.call(name, value)
    if name == "exp":
        return result, abs(result) * (2 * error + scene.arithmetic.eps * 4)
    if is_complex(value):
        growth = scene.arithmetic.call("cosh", value.imag if name in ("sin", "cos") else value.real)
        return result, 2 * error * (growth + 1) + scene.arithmetic.eps * growth * 4
    slope = 1 if name in ("sin", "cos") else abs(result) + 1
    return result, 2 * error * slope + scene.arithmetic.eps * (abs(result) + slope) * 4


def _tangent(ball: Ball, scene: Scene) -> Ball:
    return _over(_function("sin", ball, scene), _function("cos", ball, scene), scene)


def _inverse_tangent(ball: Ball, scene: Scene) -> Ball:
    value, error = _real(ball)
    result = scene.arithmetic.call("atan", value)
    return result, error + scene.arithmetic.eps * 4 * (abs(result) + scene.arithmetic.eps)


def _inverse_sine(name: str, ball: Ball, scene: Scene) -> Ball:
    value, error = _real(ball)
    gap = 1 - abs(value)
    if gap == 0 and error == 0:
        return scene.arithmetic.call(name, value), scene.arithmetic.eps * 8
    if gap < -error:
        raise Undefined
    if gap <= 4 * error:
        raise Imprecise
    result = scene.arithmetic.call(name, value)
    slope = scene.arithmetic.power(gap, 0.5)
    return result, 2 * error / slope + scene.arithmetic.eps * 8 * (1 + 1 / slope)


def _inverse_hyperbolic(name: str, ball: Ball, scene: Scene) -> Ball:
    """arsinh, arcosh and artanh by their logarithms."""
    one, two = _exact(1, scene), _exact(2, scene)
    if name == "arctanh":
        ratio = _over(_plus(one, ball, scene), _plus(one, (-ball[0], ball[1]), scene), scene)
        return _over(_logarithm(ratio, scene), two, scene)
    square = _times(ball, ball, scene)
    inside = _plus(square, one if name == "arcsinh" else (-1, 0), scene)
    return _logarithm(_plus(ball, _rational_power(inside, Fraction(1, 2), scene), scene), scene)


def _plus(a: Ball, b: Ball, scene: Scene) -> Ball:
    value = a[0] + b[0]
    return value, a[1] + b[1] + abs(value) * scene.arithmetic.eps


def _step(name: str, ball: Ball, scene: Scene) -> Ball:
    """floor and ceil are known only away from their jumps."""
    value, error = _real(ball)
    low, high = math.floor(value - 2 * error), math.floor(value + 2 * error)
    if name == "ceil":
        low, high = math.ceil(value - 2 * error), math.ceil(value + 2 * error)
    if low != high:
        raise Imprecise
    return _exact(low, scene)


def _choice(name: str, balls: list[Ball], scene: Scene) -> Ball:
    reals = [_real(ball) for ball in balls]
    pick = min if name == "min" else max
    return pick(ball[0] for ball in reals), max(ball[1] for ball in reals)


_PLAIN = {"sin": "sin", "cos": "cos", "exp": "exp", "sinh": "sinh", "cosh": "cosh"}
_RECIPROCAL = {"sec": "cos", "csc": "sin", "sech": "cosh", "csch": "sinh"}


def _call(node: Call, scene: Scene) -> Ball:
    exact = _folded(node)
    if exact is not None:
        return _exact(exact, scene)
    if node.name in _DISCRETE:
        return _discrete(node, scene)
    balls = [evaluate(arg, scene) for arg in node.args]
    if len(balls) == 1:
        return _call_one(node.name, balls[0], scene)
    if node.name == "log" and len(balls) == 2:
        return _over(_logarithm(balls[0], scene), _logarithm(balls[1], scene), scene)
    if node.name in ("min", "max"):
        return _choice(node.name, balls, scene)
    if node.name in _KNOWN:
        raise Unsupported(node.name)
    return _unknown(node.name, balls, scene)


def _call_one(name: str, ball: Ball, scene: Scene) -> Ball:
    one = _exact(1, scene)
    if name in _PLAIN:
        return _function(_PLAIN[name], ball, scene)
    if name in _RECIPROCAL:
        return _over(one, _function(_RECIPROCAL[name], ball, scene), scene)
    if name == "ln":
        return _logarithm(ball, scene)
    if name == "log":
        bottom = _logarithm(_exact(scene.log_base, scene), scene) if scene.log_base else one
        return _over(_logarithm(ball, scene), bottom, scene)
    if name == "tan":
        return _tangent(ball, scene)
    if name == "cot":
        return _over(_function("cos", ball, scene), _function("sin", ball, scene), scene)
    if name in ("tanh", "coth"):
        over, under = _function("sinh", ball, scene), _function("cosh", ball, scene)
        return _over(over, under, scene) if name == "tanh" else _over(under, over, scene)
    if name in ("arctan", "arccot"):
        angle = _inverse_tangent(ball, scene)
        return angle if name == "arctan" else _from_right_angle(angle, scene)
    if name in ("arcsin", "arccos"):
        return _inverse_sine("asin" if name == "arcsin" else "acos", ball, scene)
    if name in ("arcsec", "arccsc"):
        return _inverse_sine("acos" if name == "arcsec" else "asin", _over(one, ball, scene), scene)
    if name in ("arcsinh", "arccosh", "arctanh"):
        return _inverse_hyperbolic(name, ball, scene)
    if name == "abs":
        return abs(ball[0]), ball[1] + abs(ball[0]) * scene.arithmetic.eps
    if name in ("floor", "ceil"):
        return _step(name, ball, scene)
    if name == "sign":
        return _over(ball, (abs(ball[0]), ball[1]), scene) if ball[0] != 0 else ball
    if name in ("re", "im", "conj"):
        return _part(name, ball)
    if name in _KNOWN:
        raise Unsupported(name)
    return _unknown(name, [ball], scene)


def _from_right_angle(angle: Ball, scene: Scene) -> Ball:
    """arccot with values in (0, pi)."""
    half = (scene.arithmetic.pi / 2, scene.arithmetic.eps * 2)
    return _plus(half, (-angle[0], angle[1]), scene)


def _part(name: str, ball: Ball) -> Ball:
    value, error = ball
    if name == "conj":
        return (value.conjugate() if is_complex(value) else value), error
    return (value.real if name == "re" else value.imag), error


_DISCRETE = frozenset("factorial doublefactorial binom gcd lcm mod".split())
_KNOWN = _DISCRETE | frozenset("det transpose arg min max log floor ceil sign".split())


def _discrete(node: Call, scene: Scene) -> Ball:
    """Factorials, binomials, gcd ... of variables: exact at an integer point."""
    values = [_exact_at(arg, scene) for arg in node.args]
    function = FUNCTIONS.get((node.name, len(values)))
    result = function(*values) if function and None not in values else None
    if result is None:
        raise Unsupported(node.name)
    return _exact(result, scene)


def _exact_at(node: Node, scene: Scene) -> Rational | None:
    known = {name: Num(Fraction(scene.values[name])) for name in symbols(node) if name in scene.values}
    return _folded(substitute(node, dict(known)))


def _unknown(name: str, balls: list[Ball], scene: Scene) -> Ball:
    """An arbitrary smooth function of the name: a sum of sines with coefficients from a hash."""
    total = _exact(Fraction(crc32(name.encode()) % 9_973 + 1, 5_003), scene)
    for position, ball in enumerate(balls):
        seed = crc32(f"{name}({position}".encode())
        slope, shift = Fraction(seed % 997 + 300, 641), Fraction(seed % 769 + 101, 331)
        argument = _plus(_times(_exact(slope, scene), ball, scene), _exact(shift, scene), scene)
        total = _times(total, _plus(_function("sin", argument, scene), ball, scene), scene)
        total = _plus(total, _exact(shift, scene), scene)
    return total


def _big(node: Big, scene: Scene) -> Ball:
    if node.op not in ("sum", "prod") or node.lower is None or node.upper is None:
        raise Unsupported(node.op)
    low, high = _exact_at(node.lower, scene), _exact_at(node.upper, scene)
    if low is None or high is None or low.denominator != 1 or high.denominator != 1:
        raise Unsupported("the bounds of a sum")
    if high - low >= scene.terms:
        raise Unsupported("a long sum")
    total = _exact(0 if node.op == "sum" else 1, scene)
    for index in range(int(low), int(high) + 1):
        values = {**scene.values, node.variable: Fraction(index)}
        at = scene._replace(values=values, terms=scene.terms // int(high - low + 1))
        term = evaluate(node.body, at)
        total = _plus(total, term, scene) if node.op == "sum" else _times(total, term, scene)
    return total


_RULES: dict[type, Callable[[Any, Scene], Ball]] = {
    Num: _num,
    Sym: _sym,
    Const: _const,
    Add: _add,
    Mul: _mul,
    Neg: _neg,
    Div: _div,
    Pow: _pow,
    Root: _root,
    Call: _call,
    Big: _big,
}

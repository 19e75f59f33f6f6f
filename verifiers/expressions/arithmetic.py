"""Exact rational arithmetic that checks sizes before it computes.

`LimitExceeded` means a number longer than any answer worth computing: 9^{9^9} costs a comparison, not a
gigabyte.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verifiers.expressions.nodes import Add, Call, Div, Mul, Neg, Node, Num, Pow, Root
from verifiers.policy import LimitExceeded

Rational = int | Fraction

MAX_BITS = 20_000  # 2006! has 19,050; a gcd of two such numbers takes about 1 ms
MAX_FACTORIAL = 2_100
MAX_PRIME = 2_000  # by which numbers are divided to find their factors
MAX_DECIMAL_BITS = 4_096  # of a number written in decimal


def bits(value: Rational) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def checked(value: Rational) -> Rational:
    if bits(value) > MAX_BITS:
        raise LimitExceeded("a number is too long")
    return value


def absolute(value: Rational) -> Rational:
    return -value if value < 0 else value


def power(base: Rational, exponent: int) -> Rational:
    """Raises ZeroDivisionError for a negative power of zero, LimitExceeded before a huge result."""
    if base in (0, 1, -1):
        return Fraction(base) ** exponent if exponent < 0 else base**exponent
    if (bits(base) - 1) * abs(exponent) > MAX_BITS:
        raise LimitExceeded("a power is too large")
    return checked(Fraction(base) ** exponent if exponent < 0 else base**exponent)


def root(value: Rational, degree: int) -> Rational | None:
    """The exact real root, None when it is irrational or not real."""
    if value < 0:
        positive = root(-value, degree) if degree % 2 else None
        return None if positive is None else -positive
    over, under = _integer_root(value.numerator, degree), _integer_root(value.denominator, degree)
    return None if over is None or under is None else Fraction(over, under)


def _integer_root(value: int, degree: int) -> int | None:
    if degree == 2:
        guess = math.isqrt(value)
        return guess if guess * guess == value else None
    if value < 2:
        return value
    if degree >= value.bit_length():
        return None
    guess = 1 << -(-value.bit_length() // degree)  # Newton's method from above
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess if guess**degree == value else None
        guess = better


def factorise(n: int) -> dict[int, int]:
    """Prime factors below 2,000; what remains is one factor, which may be composite or a perfect power."""
    factors: dict[int, int] = {}
    for prime in _primes():
        if prime * prime > n:
            break
        while n % prime == 0:
            n //= prime
            factors[prime] = factors.get(prime, 0) + 1
    if n > 1:
        base, exponent = _perfect_power(n) if n > MAX_PRIME**2 else (n, 1)
        factors[base] = exponent
    return factors


def _perfect_power(n: int) -> tuple[int, int]:
    for exponent in (2, 3):
        base = _integer_root(n, exponent)
        if base is not None:
            return base, exponent
    return n, 1


@lru_cache(1)
def _primes() -> list[int]:
    return [n for n in range(2, MAX_PRIME) if all(n % d for d in range(2, math.isqrt(n) + 1))]


def rational_text(value: Rational) -> str:
    """One text for each value; long numbers in hexadecimal, which takes linear time."""
    if bits(value) <= MAX_DECIMAL_BITS:
        return str(Fraction(value))
    return f"{value.numerator:x}/{value.denominator:x}"


def factorial(n: Rational) -> int | None:
    if n.denominator != 1 or n < 0:
        return None
    if n > MAX_FACTORIAL:
        raise LimitExceeded("a factorial is too large")
    return math.factorial(int(n))


def double_factorial(n: Rational) -> int | None:
    if n.denominator != 1 or n < 0:
        return None
    if n > MAX_FACTORIAL:
        raise LimitExceeded("a factorial is too large")
    return math.prod(range(int(n), 0, -2))


def binomial(n: Rational, k: Rational) -> int | None:
    if n.denominator != 1 or k.denominator != 1 or n < 0:
        return None
    n, k = int(n), int(k)
    if k < 0 or k > n:
        return 0
    if min(k, n - k) * n.bit_length() > MAX_BITS * 2:
        raise LimitExceeded("a binomial coefficient is too large")
    return int(checked(math.comb(n, k)))


def _modulo(a: Rational, m: Rational) -> Rational | None:
    return a % m if m else None


def _integers(function: Callable[..., int], *args: Rational) -> int | None:
    return function(*map(int, args)) if all(a.denominator == 1 for a in args) else None


FUNCTIONS: dict[tuple[str, int], Callable[..., Rational | None]] = {
    ("factorial", 1): factorial,
    ("doublefactorial", 1): double_factorial,
    ("binom", 2): binomial,
    ("abs", 1): absolute,
    ("sign", 1): lambda x: (x > 0) - (x < 0),
    ("floor", 1): math.floor,
    ("ceil", 1): math.ceil,
    ("mod", 2): _modulo,
    ("re", 1): lambda x: x,
    ("im", 1): lambda x: 0,
    ("conj", 1): lambda x: x,
    ("gcd", 2): lambda *args: _integers(math.gcd, *args),
    ("lcm", 2): lambda *args: _integers(math.lcm, *args),
    ("min", 2): min,
    ("max", 2): max,
}


def fold(node: Node) -> Rational | None:
    """The exact value when the tree is rational arithmetic on numbers, else None.

    Raises ZeroDivisionError for an undefined value and LimitExceeded for a huge one.
    """
    rule = _FOLD.get(type(node))
    return rule(node) if rule else None


def _fold_all(nodes: tuple[Node, ...]) -> list[Rational] | None:
    values: list[Rational] = []
    for node in nodes:
        value = fold(node)
        if value is None:
            return None
        values.append(value)
    return values


def _fold_add(node: Add) -> Rational | None:
    values = _fold_all(node.terms)
    if values is None:
        return None
    total: Rational = 0
    for value in values:
        total = checked(total + value)
    return total


def _fold_mul(node: Mul) -> Rational | None:
    values = _fold_all(node.factors)
    if values is None:
        return None
    product: Rational = 1
    for value in values:
        product = checked(product * value)
    return product


def _fold_neg(node: Neg) -> Rational | None:
    value = fold(node.arg)
    return None if value is None else -value


def _fold_div(node: Div) -> Rational | None:
    numerator = fold(node.numerator)
    if numerator is None:
        return None
    denominator = fold(node.denominator)
    return None if denominator is None else checked(Fraction(numerator) / denominator)


def _fold_pow(node: Pow) -> Rational | None:
    exponent = fold(node.exponent)
    if exponent is None:
        return None
    base = fold(node.base)
    if base is None:
        return None
    if exponent.denominator == 1:
        return power(base, int(exponent))
    if base < 0:
        return None  # a matter of convention, which `numeric` and `exact` know about
    exact = root(base, exponent.denominator) if exponent.denominator <= 64 else None
    return None if exact is None else power(exact, exponent.numerator)


def _fold_root(node: Root) -> Rational | None:
    degree = fold(node.degree)
    if degree is None or degree.denominator != 1 or not 0 < degree <= 64:
        return None
    radicand = fold(node.radicand)
    return None if radicand is None else root(radicand, int(degree))


def _fold_call(node: Call) -> Rational | None:
    function = FUNCTIONS.get((node.name, len(node.args)))
    if not function:
        return None
    values = _fold_all(node.args)
    return None if values is None else function(*values)


_FOLD: dict[type, Callable[[Any], Rational | None]] = {
    Num: lambda node: node.value,
    Add: _fold_add,
    Mul: _fold_mul,
    Neg: _fold_neg,
    Div: _fold_div,
    Pow: _fold_pow,
    Root: _fold_root,
    Call: _fold_call,
}

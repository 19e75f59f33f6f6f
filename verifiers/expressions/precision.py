"""Two kinds of arithmetic with one interface: Python floats, and `mpmath` at a given number of bits.

Both refuse with `Imprecise` what they cannot represent well: overflow and underflow of floats, the sine of a
number with no correct digit. Multiprecision has an unbounded exponent range, which is bounded here.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from typing import Any

from verifiers.expressions.arithmetic import Rational
from verifiers.policy import LimitExceeded


class Undefined(ArithmeticError):
    """The expression has no value here."""


class Imprecise(ArithmeticError):
    """The value is not known well enough at this precision."""


class Unsupported(Exception):
    """Not a scalar expression that can be evaluated."""


class Ambiguous(Unsupported):
    """The notation has two readings with different values."""


class Floats:
    """Double precision. Powers and functions of `math` are within a few units of the last place."""

    eps: Any = 2.0**-51
    pi: Any = math.pi
    e: Any = math.e
    i: Any = 1j

    @staticmethod
    def number(value: Rational) -> Any:
        try:
            result = value.numerator / value.denominator
        except OverflowError:
            raise Imprecise from None
        if result == 0 and value != 0:
            raise Imprecise
        return result

    @staticmethod
    def check(value: Any) -> Any:
        """Overflow and loss of precision near underflow."""
        size = abs(value)
        if size != 0 and not 1e-280 < size < 1e280:
            raise Imprecise
        return value

    @staticmethod
    def call(name: str, x: Any) -> Any:
        try:
            value = getattr(cmath if isinstance(x, complex) else math, name)(x)
        except (OverflowError, ValueError):
            raise Imprecise from None
        if value == 0 and name == "exp":
            raise Imprecise
        return Floats.check(value)

    @staticmethod
    def power(base: Any, exponent: Any) -> Any:
        try:
            value = base**exponent
        except (OverflowError, ZeroDivisionError):
            raise Imprecise from None
        if value == 0 and base != 0:
            raise Imprecise
        return Floats.check(value)


class Multiprecision:
    """`mpmath` at `bits` of precision."""

    def __init__(self, bits: int) -> None:
        from mpmath import MPContext  # type: ignore[import-untyped]

        self.context = MPContext()
        self.context.prec = bits + 10
        self.eps = self.context.mpf(2) ** -bits
        self.pi = +self.context.pi
        self.e = +self.context.e
        self.i = self.context.mpc(0, 1)
        self.bits = bits

    def number(self, value: Rational) -> Any:
        return self.context.mpf(value.numerator) / self.context.mpf(value.denominator)

    def check(self, value: Any) -> Any:
        if not self.context.isfinite(value):
            raise Imprecise
        if value != 0 and abs(self.context.mag(value)) > 1 << 40:
            raise LimitExceeded("a value is too large")
        return value

    def call(self, name: str, x: Any) -> Any:
        if x != 0 and self.context.mag(x) > 40:
            if name in ("exp", "cosh", "sinh"):
                raise LimitExceeded("an exponent is too large")
            if self.context.mag(x) > self.bits:
                raise Imprecise  # the argument of a periodic function has no correct digit
        try:
            return self.check(getattr(self.context, name)(x))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise Imprecise from None

    def power(self, base: Any, exponent: Any) -> Any:
        if base != 0 and abs(exponent) * (abs(self.context.mag(base)) + 1) > 1 << 40:
            raise LimitExceeded("a power is too large")
        return self.check(self.context.power(base, exponent))


def multiprecision(bits: int) -> Multiprecision:
    """At least `bits` of precision; few different contexts, since making one takes a millisecond."""
    return _multiprecision(-(-bits // 128) * 128)


@lru_cache(64)
def _multiprecision(bits: int) -> Multiprecision:
    return Multiprecision(bits)

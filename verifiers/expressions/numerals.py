"""Exact values of written numbers: decimals, scientific notation, repeating decimals, bases."""

from __future__ import annotations

import re
from fractions import Fraction

from verifiers.expressions import limits
from verifiers.expressions.lexer import Unreadable
from verifiers.expressions.nodes import Digits, Node, Num
from verifiers.policy import LimitExceeded

_REPEATING = re.compile(r"([0-9]*)\.([0-9]*)\\[a-z]+\s?\{?([0-9]+)")
# The digits of e, 2.7 1828 1828, show that a few digits seen twice are no period.
_PERIODIC = re.compile(r"([0-9]*)\.([0-9]*?)(?:([0-9])\3{2,}|([0-9]{2,5}?)\4{2,}|([0-9]{6,9}?)\5+)(?![0-9])")


def number(text: str) -> Num:
    """`42`, `.5`, `1.6e-19`: a decimal unless it is written as an integer.

    Raises:
        LimitExceeded: too many digits, or a power of ten too large to write out.
    """
    if len(text) > limits.MAX_DIGITS:
        raise LimitExceeded
    if text.isdigit():
        return Num(Fraction(int(text)))
    mantissa, _, exponent = text.lower().partition("e")
    integer, point, decimals = mantissa.partition(".")
    value = Fraction(int(integer + decimals), 10 ** len(decimals))
    if exponent:
        if len(exponent) > 9 or abs(int(exponent)) > limits.MAX_EXPONENT:
            raise LimitExceeded
        value *= Fraction(10) ** int(exponent)
    return Num(value, bool(point and decimals))


def repeating(text: str) -> Num:
    match = _REPEATING.match(text)
    if not match:
        raise Unreadable
    return _periodic(match[1], match[2], match[3])


def endless(text: str) -> Num:
    """`0.333...` where the period is certain; else it is no exact number."""
    match = _PERIODIC.match(text)
    if not match:
        raise Unreadable
    return _periodic(match[1], match[2], match[3] or match[4] or match[5])


def _periodic(integer: str, fixed: str, period: str) -> Num:
    shift, nines = 10 ** len(fixed), 10 ** len(period) - 1
    return Num(Fraction(int(integer + fixed or "0") * nines + int(period), shift * nines))


def numeral(text: str) -> Node:
    digits, _, base = text.partition("_")
    return Digits(digits, int(base))

"""Sums of products of atoms with rational coefficients, the polynomials of the normal form in `exact`.

A sum maps monomials to coefficients; a monomial is a set of (atom, exponent). Atoms are tuples whose first
item names the kind: ("symbol", name), ("prime", p), ("pi",), ("i",), ("turn",) for exp(i pi), ("exp", m),
("ln", ...), ("root", sum, degree), ("call", name, ...). Products reduce what has a relation: powers of primes
to exponents below one, i^2 to -1, exp(i pi q) at multiples of 15 degrees to radicals, a root to its degree.

Every product counts against an account of work, one for each thread, that the caller opens.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verifiers.expressions.arithmetic import Rational, checked, power, rational_text
from verifiers.expressions.decisions import account

Atom = tuple[Any, ...]
Monomial = frozenset[tuple[Atom, Rational]]
Sum = dict[Monomial, Rational]

MAX_TERMS = 600
MAX_EXPONENT = 64  # of a sum of several terms
MAX_NAME = 200  # characters of a part of a description
MEMO = 4_096
STEP = 15  # of the account of the pair, for one step of work

ONE: Monomial = frozenset()
UNIT: Sum = {ONE: 1}
IMAGINARY: Atom = ("i",)
TURN: Atom = ("turn",)  # exp(i pi)
POSITIVE = frozenset(("symbol", "prime", "pi", "exp"))


class Unresolved(Exception):
    """The normal form does not reach this expression."""


class OutOfWork(Unresolved):
    """It might with more effort than allowed."""


class Work(threading.local):
    """What is left for the expression at hand."""

    left = 0

    def spend(self, steps: int) -> None:
        account.spend(STEP * steps)
        self.left -= steps
        if self.left < 0:
            raise OutOfWork


work = Work()


def plus(p: Sum, q: Sum) -> Sum:
    result = dict(p)
    for monomial, coefficient in q.items():
        total = checked(result.get(monomial, 0) + coefficient)
        if total:
            result[monomial] = total
        else:
            del result[monomial]
    if len(result) > MAX_TERMS:
        raise Unresolved
    return result


def multiply(p: Sum, q: Sum) -> Sum:
    if p == UNIT:
        return q
    if q == UNIT:
        return p
    work.spend(len(p) * (len(q) + sum(map(len, q))) + len(q) * sum(map(len, p)))
    result: Sum = {}
    extra: Sum = {}
    for m, c in p.items():
        for n, d in q.items():
            coefficient, monomial, factors = _join(m, n)
            coefficient = checked(coefficient * c * d)
            if factors:
                extra = plus(extra, _expand({monomial: coefficient}, factors))
            else:
                result[monomial] = checked(result.get(monomial, 0) + coefficient)
    result = {m: c for m, c in result.items() if c}
    return plus(result, extra) if extra else result


def scale(p: Sum, factor: Rational) -> Sum:
    return {m: checked(c * factor) for m, c in p.items()} if factor else {}


def raise_to(p: Sum, exponent: int) -> Sum:
    if len(p) > 1 and exponent > MAX_EXPONENT:
        raise Unresolved
    result = UNIT
    while exponent:
        if exponent & 1:
            result = multiply(result, p)
        exponent >>= 1
        if exponent:
            p = multiply(p, p)
    return result


def _expand(p: Sum, factors: list[Sum]) -> Sum:
    for factor in factors:
        p = multiply(p, factor)
    return p


def _join(m: Monomial, n: Monomial) -> tuple[Rational, Monomial, list[Sum]]:
    """The product of two monomials: coefficient, monomial, and sums that reductions left as factors."""
    if not m:
        return 1, n, []
    if not n:
        return 1, m, []
    powers = dict(m)
    coefficient: Rational = 1
    factors: list[Sum] = []
    for atom, exponent in n:
        exponent = exponent + powers.pop(atom, 0)
        if atom[0] in REDUCTIONS:
            c, exponent, factor = REDUCTIONS[atom[0]](atom, exponent)
            coefficient = coefficient * c
            if factor is not None:
                factors.append(factor)
        if exponent:
            powers[atom] = exponent
    return coefficient, frozenset(powers.items()), factors


def unreduced(atom: Atom, exponent: Rational) -> tuple[Rational, Rational, Sum | None]:
    return 1, exponent, None


def _reduce_prime(atom: Atom, exponent: Rational) -> tuple[Rational, Rational, Sum | None]:
    whole = exponent.numerator // exponent.denominator
    return (power(atom[1], whole), exponent - whole, None) if whole else (1, exponent, None)


def _reduce_i(atom: Atom, exponent: Rational) -> tuple[Rational, Rational, Sum | None]:
    rest = exponent % 4
    return (-1 if rest >= 2 else 1), rest % 2, None


def _reduce_turn(atom: Atom, exponent: Rational) -> tuple[Rational, Rational, Sum | None]:
    """exp(i pi q): multiples of 15 degrees are sums of radicals."""
    rest = exponent % 2
    sign = -1 if rest >= 1 else 1
    rest %= 1
    if not rest or 12 % rest.denominator:
        return sign, rest, None
    twelfths = int(rest * 12)
    turned = multiply(raise_to(_SIXTH, twelfths), raise_to(_EIGHTH_BACK, twelfths))
    return sign, 0, turned


def _reduce_root(atom: Atom, exponent: Rational) -> tuple[Rational, Rational, Sum | None]:
    """("root", sum, degree) to its degree is the sum."""
    whole, rest = divmod(exponent, atom[2])
    return 1, rest, raise_to(dict(atom[1]), int(whole)) if whole else None


_HALF = Fraction(1, 2)
_SIXTH: Sum = {ONE: _HALF, frozenset(((IMAGINARY, 1), (("prime", 3), _HALF))): _HALF}  # exp(i pi / 3)
_EIGHTH_BACK: Sum = {  # exp(-i pi / 4)
    frozenset(((("prime", 2), _HALF),)): _HALF,
    frozenset(((IMAGINARY, 1), (("prime", 2), _HALF))): -_HALF,
}
REDUCTIONS: dict[str, Callable[[Atom, Rational], tuple[Rational, Rational, Sum | None]]] = {
    "prime": _reduce_prime,
    "i": _reduce_i,
    "turn": _reduce_turn,
    "root": _reduce_root,
}


# Names


def shared(part: frozenset[Any]) -> frozenset[Any]:
    """The one object for all equal parts. Else comparing nested functions doubles with each level.

    It is that for as long as anyone holds it: a bounded memo would forget parts that are still in use.
    """
    reference = _PARTS.get(part)
    known = reference() if reference else None
    if known is None:
        _PARTS[part] = weakref.ref(part)
        return part
    return known


_PARTS: weakref.WeakKeyDictionary[frozenset[Any], weakref.ref[frozenset[Any]]] = weakref.WeakKeyDictionary()


def order_key(monomial: Monomial) -> tuple[str, ...]:
    return tuple(sorted(map(_describe, monomial)))


def describe_sum(p: Sum) -> str:
    return " + ".join(sorted(f"{rational_text(c)}*{_describe(m)}" for m, c in p.items()))


def _describe(value: Any) -> str:
    if isinstance(value, frozenset):
        return _describe_set(value)
    if isinstance(value, tuple):
        return "(" + ",".join(map(_describe, value)) + ")"
    return str(value)


@lru_cache(MEMO)
def _describe_set(value: frozenset[Any]) -> str:
    """A long one by its digest: nested functions share parts, and written out they double each time."""
    text = "{" + ",".join(sorted(map(_describe, value))) + "}"
    return text if len(text) <= MAX_NAME else hashlib.sha256(text.encode()).hexdigest()

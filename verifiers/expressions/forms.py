"""Quotients of two sums, their powers, roots, exponentials and logarithms.

Denominators of one term disappear into negative exponents, and square roots of rationals and i are cleared
from the others. A root of a sum that cannot be taken is an atom of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from verifiers.expressions.arithmetic import Rational, absolute, factorise, power, root
from verifiers.expressions.sums import (
    IMAGINARY,
    ONE,
    POSITIVE,
    REDUCTIONS,
    TURN,
    UNIT,
    Atom,
    Monomial,
    Sum,
    Unresolved,
    describe_sum,
    multiply,
    order_key,
    plus,
    raise_to,
    scale,
    shared,
    unreduced,
)


class Form(NamedTuple):
    numerator: Sum
    denominator: Sum


def constant(value: Rational) -> Form:
    return Form({ONE: value} if value else {}, UNIT)


def of_atom(atom: Atom, exponent: Rational = 1) -> Form:
    return Form({frozenset(((atom, exponent),)): 1}, UNIT)


def add(a: Form, b: Form) -> Form:
    if a.denominator == b.denominator:
        return Form(plus(a.numerator, b.numerator), a.denominator)
    over = plus(multiply(a.numerator, b.denominator), multiply(b.numerator, a.denominator))
    return Form(over, multiply(a.denominator, b.denominator))


def times(a: Form, b: Form) -> Form:
    return Form(multiply(a.numerator, b.numerator), multiply(a.denominator, b.denominator))


def inverse(a: Form) -> Form:
    """Raises ZeroDivisionError for zero. Monomials, square roots of rationals and i leave the denominator."""
    if not a.numerator:
        raise ZeroDivisionError
    return _rationalised(Form(a.denominator, a.numerator))


def _rationalised(a: Form) -> Form:
    numerator, denominator = a
    for _ in range(8):
        if len(denominator) == 1:
            return _over_monomial(numerator, denominator)
        conjugate = _conjugate(denominator)
        if conjugate is None:
            break
        numerator, denominator = multiply(numerator, conjugate), multiply(denominator, conjugate)
        if not denominator:
            raise Unresolved
    return Form(numerator, denominator)


def _over_monomial(numerator: Sum, denominator: Sum) -> Form:
    ((monomial, coefficient),) = denominator.items()
    inverted: dict[Atom, Rational] = {}
    below = UNIT
    for atom, exponent in monomial:
        if atom[0] == "root":
            numerator = multiply(numerator, {frozenset(((atom, atom[2] - exponent),)): 1})
            below = multiply(below, dict(atom[1]))
        else:
            inverted[atom] = -exponent
    numerator = scale(multiply(numerator, single(inverted)), Fraction(1) / coefficient)
    return Form(numerator, UNIT) if below == UNIT else _rationalised(Form(numerator, below))


def single(powers: dict[Atom, Rational]) -> Sum:
    """A monomial with its exponents reduced."""
    result = UNIT
    for atom, exponent in powers.items():
        coefficient, rest, factor = REDUCTIONS.get(atom[0], unreduced)(atom, exponent)
        piece: Sum = {frozenset(((atom, rest),)) if rest else ONE: coefficient}
        result = multiply(result, piece if factor is None else multiply(piece, factor))
    return result


def _conjugate(p: Sum) -> Sum | None:
    """`p` with the sign of one square root or of i changed, None when it has none."""
    for monomial in p:
        for atom, exponent in monomial:
            if atom == IMAGINARY or (atom[0] == "prime" and exponent == Fraction(1, 2)):
                if all(e == exponent for m in p for a, e in m if a == atom):
                    return {m: -c if (atom, exponent) in m else c for m, c in p.items()}
    return None


def key(a: Form) -> Atom:
    """A hashable name of the form, as an argument of an opaque function."""
    if len(a.denominator) > 1:
        leading = a.denominator[min(a.denominator, key=order_key)]
        a = Form(scale(a.numerator, Fraction(1) / leading), scale(a.denominator, Fraction(1) / leading))
    return shared(frozenset(a.numerator.items())), shared(frozenset(a.denominator.items()))


def describe(a: Form) -> str:
    """A text that is the same for equal forms, in any process."""
    return " / ".join(describe_sum(part) for part in (a.numerator, a.denominator))


# Powers


def raised(a: Form, exponent: Rational) -> Form:
    if exponent.denominator == 1:
        return integer_power(a, int(exponent))
    if not a.numerator:
        if exponent < 0:
            raise ZeroDivisionError
        return a
    if a.denominator != UNIT:
        over, under = Form(a.numerator, UNIT), Form(a.denominator, UNIT)
        if not _is_constant(a):
            pass  # a quotient of positive quantities: both signs are tested by the caller
        return times(raised(over, exponent), inverse(raised(under, exponent)))
    if len(a.numerator) == 1:
        return _monomial_power(a.numerator, exponent)
    content, rest = _split_content(a.numerator)
    outside = _monomial_power(content, exponent)
    return times(outside, _sum_power(rest, exponent))


def integer_power(a: Form, exponent: int) -> Form:
    if exponent < 0:
        return integer_power(inverse(a), -exponent)
    if len(a.numerator) == 1:
        ((monomial, coefficient),) = a.numerator.items()
        raised = single({atom: e * exponent for atom, e in monomial})
        numerator = scale(raised, power(coefficient, exponent))
    else:
        numerator = raise_to(a.numerator, exponent)
    return Form(numerator, raise_to(a.denominator, exponent))


def _is_constant(a: Form) -> bool:
    return all(atom[0] in ("prime", "i", "pi", "turn") for m in a.numerator for atom, _ in m)


def _split_content(p: Sum) -> tuple[Sum, Sum]:
    """`p` as (positive rational times a monomial of positive atoms) times a sum of coprime terms."""
    over = under = 0
    for c in p.values():
        over, under = gcd(over, c.numerator), _lcm(under, c.denominator)
    content = Fraction(over, under or 1)
    common = _common_powers(p)
    divided = multiply(scale(p, 1 / content), single({a: -e for a, e in common.items()}))
    return scale(single(common), content), divided


def _lcm(a: int, b: int) -> int:
    return a * b // gcd(a, b) if a and b else a or b


def _common_powers(p: Sum) -> dict[Atom, Rational]:
    common: dict[Atom, Rational] | None = None
    for monomial in p:
        powers = {atom: e for atom, e in monomial if atom[0] in POSITIVE and atom[0] != "prime"}
        if common is None:
            common = powers
        else:
            shared = common.keys() | powers.keys()
            common = {a: min(common.get(a, 0), powers.get(a, 0)) for a in shared}
    return {a: e for a, e in (common or {}).items() if e}


def _monomial_power(p: Sum, exponent: Rational) -> Form:
    """(c * product of atoms) ** q; the atoms that are not known positive stay under the root together."""
    ((monomial, coefficient),) = p.items()
    outside: dict[Atom, Rational] = {}
    inside: dict[Atom, Rational] = {}
    for atom, e in monomial:
        if atom[0] in POSITIVE and not is_phase(atom):
            outside[atom] = e * exponent
        else:
            inside[atom] = e
    if not inside and coefficient < 0:
        return times(_minus_one_power(exponent), _monomial_power({monomial: -coefficient}, exponent))
    if set(inside) == {IMAGINARY}:
        half = Fraction(exponent) / (2 if coefficient > 0 else -2)
        positive = _monomial_power({frozenset(monomial - {(IMAGINARY, 1)}): absolute(coefficient)}, exponent)
        return times(positive, Form(single({TURN: half}), UNIT))
    sign = -1 if coefficient < 0 else 1
    result = times(_rational_power(absolute(coefficient), exponent), Form(single(outside), UNIT))
    if not inside:
        return result
    return times(result, _sum_power({frozenset(inside.items()): sign}, exponent))


def is_phase(atom: Atom) -> bool:
    return atom[0] == "exp" and any(a in (IMAGINARY, TURN) for a, _ in atom[1])


def _minus_one_power(exponent: Rational) -> Form:
    """(-1)^(p/q): real for odd q, principal for even q."""
    if exponent.denominator % 2:
        return constant(-1 if exponent.numerator % 2 else 1)
    return Form(single({TURN: exponent}), UNIT)


def _rational_power(value: Rational, exponent: Rational) -> Form:
    powers: dict[Atom, Rational] = {}
    for sign, part in ((1, value.numerator), (-1, value.denominator)):
        for prime, count in factorise(part).items():
            powers[("prime", prime)] = powers.get(("prime", prime), 0) + sign * count * exponent
    return Form(single(powers), UNIT)


def _sum_power(p: Sum, exponent: Rational) -> Form:
    """A root of a sum: a square root of a + b sqrt(c) is unnested where it can be, others are atoms."""
    degree = exponent.denominator
    unnested = _square_root(p) if degree == 2 else None
    if unnested is not None:
        return integer_power(unnested, exponent.numerator)
    whole, rest = divmod(exponent.numerator, degree)
    opaque: Atom = ("root", shared(frozenset(p.items())), degree)
    result = Form({frozenset(((opaque, rest),)): 1}, UNIT)
    return times(result, integer_power(Form(p, UNIT), whole)) if whole else result


def _square_root(p: Sum) -> Form | None:
    """sqrt(a + b s) with s a square root of a rational or of a negative one (Euclid's denesting).

    sqrt(a + t) = sqrt((a + d) / 2) + sign(t) sqrt((a - d) / 2) where d^2 = a^2 - t^2 is rational.
    """
    if len(p) != 2 or ONE not in p or p[ONE] == 0:
        return None
    a = p[ONE]
    ((t_monomial, b),) = ((m, c) for m, c in p.items() if m)
    if any(atom[0] not in ("prime", "i") for atom, _ in t_monomial):
        return None
    square = multiply({t_monomial: b}, {t_monomial: b})
    if set(square) != {ONE}:
        return None
    d = root(a * a - square[ONE], 2) if a * a > square[ONE] else None
    if d is None:
        return None
    first, second = (Fraction(a) + d) / 2, (Fraction(a) - d) / 2
    if first < 0:
        return None  # the root of a negative real number
    sign = 1 if b > 0 else -1
    over = _monomial_power({ONE: absolute(second)}, Fraction(1, 2)) if second else constant(0)
    if second < 0:
        over = times(over, of_atom(IMAGINARY))
    low = Form(scale(over.numerator, sign), over.denominator)
    return add(_monomial_power({ONE: first}, Fraction(1, 2)) if first else constant(0), low)


# Exponentials and logarithms


def exponential(a: Form) -> Form:
    """exp of a sum is a product: exp(c m) is the atom exp(m) to the power c."""
    if a.denominator != UNIT:
        raise Unresolved
    result = UNIT
    for monomial, coefficient in a.numerator.items():
        result = multiply(result, _exp_term(monomial, coefficient))
    return Form(result, UNIT)


def _exp_term(monomial: Monomial, coefficient: Rational) -> Sum:
    powers = dict(monomial)
    if powers == {IMAGINARY: 1, ("pi",): 1}:
        return single({TURN: coefficient})
    logarithms = [atom for atom, e in monomial if atom[0] == "ln" and e == 1]
    if len(logarithms) == 1 and len(powers) == 1:
        argument = logarithms[0][1]
        if isinstance(argument, tuple):
            return single({argument: coefficient})
        if coefficient.denominator == 1 and coefficient > 0:
            return raise_to(dict(argument), int(coefficient))
    return single({("exp", shared(monomial)): coefficient})


def logarithm(a: Form) -> Form:
    """ln of a product is a sum; of a sum it is an atom."""
    if not a.numerator:
        raise ZeroDivisionError
    if a.denominator != UNIT:
        under = logarithm(Form(a.denominator, UNIT))
        return add(logarithm(Form(a.numerator, UNIT)), Form(scale(under.numerator, -1), under.denominator))
    content, rest = _split_content(a.numerator)
    if len(rest) == 1 and ONE in rest and rest[ONE] != 1:
        raise Unresolved  # of a negative number
    result = _ln_monomial(content)
    if rest == UNIT:
        return result
    if len(rest) == 1 and not any(atom[0] == "root" for m in rest for atom, _ in m):
        raise Unresolved  # of a product with unknown sign
    if len(rest) == 1 and next(iter(rest.values())) == 1:
        return add(result, _ln_roots(next(iter(rest))))
    return add(result, of_atom(("ln", shared(frozenset(rest.items())))))


def _ln_roots(monomial: Monomial) -> Form:
    total = constant(0)
    for atom, e in monomial:
        if atom[0] == "root":
            inside = logarithm(Form(dict(atom[1]), UNIT))
            total = add(total, times(inside, constant(Fraction(e) / atom[2])))
        elif atom[0] == "prime":
            total = add(total, times(of_atom(("ln", atom)), constant(e)))
        else:
            raise Unresolved
    return total


def _ln_monomial(p: Sum) -> Form:
    ((monomial, coefficient),) = p.items()
    result: Sum = {}
    powers: dict[Atom, Rational] = {}
    for sign, part in ((1, coefficient.numerator), (-1, coefficient.denominator)):
        for prime, count in factorise(part).items():
            powers["prime", prime] = powers.get(("prime", prime), 0) + sign * count
    for atom, e in monomial:
        powers[atom] = powers.get(atom, 0) + e
    for atom, e in powers.items():
        if atom[0] == "exp":
            if is_phase(atom):
                raise Unresolved
            result = plus(result, {atom[1]: e})
        elif e:
            result = plus(result, {frozenset(((("ln", atom), 1),)): e})
    return Form(result, UNIT)


def _sine(a: Form) -> Form:
    """(exp(i a) - exp(-i a)) / 2i"""
    turned = times(a, of_atom(IMAGINARY))
    difference = add(exponential(turned), times(constant(-1), exponential(times(turned, constant(-1)))))
    return times(difference, Form({frozenset(((IMAGINARY, 1),)): Fraction(-1, 2)}, UNIT))


def _cosine(a: Form) -> Form:
    turned = times(a, of_atom(IMAGINARY))
    return times(add(exponential(turned), exponential(times(turned, constant(-1)))), constant(Fraction(1, 2)))


def _sinh(a: Form) -> Form:
    opposite = times(constant(-1), exponential(times(a, constant(-1))))
    return times(add(exponential(a), opposite), constant(Fraction(1, 2)))


def _cosh(a: Form) -> Form:
    return times(add(exponential(a), exponential(times(a, constant(-1)))), constant(Fraction(1, 2)))


FUNCTIONS: dict[str, Callable[[Form], Form]] = {
    "sin": _sine,
    "cos": _cosine,
    "tan": lambda a: times(_sine(a), inverse(_cosine(a))),
    "cot": lambda a: times(_cosine(a), inverse(_sine(a))),
    "sec": lambda a: inverse(_cosine(a)),
    "csc": lambda a: inverse(_sine(a)),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": lambda a: times(_sinh(a), inverse(_cosh(a))),
    "coth": lambda a: times(_cosh(a), inverse(_sinh(a))),
    "sech": lambda a: inverse(_cosh(a)),
    "csch": lambda a: inverse(_sinh(a)),
    "exp": exponential,
    "ln": logarithm,
}

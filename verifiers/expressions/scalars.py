"""Decide whether two scalar expressions are equal.

In order: exact rational values; a numeric proof that they differ; the normal form of `exact`, which proves
equality; agreement to the precision that `separation` demands, a proof for algebraic numbers, and for others
method "numeric". Variables are real: an identity must hold at sample points of all sign patterns at which
both sides are defined, so sqrt(x^2) is not x. What needs a computer algebra system (limits, integrals, sums
with symbolic bounds) raises `NeedsAlgebra` unless `algebra` allows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Literal

from verifiers.expressions import exact, numeric
from verifiers.expressions.arithmetic import Rational, absolute, fold
from verifiers.expressions.decisions import Decision, Method, NeedsAlgebra, account
from verifiers.expressions.kinks import has_steps, is_located, kinks, period, points_between
from verifiers.expressions.measures import desugar, is_unit
from verifiers.expressions.nodes import Add, Big, Call, Const, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.numeric import Ball, Scene
from verifiers.expressions.precision import (
    Ambiguous,
    Floats,
    Imprecise,
    Undefined,
    Unsupported,
    multiprecision,
)
from verifiers.expressions.separation import Measure
from verifiers.expressions.sums import OutOfWork, Unresolved
from verifiers.expressions.tree import children, substitute, symbols, walk
from verifiers.policy import LimitExceeded

Outcome = Literal[
    "different", "close", "partial", "undefined", "unsupported", "ambiguous", "costly", "unknown"
]

PRECISIONS = (120, 500, 2_000)  # bits tried when floats are too coarse
VANISHING = 1e-15  # both values are this small in more than 100 bits: they may both be zero
MIN_BITS = 240  # 72 digits, for what has no separation bound
MAX_BITS = 6_000  # a square root of this length takes 20 us, an exponential 1 ms
QUICK_BITS = 120_000  # precision times nodes of one evaluation outside a killable process, about 20 ms
FLOAT_BITS = 8  # floats cost as much as multiprecision with so many bits
DECIMAL_DIGITS = 6  # a rounded value with fewer says too little
MAX_PLACES = 400
FULL_DIGITS = 10  # from here on the last digit may be cut instead of rounded
FLOAT_DIGITS = 15  # from here on it is a float, with the errors of one


def same_scalar(a: Node, b: Node, *, algebra: bool = False) -> Decision:
    """Raises NeedsAlgebra and LimitExceeded."""
    a, b = _with_complex_variables(desugar(a), desugar(b))
    if a == b:
        return True, "algebraic"
    limit: LimitExceeded | None = None
    try:
        values = fold(a), fold(b)
        if values[0] is not None and values[1] is not None:
            return values[0] == values[1], "rational"
    except ZeroDivisionError:
        return _same_undefined(a, b)
    except LimitExceeded as error:
        values, limit = (None, None), error
    infinities = infinity(a), infinity(b)
    if any(infinities):
        return infinities[0] == infinities[1], "algebraic"
    rounded = _rounded(a, b, values) if limit is None else None
    if rounded is not None:
        return rounded, "numeric"
    return _by_log_base(a, b, algebra, limit)


def _with_complex_variables(a: Node, b: Node) -> tuple[Node, Node]:
    """The z of conj(z) is a complex number, its real part z and its imaginary part another variable."""
    names = _complex_names(a) | _complex_names(b)
    if not names:
        return a, b
    parts: dict[str, Node] = {n: Add((Sym(n), Mul((Const("i"), Sym(f"imaginary {n}"))))) for n in names}
    return substitute(a, parts), substitute(b, parts)


@lru_cache(4_096)
def _complex_names(node: Node) -> frozenset[str]:
    """The variables of x + iy are real, unless they are called z or w."""
    names = frozenset[str]()
    for n in walk(node):
        if isinstance(n, Call) and n.name in _OF_COMPLEX:
            inside = symbols(n)
            names |= {name for name in inside if name[0] in "zw"} if _has_i(n) else inside
    return names


def _same_undefined(a: Node, b: Node) -> Decision:
    """Division by zero on one side only is not the other side."""
    return (False if {_is_defined(a), _is_defined(b)} == {True, False} else None), "rational"


def _is_defined(node: Node) -> bool | None:
    """At a sample point, None when that is not known."""
    values: dict[str, Rational] = {name: numeric.sample(name, 0) for name in symbols(node)}
    try:
        numeric.evaluate(node, Scene(Floats, values, True))
    except (ZeroDivisionError, Undefined):
        return False
    except (Imprecise, Unsupported, LimitExceeded):
        return None
    return True


def infinity(node: Node) -> int:
    """1 or -1 for the infinities, 0 for all else."""
    sign = 1
    while isinstance(node, Neg):
        node, sign = node.arg, -sign
    return sign if node == Const("oo") else 0


def _by_log_base(a: Node, b: Node, algebra: bool, limit: LimitExceeded | None) -> Decision:
    """A `log` without a base may be natural or decimal, but is the same one on both sides."""
    bases = (0, 10) if _has_plain_log(a) or _has_plain_log(b) else (0,)
    decisions = [_decide(a, b, base, algebra, limit) for base in bases]
    for decision in decisions:
        if decision[0]:
            return decision
    return next((d for d in decisions if d[0] is None), decisions[0])


def _has_plain_log(node: Node) -> bool:
    return any(isinstance(n, Call) and n.name == "log" and len(n.args) == 1 for n in walk(node))


# Decimals


def _rounded(a: Node, b: Node, values: tuple[Rational | None, Rational | None]) -> bool | None:
    """A written decimal against an irrational number: its rounding with enough digits. None: not the case."""
    for number, other, value in ((a, b, values[0]), (b, a, values[1])):
        if value is not None and _is_decimal(number) and not symbols(other):
            return _is_rounding(value, other)
    return None


def _is_decimal(node: Node) -> bool:
    while isinstance(node, Neg):
        node = node.arg
    return isinstance(node, Num) and node.decimal


def _is_rounding(value: Rational, other: Node) -> bool | None:
    bases = (0, 10) if _has_plain_log(other) else (0,)
    outcomes = [_rounds_to(value, other, base) for base in bases]
    return True if True in outcomes else None if None in outcomes else False


def _rounds_to(value: Rational, other: Node, base: int) -> bool | None:
    places = _decimal_places(value)
    if places > MAX_PLACES:
        raise LimitExceeded("a decimal is too long")
    digits = len(str(absolute(value.numerator * 10**places // value.denominator)))
    try:
        if not _is_near(value, other, base):
            return False
        if digits < DECIMAL_DIGITS:
            return None  # cos 60 degrees may well be 0.5: exactly or not at all
        arithmetic = multiprecision(int(digits * 3.4) + 120)
        x, error = numeric.evaluate(other, Scene(arithmetic, {}, True, log_base=base))
    except (Imprecise, Unsupported):
        return None
    except Undefined:
        return False
    if numeric.is_complex(x):
        return False
    unit = arithmetic.number(1) / 10**places
    slack = unit if digits >= FULL_DIGITS else unit / 2
    if digits >= FLOAT_DIGITS:
        slack = max(slack, abs(x) / 10**14)
    return bool(abs(x - arithmetic.number(value)) <= slack + error)


def _is_near(value: Rational, other: Node, base: int) -> bool:
    """Within what six digits could round to, judged with floats."""
    try:
        x, error = numeric.evaluate(other, Scene(Floats, {}, True, log_base=base))
    except Imprecise:
        return True
    return bool(abs(x - Floats.number(value)) <= 1e-5 * abs(x) + 2 * error)


def _decimal_places(value: Rational) -> int:
    places, denominator = 0, value.denominator
    while denominator > 1:
        denominator = denominator // 10 if denominator % 10 == 0 else -(-denominator // 10)
        places += 1
    return places


# Expressions


def _decide(a: Node, b: Node, base: int, algebra: bool, limit: LimitExceeded | None) -> Decision:
    if _has_big(a, "int", "lim", "diff") or _has_big(b, "int", "lim", "diff"):
        return _by_algebra(a, b, algebra)
    affordable = MAX_BITS if algebra else QUICK_BITS // (_size(a) + _size(b))
    points = _points(a, b, base)
    tried = [next(points)]
    outcomes: list[Outcome] = [_relation(a, b, tried[0], affordable)]
    if outcomes[0] == "different":
        return False, "numeric"
    if limit is not None:
        raise limit
    proven = _equal_forms(a, b, base, algebra)
    if proven and outcomes[0] == "close" and not (sign_sensitive(a) or sign_sensitive(b)):
        return True, "algebraic"
    turns = kinks(a) | kinks(b)
    for point in chain(_until(points, outcomes), _more_points(a, b, turns, tried[0])):
        tried.append(point)
        outcomes.append(_relation(a, b, point, affordable))
        if outcomes[-1] == "different":
            return False, "numeric"
    close = [point for point, outcome in zip(tried, outcomes, strict=True) if outcome == "close"]
    if proven and set(outcomes) == {"undefined"}:  # real nowhere that was tried: then the principal values
        outcomes.append(_relation(a, b, tried[0]._replace(complex_values=True), affordable))
        close = tried[:1] if outcomes[-1] == "close" else []
    if not proven and not _is_covered(a, b, turns, close, tried[0]):
        return None, "numeric"
    return _conclude(a, b, proven, set(outcomes), close, algebra)


def _until(points: Iterator[Scene], outcomes: list[Outcome]) -> Iterator[Scene]:
    """No more points once enough signs were tried and some point was in both domains."""
    for point in points:
        if "close" in outcomes and len(outcomes) >= numeric.SIGN_POINTS:
            return
        yield point


def _more_points(a: Node, b: Node, turns: frozenset[Node], first: Scene) -> Iterator[Scene]:
    """On all sides of kinks, and a whole period of remainders."""
    whole = _integer_names(a) | _integer_names(b)
    for values in points_between(turns, first.values):
        rounded = {n: Fraction(round(v)) if n in whole else v for n, v in values.items()}
        yield first._replace(values=rounded)
    periods = period(a), period(b)
    if whole and len(symbols(a) | symbols(b)) == 1 and None not in periods and periods != (1, 1):
        (name,) = whole
        for value in range(math.lcm(*(p or 1 for p in periods)) + 1):
            yield first._replace(values={name: Fraction(value)})


def _is_covered(a: Node, b: Node, turns: frozenset[Node], close: list[Scene], first: Scene) -> bool:
    """Whether agreement at the points says something about all others."""
    periods = period(a), period(b)
    one_variable = len(symbols(a) | symbols(b)) == 1
    if has_steps(a) or has_steps(b) or None in periods or (periods != (1, 1) and not one_variable):
        return False
    return all(_is_turned(turn, close, first) for turn in turns)


def _is_turned(turn: Node, close: list[Scene], first: Scene) -> bool:
    if any(name.startswith("imaginary ") for name in symbols(turn)):
        return True  # the size of a complex number has no kink
    if is_located(turn, first.values):
        return True
    return {1, -1} <= {_sign_at(turn, point) for point in close}


def _sign_at(node: Node, point: Scene) -> int:
    """0 when it is zero or not known."""
    try:
        value, error = numeric.evaluate(node, point)
    except (ArithmeticError, Unsupported):
        return 0
    if numeric.is_complex(value) or abs(value) <= 2 * error:
        return 0
    return 1 if value.real > 0 else -1


def _conclude(
    a: Node, b: Node, proven: bool | None, outcomes: set[Outcome], close: list[Scene], algebra: bool
) -> Decision:
    """When no point tells the two apart. `proven` is None when the normal form took too much effort."""
    if "partial" in outcomes and (not close or _has_call(a, "abs") or _has_call(b, "abs")):
        return (None if close else False), "numeric"
    if proven and (close or not (_has_root(a) or _has_root(b))):
        return True, "algebraic"
    if proven is None and not algebra:
        raise NeedsAlgebra
    if close:
        return _agree_everywhere(a, b, close, algebra)
    if "costly" in outcomes and not algebra:
        raise NeedsAlgebra
    if "unsupported" in outcomes and (_has_big(a) or _has_big(b)):
        return _by_algebra(a, b, algebra)
    return None, "numeric"


def _by_algebra(a: Node, b: Node, algebra: bool) -> Decision:
    if not algebra:
        raise NeedsAlgebra
    from verifiers.expressions.symbolic import same_by_algebra

    return same_by_algebra(a, b)


def _equal_forms(a: Node, b: Node, base: int, algebra: bool) -> bool | None:
    effort = exact.FULL_WORK if algebra else exact.QUICK_WORK
    try:
        forms = [exact.normal_form(node, base, effort=effort) for node in (a, b)]
        return exact.equal(forms[0], forms[1], effort=effort)
    except OutOfWork:
        return None
    except (Unresolved, ZeroDivisionError, LimitExceeded):
        return False


def _size(node: Node) -> int:
    """Nodes to evaluate; the terms of a finite sum count each."""
    size = 1 + sum(map(_size, children(node)))
    if isinstance(node, Big) and isinstance(node.lower, Num) and isinstance(node.upper, Num):
        size *= max(1, int(node.upper.value - node.lower.value))
    return size


def _points(a: Node, b: Node, base: int) -> Iterator[Scene]:
    names = sorted(symbols(a) | symbols(b))
    has_i = _has_i(a) or _has_i(b)
    whole = _integer_names(a) | _integer_names(b)
    steps = any(_has_call(side, name) for side in (a, b) for name in ("floor", "ceil"))
    for index in range(numeric.POINTS if names else 1):
        values: dict[str, Rational] = {
            name: numeric.integer_sample(name, index)
            if name in whole or (steps and index == 1)
            else numeric.sample(name, index)
            for name in names
        }
        values |= {name: absolute(values[name]) for name in names if is_unit(name)}
        yield Scene(Floats, values, not names or has_i, has_i, base)


def _has_i(node: Node) -> bool:
    return any(n == Const("i") for n in walk(node))


_OF_COMPLEX = ("conj", "re", "im", "arg")
_OF_INTEGERS = ("factorial", "doublefactorial", "binom", "gcd", "lcm", "mod")


@lru_cache(4_096)
def _integer_names(node: Node) -> frozenset[str]:
    """Variables that must be integers: in factorials, bounds of sums, exponents of negative numbers."""
    names = frozenset[str]().union(*map(_integer_names, children(node)))
    if isinstance(node, Big) and node.lower is not None and node.upper is not None:
        return names | symbols(node.lower) | symbols(node.upper)
    if isinstance(node, Call) and node.name in _OF_INTEGERS:
        return names | symbols(node)
    if isinstance(node, Pow) and isinstance(node.exponent, Sym | Add | Mul) and not symbols(node.base):
        base = fold(node.base)
        return names | symbols(node.exponent) if base is not None and base < 0 else names
    return names


def _has_root(node: Node) -> bool:
    """Roots have branches, of which the normal form may take another one."""
    for n in walk(node):
        exponent = fold(n.exponent) if isinstance(n, Pow) else None
        if isinstance(n, Root) or (exponent is not None and exponent.denominator != 1):
            return True
    return False


def _has_big(node: Node, *ops: str) -> bool:
    return any(isinstance(n, Big) and (not ops or n.op in ops) for n in walk(node))


def _has_call(node: Node, name: str) -> bool:
    return any(isinstance(n, Call) and n.name == name for n in walk(node))


@lru_cache(4_096)
def sign_sensitive(node: Node) -> bool:
    """Whether the normal form, which takes variables as positive, could miss a sign."""
    for n in walk(node):
        if isinstance(n, Root) and symbols(n.radicand):
            return True
        if isinstance(n, Call) and n.name in ("abs", "ln", "log") and symbols(n):
            return True
        if isinstance(n, Pow) and symbols(n):
            exponent = fold(n.exponent)
            if exponent is None or exponent.denominator != 1:
                return True
    return False


def _relation(a: Node, b: Node, point: Scene, affordable: int) -> Outcome:
    """How the two compare at one point; `partial`: only one of them is defined there."""
    for bits in (0, *PRECISIONS):
        if bits > affordable:
            return "costly"
        scene = point._replace(arithmetic=multiprecision(bits)) if bits else point
        account.spend((_size(a) + _size(b)) * max(bits, FLOAT_BITS))
        try:
            x, y = _value(a, scene), _value(b, scene)
        except Imprecise:
            continue
        except Ambiguous:
            return "ambiguous"
        except Unsupported:
            return "unsupported"
        if x is None or y is None:
            return "undefined" if x is y else "partial"
        if numeric.differ(x, y):
            return "different"
        if x[1] + y[1] <= 1e-6 * (abs(x[0]) + abs(y[0])) or (bits and x[1] + y[1] < VANISHING):
            return "close"
    return "unknown"


def _value(node: Node, scene: Scene) -> Ball | None:
    try:
        return numeric.evaluate(node, scene)
    except Undefined:
        return None


def _agree_everywhere(a: Node, b: Node, points: list[Scene], algebra: bool) -> Decision:
    """Agreement to the precision that would show any difference of expressions of this size."""
    method: Method = "algebraic"
    for point in points:
        measure = Measure(point.values)
        sizes = measure.size(a), measure.size(b)
        demanded = measure.bits(*sizes)
        if not measure.algebraic or demanded > MAX_BITS:
            method = "numeric"
            demanded = MIN_BITS + 1.5 * sum(map(sum, sizes))
        if demanded > MAX_BITS:
            return None, "numeric"
        if demanded * (_size(a) + _size(b)) > QUICK_BITS and not algebra:
            raise NeedsAlgebra
        agreed = _agree(a, b, point, int(demanded) + 16)
        if not agreed:
            return agreed, "numeric"
    return True, method


def _agree(a: Node, b: Node, point: Scene, bits: int) -> bool | None:
    """True when |a - b| is certainly below 2^-bits."""
    for extra in (64, 512, 2 * bits + 64):
        account.spend((_size(a) + _size(b)) * (bits + extra))
        arithmetic = multiprecision(bits + extra)
        try:
            x = numeric.evaluate(a, point._replace(arithmetic=arithmetic))
            y = numeric.evaluate(b, point._replace(arithmetic=arithmetic))
        except Imprecise:
            continue
        except (Undefined, Unsupported):
            return None
        if numeric.differ(x, y):
            return False
        if abs(x[0] - y[0]) + x[1] + y[1] < arithmetic.context.mpf(2) ** -bits:
            return True
    return None

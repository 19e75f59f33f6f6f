"""Subsets of the real line: intervals, points and what is made of them.

All end points of both sets are put in order; between and at them the line falls into cells, a set becomes the
cells it covers, and unions, intersections, differences and equality are those of finite sets. End points are
compared exactly for equality and numerically for order; variables in them take several sample values.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cmp_to_key
from typing import NamedTuple

from verifiers.expressions import numeric
from verifiers.expressions.arithmetic import Rational, fold
from verifiers.expressions.decisions import Decision
from verifiers.expressions.measures import desugar
from verifiers.expressions.nodes import Add, Group, Neg, Node, Num, SetOp, Sym
from verifiers.expressions.numeric import Scene
from verifiers.expressions.precision import Floats, Imprecise, Undefined, Unsupported, multiprecision
from verifiers.expressions.scalars import infinity, same_scalar
from verifiers.expressions.tree import symbols

MAX_POINTS = 100
_SAMPLES = 3


class Unordered(Exception):
    """The end points cannot be put in order."""


class Interval(NamedTuple):
    """None is the infinite end."""

    low: Node | None
    low_open: bool
    high: Node | None
    high_open: bool


class Points(NamedTuple):
    """A finite set."""

    points: tuple[Node, ...]


class Combined(NamedTuple):
    op: str  # union, intersection, difference
    parts: tuple[Region, ...]


Region = Interval | Points | Combined

EVERYTHING = Interval(None, True, None, True)
NOTHING = Points(())
_ZERO = Num(Fraction(0))
NAMED: dict[str, Region] = {
    "Reals": EVERYTHING,
    "PositiveReals": Interval(_ZERO, True, None, True),
    "NegativeReals": Interval(None, True, _ZERO, True),
    "NonnegativeReals": Interval(_ZERO, False, None, True),
    "NonpositiveReals": Interval(None, True, _ZERO, False),
    "NonzeroReals": Combined("difference", (EVERYTHING, Points((_ZERO,)))),
}


def complement(region: Region) -> Region:
    return Combined("difference", (EVERYTHING, region))


def read_region(node: Node) -> Region | None:
    """Intervals, finite sets, unions ... as written; a pair in parentheses is an open interval here."""
    if isinstance(node, Sym):
        return NAMED.get(node.name)
    if isinstance(node, SetOp):
        parts = tuple(read_region(part) for part in node.parts)
        if None in parts:
            return None
        return Combined(node.op, tuple(part for part in parts if part is not None))
    if not isinstance(node, Group):
        return None
    if node.opening == "{" and node.closing == "}":
        return Points(node.items)
    if node.opening in ("(", "[") and node.closing in (")", "]") and len(node.items) == 2:
        return _interval(node)
    return None


def _interval(node: Group) -> Interval | None:
    low, high = node.items
    ends = infinity(low), infinity(high)
    if ends[0] > 0 or ends[1] < 0:
        return None
    if (ends[0] and node.opening == "[") or (ends[1] and node.closing == "]"):
        return None
    return Interval(
        None if ends[0] else low, node.opening == "(", None if ends[1] else high, node.closing == ")"
    )


def is_interval(node: Node) -> bool:
    """Written so that it cannot be a point or a list: mixed brackets or an infinite end."""
    if not isinstance(node, Group) or len(node.items) != 2 or node.opening not in ("(", "["):
        return False
    if (node.opening, node.closing) in (("(", "]"), ("[", ")")):
        return True
    return any(infinity(item) for item in node.items)


def same_region(a: Region, b: Region, *, algebra: bool) -> Decision:
    """Raises NeedsAlgebra when two end points cannot be told apart otherwise."""
    points = [*_end_points(a), *_end_points(b)]
    if len(points) > MAX_POINTS:
        return None, "algebraic"
    names = sorted(frozenset[str]().union(*map(symbols, points)))
    verdict: bool | None = True
    for index in range(_SAMPLES if names else 1):
        scene = Scene(Floats, {name: numeric.sample(name, index) for name in names})
        try:
            ranks = _ranks(points, scene, algebra)
        except Unordered:
            return None, "algebraic"
        last = max(ranks.values(), default=-1)
        if any(_is_backward(interval, ranks) for interval in (*_intervals(a), *_intervals(b))):
            if not names:
                return False, "algebraic"  # (7, 2) is a point
            verdict = None
            continue
        if _cells(a, ranks, last) != _cells(b, ranks, last):
            return False, "algebraic"
    return verdict, "algebraic"


def _end_points(region: Region) -> list[Node]:
    if isinstance(region, Interval):
        return [end for end in (region.low, region.high) if end is not None]
    if isinstance(region, Points):
        return list(region.points)
    return [end for part in region.parts for end in _end_points(part)]


def _intervals(region: Region) -> list[Interval]:
    if isinstance(region, Combined):
        return [interval for part in region.parts for interval in _intervals(part)]
    return [region] if isinstance(region, Interval) else []


def _is_backward(interval: Interval, ranks: dict[Node, int]) -> bool:
    if interval.low is None or interval.high is None:
        return False
    return ranks[interval.low] > ranks[interval.high]


def _ranks(points: list[Node], scene: Scene, algebra: bool) -> dict[Node, int]:
    """The place of every end point in increasing order; equal ones share a place."""
    distinct: list[Node] = []
    alias: dict[Node, Node] = {}
    for point in points:
        if point in alias:
            continue
        twin = next((other for other in distinct if _equal(point, other, algebra)), None)
        alias[point] = point if twin is None else twin
        if twin is None:
            distinct.append(point)
    distinct.sort(key=cmp_to_key(lambda a, b: _order(a, b, scene)))
    places = {point: place for place, point in enumerate(distinct)}
    return {point: places[twin] for point, twin in alias.items()}


def _equal(a: Node, b: Node, algebra: bool) -> bool:
    same, _ = same_scalar(a, b, algebra=algebra)
    if same is None:
        raise Unordered
    return same


def _order(a: Node, b: Node, scene: Scene) -> int:
    """-1 or 1 for two numbers that are known to differ."""
    exact = _exact_order(a, b)
    if exact is not None:
        return exact
    difference = Add((desugar(a), Neg(desugar(b))))
    for arithmetic in (Floats, multiprecision(200), multiprecision(1_000)):
        try:
            value, error = numeric.evaluate(difference, scene._replace(arithmetic=arithmetic))
        except Imprecise:
            continue
        except (Undefined, Unsupported):
            break
        if abs(value) > 2 * error:
            return 1 if value.real > 0 else -1
    raise Unordered


def _exact_order(a: Node, b: Node) -> int | None:
    values: list[Rational] = []
    for node in (a, b):
        try:
            value = fold(node)
        except ZeroDivisionError:
            raise Unordered from None
        if value is None:
            return None
        values.append(value)
    return -1 if values[0] < values[1] else 1


def _cells(region: Region, ranks: dict[Node, int], last: int) -> frozenset[int]:
    """Cell 2k + 1 is the k-th end point, cell 2k the gap before it."""
    if isinstance(region, Points):
        return frozenset(2 * ranks[point] + 1 for point in region.points)
    if isinstance(region, Interval):
        low = 0 if region.low is None else 2 * ranks[region.low] + (2 if region.low_open else 1)
        high = (
            2 * last + 2 if region.high is None else 2 * ranks[region.high] + (0 if region.high_open else 1)
        )
        return frozenset(range(low, high + 1))
    parts = [_cells(part, ranks, last) for part in region.parts]
    result = parts[0]
    for part in parts[1:]:
        if region.op == "union":
            result |= part
        else:
            result = result & part if region.op == "intersection" else result - part
    return result

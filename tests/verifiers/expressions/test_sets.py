"""Sets of reals against membership at sample points."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.expressions.nodes import (
    Add,
    Const,
    Group,
    Mul,
    Neg,
    Node,
    Num,
    Pow,
    Relation,
    Root,
    SetOp,
    Sym,
)
from verifiers.expressions.relations import condition_of
from verifiers.expressions.sets import (
    EVERYTHING,
    NOTHING,
    Combined,
    Interval,
    Points,
    Region,
    complement,
    same_region,
)

ENDS = [Fraction(n, 2) for n in range(-6, 7)]
PROBES = [Fraction(n, 4) for n in range(-30, 31)]  # the end points and a point between any two of them

ends = st.sampled_from(ENDS)
intervals = st.builds(
    lambda low, low_open, length, high_open: Interval(Num(low), low_open, Num(low + length), high_open),
    ends,
    st.booleans(),
    st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(3)]),
    st.booleans(),
)
rays = st.builds(lambda end, is_open: Interval(None, True, Num(end), is_open), ends, st.booleans())
points = st.lists(ends.map(Num), max_size=3).map(lambda found: Points(tuple(found)))
regions = st.recursive(
    intervals | rays | points,
    lambda inner: st.builds(
        lambda op, parts: Combined(op, tuple(parts)),
        st.sampled_from(["union", "intersection", "difference"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=6,
)


def contains(region: Region, x: Fraction) -> bool:
    if isinstance(region, Points):
        return any(isinstance(point, Num) and point.value == x for point in region.points)
    if isinstance(region, Interval):
        above = region.low is None or end(region.low) < x or (end(region.low) == x and not region.low_open)
        below = (
            region.high is None or x < end(region.high) or (end(region.high) == x and not region.high_open)
        )
        return above and below
    members = [contains(part, x) for part in region.parts]
    if region.op == "union":
        return any(members)
    return all(members) if region.op == "intersection" else members[0] and not any(members[1:])


def end(node: Node) -> Fraction:
    assert isinstance(node, Num)
    return node.value


def equal(a: Region, b: Region) -> bool | None:
    return same_region(a, b, algebra=False)[0]


@settings(max_examples=300, deadline=None)
@given(regions, regions)
def test_sets_are_equal_exactly_when_they_have_the_same_members(a: Region, b: Region) -> None:
    same_members = all(contains(a, x) == contains(b, x) for x in PROBES)
    assert equal(a, b) is same_members


@settings(max_examples=100, deadline=None)
@given(regions)
def test_a_set_and_its_complement_fill_the_line(a: Region) -> None:
    assert equal(Combined("union", (a, complement(a))), EVERYTHING) is True
    assert equal(Combined("intersection", (a, complement(a))), NOTHING) is True


def number(value: int) -> Node:
    return Num(Fraction(value))


def test_irrational_end_points_are_equal_when_their_values_are() -> None:
    root_eight = Root(number(8), number(2))
    double_root = Add((Root(number(2), number(2)), Root(number(2), number(2))))
    assert equal(Interval(None, True, root_eight, True), Interval(None, True, double_root, True)) is True
    assert equal(Interval(None, True, root_eight, True), Interval(None, True, number(3), True)) is False


def test_parameters_keep_intervals_apart() -> None:
    a, b = Sym("a"), Sym("b")
    assert equal(Interval(a, True, b, True), Interval(a, True, b, False)) is not True
    assert equal(Interval(a, True, b, True), Interval(b, True, a, True)) is not True


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.sampled_from(["<", "<=", ">", ">=", "!=", "="]),
)
def test_a_quadratic_inequality_holds_exactly_on_the_set_read_from_it(
    a: int, b: int, c: int, op: str
) -> None:
    x = Sym("x")
    left = Add((Mul((number(a), Pow(x, number(2)))), Mul((number(b), x)), number(c)))
    read = condition_of(Relation((left, number(0)), (op,)))  # type: ignore[arg-type]
    if read is None:
        assert a == b == 0
        return
    holds = {
        "<": int.__lt__,
        "<=": int.__le__,
        ">": int.__gt__,
        ">=": int.__ge__,
        "!=": int.__ne__,
        "=": int.__eq__,
    }
    for n in range(-8, 9):
        inside = equal(Combined("intersection", (read.region, Points((number(n),)))), Points((number(n),)))
        assert inside is holds[op](a * n * n + b * n + c, 0)


def test_a_pair_that_starts_at_infinity_is_no_closed_interval() -> None:
    infinity = Const("oo")
    assert condition_of(Group((Neg(infinity), number(1)), "[", "]")) is None
    assert condition_of(Group((infinity, number(1)), "(", ")")) is None


def test_set_operations_of_conditions_are_read() -> None:
    x = Sym("x")
    both = SetOp("union", (Group((number(0), number(1)), "[", "]"), Group((number(1), number(2)), "[", "]")))
    read, chain = condition_of(both), condition_of(Relation((number(0), x, number(2)), ("<=", "<=")))
    assert read is not None and chain is not None
    assert equal(read.region, chain.region) is True

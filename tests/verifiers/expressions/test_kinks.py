"""Functions that change their formula somewhere: agreement elsewhere must not count."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.expressions.compare import same
from verifiers.expressions.kinks import kinks, period, points_between
from verifiers.expressions.nodes import Add, Call, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.policy import DEFAULT

X = Sym("x")
TWO = Num(Fraction(2))

places = st.fractions(-(10**6), 10**6, max_denominator=50)
slopes = st.fractions(-50, 50, max_denominator=9).filter(bool)


def linear(slope: Fraction, place: Fraction) -> Node:
    """Zero at `place`."""
    return Mul((Num(slope), Add((X, Num(-place)))))


SIZES: list[Callable[[Node], Node]] = [
    lambda u: Call("abs", (u,)),
    lambda u: Root(Pow(u, TWO), TWO),
    lambda u: Pow(Mul((u, u)), Div(Num(Fraction(1)), TWO)),
    lambda u: Call("max", (u, Neg(u))),
    lambda u: Neg(Call("min", (u, Neg(u)))),
    lambda u: Mul((u, Call("sign", (u,)))),
]


@settings(max_examples=150, deadline=None)
@given(slopes, places, st.sampled_from(SIZES))
def test_a_size_is_neither_its_argument_nor_the_opposite(
    slope: Fraction, place: Fraction, size: Callable[[Node], Node]
) -> None:
    u = linear(slope, place)
    assert same(size(u), u, DEFAULT, algebra=False)[0] is False
    assert same(Neg(u), size(u), DEFAULT, algebra=False)[0] is False


@settings(max_examples=150, deadline=None)
@given(slopes, places, st.sampled_from(SIZES), st.sampled_from(SIZES))
def test_a_size_is_the_same_however_it_is_written(
    slope: Fraction, place: Fraction, one: Callable[[Node], Node], other: Callable[[Node], Node]
) -> None:
    u = linear(slope, place)
    assert same(one(u), other(Neg(u)), DEFAULT, algebra=False)[0] is not False


@settings(max_examples=100, deadline=None)
@given(places, places, st.sampled_from(SIZES))
def test_a_product_of_two_factors_has_a_kink_at_each(
    a: Fraction, b: Fraction, size: Callable[[Node], Node]
) -> None:
    u = Mul((linear(Fraction(1), a), linear(Fraction(1), b)))
    if a != b:
        assert same(size(u), u, DEFAULT, algebra=False)[0] is False


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.sampled_from(["mod", "gcd", "lcm"]))
def test_remainders_and_divisors_are_not_what_they_are_for_small_numbers(m: int, name: str) -> None:
    n, modulus = Sym("n"), Num(Fraction(m))
    for other in (n, Num(Fraction(1)), Mul((n, modulus))):
        assert same(Call(name, (n, modulus)), other, DEFAULT, algebra=False)[0] is not True


def test_every_gap_between_the_zeros_gets_a_point() -> None:
    turns = kinks(Call("abs", (Mul((linear(Fraction(1), Fraction(3)), linear(Fraction(1), Fraction(900)))),)))
    points = [values["x"] for values in points_between(turns, {"x": Fraction(1)})]
    assert any(x < 3 for x in points)
    assert any(3 < x < 900 for x in points)
    assert any(x > 900 for x in points)


def test_an_unknown_modulus_has_no_period() -> None:
    assert period(Call("mod", (Sym("n"), Num(Fraction(12))))) == 12
    assert period(Call("mod", (Sym("n"), Sym("m")))) is None
    assert period(X) == 1

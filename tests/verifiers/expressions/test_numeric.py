"""The error bounds contain the truth, at any precision and on any expression."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.expressions import numeric
from verifiers.expressions.nodes import Add, Call, Const, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.numeric import Scene
from verifiers.expressions.precision import Floats, Imprecise, Multiprecision, Undefined
from verifiers.policy import LimitExceeded

TRUTH = Multiprecision(600)


def number(value: float | str) -> Node:
    return Num(Fraction(value))


def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    pair = st.tuples(inner, inner)
    one = "sin cos tan exp ln sinh cosh tanh arctan arcsin arccos abs sec arcsinh".split()
    return st.one_of(
        pair.map(Add),
        pair.map(Mul),
        pair.map(lambda p: Add((p[0], Neg(p[1])))),
        pair.map(lambda p: Div(*p)),
        st.builds(Pow, inner, st.sampled_from(["-2", "3", "1/2", "2/3", "-7/5", "40"]).map(number)),
        st.builds(Root, inner, st.sampled_from(["2", "3", "5"]).map(number)),
        st.builds(lambda f, x: Call(f, (x,)), st.sampled_from(one), inner),
        st.builds(Pow, inner, inner),
    )


leaves = st.fractions(-20, 20, max_denominator=50).map(Num) | st.sampled_from(
    [Const("pi"), Const("e"), Const("i")]
)
expressions = st.recursive(leaves, grow, max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(expressions, st.sampled_from([0, 110, 300]))
def test_the_value_with_600_bits_lies_within_the_error_bounds(node: Node, bits: int) -> None:
    arithmetic = Multiprecision(bits) if bits else Floats
    try:
        x, error = numeric.evaluate(node, Scene(arithmetic, {}, True))
        truth, _ = numeric.evaluate(node, Scene(TRUTH, {}, True))
    except (Imprecise, Undefined, LimitExceeded):
        return
    with mpmath.workprec(700):
        assert abs(mpmath.mpmathify(x) - mpmath.mpmathify(truth)) <= mpmath.mpf(error)


def test_cancellation_widens_the_error_instead_of_lying() -> None:
    almost_zero = Add((Root(number(10**30 + 1), number(2)), number(-(10**15))))
    x, error = numeric.evaluate(almost_zero, Scene(Floats, {}))
    assert abs(x - 5e-16) <= error


def test_overflow_is_imprecise_in_floats_and_a_number_beyond_them() -> None:
    huge = Pow(number(9), Pow(number(9), number(9)))
    with pytest.raises(Imprecise):
        numeric.evaluate(huge, Scene(Floats, {}))
    x, error = numeric.evaluate(huge, Scene(Multiprecision(100), {}))
    assert x > 0 and error < x


def test_a_tower_of_powers_is_refused() -> None:
    tower = number(9)
    for _ in range(3):
        tower = Pow(number(9), tower)
    with pytest.raises(LimitExceeded):
        numeric.evaluate(tower, Scene(Multiprecision(100), {}))


def test_even_roots_of_negative_numbers_are_undefined_among_the_reals() -> None:
    with pytest.raises(Undefined):
        numeric.evaluate(Root(number(-4), number(2)), Scene(Floats, {}))
    assert numeric.evaluate(Root(number(-4), number(2)), Scene(Floats, {}, True))[0] == pytest.approx(2j)


def test_sample_points_show_every_pattern_of_two_signs() -> None:
    for names in ("xy", "ab", "mn", "pq"):
        signs = {tuple(numeric.sample(name, i) > 0 for name in names) for i in range(numeric.SIGN_POINTS)}
        assert {(True, True), (False, False)} <= signs


def test_unknown_functions_depend_on_name_and_arguments() -> None:
    at = Scene(Floats, {"x": Fraction(3, 2), "y": Fraction(5, 2)})
    calls = [("f", "x"), ("g", "x"), ("f", "y")]
    values = [numeric.evaluate(Call(f, (Sym(x),)), at)[0] for f, x in calls]
    assert len(set(values)) == 3

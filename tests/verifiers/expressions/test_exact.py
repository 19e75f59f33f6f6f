"""The normal form: what it makes equal, and what it must keep apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.expressions import exact
from verifiers.expressions.arithmetic import factorise
from verifiers.expressions.forms import describe
from verifiers.expressions.nodes import Node
from verifiers.expressions.parser import parse
from verifiers.expressions.sums import Unresolved
from verifiers.policy import LimitExceeded


def read(text: str) -> Node:
    node = parse(text)
    assert node is not None, text
    return node


def equal(a: str, b: str) -> bool:
    return exact.equal(exact.normal_form(read(a)), exact.normal_form(read(b)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\sqrt{117}", r"3\sqrt{13}"),
        (r"\sqrt[3]{54}", r"3\sqrt[3]{2}"),
        (r"\sqrt{2}\sqrt[3]{2}", r"\sqrt[6]{32}"),
        (r"\frac{1}{\sqrt2+\sqrt3}", r"\sqrt3-\sqrt2"),
        (r"\frac{1}{1+i}", r"\frac{1-i}{2}"),
        (r"\sqrt{7+4\sqrt3}", r"2+\sqrt3"),
        (r"\sqrt{3-2\sqrt2}", r"\sqrt2-1"),
        (r"\sqrt{2i}", "1+i"),
        (r"\cos\frac{\pi}{12}", r"\frac{\sqrt6+\sqrt2}{4}"),
        (r"e^{i\pi}+1", "0"),
        (r"\sin^2 x+\cos^2 x", "1"),
        (r"\sin 3x", r"3\sin x-4\sin^3 x"),
        (r"\cosh^2 x-\sinh^2 x", "1"),
        (r"\ln 12", r"2\ln 2+\ln 3"),
        (r"e^{x\ln 2}", "2^x"),
        (r"\frac{x^3-1}{x-1}", "x^2+x+1"),
        (r"\frac{(n+2)!}{n!}", "(n+2)(n+1)"),
    ],
)
def test_equal_expressions_have_one_normal_form(a: str, b: str) -> None:
    assert equal(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\sqrt2+\sqrt3", r"\sqrt5"),
        (r"\sqrt2", r"\sqrt[3]{2}"),
        ("e^x", "x^e"),
        (r"\sin x", r"\cos x"),
        (r"\sqrt{x+y}", r"\sqrt{x}+\sqrt{y}"),
        (r"\ln(x+y)", r"\ln x+\ln y"),
        ("f(x)", "g(x)"),
        ("f(x)", "f(y)"),
        ("x", "X"),
    ],
)
def test_different_expressions_keep_different_forms(a: str, b: str) -> None:
    assert not equal(a, b)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**14))
def test_factors_multiply_to_the_number(n: int) -> None:
    assert math.prod(p**e for p, e in factorise(n).items()) == n


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_sums_of_two_square_roots_are_equal_exactly_when_they_are_the_same_up_to_square_factors(
    a: int, b: int, c: int, d: int
) -> None:
    # Square roots of different square-free numbers are linearly independent, so each root counts on its own.
    def parts(*numbers: int) -> dict[int, int]:
        total: dict[int, int] = {}
        for n in numbers:
            square = max(k for k in range(1, 8) if n % (k * k) == 0)
            total[n // square**2] = total.get(n // square**2, 0) + square
        return total

    left, right = rf"\sqrt{{{a}}}+\sqrt{{{b}}}", rf"\sqrt{{{c}}}+\sqrt{{{d}}}"
    assert equal(left, right) is (parts(a, b) == parts(c, d))


def test_large_powers_of_sums_are_left_unresolved_quickly() -> None:
    with pytest.raises((Unresolved, LimitExceeded)):
        exact.normal_form(read("(a+b+c+d+e+f+g+h)^{60}"))


def test_the_description_does_not_depend_on_the_order_of_terms() -> None:
    first, second = (describe(exact.normal_form(read(t))) for t in ("x+2y+\\sqrt3", "\\sqrt3+y+x+y"))
    assert first == second

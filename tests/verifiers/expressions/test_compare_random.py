"""Random expressions, judged against an independent evaluation with 80 digits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.expressions.compare import NeedsAlgebra, same
from verifiers.expressions.nodes import (
    Add,
    Call,
    Const,
    Div,
    Group,
    Mul,
    Neg,
    Node,
    Num,
    Pow,
    Root,
    Sym,
)
from verifiers.expressions.tree import children, rebuild
from verifiers.policy import DEFAULT, LimitExceeded

X = Sym("x")


class Undefined(Exception):
    pass


def number(value: int | Fraction) -> Node:
    return Num(Fraction(value))


def judge(a: Node, b: Node) -> bool | None:
    try:
        return same(a, b, DEFAULT, algebra=False)[0]
    except (NeedsAlgebra, LimitExceeded):
        return None


def trees(leaves: st.SearchStrategy[Node], functions: tuple[str, ...] = ()) -> st.SearchStrategy[Node]:
    def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        pairs = st.tuples(inner, inner)
        exponents = st.sampled_from([-2, -1, 2, 3]).map(number)
        shapes = [
            pairs.map(Add),
            pairs.map(Mul),
            pairs.map(lambda p: Add((p[0], Neg(p[1])))),
            pairs.map(lambda p: Div(*p)),
            st.builds(Pow, inner, exponents),
            st.builds(Root, inner, st.sampled_from([2, 3]).map(number)),
        ]
        if functions:
            shapes.append(st.builds(lambda f, x: Call(f, (x,)), st.sampled_from(functions), inner))
        return st.one_of(shapes)

    return st.recursive(leaves, grow, max_leaves=7)


integers = st.integers(-9, 12).map(number)
radicals = trees(integers)
constants = trees(integers | st.sampled_from([Const("pi"), Const("e")]), ("sin", "cos", "ln", "exp", "abs"))
functions = trees(integers | st.just(X), ("sin", "cos", "ln", "abs"))


def value(node: Node, x: Any = None) -> Any:
    """An independent evaluation over the reals; a real root of a negative number where there is one."""
    with mpmath.workdps(80):
        return _value(node, x)


def _value(node: Node, x: Any) -> Any:
    match node:
        case Num(number):
            return mpmath.mpf(number.numerator) / number.denominator
        case Sym():
            return x
        case Const(name):
            return +getattr(mpmath, name)
        case Add(terms):
            return mpmath.fsum(_value(term, x) for term in terms)
        case Mul(factors):
            return mpmath.fprod(_value(factor, x) for factor in factors)
        case Neg(arg):
            return -_value(arg, x)
        case Div(a, b):
            return _value(a, x) * _inverse(_value(b, x))
        case Pow(base, Num(exponent)):
            raised = _value(base, x) ** abs(int(exponent))
            return raised if exponent > 0 else _inverse(raised)
        case Root(arg, Num(degree)):
            return _root(_value(arg, x), int(degree))
        case Call(name, (arg,)):
            return _call(name, _value(arg, x))
    raise AssertionError(node)


def _inverse(x: Any) -> Any:
    if abs(x) < mpmath.mpf(10) ** -40 or abs(x) > mpmath.mpf(10) ** 60:
        raise Undefined
    return 1 / x


def _root(x: Any, degree: int) -> Any:
    if abs(x) < mpmath.mpf(10) ** -40:
        return mpmath.mpf(0)
    if x < 0 and degree == 2:
        raise Undefined
    return mpmath.sign(x) * mpmath.root(abs(x), degree)


def _call(name: str, x: Any) -> Any:
    if (name == "ln" and x < mpmath.mpf(10) ** -40) or abs(x) > 1_000:
        raise Undefined
    return abs(x) if name == "abs" else getattr(mpmath, name)(x)


def near(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= mpmath.mpf(10) ** -30 * max(1, abs(a), abs(b)))


def rewritten(node: Node) -> Node:
    """The same value written another way: terms turned round, products spread out, powers multiplied out."""
    match node:
        case Add(terms):
            return Add(tuple(map(rewritten, reversed(terms))))
        case Mul((Add(terms), factor)):
            return Add(tuple(Mul((rewritten(factor), rewritten(term))) for term in terms))
        case Mul(factors):
            return Mul(tuple(map(rewritten, reversed(factors))))
        case Neg(arg):
            return Mul((number(-1), rewritten(arg)))
        case Div(a, b):
            return Mul((Pow(rewritten(b), number(-1)), rewritten(a)))
        case Pow(base, Num(exponent)) if exponent > 0:
            return Mul(tuple(rewritten(base) for _ in range(int(exponent))))
        case Num(value) if value.denominator == 1:
            return Add((number(value - 1), number(1)))
    return rebuild(node, rewritten)


def leaf_count(node: Node) -> int:
    below = children(node)[:1] if isinstance(node, Pow | Root) else children(node)
    return sum(map(leaf_count, below)) or 1


def perturbed(node: Node, position: int, change: Fraction) -> Node:
    """One leaf, counted from the left, moved by `change`; exponents and degrees are not leaves."""
    below = children(node)[:1] if isinstance(node, Pow | Root) else children(node)
    if not below:
        return Add((node, Num(change)))
    replaced = []
    for child in below:
        count = leaf_count(child)
        replaced.append(perturbed(child, position, change) if 0 <= position < count else child)
        position -= count
    parts = iter([*replaced, *children(node)[len(below) :]])
    return rebuild(node, lambda _: next(parts))


def real_value(node: Node) -> Any:
    try:
        return value(node)
    except Undefined:
        assume(False)


@settings(max_examples=250, deadline=None)
@given(radicals, radicals)
def test_two_numbers_made_of_radicals_are_equal_exactly_when_their_values_are(a: Node, b: Node) -> None:
    x, y = real_value(a), real_value(b)
    assert judge(a, b) is near(x, y)


@settings(max_examples=250, deadline=None)
@given(radicals)
def test_a_number_made_of_radicals_equals_its_rewriting(a: Node) -> None:
    real_value(a)
    assert judge(a, rewritten(a)) is True
    assert judge(rewritten(a), a) is True


@settings(max_examples=300, deadline=None)
@given(
    constants,
    st.integers(0, 6),
    st.sampled_from([Fraction(1), Fraction(-1, 7), Fraction(1, 10**9), Fraction(1, 10**25)]),
)
def test_a_changed_leaf_is_never_accepted_when_the_value_changes(
    a: Node, where: int, change: Fraction
) -> None:
    b = perturbed(a, where % leaf_count(a), change)
    x, y = real_value(a), real_value(b)
    if near(x, y):
        return
    assert judge(a, b) is not True
    assert judge(b, a) is not True


@settings(max_examples=200, deadline=None)
@given(functions)
def test_a_function_of_x_equals_its_rewriting(a: Node) -> None:
    assert judge(a, rewritten(a)) is not False


@settings(max_examples=200, deadline=None)
@given(functions, functions)
def test_functions_that_differ_somewhere_are_never_equal(a: Node, b: Node) -> None:
    if judge(a, b) is not True:
        return
    for point in (-7, -1.5, -0.25, 0.125, 0.6, 1.75, 3.5, 40):
        try:
            assert near(value(a, mpmath.mpf(point)), value(b, mpmath.mpf(point)))
        except Undefined:
            continue


@settings(max_examples=200, deadline=None)
@given(functions, functions)
def test_the_decision_does_not_depend_on_the_order(a: Node, b: Node) -> None:
    assert judge(a, b) == judge(b, a)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=5), st.lists(st.integers(-5, 5), min_size=1, max_size=5)
)
def test_polynomials_are_equal_exactly_when_their_coefficients_are(p: list[int], q: list[int]) -> None:
    def written(roots: list[int]) -> Node:
        return Mul(tuple(Add((X, Neg(number(root)))) for root in roots))

    def expanded(roots: list[int]) -> Node:
        coefficients = [1]
        for root in roots:
            shifted = [0, *coefficients]
            coefficients = [a - root * b for a, b in zip(shifted, [*coefficients, 0], strict=True)]
        terms = [Mul((number(c), Pow(X, number(k)))) for k, c in enumerate(coefficients)]
        return Add(tuple(terms))

    assert judge(written(p), expanded(q)) is (sorted(p) == sorted(q))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=5), st.randoms())
def test_a_list_equals_its_permutations_and_nothing_shorter(items: list[int], random: Any) -> None:
    shuffled = random.sample(items, len(items))
    a = Group(tuple(map(number, items)), "", "")
    b = Group(tuple(Add((number(i - 1), number(1))) for i in shuffled), "", "")
    assert judge(a, b) is True
    if len(items) > 2:
        assert judge(a, Group(b.items[1:], "", "")) is False

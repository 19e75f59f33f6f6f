"""The parser against another project's printer: sympy writes LaTeX and plain text; the value must survive.

Sympy prints as people do (products without signs, powers of functions, few brackets), so precedence and
implicit multiplication are put to the test. Both sides are evaluated at a generic point by independent code.
"""

from fractions import Fraction
from functools import reduce

import mpmath
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy.core.evalf import PrecisionExhausted

from verifiers.expressions.nodes import Add, Call, Const, Div, Mul, Neg, Node, Num, Pow, Root, Sym
from verifiers.expressions.parser import parse

DIGITS = 60  # nested exponentials lose many
mp = mpmath.MPContext()
mp.dps = DIGITS
POINT = {
    "x": Fraction(7310585, 10**7),
    "y": Fraction(13132617, 10**7),
    "n": Fraction(21269280, 10**7),
    "alpha": Fraction(4519861, 10**7),
}
SYMBOLS = {name: sympy.Symbol(name, positive=True) for name in POINT}
CONSTANTS = {"pi": mp.pi(), "e": mp.e(), "i": mp.mpc(0, 1)}
FUNCTIONS = {name: getattr(mp, name) for name in "sin cos tan cot sinh cosh tanh coth log exp sqrt".split()}
FUNCTIONS |= {"abs": abs}


def value(node: Node) -> mpmath.mpc:
    match node:
        case Num(value=number):
            return mp.mpf(number.numerator) / number.denominator
        case Sym(name=name):
            return mp.mpf(POINT[name].numerator) / POINT[name].denominator
        case Const(name=name):
            return CONSTANTS[name]
        case Neg(arg=arg):
            return -value(arg)
        case Add(terms=terms):
            return sum(map(value, terms))
        case Mul(factors=factors):
            return reduce(lambda a, b: a * b, map(value, factors))
        case Div(numerator=above, denominator=below):
            return value(above) / value(below)
        case Pow(base=base, exponent=exponent):
            return value(base) ** value(exponent)
        case Root(radicand=radicand, degree=degree):
            return value(radicand) ** (1 / value(degree))
        case Call(name=name, args=(arg,)):
            return FUNCTIONS[name](value(arg))
    raise AssertionError(node)


def _combined(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    return st.one_of(
        st.builds(lambda a, b: a + b, parts, parts),
        st.builds(lambda a, b: a - b, parts, parts),
        st.builds(lambda a, b: a * b, parts, parts),
        st.builds(lambda a, b: a / b if b != 0 else a, parts, parts),
        st.builds(
            lambda a, k: a**k if a != 0 else a, parts, st.sampled_from([2, 3, -1, sympy.Rational(1, 2)])
        ),
        st.builds(lambda f, a: f(a), st.sampled_from([sympy.sin, sympy.cos, sympy.exp, sympy.tan]), parts),
    )


LEAVES = st.one_of(
    st.sampled_from(list(SYMBOLS.values())),
    st.integers(-12, 12).map(sympy.Integer),
    st.sampled_from([sympy.pi, sympy.E, sympy.I, sympy.Rational(2, 3), sympy.sqrt(2), sympy.Rational(-7, 2)]),
)
EXPRESSIONS = st.recursive(LEAVES, _combined, max_leaves=8)


def expected(expression: sympy.Expr) -> mpmath.mpc:
    """The value by sympy; expressions without a moderate one are no test of reading."""
    point = {symbol: sympy.Rational(POINT[name]) for name, symbol in SYMBOLS.items()}
    try:
        number = sympy.N(expression.subs(point), DIGITS)
        result = mp.mpc(*(mp.mpf(str(part)) for part in number.as_real_imag()))
    except (OverflowError, PrecisionExhausted, TypeError, ValueError):
        result = mp.mpc("nan")
    assume(mp.isfinite(result) and 1e-6 < abs(result) < 1e6)
    return result


@pytest.mark.parametrize("style", ["latex", "plain"])
@settings(max_examples=150, deadline=None)
@given(expression=EXPRESSIONS)
def test_what_sympy_prints_is_read_with_its_value(style: str, expression: sympy.Expr) -> None:
    wanted = expected(expression)
    if style == "plain":
        text = str(expression).replace("I", "i").replace("E", "e")
    else:
        text = sympy.latex(expression)
    node = parse(text)
    assert node is not None, text
    assert abs(value(node) - wanted) < 1e-20 * abs(wanted), text

"""Join operands into nodes: signs fold into numbers, and units and percent signs move to the outside.

`5 - 2\\pi \\text{ cm}` measures the whole sum, so a quantity is always the outermost node of its expression.
"""

from __future__ import annotations

from fractions import Fraction

from verifiers.expressions.lexer import Unreadable
from verifiers.expressions.nodes import (
    Add,
    Call,
    Connective,
    Const,
    Digits,
    Div,
    Group,
    Mul,
    Neg,
    Node,
    Num,
    Percent,
    PlusMinus,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Root,
    SetBuilder,
    SetOp,
    Text,
)

_NOT_OPERANDS = (Text, Connective, SetBuilder, Relation)


def operand(node: Node) -> Node:
    """`node` as a part of arithmetic: square brackets around one item only group it."""
    if isinstance(node, Group) and node.opening == "[" and len(node.items) == 1:
        return node.items[0]
    if isinstance(node, _NOT_OPERANDS):
        raise Unreadable
    return node


def negative(node: Node) -> Node:
    if isinstance(node, Num):
        return Num(-node.value, node.decimal)
    if isinstance(node, Quantity):
        return Quantity(negative(node.value), node.unit)
    if isinstance(node, Percent):
        return Percent(negative(node.arg))
    return Neg(operand(node))


def signed(sign: str, node: Node) -> Node:
    if sign == "+":
        return operand(node)
    if sign == "-":
        return negative(node)
    if isinstance(node, Quantity):
        return Quantity(PlusMinus(operand(node.value), sign == "mp"), node.unit)
    return PlusMinus(operand(node), sign == "mp")


def add(terms: list[Node]) -> Node:
    """The sum; a unit after the last term (or a currency sign before the first) belongs to all of it."""
    terms = [operand(term) for term in terms]
    if all(_is_removed_set(term) for term in terms[1:]):
        return SetOp("difference", (terms[0], *(term.arg for term in terms[1:] if isinstance(term, Neg))))
    measured = [term for term in terms if isinstance(term, Quantity)]
    if len(measured) == 1 and measured[0] in (terms[0], terms[-1]):
        bare = tuple(term.value if isinstance(term, Quantity) else term for term in terms)
        if all(is_numeric(term) for term in bare):
            return Quantity(Add(bare), measured[0].unit)
    return Add(tuple(terms))


def _is_removed_set(term: Node) -> bool:
    """The second term of `\\mathbb{R} - \\{0\\}`."""
    return isinstance(term, Neg) and isinstance(term.arg, Group) and term.arg.opening == "{"


def multiply(factors: list[Node]) -> Node:
    if len(factors) == 1:
        return factors[0]
    factors = [operand(factor) for factor in factors]
    measured = [factor for factor in factors if isinstance(factor, Quantity)]
    if len(measured) == 1:
        bare = tuple(factor.value if isinstance(factor, Quantity) else factor for factor in factors)
        return Quantity(Mul(bare), measured[0].unit)
    return Mul(tuple(factors))


def divide(numerator: Node, denominator: Node) -> Node:
    if isinstance(numerator, Quantity) and not isinstance(denominator, Quantity):
        return Quantity(Div(numerator.value, operand(denominator)), numerator.unit)
    return Div(operand(numerator), operand(denominator))


def power(base: Node, exponent: Node) -> Node:
    return Pow(operand(base), operand(exponent))


def is_natural(node: Node) -> bool:
    return isinstance(node, Num) and not node.decimal and node.value.denominator == 1 and node.value >= 0


def is_proper(numerator: Node, denominator: Node) -> bool:
    """Both natural, and less than one: what may follow the whole part of a mixed number."""
    if not (isinstance(numerator, Num) and isinstance(denominator, Num)):
        return False
    return is_natural(numerator) and is_natural(denominator) and 0 < numerator.value < denominator.value


def mixed(whole: Node, fraction: Node) -> Node | None:
    """`1\\frac{4}{5}` as a sum; an improper fraction after a number is a factor."""
    if (
        isinstance(fraction, Div)
        and is_natural(whole)
        and is_proper(fraction.numerator, fraction.denominator)
    ):
        return Add((whole, fraction))
    return None


def is_numeric(node: Node) -> bool:
    """Only numbers and constants: what a unit may follow."""
    if isinstance(node, Num | Const | Digits | Ratio):
        return True
    if isinstance(node, Mul):
        return all(is_numeric(factor) for factor in node.factors)
    if isinstance(node, Add):
        return all(is_numeric(term) for term in node.terms)
    if isinstance(node, Div):
        return is_numeric(node.numerator) and is_numeric(node.denominator)
    if isinstance(node, Pow):
        return is_numeric(node.base) and is_numeric(node.exponent)
    if isinstance(node, Root):
        return is_numeric(node.radicand) and is_numeric(node.degree)
    if isinstance(node, Neg | PlusMinus):
        return is_numeric(node.arg)
    return isinstance(node, Call) and all(is_numeric(arg) for arg in node.args)


def selections(symbol: str, n: Node, k: Node) -> Node:
    """How many ways to choose k of n without order (C), or in order (P): n! / (n - k)!."""
    if symbol == "C":
        return Call("binom", (operand(n), operand(k)))
    if symbol != "P":
        raise Unreadable
    rest = Num(n.value - k.value) if isinstance(n, Num) and isinstance(k, Num) else add([n, negative(k)])
    return Div(Call("factorial", (operand(n),)), Call("factorial", (rest,)))


def whole_number(text: str) -> Num:
    return Num(Fraction(int(text)))

"""Walk and rewrite node trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from verifiers.expressions.nodes import (
    Add,
    Big,
    Call,
    Connective,
    Div,
    Group,
    Matrix,
    Mul,
    Neg,
    Node,
    Percent,
    PlusMinus,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Root,
    SetBuilder,
    SetOp,
    Sym,
)

_CHILDREN: dict[type, Callable[[Any], tuple[Node, ...]]] = {
    Add: lambda n: n.terms,
    Mul: lambda n: n.factors,
    Neg: lambda n: (n.arg,),
    Div: lambda n: (n.numerator, n.denominator),
    Pow: lambda n: (n.base, n.exponent),
    Root: lambda n: (n.radicand, n.degree),
    Call: lambda n: n.args,
    Big: lambda n: (n.body, *(bound for bound in (n.lower, n.upper) if bound is not None)),
    PlusMinus: lambda n: (n.arg,),
    Percent: lambda n: (n.arg,),
    Quantity: lambda n: (n.value,),
    Group: lambda n: n.items,
    SetOp: lambda n: n.parts,
    SetBuilder: lambda n: (n.element, n.condition),
    Matrix: lambda n: tuple(cell for row in n.rows for cell in row),
    Relation: lambda n: n.items,
    Connective: lambda n: n.items,
    Ratio: lambda n: n.items,
}


def children(node: Node) -> tuple[Node, ...]:
    read = _CHILDREN.get(type(node))
    return read(node) if read else ()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


@lru_cache(4_096)
def symbols(node: Node) -> frozenset[str]:
    """Names of the free variables."""
    if isinstance(node, Sym):
        return frozenset((node.name,))
    names = frozenset[str]().union(*(symbols(child) for child in children(node)))
    if not isinstance(node, Big):
        return names
    if node.op in ("diff", "int") and node.lower is None:
        return names  # the variable stays in an antiderivative and in a derivative
    bounds = (symbols(bound) for bound in (node.lower, node.upper) if bound is not None)
    return (symbols(node.body) - {node.variable}).union(*bounds)


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """`node` with `change` applied to each child."""
    match node:
        case Add(terms):
            return Add(tuple(map(change, terms)))
        case Mul(factors):
            return Mul(tuple(map(change, factors)))
        case Neg(arg):
            return Neg(change(arg))
        case Div(numerator, denominator):
            return Div(change(numerator), change(denominator))
        case Pow(base, exponent):
            return Pow(change(base), change(exponent))
        case Root(radicand, degree):
            return Root(change(radicand), change(degree))
        case Call(name, args):
            return Call(name, tuple(map(change, args)))
        case Big(op, body, variable, lower, upper):
            return Big(op, change(body), variable, lower and change(lower), upper and change(upper))
        case PlusMinus(arg, flipped):
            return PlusMinus(change(arg), flipped)
        case Percent(arg):
            return Percent(change(arg))
        case Quantity(value, unit):
            return Quantity(change(value), unit)
        case Group(items, opening, closing):
            return Group(tuple(map(change, items)), opening, closing)
        case SetOp(op_, parts):
            return SetOp(op_, tuple(map(change, parts)))
        case SetBuilder(element, condition):
            return SetBuilder(change(element), change(condition))
        case Matrix(rows):
            return Matrix(tuple(tuple(map(change, row)) for row in rows))
        case Relation(items, ops):
            return Relation(tuple(map(change, items)), ops)
        case Connective(op__, items):
            return Connective(op__, tuple(map(change, items)))
        case Ratio(items, clock):
            return Ratio(tuple(map(change, items)), clock)
    return node


def substitute(node: Node, values: dict[str, Node]) -> Node:
    """Free variables replaced; a bound variable of the same name is left alone."""
    if isinstance(node, Sym):
        return values.get(node.name, node)
    if isinstance(node, Big) and node.variable in values:
        rest = {name: value for name, value in values.items() if name != node.variable}
        lower = node.lower and substitute(node.lower, values)
        upper = node.upper and substitute(node.upper, values)
        return Big(node.op, substitute(node.body, rest), node.variable, lower, upper)
    return rebuild(node, lambda child: substitute(child, values))

"""Whether an answer is worked out: no fraction to reduce, no sum or product of numbers left to do."""

from __future__ import annotations

from math import gcd

from verifiers.expressions import exact
from verifiers.expressions.arithmetic import absolute, fold
from verifiers.expressions.nodes import Add, Call, Div, Mul, Neg, Node, Num, Pow, Root
from verifiers.expressions.sums import Unresolved
from verifiers.expressions.tree import children, walk
from verifiers.policy import LimitExceeded

_LARGE = 10**6  # powers and factorials beyond it may stay as they are
_MORE = 2  # times the size of the reference is not the simple form


def is_simplified(answer: Node, reference: Node) -> bool:
    """Also False for an expression more than twice as long as the reference."""
    if _size(answer) > _MORE * _size(reference) + _MORE:
        return False
    return all(map(_is_done, walk(answer)))


def _size(node: Node) -> int:
    return 1 + sum(map(_size, children(node)))


def _is_done(node: Node) -> bool:
    if not isinstance(node, Add | Mul | Div | Pow | Root | Call):
        return True
    try:
        value = fold(node)
        if value is None:
            return not (isinstance(node, Add | Div) and _can_be_shortened(node))
    except (ArithmeticError, LimitExceeded, Unresolved):
        return True
    if isinstance(node, Div):
        return _is_reduced(node)
    if isinstance(node, Add):
        return _is_mixed(node)
    return isinstance(node, Pow | Call) and (absolute(value) > _LARGE or absolute(value) * _LARGE < 1)


def _can_be_shortened(node: Add | Div) -> bool:
    """Like terms in a sum, or a common factor of a numerator and a number below it."""
    if isinstance(node, Add):
        form = exact.normal_form(node)
        return form.denominator == exact.UNIT and len(form.numerator) < len(node.terms)
    under = node.denominator
    if not isinstance(under, Num) or under.value.denominator != 1:
        return False
    form = exact.normal_form(node.numerator)
    if form.denominator != exact.UNIT or any(c.denominator != 1 for c in form.numerator.values()):
        return False
    return gcd(int(under.value), *map(int, form.numerator.values())) > 1


def _is_reduced(node: Div) -> bool:
    over, under = node.numerator, node.denominator
    over = over.arg if isinstance(over, Neg) else over
    if not isinstance(over, Num) or not isinstance(under, Num):
        return False
    whole = over.value.denominator == under.value.denominator == 1
    return whole and under.value > 1 and gcd(int(over.value), int(under.value)) == 1


def _is_mixed(node: Add) -> bool:
    """1 4/5"""
    if len(node.terms) != 2:
        return False
    whole, part = node.terms
    return isinstance(whole, Num) and isinstance(part, Div) and _is_reduced(part)

"""What an answer looks like: its shape, its items, the signs and the labels in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from verifiers.expressions import sets
from verifiers.expressions.arithmetic import fold
from verifiers.expressions.measures import strip_units
from verifiers.expressions.nodes import (
    Connective,
    Const,
    Dots,
    Group,
    Matrix,
    Mul,
    Neg,
    Node,
    Num,
    PlusMinus,
    Ratio,
    Relation,
    SetBuilder,
    SetOp,
    Sym,
    Text,
)
from verifiers.expressions.relations import is_condition, is_integer_parameter, labelled
from verifiers.expressions.tree import rebuild, substitute, symbols, walk
from verifiers.expressions.words import plain_words
from verifiers.policy import LimitExceeded

_INTEGER_NAMES = frozenset("klmn")


def unwrapped(node: Node) -> Node:
    """A list of one is its item; a unit around a list or a matrix belongs to its parts."""
    while isinstance(node, Group | Connective) and len(node.items) == 1:
        if isinstance(node, Group) and node.opening:
            break
        node = node.items[0]
    return node


def with_same_parameter(a: Node, b: Node) -> tuple[Node, Node]:
    """`n pi, n in Z` and `k pi, k in Z` with one name; without the condition where one side leaves it out."""
    names = _parameters(a), _parameters(b)
    if len(names[0]) == len(names[1]) == 1 and names[0][0] not in symbols(b):
        return a, substitute(b, {names[1][0]: Sym(names[0][0])})
    if names[0] and not names[1]:
        a, b = _without_parameters(a), _with_parameter(b, a, names[0])
    elif names[1] and not names[0]:
        a, b = _with_parameter(a, b, names[1]), _without_parameters(b)
    return a, b


def _with_parameter(node: Node, other: Node, names: list[str]) -> Node:
    """Where only the other side says that its n is an integer, and this one has a k instead."""
    own, others = symbols(node) - symbols(other), symbols(other) - symbols(node) - {"Integers"}
    if len(own) == 1 and list(others) == names and own <= _INTEGER_NAMES:
        return substitute(node, {next(iter(own)): Sym(names[0])})
    return node


def _parameters(node: Node) -> list[str]:
    if not isinstance(node, Group) or node.opening:
        return []
    return [item.items[0].name for item in node.items if is_integer_parameter(item)]  # type: ignore[union-attr]


def _without_parameters(node: Node) -> Node:
    assert isinstance(node, Group)
    return unwrapped(Group(tuple(item for item in node.items if not is_integer_parameter(item)), "", ""))


def is_scalar(node: Node) -> bool:
    shapes = Text | Dots | Group | Relation | Connective | Ratio | SetOp | SetBuilder | Matrix
    return not any(isinstance(n, shapes) for n in walk(node))


def is_set(node: Node) -> bool:
    if isinstance(node, Group) and not node.opening and len(node.items) > 1:
        return all(map(sets.is_interval, node.items)) or is_condition(node)
    if isinstance(node, Sym):
        return node.name in sets.NAMED
    return isinstance(node, SetOp) or sets.is_interval(node) or is_condition(node)


def is_point_or_list(node: Node) -> bool:
    """Written so that it cannot be a set of reals: (1, 2, 3), a bare list of values, a matrix."""
    if not isinstance(node, Group) or node.opening == "{":
        return isinstance(node, Matrix)
    return (not node.opening or len(node.items) != 2) and all(map(is_scalar, node.items))


def in_one(node: Relation) -> bool:
    return node.ops[0] in ("in", "notin") or len(symbols(node)) == 1


def words_of(node: Node) -> str | None:
    """The words of a text, or of letters that may be a word set as mathematics."""
    if isinstance(node, Text):
        return plain_words(node.words)
    letters = node.factors if isinstance(node, Mul) else (node,)
    if all(isinstance(letter, Sym | Const) for letter in letters):
        return "".join(letter.name for letter in letters if isinstance(letter, Sym | Const)).lower()
    return None


class Excluding(NamedTuple):
    """An expression with a point at which it is not to be taken."""

    value: Node
    is_pole: bool


def with_excluded_point(node: Node) -> Excluding | None:
    """`1/x, x != 0`"""
    if not isinstance(node, Group) or node.opening or len(node.items) != 2:
        return None
    value, condition = node.items
    if not isinstance(condition, Relation) or condition.ops != ("!=",) or not is_scalar(value):
        return None
    name, point = condition.items
    if not isinstance(name, Sym) or symbols(value) != {name.name} or symbols(point) or not is_scalar(point):
        return None
    try:
        fold(substitute(value, {name.name: point}))
    except ZeroDivisionError:
        return Excluding(value, True)
    except LimitExceeded:
        pass
    return Excluding(value, False)


# Lists


def items_of(node: Node) -> tuple[Node, ...] | None:
    """The items of a bare list, of alternatives, or of a \\pm; None for what is one answer."""
    if isinstance(node, Connective):
        return tuple(x for item in node.items for x in _flat(item, Connective))
    if isinstance(node, Group) and not node.opening:
        return tuple(x for item in node.items for x in _flat(item, Connective | Group))
    is_set = isinstance(node, Group) and node.opening == "{"
    return (node,) if not is_set and signs_in(node) else None


def _flat(node: Node, shapes: object) -> tuple[Node, ...]:
    if isinstance(node, shapes) and not getattr(node, "opening", ""):  # type: ignore[arg-type]
        return items_of(node) or (node,)
    return (node,)


def distinct_labels(items: Sequence[Node]) -> tuple[Node, ...]:
    """The labels of a list whose items all have one of their own, so that the order of the values matters."""
    read = [labelled(item) for item in items]
    labels = tuple(r.label for r in read if r)
    return labels if len(labels) == len(items) > 1 and len(set(labels)) == len(labels) else ()


def in_order_of_names(equations: Sequence[Node], labels: Sequence[Node]) -> tuple[Node, ...]:
    """The values in alphabetical order of their labels; in the order written where labels have no order."""
    names = [words_of(label) for label in labels]
    values = [read.value for read in map(labelled, equations) if read]
    if None in names:
        return tuple(values)
    order = sorted(range(len(values)), key=lambda i: names[i] or "")
    return tuple(values[i] for i in order)


def roots_of_one(labels: Sequence[Node]) -> str:
    """The x of x_1, x_2, ..., several values of one unknown; empty when that is not what the labels are."""
    stems = {label.name.partition("_")[0] for label in labels if isinstance(label, Sym) and "_" in label.name}
    return stems.pop() if len(stems) == 1 and all("_" in getattr(x, "name", "") for x in labels) else ""


def without_label(node: Node, name: str) -> Node:
    """The value of `x = 1` for x."""
    read = labelled(node)
    return read.value if read and name and read.label == Sym(name) else node


def expanded_tuple(node: Node) -> Node:
    """`(x, y) = (1, 2)` as the point."""
    read = labelled(node)
    return read.value if read and isinstance(read.label, Group) else node


def equations_of(node: Node) -> tuple[Node, ...]:
    """`(x, y) = (1, 2)` as x = 1 and y = 2, `a = b = 1` as a = 1 and b = 1; empty for all else."""
    read = labelled(node)
    if equations_of_chain(node):
        return equations_of_chain(node)
    if not read or not isinstance(read.label, Group) or not isinstance(read.value, Group):
        return ()
    if len(read.label.items) != len(read.value.items):
        return ()
    return tuple(Relation(pair, ("=",)) for pair in zip(read.label.items, read.value.items, strict=True))


def equations_of_chain(node: Node) -> tuple[Node, ...]:
    """`a = b = 1` as a = 1 and b = 1; empty for all else."""
    if not isinstance(node, Relation) or set(node.ops) != {"="} or len(node.items) < 3:
        return ()
    *names, value = node.items
    if not all(isinstance(name, Sym) for name in names) or isinstance(value, Sym):
        return ()
    return tuple(Relation((name, value), ("=",)) for name in names)


def spread_over(node: Node, other: Node) -> Node:
    """`a = b = c = 1` as a = 1, b = 1, c = 1 where the other side is a point or a list of three."""
    equations = equations_of_chain(node)
    values = other.items if isinstance(other, Group) else items_of(other) or ()
    return Group(equations, "", "") if len(equations) == len(values) > 1 else node


def may_be_read_as(items: Sequence[Node], number: Num) -> bool:
    """`30,150` may be a list of two, although it reads as a number."""
    values = [strip_units(item) for item in items]
    whole = [str(v.value) for v in values if isinstance(v, Num) and v.value.denominator == 1]
    return len(whole) == len(items) and "".join(whole) == str(number.value)


# Signs


def signs_in(node: Node) -> list[PlusMinus]:
    return [n for n in walk(node) if isinstance(n, PlusMinus)]


def expand_signs(node: Node, independent: bool) -> tuple[Node, ...]:
    count = len(signs_in(node))
    if not count:
        return (node,)
    if not independent:
        return tuple(_with_sign(node, iter([sign] * count)) for sign in (1, -1))
    patterns = [[1 if bits >> i & 1 else -1 for i in range(count)] for bits in range(2**count)]
    return tuple(_with_sign(node, iter(pattern)) for pattern in patterns)


def _with_sign(node: Node, signs: Iterator[int]) -> Node:
    if isinstance(node, PlusMinus):
        sign = next(signs)
        inner = _with_sign(node.arg, signs)
        return inner if (sign > 0) != node.flipped else Neg(inner)
    return rebuild(node, lambda child: _with_sign(child, signs)) if signs_in(node) else node

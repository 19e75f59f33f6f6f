"""What an answer looks like: its shape, its items, the signs and the labels in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifiers.expressions import sets
from verifiers.expressions.nodes import (
    Connective,
    Const,
    Dots,
    Group,
    Matrix,
    Mul,
    Neg,
    Node,
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
        a = _without_parameters(a)
    if names[1] and not names[0]:
        b = _without_parameters(b)
    return a, b


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


def in_one(node: Relation) -> bool:
    return node.ops[0] in ("in", "notin") or len(symbols(node)) == 1


def words_of(node: Node) -> str | None:
    """The words of a text, or of letters that may be a word set as mathematics."""
    if isinstance(node, Text):
        return node.words
    letters = node.factors if isinstance(node, Mul) else (node,)
    if all(isinstance(letter, Sym | Const) for letter in letters):
        return "".join(letter.name for letter in letters if isinstance(letter, Sym | Const)).lower()
    return None


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


def expanded_tuple(node: Node) -> Node:
    """`(x, y) = (1, 2)` as the point."""
    read = labelled(node)
    return read.value if read and isinstance(read.label, Group) else node


def equations_of(node: Node) -> tuple[Node, ...]:
    """`(x, y) = (1, 2)` as x = 1 and y = 2; empty for all else."""
    read = labelled(node)
    if not read or not isinstance(read.label, Group) or not isinstance(read.value, Group):
        return ()
    if len(read.label.items) != len(read.value.items):
        return ()
    return tuple(Relation(pair, ("=",)) for pair in zip(read.label.items, read.value.items, strict=True))


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

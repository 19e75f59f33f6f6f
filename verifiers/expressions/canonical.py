"""Names of equivalence classes, for counting votes without comparing every pair of answers."""

from __future__ import annotations

from verifiers.expressions import exact
from verifiers.expressions.arithmetic import fold, rational_text
from verifiers.expressions.forms import describe
from verifiers.expressions.measures import desugar, strip_units
from verifiers.expressions.nodes import Call, Connective, Digits, Group, Node, Percent, Text
from verifiers.expressions.relations import labelled
from verifiers.expressions.scalars import sign_sensitive
from verifiers.expressions.shapes import distinct_labels, is_scalar
from verifiers.expressions.sums import Unresolved
from verifiers.policy import LimitExceeded


def canonical(node: Node) -> str | None:
    """A text that two answers share only if they are certainly the same; labels, units and % are dropped."""
    read = labelled(node)
    if read:
        return canonical(read.value)
    if isinstance(node, Call) and node.name == "mod":
        parts = canonical(node.args[1]), _canonical_scalar(node)
        return None if None in parts else f"{parts[1]} mod {parts[0]}"
    node = strip_units(node)
    if isinstance(node, Percent):
        return canonical(node.arg)
    if isinstance(node, Text):
        return node.words
    if isinstance(node, Group | Connective):
        return _canonical_items(node)
    return _canonical_scalar(node) if is_scalar(node) else None


def _canonical_items(node: Group | Connective) -> str | None:
    names = [canonical(item) for item in node.items]
    if None in names:
        return None
    bare = isinstance(node, Connective) or not node.opening
    known = [name for name in names if name is not None]
    labels = distinct_labels(node.items)
    if bare and labels:
        return ", ".join(sorted(f"{label!r} = {name}" for label, name in zip(labels, known, strict=True)))
    if bare:
        return ", ".join(sorted(known))
    assert isinstance(node, Group)
    return node.opening + ", ".join(sorted(set(known)) if node.opening == "{" else known) + node.closing


def _canonical_scalar(node: Node) -> str | None:
    if isinstance(node, Digits):
        return f"{node.digits}_{node.base}"
    try:
        value = fold(node)
        if value is not None:
            return rational_text(value)
        return repr(node) if sign_sensitive(node) else describe(exact.normal_form(desugar(node)))
    except (ArithmeticError, LimitExceeded, Unresolved):
        return repr(node)

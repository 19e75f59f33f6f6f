"""A tree of `verifiers.expressions.nodes` in one readable line, so that tests can state what a text means."""

from __future__ import annotations

from dataclasses import fields

from verifiers.expressions import nodes as n

_PREFIX = {n.Add: "+", n.Mul: "*", n.Neg: "-", n.Div: "/", n.Pow: "^", n.PlusMinus: "pm", n.Percent: "%"}


def outline(node: object) -> str:
    """`(+ 1 (* 2 x))`: operators by sign, names bare, constants in capitals, words quoted."""
    if isinstance(node, n.Num):
        return f"{node.value}{'d' * node.decimal}"
    if isinstance(node, n.Sym):
        return node.name.replace(" ", "~")
    if isinstance(node, n.Const):
        return node.name.upper()
    if isinstance(node, n.Text):
        return repr(node.words)
    if isinstance(node, n.Dots):
        return "..."
    if isinstance(node, n.Group):
        return f"{node.opening or 'list('}{', '.join(map(outline, node.items))}{node.closing or ')'}"
    if isinstance(node, n.Relation):
        sides = _flat([*zip(map(outline, node.items), (*node.ops, ""), strict=True)])
        return f"({' '.join(str(side) for side in sides if side)})"
    if isinstance(node, n.Call | n.SetOp | n.Connective | n.Big):
        head, *rest = (getattr(node, field.name) for field in fields(node))
        return f"({head} {' '.join(map(outline, _flat(rest)))})"
    if isinstance(node, str | bool | int) or node is None:
        return str(node)
    if isinstance(node, tuple):
        return f"[{' '.join(map(outline, node))}]"
    head = _PREFIX.get(type(node), type(node).__name__)  # type: ignore[call-overload]
    values = [getattr(node, field.name) for field in fields(node)]  # type: ignore[arg-type]
    return f"({head} {' '.join(outline(value) for value in _flat(values) if value is not False)})"


def _flat(values: list[object]) -> list[object]:
    """Children of variable number are written without a bracket of their own, rows of a matrix with one."""
    return [v for value in values for v in (value if isinstance(value, tuple) else (value,))]

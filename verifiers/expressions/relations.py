"""Equations, inequalities and memberships.

A label is a name before or after an equals sign (`x = 5`, `f(x) = ...`, `|AB| = 1`): the value is the answer.
Other equations are the same when one is a nonzero constant multiple of the other, or both clear to
proportional polynomials. Inequalities in one variable that are linear, quadratic or linear in an absolute
value become sets of real numbers; all others are compared like equations, with a positive multiple.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from verifiers.expressions import exact, numeric
from verifiers.expressions.arithmetic import Rational, fold
from verifiers.expressions.decisions import Decision, account
from verifiers.expressions.measures import desugar
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
    Num,
    Pow,
    Ratio,
    Relation,
    Root,
    SetBuilder,
    SetOp,
    Sym,
)
from verifiers.expressions.numeric import Scene
from verifiers.expressions.precision import Floats, Unsupported
from verifiers.expressions.scalars import same_scalar
from verifiers.expressions.sets import (
    EVERYTHING,
    NAMED,
    NOTHING,
    Combined,
    Interval,
    Points,
    Region,
    complement,
    read_region,
    same_region,
)
from verifiers.expressions.sums import Atom, Sum, Unresolved, multiply
from verifiers.expressions.tree import children, substitute, symbols, walk
from verifiers.policy import LimitExceeded

RELATION = 1_000  # of the account of the pair, for the comparison of two equations
ORDER = frozenset(("<", "<=", ">", ">="))
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_NAMED_SETS = frozenset("Integers Naturals Rationals Complexes".split())
_KNOWN_CALLS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch exp "
    "ln log floor ceil factorial doublefactorial binom min max lcm mod re im conj arg transpose "
    "piecewise arcsinh arccosh arctanh sign".split()
)
_UNKNOWNS = (Sym("x"), Sym("y"), Sym("t"))  # |x| = 5 is an equation to be solved
_COORDINATES = frozenset("xyzt")
_OF_ANGLES = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))


class Labelled(NamedTuple):
    label: Node
    value: Node


def labelled(node: Node) -> Labelled | None:
    """The label and the value of `x = 5`, `5 = x`, `x = 2 + 3 = 5`, `x = 3 (mod 5)`; None for all else."""
    if not isinstance(node, Relation):
        return None
    if node.ops == ("equiv",) and is_label(node.items[0]):
        return Labelled(node.items[0], node.items[1])
    if any(op not in ("=", "~") for op in node.ops):
        return None
    node = _without_approximation(node)
    first, last = node.items[0], node.items[-1]
    if is_label(first):
        return Labelled(first, last)
    if is_label(last):
        return Labelled(last, node.items[-2])
    return None


def constant_value(node: Relation) -> Node | None:
    """The result of `2 + 3 = 5`, None for anything but a chain of numbers."""
    if any(op not in ("=", "~") for op in node.ops) or symbols(node):
        return None
    return _without_approximation(node).items[-1]


def is_false_chain(node: Node) -> bool:
    """`4 = 5` and `x = 4 = 5`: the numbers differ, so which of them is meant is open."""
    if not isinstance(node, Relation) or set(node.ops) != {"="}:
        return False
    numbers = [_number(item) for item in node.items if not symbols(item)]
    known = [number for number in numbers if number is not None]
    return len(known) == len(numbers) and len(set(known)) > 1


def _number(node: Node) -> Rational | None:
    try:
        return fold(desugar(node))
    except (ArithmeticError, LimitExceeded):
        return None


class Result(NamedTuple):
    """An expression that equals a number. `is_quantity`: it is what was asked for, and no equation."""

    value: Node
    is_quantity: bool


def quantity_and_number(node: Relation) -> Result | None:
    """`m + n = 29`, but not `a^2 + b = 0`, which is an equation between a and b."""
    if set(node.ops) != {"="}:
        return None
    first, last = node.items[0], node.items[-1]
    if not symbols(first):
        first, last = last, first
    if symbols(last) or not _is_number(last) or _number(last) == 0 or not symbols(first) or _has_power(first):
        return None
    return Result(last, _is_quantity(first))


def _is_number(node: Node) -> bool:
    shapes = Group | Relation | Connective | Ratio | SetOp | SetBuilder | Matrix
    return not any(isinstance(n, shapes) for n in walk(node))


def _has_power(node: Node) -> bool:
    """Outside of functions"""
    if isinstance(node, Call) or (isinstance(node, Pow) and isinstance(node.base, Call)):
        return False
    return isinstance(node, Pow | Root) or any(map(_has_power, children(node)))


def _is_quantity(node: Node) -> bool:
    """Made of names that are not those of unknowns, none of them with a factor: m + n, |a - b|, AB/CD."""
    if is_label(node):
        return True
    match node:
        case Call("abs", (arg,)) | Neg(arg):
            return _is_quantity(arg)
        case Call(name, (arg,)) if name in _OF_ANGLES:
            return _is_quantity(arg) and not _is_unknown(arg)
        case Add(terms) | Mul(terms):
            return len(terms) > 1 and all(_is_name(term) for term in terms)
        case Div(over, under):
            return _is_quantity(over) and _is_quantity(under)
        case Group((arg,), "[", "]"):
            return _is_quantity(arg)
    return False


def _is_name(node: Node) -> bool:
    if isinstance(node, Neg):
        return _is_name(node.arg)
    if isinstance(node, SetOp):
        return all(isinstance(part, Sym) for part in node.parts)
    return (is_label(node) or (isinstance(node, Call | Div) and _is_quantity(node))) and not _is_unknown(node)


def _is_unknown(node: Node) -> bool:
    """The names of coordinates, with which equations are written."""
    return bool(symbols(node) & _COORDINATES)


def _without_approximation(node: Relation) -> Relation:
    """`x = 9 pi / 4` of `x = 9 pi / 4 ~ 7.07`; `x ~ 7.07` as it stands."""
    exact = node.ops.index("~") + 1 if "~" in node.ops else len(node.items)
    if exact == 1 and is_label(node.items[0]):
        return node
    return Relation(node.items[:exact], node.ops[: exact - 1])


def is_integer_parameter(node: Node) -> bool:
    """`n in Z`"""
    if not isinstance(node, Relation) or node.ops != ("in",):
        return False
    name, numbers = node.items
    return isinstance(name, Sym) and isinstance(numbers, Sym) and numbers.name == "Integers"


def is_label(node: Node) -> bool:
    """A name: `x`, `AB`, `f(x)`, `P(A)`, `|AB|`, `sin A`, `a/b`, or a tuple of names."""
    match node:
        case Sym(name):
            return name not in NAMED and name not in _NAMED_SETS
        case Call(name, args) if name in _OF_ANGLES:
            return len(args) == 1 and isinstance(args[0], Sym) and _is_point(args[0])
        case Call("abs", (arg,)):
            return isinstance(arg, Sym | Mul) and is_label(arg) and arg not in _UNKNOWNS
        case Call(name, args):
            return name not in _KNOWN_CALLS and all(isinstance(arg, Sym | Num | Mul) for arg in args)
        case Mul(factors):
            return all(isinstance(f, Sym) and _is_point(f) for f in factors)
        case Div(Sym(), Sym()) | Big("diff", Sym()):
            return True
        case Ratio(items):
            return all(isinstance(item, Sym) for item in items)
        case Matrix(rows):
            return all(isinstance(cell, Sym) for row in rows for cell in row)
        case Group(items, "(", ")"):
            return len(items) > 1 and all(isinstance(item, Sym) for item in items)
    return False


def _is_point(symbol: Sym) -> bool:
    return symbol.name[:1].isupper() or symbol.name.startswith(("angle ", "triangle "))


def same_label(a: Node, b: Node) -> bool:
    """`f(n)` and `f(x)` are the same function, `y` and `f(x)` the same dependent variable."""
    if a == b:
        return True
    match a, b:
        case Call(f, args), Call(g, others):
            variables = all(isinstance(x, Sym) for x in (*args, *others))
            return f == g and len(args) == len(others) and variables
        case (Sym("y"), Call(f, (Sym(),))) | (Call(f, (Sym(),)), Sym("y")):
            return f.isalpha()  # and not f' or f^-1
    return False


def have_one_label(a: Node, b: Node) -> bool:
    """`x = 7 = 11` and `x = 11` say what x is, each with its last side."""
    first, second = labelled(a), labelled(b)
    return first is not None and second is not None and same_label(first.label, second.label)


def values_of(a: Labelled, b: Labelled) -> tuple[Node, Node]:
    """The values, with the arguments of both labels called the same: f(n) = n is f(x) = x."""
    if not isinstance(a.label, Call) or not isinstance(b.label, Call):
        return a.value, b.value
    return _with_numbered(a.label.args, a.value), _with_numbered(b.label.args, b.value)


def _with_numbered(arguments: tuple[Node, ...], value: Node) -> Node:
    names = {x.name: Sym(f"argument {i}") for i, x in enumerate(arguments) if isinstance(x, Sym)}
    return substitute(value, dict(names))


# Proportional equations and inequalities


def same_relation(a: Relation, b: Relation, *, algebra: bool) -> Decision:
    """Two-sided relations as they stand; sides may be swapped and multiplied."""
    account.spend(RELATION)
    if len(a.ops) != 1 or len(b.ops) != 1:
        return _same_chain(a, b, algebra)
    op_a, op_b = a.ops[0], b.ops[0]
    if op_a not in _MIRROR or op_b not in _MIRROR:
        return None, "algebraic"
    difference: list[Node] = [Add((desugar(r.items[0]), Neg(desugar(r.items[1])))) for r in (a, b)]
    if op_a == op_b and op_a in ("=", "!="):
        proportional = _proportional(difference[0], difference[1], algebra)
        if proportional[0] is not True and _same_cleared(difference[0], difference[1]):
            return True, "algebraic"
        return proportional
    if op_a in ORDER and op_b in ORDER:
        if op_a != op_b:
            difference = [difference[0], Neg(difference[1])]
            op_b = _MIRROR[op_b]  # type: ignore[assignment]
        if op_a != op_b:
            return False, "algebraic"
        return _proportional(difference[0], difference[1], algebra, positive=True)
    return False, "algebraic"


def _same_chain(a: Relation, b: Relation, algebra: bool) -> Decision:
    mirrored = tuple(_MIRROR.get(op, op) for op in reversed(b.ops))
    if a.ops != b.ops and a.ops == mirrored:
        b = Relation(b.items[::-1], a.ops)
    if a.ops != b.ops:
        return None, "algebraic"
    for x, y in zip(a.items, b.items, strict=True):
        if same_scalar(x, y, algebra=algebra)[0] is not True:
            return None, "algebraic"
    return True, "algebraic"


def _proportional(a: Node, b: Node, algebra: bool, *, positive: bool = False) -> Decision:
    """a = c b with a constant c: a(x) b(p) = b(x) a(p) at a fixed point p."""
    names = sorted(symbols(a) | symbols(b))
    if not names:
        return None, "algebraic"
    for index in range(3):
        point = {name: Num(numeric.sample(name, index)) for name in names}
        at_a, at_b = substitute(a, dict(point)), substitute(b, dict(point))
        signs = _sign(at_a), _sign(at_b)
        if not all(signs):
            continue
        if positive and signs[0] != signs[1]:
            return False, "numeric"
        return same_scalar(Mul((a, at_b)), Mul((b, at_a)), algebra=algebra)
    return None, "algebraic"


def _sign(node: Node) -> int:
    """1, -1, or 0 when it is zero or not known."""
    try:
        value = fold(node)
        if value is not None:
            return (value > 0) - (value < 0)
        number, error = numeric.evaluate(node, Scene(Floats, {}, True))
    except (ArithmeticError, Unsupported, LimitExceeded):
        return 0
    if abs(number) <= 2 * error:
        return 0
    return 1 if number.real > 0 else -1


def _same_cleared(a: Node, b: Node) -> bool:
    """Both equations, cleared of denominators, are the same polynomial up to a constant: y = 1/x, xy = 1."""
    try:
        cleared = [_cleared(exact.normal_form(node).numerator) for node in (a, b)]
    except (Unresolved, ZeroDivisionError, LimitExceeded):
        return False
    if not all(cleared) or cleared[0].keys() != cleared[1].keys():
        return False
    ratios = {Fraction(cleared[0][m]) / cleared[1][m] for m in cleared[0]}
    return len(ratios) == 1


def _cleared(p: Sum) -> Sum:
    lowest: dict[Atom, Rational] = {}
    for monomial in p:
        for atom, exponent in monomial:
            if atom[0] == "symbol" and exponent < lowest.get(atom, 0):
                lowest[atom] = exponent
    factor = frozenset((atom, -exponent) for atom, exponent in lowest.items())
    return multiply(p, {factor: 1}) if factor else p


# Sets of real numbers described by conditions


class Condition(NamedTuple):
    """`variable` is empty for a set that names none."""

    variable: str
    region: Region


def is_condition(node: Node) -> bool:
    """An inequality, a membership or a combination of them: a set even if `read_region` knew no other."""
    if isinstance(node, Relation):
        return any(op in ORDER or op in ("in", "notin", "!=") for op in node.ops)
    if isinstance(node, Connective):
        return all(map(is_condition, node.items))
    if isinstance(node, Group) and not node.opening:
        return bool(node.items) and all(map(is_condition, node.items))
    return isinstance(node, SetBuilder)


def condition_of(node: Node) -> Condition | None:
    """The real numbers that a condition or a set expression describes; None when it is not understood."""
    if isinstance(node, Relation):
        return _relation_condition(node)
    if isinstance(node, Connective) or (isinstance(node, Group) and not node.opening):
        return _combined_condition(node)
    if isinstance(node, SetBuilder):
        inner = condition_of(node.condition)
        matches = inner and isinstance(node.element, Sym) and inner.variable == node.element.name
        return Condition("", inner.region) if inner and matches else None
    if isinstance(node, SetOp):
        return _combined_sets(node)
    region = read_region(node)
    return Condition("", region) if region else None


def _combined_sets(node: SetOp) -> Condition | None:
    parts = [condition_of(part) for part in node.parts]
    regions = [part.region for part in parts if part]
    return Condition("", Combined(node.op, tuple(regions))) if len(regions) == len(parts) else None


def _combined_condition(node: Connective | Group) -> Condition | None:
    parts = [condition_of(item) for item in node.items]
    known = [part for part in parts if part]
    variables = {part.variable for part in known}
    if len(known) != len(parts) or len(variables) != 1:
        return None
    regions = tuple(part.region for part in known)
    variable = variables.pop()
    if isinstance(node, Connective):
        return Condition(variable, Combined("intersection" if node.op == "and" else "union", regions))
    both = Combined("intersection", regions)
    # A comma between conditions means "and" unless nothing meets both, as in "x < -1, x > 3".
    empty = not variable or same_region(both, NOTHING, algebra=False)[0] is True
    return Condition(variable, Combined("union", regions) if empty else both)


def _relation_condition(node: Relation) -> Condition | None:
    if node.ops in (("in",), ("notin",)):
        inner = condition_of(node.items[1])
        if inner is None or not isinstance(node.items[0], Sym):
            return None
        return Condition(
            node.items[0].name, inner.region if node.ops == ("in",) else complement(inner.region)
        )
    if any(op not in _MIRROR for op in node.ops):
        return None
    node = Relation(tuple(map(_as_variable, node.items)), node.ops)
    variable = _variable(node)
    if variable is None:
        return None
    regions: list[Region] = []
    for left, op, right in zip(node.items, node.ops, node.items[1:], strict=False):
        if variable not in symbols(left) | symbols(right):
            continue
        region = _solve(left, op, right, variable)
        if region is None:
            return None
        regions.append(region)
    return Condition(variable, Combined("intersection", tuple(regions)))


def _as_variable(node: Node) -> Node:
    """`f(x)` in `0 < f(x) < 1`"""
    return Sym("y") if isinstance(node, Call) and is_label(node) and node.name != "abs" else node


def _variable(node: Relation) -> str | None:
    names = symbols(node)
    if len(names) == 1:
        return next(iter(names))
    alone = [item.name for item in node.items if isinstance(item, Sym)]
    others = frozenset[str]().union(*(symbols(item) for item in node.items if not isinstance(item, Sym)))
    alone = [name for name in alone if name not in others]
    return alone[0] if len(alone) == 1 else None


def _solve(left: Node, op: str, right: Node, variable: str) -> Region | None:
    """The x with `left op right`."""
    for u, c, direction in ((left, right, op), (right, left, _MIRROR[op])):
        if isinstance(u, Call) and u.name == "abs" and variable not in symbols(c):
            return _solve_absolute(u.args[0], direction, c, variable)
    difference = Add((desugar(left), Neg(desugar(right))))
    zero, one, minus = (substitute(difference, {variable: Num(Fraction(n))}) for n in (0, 1, -1))
    half = Num(Fraction(1, 2))
    a, b = Add((Mul((half, Add((one, minus)))), Neg(zero))), Mul((half, Add((one, Neg(minus)))))
    x = Sym(variable)
    if not _same_form(difference, Add((Mul((a, x, x)), Mul((b, x)), zero))):
        return None
    if _same_form(a, Num(Fraction(0))):
        return _solve_linear(Add((one, Neg(zero))), zero, op)
    values = [fold(n) for n in (zero, one, minus)]
    return _solve_quadratic([v for v in values if v is not None], op)


def _same_form(a: Node, b: Node) -> bool:
    try:
        return exact.equal(exact.normal_form(a), exact.normal_form(b))
    except (Unresolved, ZeroDivisionError, LimitExceeded):
        return False


def _solve_absolute(u: Node, op: str, c: Node, variable: str) -> Region | None:
    below, above = _solve(u, op, c, variable), _solve(u, _MIRROR[op], Neg(c), variable)
    if below is None or above is None:
        return None
    if op == "!=":
        return Combined("intersection", (below, above))
    return Combined("intersection" if op in ("<", "<=") else "union", (below, above))


def _solve_linear(slope: Node, shift: Node, op: str) -> Region | None:
    sign = _sign(slope)
    if not sign:
        return None
    return _ray(_simple(Div(Neg(shift), slope)), op if sign > 0 else _MIRROR[op])


def _simple(node: Node) -> Node:
    value = fold(node)
    return node if value is None else Num(Fraction(value))


def _ray(end: Node, op: str) -> Region:
    if op == "=":
        return Points((end,))
    if op == "!=":
        return complement(Points((end,)))
    if op in ("<", "<="):
        return Interval(None, True, end, op == "<")
    return Interval(end, op == ">", None, True)


def _solve_quadratic(values: list[Rational], op: str) -> Region | None:
    """From the values at 0, 1 and -1, which must be rational."""
    if len(values) != 3:
        return None
    c, plus, less = map(Fraction, values)
    a, b = (plus + less) / 2 - c, (plus - less) / 2
    discriminant = b * b - 4 * a * c
    if a < 0:
        a, b, op = -a, -b, _MIRROR[op]
    if discriminant < 0:
        return EVERYTHING if op in (">", ">=", "!=") else NOTHING
    root = _simple(Root(Num(discriminant), Num(Fraction(2))))
    low = _simple(Div(Add((Num(-b), Neg(root))), Num(2 * a)))
    high = _simple(Div(Add((Num(-b), root)), Num(2 * a)))
    if op in ("=", "!="):
        return Points((low, high)) if op == "=" else complement(Points((low, high)))
    if op in ("<", "<="):
        return Interval(low, op == "<", high, op == "<")
    return Combined("union", (Interval(None, True, low, op == ">"), Interval(high, op == ">", None, True)))

"""Decide whether two answers, read as trees, mean the same.

Each answer has a shape: a scalar, a list, a point, a set of reals, a relation, a matrix, a ratio, words.
Equal shapes are compared part by part, and a few pairs translate into each other: a label is dropped, a
condition on one variable is a set, `a \\pm b` is a list of two. All other pairs of shapes are different
answers. None means that nothing here can decide; True is given only on proof or, for transcendental numbers
and functions, on agreement to many digits.

Conventions where usage differs:
- A bare list `1, 2` is unordered unless the policy says otherwise; points and brackets are ordered; sets drop
  repetitions. A bare list written in the order of a point in parentheses is that point.
- `(a, b)` is a point or an open interval, whichever the other side is, and never equal to `[a, b]`.
- Two labels must agree; values without a label take any label. `y = 2, x = 1` is the point (1, 2).
- `m + n = 29` is 29; `x + y = 7` may be the line, so nobody knows whether it is 7.
- Numbers that a chain calls equal and that differ, as in `4 = 5`, are no answer.
- Longer texts in other words are undecided; single words differ.
- {1} is 1, but not inside a list or a set.
- A number in an explicit base equals only the same number in the same base (or, for base ten, without one).
- 90 degrees is 90 (a missing unit is fine under the lenient policy) and also pi/2.
- Antiderivatives that both end in + C may differ by a constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import combinations

from verifiers.expressions import sets
from verifiers.expressions.arithmetic import fold
from verifiers.expressions.canonical import canonical
from verifiers.expressions.decisions import Decision, Method, NeedsAlgebra, account, assign, every, some
from verifiers.expressions.matrices import expand_determinants, has_matrix, rows_of
from verifiers.expressions.measures import has_units, strip_units
from verifiers.expressions.nodes import (
    Add,
    Call,
    Connective,
    Div,
    Dots,
    Group,
    Mul,
    Neg,
    Node,
    Num,
    Quantity,
    Ratio,
    Relation,
    SetBuilder,
    SetOp,
    Text,
)
from verifiers.expressions.relations import (
    ORDER,
    condition_of,
    constant_value,
    have_one_label,
    is_false_chain,
    labelled,
    quantity_and_number,
    same_label,
    same_relation,
    values_of,
)
from verifiers.expressions.shapes import (
    distinct_labels,
    equations_of,
    expand_signs,
    expanded_tuple,
    in_one,
    in_order_of_names,
    is_point_or_list,
    is_scalar,
    is_set,
    items_of,
    may_be_read_as,
    roots_of_one,
    signs_in,
    spread_over,
    unwrapped,
    with_excluded_point,
    with_same_parameter,
    without_label,
    words_of,
)
from verifiers.expressions.simplified import is_simplified
from verifiers.expressions.tree import symbols
from verifiers.expressions.values import COMPARISON, same_value
from verifiers.expressions.words import meaning
from verifiers.policy import LimitExceeded, Policy

__all__ = ["Decision", "Method", "NeedsAlgebra", "canonical", "same"]

MAX_ITEMS = 200
MANY_ITEMS = 6  # from here on, likely partners are looked for by name first
MAX_DISTINCT = 30  # items of a set that are compared with each other
MAX_SIGNS = 4  # \pm signs that vary independently
QUICK_PAIR = 600_000  # of the account: what one pair may cost outside a killable process, about 0.1 s

_DIFFERENT: Decision = (False, "algebraic")
_UNDECIDED: Decision = (None, "algebraic")
_IDENTICAL: dict[type, Method] = {Text: "string", Num: "rational"}


def same(a: Node, b: Node, policy: Policy, *, algebra: bool) -> Decision:
    """Whether `b`, an answer, means the same as `a`, the reference. Symmetric but for `policy.simplified`.

    Raises NeedsAlgebra when only a computer algebra system can decide and `algebra` is False, and
    LimitExceeded when deciding would take numbers that are too large.
    """
    account.open(math.inf if algebra else QUICK_PAIR)
    try:
        decision = Comparison(policy, algebra).same(a, b)
    finally:
        account.open(math.inf)
    if decision[0] and policy.simplified and not is_simplified(b, a):
        return False, decision[1]
    return decision


class Comparison:
    """The recursion, with what stays the same in all of it. `inner`: for the items of a list or set."""

    def __init__(self, policy: Policy, algebra: bool, *, inner: bool = False) -> None:
        self.policy = policy
        self.algebra = algebra
        self.inner = inner
        self.of_items = self if inner else Comparison(policy, algebra, inner=True)

    def same(self, a: Node, b: Node) -> Decision:
        if a == b:
            return True, _IDENTICAL.get(type(a), "algebraic")
        account.spend(COMPARISON)
        if self.policy.units == "ignore":
            a, b = strip_units(a), strip_units(b)
        if (is_false_chain(a) or is_false_chain(b)) and not have_one_label(a, b):
            return _UNDECIDED
        a, b = with_same_parameter(unwrapped(a), unwrapped(b))
        for stage in (
            self._texts,
            self._excluded_points,
            self._sets,
            self._lists,
            self._relations,
            self._brackets,
            self._matrices,
            self._ratios,
            self._piecewise,
            self._as_written,
        ):
            decision = stage(a, b)
            if decision is not None:
                return decision
        return self._values(a, b)

    # Words

    def _texts(self, a: Node, b: Node) -> Decision | None:
        if not isinstance(a, Text) and not isinstance(b, Text):
            return None
        words = words_of(a), words_of(b)
        if words[0] == words[1]:
            return True, "string"
        meant = [meaning(n) if isinstance(n, Text) else n for n in (a, b)]
        if meant[0] is not a or meant[1] is not b:
            return self.same(meant[0], meant[1])
        sentence = any(isinstance(n, Text) and " " in n.words for n in (a, b))
        return (None if sentence and words[0] and words[1] else False), "string"

    # Expressions without the points where they have no value

    def _excluded_points(self, a: Node, b: Node) -> Decision | None:
        """`1/x, x != 0` is 1/x; where the expression has a value at the excluded point, who knows."""
        for one, other in ((a, b), (b, a)):
            read = with_excluded_point(one)
            if read and is_scalar(other):
                pair = (read.value, other) if one is a else (other, read.value)
                decision = self.same(*pair)
                return _or_unknown(decision) if read.is_pole else (decision[0] and None, decision[1])
        return None

    # Sets of real numbers

    def _sets(self, a: Node, b: Node) -> Decision | None:
        """When one side can only be a set of reals, or a condition that describes one."""
        if not (is_set(a) or is_set(b)):
            return None
        if isinstance(a, Relation) and isinstance(b, Relation) and not (in_one(a) and in_one(b)):
            return self._two_relations(a, b)
        regions = condition_of(a), condition_of(b)
        if regions[0] is None or regions[1] is None:
            return self._unreadable_sets(a, b)
        first, second = regions[0], regions[1]
        if first.variable and second.variable and first.variable != second.variable:
            return _DIFFERENT
        return sets.same_region(first.region, second.region, algebra=self.algebra)

    def _unreadable_sets(self, a: Node, b: Node) -> Decision | None:
        if isinstance(a, Relation) and isinstance(b, Relation):
            return self._two_relations(a, b)
        if isinstance(a, SetOp) and isinstance(b, SetOp) and a.op == b.op:
            return _or_unknown(self._items(a.parts, b.parts, ordered=a.op == "difference"))
        if isinstance(a, SetBuilder) and isinstance(b, SetBuilder):
            parts = [partial(self.same, a.element, b.element), partial(self.same, a.condition, b.condition)]
            return _or_unknown(every(parts))
        if items_of(a) and items_of(b):
            return self._with_signs(a, b, False)
        if is_scalar(a) or is_scalar(b) or is_point_or_list(a) or is_point_or_list(b):
            return _DIFFERENT
        for one, other in ((a, b), (b, a)):
            read = labelled(one)
            if read:
                return _or_unknown(self.same(read.value, other)) if is_set(read.value) else _DIFFERENT
            if isinstance(one, Relation) and one.ops == ("in",):
                return _or_unknown(self.same(one.items[1], other))
        return _UNDECIDED

    # Lists

    def _lists(self, a: Node, b: Node) -> Decision | None:
        a, b = spread_over(a, b), spread_over(b, a)
        items = items_of(a), items_of(b)
        if items[0] is None and items[1] is None:
            return None
        a_labels, b_labels = (distinct_labels(i or (n,)) for i, n in zip(items, (a, b), strict=True))
        if a_labels and not b_labels:
            return self._labelled_list(items[0] or (), a_labels, b)
        if b_labels and not a_labels:
            return self._labelled_list(items[1] or (), b_labels, a)
        if items[0] is not None and items[1] is not None:
            if Dots() in items[0] or Dots() in items[1]:
                return self._sequences(items[0], items[1])
            return self._with_signs(a, b, self.policy.ordered)
        one, other = (a, b) if items[0] is not None else (b, a)
        group = expanded_tuple(other)
        if isinstance(one, Connective) and one.op == "or" and not isinstance(group, Group):
            return every(partial(self.same, item, other) for item in one.items)
        if not isinstance(group, Group):
            if isinstance(group, Num) and may_be_read_as(items_of(one) or (), group):
                return _UNDECIDED
            return self._with_signs(a, b, False) if len(signs_in(a)) + len(signs_in(b)) > 0 else _DIFFERENT
        if group.opening == "{":
            return self._with_signs(one, Group(_distinct(group.items, self), "", ""), False)
        if group.opening == "[" and len(group.items) == 2:
            return _DIFFERENT
        listed = items_of(one) or (one,)
        if any(map(labelled, listed)) and not any(map(labelled, group.items)):
            return _DIFFERENT  # x = 1 or x = 2 is no point
        return self._items(listed, group.items, ordered=True)

    def _labelled_list(self, equations: Sequence[Node], labels: tuple[Node, ...], other: Node) -> Decision:
        """`y = 2, x = 1` is the point (1, 2), and the list 1, 2 or 2, 1; another order leaves it open."""
        point = equations_of(other)
        if point:
            return self._items(equations, point, ordered=False)
        group = expanded_tuple(other)
        brackets = group.opening if isinstance(group, Group) else ""
        roots = roots_of_one(labels)
        if (brackets == "{" and not roots) or (brackets == "[" and len(equations) == 2):
            return _DIFFERENT
        values = group.items if isinstance(group, Group) else items_of(other)
        if values is None:
            return _DIFFERENT
        plain = [without_label(value, roots) for value in values]
        in_order = in_order_of_names(equations, labels)
        written = tuple(read.value for read in map(labelled, equations) if read)
        decision = self._items(in_order, plain, ordered=True)
        if brackets == "{":
            return self._items(written, plain, ordered=False)
        if decision[0] is False and not brackets:
            decision = self._items(written, plain, ordered=True)
        if decision[0] is not False or (written == in_order and not roots):
            return decision
        decision = self._items(written, plain, ordered=False)
        return decision if decision[0] is False else _UNDECIDED

    def _with_signs(self, a: Node, b: Node, ordered: bool) -> Decision:
        """Lists of what \\pm stands for: all signs together, or each on its own when there are several."""
        questions = [lambda: self._alternatives(a, b, ordered, False)]
        if 1 < max(len(signs_in(a)), len(signs_in(b))) <= MAX_SIGNS:
            questions.append(lambda: self._alternatives(a, b, ordered, True))
        return some(questions)

    def _alternatives(self, a: Node, b: Node, ordered: bool, independent: bool) -> Decision:
        first, second = (
            tuple(x for item in items_of(n) or (n,) for x in expand_signs(item, independent)) for n in (a, b)
        )
        return self._items(first, second, ordered=ordered)

    def _items(self, a: Sequence[Node], b: Sequence[Node], *, ordered: bool) -> Decision:
        if len(a) != len(b):
            return _DIFFERENT
        if len(a) > MAX_ITEMS:
            raise LimitExceeded("a list is too long")
        in_place = [partial(self.of_items.same, x, y) for x, y in zip(a, b, strict=True)]
        if ordered or len(a) == 1:
            return every(in_place)
        return self._matching(a, b)

    def _matching(self, a: Sequence[Node], b: Sequence[Node]) -> Decision:
        """Every item of `a` has its own equal in `b`."""
        if len(a) <= MAX_DISTINCT and any(map(has_units, (*a, *b))):
            return self._assignment(a, b)
        return self._greedy_matching(a, b)

    def _assignment(self, a: Sequence[Node], b: Sequence[Node]) -> Decision:
        """By augmenting paths: with units that may be missing, equality is not transitive."""
        same = self.of_items.same
        table = [[same(x, y) for y in b] for x in a]
        if assign([[d[0] is True for d in row] for row in table]):
            return True, "algebraic"
        return (None if assign([[d[0] is not False for d in row] for row in table]) else False), "algebraic"

    def _greedy_matching(self, a: Sequence[Node], b: Sequence[Node]) -> Decision:
        """Every item of `a` finds its own equal in `b`; greedily, since equality is transitive."""
        left = list(b)
        names = {item: _name(item) for item in (*a, *b)} if len(a) > MANY_ITEMS else {}
        method: Method = "string"
        undecided: Decision | Exception | None = None
        for item in a:
            likely_first = sorted(
                left, key=lambda other: (other != item, names.get(other) != names.get(item))
            )
            partner, decision = self._partner(item, likely_first)
            if partner is not None:
                left.remove(partner)
                method = decision[1] if isinstance(decision, tuple) else method
            elif decision == _DIFFERENT:
                return _DIFFERENT
            else:
                undecided = decision
        if isinstance(undecided, Exception):
            raise undecided
        return (None if undecided else True), method

    def _partner(self, item: Node, others: Sequence[Node]) -> tuple[Node | None, Decision | Exception]:
        """The first equal one, else why there is none: different, undecided, or an exception to raise."""
        outcome: Decision | Exception = _DIFFERENT
        for other in others:
            try:
                decision = self.of_items.same(item, other)
            except (NeedsAlgebra, LimitExceeded) as error:
                outcome = error
                continue
            if decision[0]:
                return other, decision
            if decision[0] is None and outcome == _DIFFERENT:
                outcome = _UNDECIDED
        return None, outcome

    def _sequences(self, a: Sequence[Node], b: Sequence[Node]) -> Decision:
        """Lists with an ellipsis: different ends or beginnings differ, other differences are open."""
        if len(a) == len(b):
            decision = every(partial(self.same, x, y) for x, y in zip(a, b, strict=True))
            if decision[0] is not None:
                return decision
        for x, y in zip(a, b, strict=False):
            if Dots() in (x, y):
                break
            if self.same(x, y)[0] is False:
                return _DIFFERENT
        if Dots() not in (a[-1], b[-1]) and self.same(a[-1], b[-1])[0] is False:
            return _DIFFERENT
        return _UNDECIDED

    # Relations

    def _relations(self, a: Node, b: Node) -> Decision | None:
        if isinstance(a, Relation) and isinstance(b, Relation):
            return self._two_relations(a, b)
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Relation):
                read = labelled(one)
                value = read.value if read else constant_value(one)
                if value is None:
                    return self._quantity(one, other)
                return self.same(value, other) if one is a else self.same(other, value)
        return None

    def _quantity(self, equation: Relation, other: Node) -> Decision:
        """`m + n = 29` is 29, because m + n was asked for; `x + y = 7` may as well be the line."""
        read = quantity_and_number(equation)
        if read is None or not is_scalar(other) or symbols(other):
            return _DIFFERENT
        decision = self._values(read.value, other)
        return decision if read.is_quantity or not decision[0] else _UNDECIDED

    def _two_relations(self, a: Relation, b: Relation) -> Decision:
        left, right = labelled(a), labelled(b)
        if left and right:
            if ("equiv" in a.ops) != ("equiv" in b.ops):
                return _DIFFERENT
            if same_label(left.label, right.label):
                decision = self.same(*values_of(left, right))
                if decision[0] or not symbols(left.label) & (symbols(left.value) | symbols(right.value)):
                    return decision
            elif len(symbols(a)) < 2 or symbols(a) != symbols(b):
                return _DIFFERENT
        if a.ops == b.ops and a.ops in (("in",), ("notin",), ("equiv",)):
            return every(partial(self.same, x, y) for x, y in zip(a.items, b.items, strict=True))
        if not set(a.ops) & set(b.ops) and not (set(a.ops) | set(b.ops)) <= ORDER:
            return _DIFFERENT
        if any(isinstance(item, Group | Text | Dots | SetOp) for item in (*a.items, *b.items)):
            return _UNDECIDED if set(a.ops) == set(b.ops) else _DIFFERENT
        return same_relation(a, b, algebra=self.algebra)

    # Points, bracketed lists, finite sets

    def _brackets(self, a: Node, b: Node) -> Decision | None:
        if not isinstance(a, Group) and not isinstance(b, Group):
            return None
        if isinstance(a, Group) and isinstance(b, Group):
            return self._two_groups(a, b)
        group, other = (a, b) if isinstance(a, Group) else (b, a)
        assert isinstance(group, Group)
        rows = rows_of(other)
        if rows is not None:
            return self._point_and_vector(group, rows)
        if group.opening == "{" and len(group.items) == 1 and not self.inner:
            return self.of_items.same(group.items[0], other)
        return _DIFFERENT

    def _two_groups(self, a: Group, b: Group) -> Decision:
        brackets = {a.opening + a.closing, b.opening + b.closing}
        if "{}" in brackets:
            if len(brackets) > 1 or bool(a.items) != bool(b.items):
                return _DIFFERENT
            if Dots() in a.items or Dots() in b.items:
                return self._sequences(a.items, b.items)
            return self._with_signs(
                Group(_distinct(a.items, self), "", ""), Group(_distinct(b.items, self), "", ""), False
            )
        if len(brackets) > 1 and (len(a.items) == 2 or not brackets <= {"()", "[]", "<>"}):
            if "<>" not in brackets or not brackets <= {"()", "<>"}:
                return _DIFFERENT
        if Dots() in a.items or Dots() in b.items:
            return self._sequences(a.items, b.items)
        return self._items(a.items, b.items, ordered=True)

    def _point_and_vector(self, group: Group, rows: tuple[tuple[Node, ...], ...]) -> Decision:
        """A row or a column of numbers is the vector (a, b, c)."""
        if group.opening not in ("(", "<") or 1 not in (len(rows), len(rows[0])):
            return _DIFFERENT
        cells = [cell for row in rows for cell in row]
        return self._items(group.items, cells, ordered=True)

    # Matrices

    def _matrices(self, a: Node, b: Node) -> Decision | None:
        if not has_matrix(a) and not has_matrix(b):
            return None
        a, b = expand_determinants(a), expand_determinants(b)
        if not has_matrix(a) and not has_matrix(b):
            return self._values(a, b)
        rows = rows_of(a), rows_of(b)
        if rows[0] is None or rows[1] is None:
            return _DIFFERENT if is_scalar(a) or is_scalar(b) else _UNDECIDED
        if (len(rows[0]), len(rows[0][0])) != (len(rows[1]), len(rows[1][0])):
            return _DIFFERENT
        cells = [tuple(cell for row in side for cell in row) for side in rows if side]
        return self._items(cells[0], cells[1], ordered=True)

    # Ratios and times of day

    def _ratios(self, a: Node, b: Node) -> Decision | None:
        if not isinstance(a, Ratio) and not isinstance(b, Ratio):
            return self._times_of_day(a, b)
        if isinstance(a, Ratio) and isinstance(b, Ratio):
            if Dots() in a.items or Dots() in b.items:
                return self._sequences(a.items, b.items)
            if len(a.items) != len(b.items):
                return _DIFFERENT
            if a.clock or b.clock:
                decision = self._items(a.items, b.items, ordered=True)
                return decision if decision[0] or (a.clock and b.clock) else _UNDECIDED
            return self._proportional(a.items, b.items)
        ratio, other = (a, b) if isinstance(a, Ratio) else (b, a)
        assert isinstance(ratio, Ratio)
        if isinstance(other, Quantity) and other.unit in ("am", "pm") and ratio.clock:
            if self.policy.units == "strict":
                return _DIFFERENT
            return self.same(ratio, other.value)
        if ratio.clock or len(ratio.items) != 2 or not is_scalar(other):
            return _DIFFERENT
        return self._values(Div(*ratio.items), other)

    def _proportional(self, a: Sequence[Node], b: Sequence[Node]) -> Decision:
        """a_i b_j = a_j b_i for every pair, which holds for 0:0 too and proves nothing there."""
        if any(all(_is_zero(item) for item in items) for items in (a, b)):
            return _DIFFERENT
        pairs = combinations(range(len(a)), 2)
        return every(partial(self._values, Mul((a[i], b[j])), Mul((a[j], b[i]))) for i, j in pairs)

    def _times_of_day(self, a: Node, b: Node) -> Decision | None:
        clocks = [isinstance(n, Quantity) and isinstance(n.value, Ratio) for n in (a, b)]
        if not any(clocks):
            return None
        if isinstance(a, Quantity) and isinstance(b, Quantity) and all(clocks) and a.unit == b.unit:
            return self.same(a.value, b.value)
        return _DIFFERENT

    def _values(self, a: Node, b: Node) -> Decision:
        return same_value(a, b, self.policy, self.algebra)

    # What can only be compared as written

    def _as_written(self, a: Node, b: Node) -> Decision | None:
        """Sums with an ellipsis and expressions that contain lists or words have no value to compare."""
        odd = [n for n in (a, b) if not is_scalar(n)]
        if not odd:
            return None
        if len(odd) == 2:
            return _UNDECIDED
        other = b if odd[0] is a else a
        may_be_a_function = isinstance(odd[0], Add | Mul | Call | Div | Neg) and symbols(other)
        return _UNDECIDED if may_be_a_function else _DIFFERENT

    def _piecewise(self, a: Node, b: Node) -> Decision | None:
        if not (isinstance(a, Call) and isinstance(b, Call) and a.name == b.name == "piecewise"):
            return None
        pieces = [tuple(Group(n.args[i : i + 2], "<", ">") for i in range(0, len(n.args), 2)) for n in (a, b)]
        return _or_unknown(self._items(pieces[0], pieces[1], ordered=False))


def _or_unknown(decision: Decision) -> Decision:
    """For parts that are compared as written, a difference proves nothing."""
    return decision if decision[0] else (None, decision[1])


def _is_zero(node: Node) -> bool:
    try:
        return fold(node) == 0
    except (ArithmeticError, LimitExceeded):
        return False


def _distinct(items: Sequence[Node], comparison: Comparison) -> tuple[Node, ...]:
    """The items of a set without repetitions; long sets only without literal ones."""
    kept: list[Node] = []
    for item in dict.fromkeys(items):
        if len(items) > MAX_DISTINCT or not any(_certainly(comparison, item, other) for other in kept):
            kept.append(item)
    return tuple(kept)


def _name(node: Node) -> str | None:
    try:
        return canonical(node)
    except (LimitExceeded, NeedsAlgebra):
        return None


def _certainly(comparison: Comparison, a: Node, b: Node) -> bool:
    try:
        return comparison.of_items.same(a, b)[0] is True
    except (NeedsAlgebra, LimitExceeded):
        return False

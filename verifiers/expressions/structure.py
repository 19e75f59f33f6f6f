"""Brackets, matrices, absolute values, accents, and operators with bounds."""

from __future__ import annotations

from verifiers.expressions import build, limits
from verifiers.expressions.expression import SIGNS
from verifiers.expressions.lexer import Unreadable
from verifiers.expressions.nodes import (
    Big,
    Call,
    Connective,
    Div,
    Group,
    Matrix,
    Mul,
    Node,
    Relation,
    SetBuilder,
    Sym,
    Text,
)
from verifiers.expressions.quantities import Quantities
from verifiers.expressions.vocabulary import CASES, NAMED_SETS
from verifiers.policy import LimitExceeded

_CLOSING = {
    "(": (")", "]"),
    "[": ("]", ")", "["),
    "]": ("]", "["),
    "lset": ("rset", "rnull"),
    "{": ("}",),
    "set": ("}",),
    "langle": ("rangle",),
}
_SETS = ("lset", "set", "{")
_OPENING_AS = {"(": "(", "[": "[", "]": "(", "lset": "{", "set": "{", "{": "{", "langle": "<"}
_CLOSING_AS = {")": ")", "]": "]", "[": ")", "rset": "}", "}": "}", "rangle": ">"}
_CONJUGATED = frozenset({"bar", "overline"})
_NAMING = frozenset({"overline", "bar", "vec", "overrightarrow", "underline", "widehat"})


class Structures(Quantities):
    """What encloses other parts."""

    def bracket(self) -> Node:
        """A group, a list, an interval, a set or a set-builder, by its brackets and contents."""
        opening = self.take().kind
        if opening == "{" and self.kind == "}" and self.ahead().kind in ("_", "^"):
            self.at += 1
            return self.factor()
        if opening not in _CLOSING:
            raise Unreadable
        if opening == "{" and self._is_set():
            opening = "set"
        self.inside.append("set" if opening in _SETS else "[" if opening in ("[", "]") else "")
        node = self._contents(opening)
        self.inside.pop()
        return node

    def _is_set(self) -> bool:
        """Whether bare braces around one item are a set: `x \\in {1}`, `A \\cup {1}`, `R - {0}`."""
        before, earlier = self.tokens[self.at - 2], self.tokens[self.at - 3]
        if before.kind == "-":
            return earlier.kind in ("}", ")", "]") or earlier.value in NAMED_SETS
        return before.kind == "setop" or before.value in ("in", "notin")

    def _contents(self, opening: str) -> Node:
        closing = self.kind
        if closing in _CLOSING[opening] and closing in _CLOSING_AS and closing != "[":
            self.at += 1
            return self._enclosed(opening, closing, [], [])
        items, separators = self.items()
        if self.kind in ("|", "mid", ":") and len(items) == 1 and opening in _SETS:
            return self._set_builder(items[0], _CLOSING[opening])
        closing = self.take().kind
        if closing not in _CLOSING[opening]:
            raise Unreadable
        if closing == "rnull":
            return self._system(items, separators)
        return self._enclosed(opening, closing, items, separators)

    def _set_builder(self, element: Node, closing: tuple[str, ...]) -> Node:
        self.at += 1
        self.inside[-1] = ""
        condition = self.assembled(*self.items())
        self.expect(*closing)
        if not isinstance(condition, Relation | Connective | Group | Text):
            raise Unreadable
        if isinstance(element, Relation) and element.ops == ("in",) and element.items[1] == Sym("Reals"):
            element = element.items[0]  # what a variable is unless the source says otherwise
        return SetBuilder(element, condition)

    def _enclosed(self, opening: str, closing: str, items: list[Node], separators: list[str]) -> Node:
        left, right = _OPENING_AS[opening], _CLOSING_AS[closing]
        if left + right == "[]" and (matrix := _matrix_of_lists(items, separators)):
            return matrix
        if len(items) == 1 and not separators:
            return self._single(opening, left, right, items[0])
        if opening == "[" and ";" in separators and "," in separators:
            return _rows(items, separators)
        if not items and opening == "{":
            raise Unreadable
        if "and" in separators or "or" in separators:
            if left != "{":
                return self.assembled(items, separators)
        elif ";" in separators and "," in separators:
            raise Unreadable
        return Group(tuple(items), left, right)  # type: ignore[arg-type]

    def _single(self, opening: str, left: str, right: str, item: Node) -> Node:
        if opening in ("(", "{") or isinstance(item, Matrix):
            if left + right not in ("()", "{}", "[]"):
                raise Unreadable
            return item
        if left + right not in ("[]", "{}"):
            raise Unreadable
        return Group((item,), left, right)  # type: ignore[arg-type]

    def _system(self, items: list[Node], separators: list[str]) -> Node:
        """`\\left\\{ ... \\right.`."""
        if len(items) == 1 and isinstance(items[0], Matrix):
            return self._cases(items[0].rows)
        return self.assembled(items, separators) if len(items) > 1 else items[0]

    # Matrices

    def matrix(self) -> Node:
        name = self.take().value
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        count = 0
        self.inside.append("")
        while True:
            while self.accept("row"):
                pass
            if self.accept("end"):
                break
            cells.append(self._cell())
            count += 1
            if count > limits.MAX_CELLS:
                raise LimitExceeded
            if not self.accept("&"):
                rows.append(tuple(cells))
                cells = []
                if self.kind not in ("row", "end"):
                    raise Unreadable
        self.inside.pop()
        return self._matrix_of(name, tuple(rows))

    def _cell(self) -> Node:
        self.accept("given")
        if self.accept("otherwise"):
            return Text("otherwise")
        cell = self.relation()
        self.accept(",", ";")
        return cell

    def _matrix_of(self, name: str, rows: tuple[tuple[Node, ...], ...]) -> Node:
        if name in CASES:
            return self._cases(rows)
        if not rows or len({len(row) for row in rows}) > 1:
            raise Unreadable
        matrix = Matrix(rows)
        if name == "vmatrix":
            return Call("det", (matrix,))
        return Call("norm", (matrix,)) if name == "Vmatrix" else matrix

    def _cases(self, rows: tuple[tuple[Node, ...], ...]) -> Node:
        """A system of relations, or the values of a function with their conditions."""
        if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) > 2:
            raise Unreadable
        cells = tuple(cell for row in rows for cell in row)
        if len(rows[0]) == 2:
            return Call("piecewise", cells)
        return Group(cells, "", "") if len(cells) > 1 else cells[0]

    # Bars

    def bars(self) -> Node:
        opening = self.take().kind
        self.inside.append({"|": "abs", "lbar": "abs", "norm": "norm"}.get(opening, ""))
        node = build.operand(self.sum())
        self.inside.pop()
        closing = {"|": ("|", "rbar"), "lbar": ("rbar", "|"), "norm": ("norm",)}
        self.expect(*closing.get(opening, ("r" + opening[1:],)))
        if opening in ("|", "lbar"):
            return Call("det" if isinstance(node, Matrix) else "abs", (node,))
        return Call({"lfloor": "floor", "lceil": "ceil"}.get(opening, opening), (node,))

    # Accents

    def accent(self) -> Node:
        """A dressed name is one symbol; a box or a bold formula is only what it holds."""
        accent = self.take().value
        if (name := self._dressed_name(accent)) is not None:
            return name
        if self.kind != "{":
            raise Unreadable
        node = self._boxed() if accent in ("boxed", "fbox") else self.bracket()
        return Call("conj", (build.operand(node),)) if accent in _CONJUGATED else node

    def _boxed(self) -> Node:
        """The whole answer inside a box; a box around the rest of the text need not be closed."""
        self.at += 1
        self.inside.append("")
        node = self.assembled(*self.items())
        self.inside.pop()
        if self.kind != "end of text":
            self.expect("}")
        return node

    def _dressed_name(self, accent: str) -> Node | None:
        braced = self.kind == "{"
        at = self.at + braced
        letters = ""
        while self.tokens[at].kind in ("letter", "word") and (braced or not letters):
            letters += self.tokens[at].value
            at += 1
        if braced and self.tokens[at].kind == "}":
            at += 1
        elif braced or not letters:
            return None
        if len(letters) > 1 and accent not in _NAMING:
            return None
        self.at = at
        if accent in _CONJUGATED and letters in ("z", "w"):
            return Call("conj", (Sym(letters),))
        if accent in _CONJUGATED and len(letters) == 2 and letters.isupper():
            return build.multiply([Sym(letters[0]), Sym(letters[1])])  # a segment, which AB names as well
        if accent in _CONJUGATED:
            letters = f"overline {letters}"
        return self.named(letters)

    # Operators with bounds

    def big(self) -> Node:
        op = self.take().value
        if op == "int":
            return self._integral()
        return self._limit() if op == "lim" else self._series(op)

    def _series(self, op: str) -> Node:
        variable, lower, upper = "", None, None
        while self.kind in ("_", "^"):
            if self.take().kind == "^":
                upper = self.argument(one_digit=False)
                continue
            self.expect("{")
            variable = self._index()
            if self.kind == "rel" and self.take().value == "=":
                lower = self.sum()
            self.expect("}")
        if not variable:
            raise Unreadable
        self.bound.append(variable)
        body = self._body()
        self.bound.pop()
        return Big(op, build.operand(body), variable, lower, upper)  # type: ignore[arg-type]

    def _body(self) -> Node:
        """What a sum or limit applies to: one term, up to the next plus or minus."""
        if (sign := self.kind) in SIGNS:
            self.at += 1
            return build.signed(sign, self.term())
        return self.term()

    def _index(self) -> str:
        token = self.take()
        if token.kind not in ("letter", "name"):
            raise Unreadable
        return token.value

    def _integral(self) -> Node:
        lower = upper = None
        while self.kind in ("_", "^"):
            if self.take().kind == "_":
                lower = self.argument(one_digit=False)
            else:
                upper = self.argument(one_digit=False)
        self.integrals += 1
        body: Node = (
            build.whole_number("1") if self.tokens[self.at].value == "d" else build.operand(self.sum())
        )
        self.integrals -= 1
        if self.tokens[self.at].value == "d":
            self.at += 1
            return Big("int", body, self._index(), lower, upper)
        body, variable = _without_differential(body)
        return Big("int", body, variable, lower, upper)

    def _limit(self) -> Node:
        self.expect("_")
        self.expect("{")
        variable = self._index()
        self.expect("to")
        self.inside.append("limit")
        point = self.sum()
        self.inside.pop()
        self.expect("}")
        side = None
        if isinstance(point, Call) and point.name in ("side+", "side-"):
            side, point = Sym(point.name[-1]), point.args[0]
        body = build.operand(self._body())
        return Big("lim", body, variable, point, side)

    def derivative(self, numerator: Node, denominator: Mul) -> Node:
        """`\\frac{d}{dx} f` and `\\frac{dy}{dx}`; other fractions stay fractions."""
        variable = denominator.factors[1]
        if len(denominator.factors) != 2 or not isinstance(variable, Sym):
            return build.divide(numerator, denominator)
        if numerator == Sym("d"):
            return Big("diff", build.operand(self.term()), variable.name)
        if isinstance(numerator, Mul) and numerator.factors[0] == Sym("d"):
            return Big("diff", build.multiply(list(numerator.factors[1:])), variable.name)
        return build.divide(numerator, denominator)


def _rows(items: list[Node], separators: list[str]) -> Node:
    """`[1, 2; 3, 4]`."""
    rows: list[list[Node]] = [[items[0]]]
    for item, separator in zip(items[1:], separators, strict=False):
        if separator == ";":
            rows.append([])
        elif separator != ",":
            raise Unreadable
        rows[-1].append(item)
    if len({len(row) for row in rows}) > 1 or any(isinstance(item, Relation) for item in items):
        raise Unreadable
    return Matrix(tuple(tuple(row) for row in rows))


def _matrix_of_lists(items: list[Node], separators: list[str]) -> Matrix | None:
    """`[[1, 2], [3, 4]]`."""
    rows = [item.items for item in items if isinstance(item, Group) and item.opening + item.closing == "[]"]
    if len(rows) < len(items) or len({len(row) for row in rows}) != 1 or not rows[0]:
        return None
    if sum(map(len, rows)) > limits.MAX_CELLS:
        raise LimitExceeded
    return Matrix(tuple(rows)) if set(separators) <= {","} else None


def _without_differential(body: Node) -> tuple[Node, str]:
    """The integrand of `\\int \\frac{dx}{x}` and its variable."""
    numerator = body.numerator if isinstance(body, Div) else body
    factors = list(numerator.factors) if isinstance(numerator, Mul) else []
    variable = factors[-1] if len(factors) > 1 and factors[-2] == Sym("d") else None
    if not isinstance(variable, Sym):
        raise Unreadable
    rest = build.multiply(factors[:-2]) if len(factors) > 2 else build.whole_number("1")
    return (Div(rest, body.denominator) if isinstance(body, Div) else rest), variable.name

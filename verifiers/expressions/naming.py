"""Names: letters, Greek, subscripts and primes, function application, figures and named sets.

`f(x)` is an application where the letter usually names a function, or the brackets hold nothing but
variables; elsewhere a letter before brackets is a factor, as in `a(b+c)`.
"""

from __future__ import annotations

from verifiers.expressions import build
from verifiers.expressions.cursor import Cursor
from verifiers.expressions.lexer import Unreadable
from verifiers.expressions.nodes import Call, Const, Group, Node, Sym
from verifiers.expressions.vocabulary import NAMED_SETS

MAX_APPLICATION = 32  # tokens looked ahead to tell an application from a product
_SHORT_PROSE = frozenset("is of be per the not but all any are was has can its yes one two six ten".split())
_APPLIED_ALWAYS = frozenset("fgFG")
_APPLIED_TO_NAMES = frozenset("fghpquvwyABCDEFGHJKLMNPQRSTUVWXYZ")
_SELECTIONS = frozenset("CP")
_SUBSCRIPT_STOPS = frozenset({"end of text", "&", "row", ","})
_SIGNED_SETS = {"+": "Positive", "-": "Negative", "*": "Nonzero", "0": "Nonnegative"}
_SETS_ALSO = {"PositiveNaturals": "PositiveIntegers", "NonzeroNaturals": "PositiveIntegers"}
_SETS_ALSO |= {"NonnegativeNaturals": "NonnegativeIntegers"}
_RELATED_SETS = {">": "Positive", ">=": "Nonnegative", "<": "Negative", "!=": "Nonzero"}


class Naming(Cursor):
    """What a name stands for, by what follows it."""

    def word(self) -> Node:
        """Upright capitals are a product or a choice like any other; other words are no operands."""
        word = self.take().value
        if not word.isupper() or len(word) > 3:
            raise Unreadable
        return build.multiply([Sym(letter) for letter in word])

    def letter(self) -> Node:
        token = self.take()
        if len(token.run) > 1 and not token.upright and _is_prose(token.run):
            raise Unreadable
        if token.value == "m" and self.kind == "figure":
            return self.figure()
        return self.named(token.value, constant=True)

    def greek(self) -> Node:
        return self.named(self.take().value)

    def named(self, name: str, constant: bool = False) -> Node:
        """A letter with its subscript and primes, or applied to arguments."""
        if self.kind == "_" and name in _SELECTIONS and (selected := self._selections(name)):
            return selected
        start, plain = self.at, name
        if self.kind == "num" and constant and not self.tokens[self.at].spaced and self._is_index():
            name += "_" + self.take().value
        if self.accept("_"):
            name += "_" + self.subscript()
        while self.kind == "'":
            name += self.take().value or "'"
        if self.kind == "(" and self._is_application(plain):
            return self._applied(name)
        if self.kind == "^" and plain in "fgh" and self._is_inverse():
            self.at += 4 + (self.ahead().kind == "{")
            return self._applied(name + "^-1")
        if constant and self.at == start and name in ("e", "i") and name not in self.bound:
            return Const(name)  # type: ignore[arg-type]
        return Sym(name)

    def _selections(self, symbol: str) -> Node | None:
        """`C_6^2`, `P_6^2` and `C_n^k`; the square of a second constant, `C_2^2`, stays a power."""
        below, width = self._mark(1)
        above, _ = self._mark(2 + width)
        if self.ahead(1 + width).kind != "^" or not below or not above:
            return None
        if below.isdigit() and above.isdigit():
            if len(below + above) > 8 or not int(above) <= int(below) or below == above == "2":
                return None
        elif symbol != "C" or below not in ("n", "m") or not (above.isdigit() or above.isalpha()):
            return None
        self.at += 1
        n = self.argument(one_digit=False)
        self.at += 1
        return build.selections(symbol, n, self.argument(one_digit=False))

    def _mark(self, distance: int) -> tuple[str, int]:
        """A number or letter ahead, braced or not, and how many tokens it takes; empty for anything else."""
        braced = self.ahead(distance).kind == "{"
        token = self.ahead(distance + braced)
        is_mark = token.kind in ("num", "letter") and (not braced or self.ahead(distance + 2).kind == "}")
        return (token.value, 1 + 2 * braced) if is_mark else ("", 0)

    def _is_index(self) -> bool:
        """`x1` of plain text is x_1."""
        return self.tokens[self.at - 1].run != "" and self.tokens[self.at].value.isdigit()

    def subscript(self) -> str:
        """The text of a subscript without its braces."""
        if not self.accept("{"):
            token = self.take()
            if token.kind in _SUBSCRIPT_STOPS:
                raise Unreadable
            return token.value or token.kind
        parts, depth = list[str](), 1
        while True:
            token = self.take()
            depth += (token.kind == "{") - (token.kind == "}")
            if token.kind == "end of text":
                raise Unreadable
            if not depth:
                return "".join(parts)
            if token.kind not in ("{", "}"):
                parts.append(token.value or token.kind)

    def _is_inverse(self) -> bool:
        """`^{-1}(`, before the arguments of an inverse function."""
        braced = self.ahead().kind == "{"
        kinds = [self.ahead(i + braced).kind for i in (1, 2, 3 + braced)]
        return kinds == ["-", "num", "("] and self.ahead(2 + braced).value == "1"

    def _is_application(self, name: str) -> bool:
        """Whether a name before `(` is a function and not a factor."""
        if name in _APPLIED_ALWAYS or self.tokens[self.at - 1].kind == "'":
            return True
        if name in ("e", "i"):
            return False
        distance, only_numbers = self._variables_ahead(name)
        if not distance:
            return False
        if self.ahead(distance + 1).value == "=":
            return True
        is_point = distance > 2
        if only_numbers:
            return is_point and name.isupper()
        return len(name) > 1 or name in _APPLIED_TO_NAMES

    def _variables_ahead(self, name: str) -> tuple[int, bool]:
        """How far the bracket closes that holds only names and numbers, and whether only numbers; else 0."""
        distance, only_numbers = 1, True
        while distance < MAX_APPLICATION:
            token = self.ahead(distance)
            if token.kind == "-" and self.ahead(distance + 1).kind == "num":
                distance += 1
            elif token.kind in ("letter", "name") and token.value != name:
                only_numbers = False
                distance += 2 * (self.ahead(distance + 1).kind == "_")
            elif token.kind != "num":
                break
            distance += 1
            after = self.ahead(distance).kind
            if after == ")":
                return distance, only_numbers
            if after != ",":
                break
            distance += 1
        return 0, False

    def _applied(self, name: str) -> Node:
        arguments = self.bracket()
        args = arguments.items if isinstance(arguments, Group) and arguments.opening == "(" else (arguments,)
        if name == "C" and len(args) == 2 and all(build.is_natural(arg) for arg in args):
            return Call("binom", args)
        return Call(name, tuple(build.operand(arg) for arg in args))

    def figure(self) -> Node:
        """`\\angle ABC`: the vertices are the name."""
        figure = self.take().value
        braced = self.accept("{")
        vertices = ""
        while self.kind in ("letter", "num") and len(vertices) < 4:
            vertices += self.take().value
        if braced:
            self.expect("}")
        if not vertices:
            raise Unreadable
        return Sym(f"{figure} {vertices}")

    def named_set(self) -> Node:
        """`\\mathbb{R}`, with the marks that restrict it to one sign."""
        self.at += 1
        braced = self.accept("{")
        letter = self.take().value
        if braced:
            self.expect("}")
        name = NAMED_SETS.get(letter, f"mathbb {letter}")
        if self.kind in ("^", "_") and (restriction := self._restriction()):
            return Sym(_SETS_ALSO.get(restriction + name, restriction + name))
        return Sym(name)

    def _restriction(self) -> str:
        """The word for `^+`, `_{>0}` and the like, behind which the cursor moves; empty when it is none."""
        braced = self.ahead().kind == "{"
        mark = self.ahead(1 + braced)
        word, length = _SIGNED_SETS.get(mark.value or mark.kind, ""), 1
        if mark.kind == "rel" and self.ahead(2 + braced).value == "0":
            word, length = _RELATED_SETS.get(mark.value, ""), 2
        if word:
            self.at += 1 + braced + length
            if braced:
                self.expect("}")
        return word

    def bare_letter(self) -> Node:
        """The x of `\\frac x2`, where 2 is no index."""
        name = self.take().value
        return Const(name) if name in ("e", "i") and name not in self.bound else Sym(name)  # type: ignore[arg-type]


def _is_prose(run: str) -> bool:
    """Whether letters in a row are a word; `abcd`, `wxyz` and `ABCD` are products."""
    if len(run) < 4:
        return run.lower() in _SHORT_PROSE
    return not run.isupper() and list(run) != sorted(set(run))

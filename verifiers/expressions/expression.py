"""Arithmetic: sums, products, powers, numbers, names and function application, in conventional precedence.

What stands side by side is a product only where it cannot be anything else: two numbers ("1 2"), two points
and two words are unreadable, and a mixed number is a sum.
"""

from __future__ import annotations

from verifiers.expressions import build, numerals
from verifiers.expressions.functions import Functions
from verifiers.expressions.lexer import Token, Unreadable
from verifiers.expressions.nodes import (
    Call,
    Const,
    Digits,
    Div,
    Dots,
    Group,
    Matrix,
    Mul,
    Node,
    Num,
    Pow,
    Quantity,
    Ratio,
    Root,
    Sym,
)
from verifiers.expressions.units import SCALES
from verifiers.policy import LimitExceeded

SIGNS = frozenset({"+", "-", "pm", "mp"})
MAX_POSTFIX = 8  # x!!!!!... is nothing anybody answers
_IMPLICIT = frozenset(
    "letter name const ( [ { frac sqrt cbrt fn binom big | lbar norm lfloor lceil begin accent mathbb figure "
    "num word dots base repeating lset".split()
)
_POSTFIX = frozenset({"^", "!", "degree", "'", "_"})
_AFTER_INTERVAL = frozenset({"setop", "end of text", ",", "}", ")", "rset", "rel", "and", "or"})


class Expression(Functions):
    """Sums and everything that binds tighter."""

    def sum(self) -> Node:
        """Terms, each with at most one sign of its own: `2 - -3`, but not `--5`."""
        terms: list[Node] = []
        while not terms or self.kind in SIGNS:
            operator = self.take().kind if terms else "+"
            sign = self.take().kind if self.kind in SIGNS else ""
            term = self.term()
            term = build.signed(sign, term) if sign else term
            terms.append(build.signed(operator, term) if operator != "+" else term)
        return build.add(terms) if len(terms) > 1 else terms[0]

    def term(self) -> Node:
        numerator, denominator = [self.factor()], list[Node]()
        while True:
            token = self.tokens[self.at]
            if token.kind == "*":
                self.at += 1
                numerator.append(self.signed_factor())
            elif token.kind == "/":
                self.at += 1
                denominator += self.divisor(numerator)
            elif self.may_measure(token):
                value = self._quotient(numerator, denominator)
                measured = self.measured(value)
                if measured is not value:
                    return self.more_quantities(measured)
                if token.spaced and len(token.run) > 3 and token.kind == "letter" and not token.upright:
                    raise Unreadable  # a word that is no unit is no product either
                if not self.multiplies(token, numerator):
                    return value
                self._append_factor(numerator)
            elif token.kind == "num" and isinstance(numerator[-1], Quantity):
                return self.more_quantities(self._quotient(numerator, denominator))
            elif self.multiplies(token, numerator):
                self._append_factor(numerator)
            else:
                return self._quotient(numerator, denominator)

    def _quotient(self, numerator: list[Node], denominator: list[Node]) -> Node:
        product = build.multiply(numerator)
        return build.divide(product, build.multiply(denominator)) if denominator else product

    def _append_factor(self, factors: list[Node]) -> None:
        """A factor written beside the last one; `1\\frac{1}{2}` and `1 1/2` are sums instead."""
        follows_number = self.tokens[self.at - 1].kind == "num"
        if self.kind == "num" and isinstance(factors[-1], Num) and follows_number:
            factors[-1] = self._mixed_slash(factors[-1])
            return
        is_fraction = self.kind == "frac"
        factor = self.factor()
        sum_ = build.mixed(factors[-1], factor) if follows_number and is_fraction else None
        if sum_:
            factors[-1] = sum_
        else:
            factors.append(factor)

    def _mixed_slash(self, whole: Node) -> Node:
        """`7 3/4`; any other two numbers side by side are unreadable."""
        numerator, slash, denominator, after = (self.ahead(i) for i in range(4))
        if slash.kind != "/" or denominator.kind != "num" or after.kind in ("^", "!", "_"):
            raise Unreadable
        fraction = Div(numerals.number(numerator.value), numerals.number(denominator.value))
        sum_ = build.mixed(whole, fraction)
        if not sum_ or not numerator.spaced:
            raise Unreadable
        self.at += 3
        return sum_

    def multiplies(self, token: Token, factors: list[Node]) -> bool:
        """Whether `token` begins a factor written beside the last one."""
        kind, last = token.kind, self.tokens[self.at - 1].kind
        if token.wide or kind not in _IMPLICIT:
            return False
        if kind == "letter":
            return self._letter_multiplies(token)
        if kind in ("|", "norm"):
            return not (self.inside and self.inside[-1] in ("abs", "set", "norm"))
        if kind in ("(", "lset"):
            if isinstance(factors[-1], Group) and len(factors[-1].items) > 1:
                raise Unreadable  # two points or sets side by side are no product
            return self.ahead().kind not in ("mod", "pmod")
        if kind == "[":
            return not self._closes_interval()
        if kind == "word":
            return token.value.isupper() and len(token.value) <= 3
        if kind == "num":
            return self._number_multiplies(factors[-1])
        if kind in ("dots", "base", "repeating") and last == "num":
            raise Unreadable
        return True

    def _letter_multiplies(self, token: Token) -> bool:
        last = self.tokens[self.at - 1]
        if self.integrals and token.value == "d" and self.ahead().kind in ("letter", "name"):
            return False
        if token.spaced and last.kind == "letter":
            if token.run == "in":
                return False
            if len(token.run) > 1 or len(last.run) != 1:
                raise Unreadable  # words, not factors
        if self.on_right_side and token.spaced and last.kind == "num" and self.ahead().kind == "rel":
            raise Unreadable  # `x=1 y=2` may be two equations
        return not self._is_union()

    def _number_multiplies(self, before: Node) -> bool:
        """Whether a number is a factor beside `before`: it is in `2^{3}5^{2}`, `(1+i)6` and `3!2!`."""
        last, is_marked = self.tokens[self.at - 1].kind, self.ahead().kind in ("!", "^")
        counts = isinstance(before, Call) and before.name in ("factorial", "doublefactorial", "binom")
        power_of_number = isinstance(before, Pow) and isinstance(before.base, Num)
        if last == ")" or (last == "num" and isinstance(before, Num)) or (counts and is_marked):
            return True
        if power_of_number and (last == "}" or (last == "letter" and is_marked)):
            return True
        raise Unreadable

    def _closes_interval(self) -> bool:
        """The `[` of `[a,b[`."""
        return bool(self.inside) and self.inside[-1] == "[" and self.ahead().kind in _AFTER_INTERVAL

    def _is_union(self) -> bool:
        """The U of `(0,1) U (2,3)`."""
        around = (self.tokens[self.at - 1].kind, self.ahead().kind)
        token = self.tokens[self.at]
        return token.value == "U" and around[0] in (")", "]", "rset") and around[1] in ("(", "[", "lset", "{")

    def signed_factor(self) -> Node:
        sign = self.kind
        if sign in SIGNS:
            self.at += 1
            return build.signed(sign, self.factor())
        return self.factor()

    def divisor(self, numerator: list[Node]) -> list[Node]:
        """What a slash divides by: one factor, or letters written together (`1/xy`).

        `1/2x` is half of x; `x/2y` may be either, so it is unreadable.
        """
        is_letter, is_number = self.kind == "letter", self.kind == "num"
        factors = [self.signed_factor()]
        follows = self.tokens[self.at]
        is_variable = follows.kind in ("letter", "name") and not follows.spaced and not follows.upright
        if is_number and is_variable and len(follows.run) < 2 and not isinstance(numerator[-1], Num):
            raise Unreadable
        while is_letter and self.kind == "letter" and not self.tokens[self.at].spaced:
            factors.append(self.factor())
        return factors

    def factor(self) -> Node:
        self.deeper()
        node = self.atom()
        if self.kind in _POSTFIX:
            node = self._postfix(node)
        self.depth -= 1
        return node

    def _postfix(self, node: Node) -> Node:
        for _ in range(MAX_POSTFIX):
            kind = self.kind
            if kind == "^":
                self.at += 1
                node = self._raised(node)
            elif kind == "!" and self.ahead().kind == "!" and not self.ahead().spaced:
                self.at += 2
                node = Call("doublefactorial", (build.operand(node),))
            elif kind == "!":
                self.at += 1
                node = Call("factorial", (build.operand(node),))
            elif kind == "degree":
                self.at += 1
                node = self._degrees(node)
            elif kind == "'":
                node = self._arcminutes(node)
            elif kind == "_":
                node = self._based(node)
            else:
                return node
        raise LimitExceeded

    def _degrees(self, node: Node) -> Node:
        scale = {"C": "celsius", "F": "fahrenheit", "K": "kelvin"}.get(self.tokens[self.at].value)
        if scale and self.kind == "letter":
            self.at += 1
        return Quantity(build.operand(node), scale or "degree")

    def _arcminutes(self, node: Node) -> Node:
        """`30^\\circ 15'`: a prime after a number is only read there, as elsewhere it may be a foot."""
        if self.tokens[self.at - 1].kind != "num" or self.tokens[self.at - 2].kind not in ("degree", "'"):
            raise Unreadable
        marks = len(self.take().value or "'")
        while self.accept("'"):
            marks += 1
        return Quantity(node, "arcminute" if marks == 1 else "arcsecond")

    def _based(self, node: Node) -> Node:
        """`(1011)_2`."""
        self.at += 1
        base = self.subscript()
        is_numeral = build.is_natural(node) and self.tokens[self.at - 2].kind in (")", "{", "_")
        if not is_numeral or not base.isdigit() or not isinstance(node, Num) or not 2 <= int(base) <= 36:
            raise Unreadable
        digits = str(node.value)
        if any(int(digit) >= int(base) for digit in digits):
            raise Unreadable
        return Digits(digits, int(base))

    def _raised(self, base: Node) -> Node:
        """What follows `^`: an exponent, or a mark that is written like one."""
        in_braces = self.accept("{")
        mark, after = self.tokens[self.at], self.ahead().kind
        if mark.kind == "top" or (mark.value == "T" and isinstance(base, Matrix | Group)):
            self.at += 1
            if in_braces:
                self.expect("}")
            return Call("transpose", (base,))
        if mark.upright and mark.value in ("th", "st", "nd", "rd"):
            self.at += 1
            if in_braces:
                self.expect("}")
            return Quantity(base, "ordinal")
        if mark.kind in ("+", "-") and self.inside and self.inside[-1] == "limit":
            if not in_braces and after == "}":
                self.at += 1
                return Call("side" + mark.kind, (base,))
        if in_braces:
            self.inside.append("")
            exponent = self.sum()
            self.inside.pop()
            self.expect("}")
        else:
            exponent = self.bare_exponent()
        return build.power(base, exponent)

    def bare_exponent(self) -> Node:
        sign = self.kind
        if sign in SIGNS:
            self.at += 1
            return build.signed(sign, self.factor())
        self.deeper()
        is_letter = self.kind == "letter" and self.ahead().kind == "num"  # the n of 3^n2^n
        exponent = self.bare_letter() if is_letter else self.atom()
        if self.accept("^"):
            exponent = self._raised(exponent)
        self.depth -= 1
        return exponent

    def argument(self, one_digit: bool = True) -> Node:
        """The argument of `\\frac` and the like: a group, one digit (`\\frac12`), or one atom."""
        if self.accept("{"):
            self.inside.append("")
            node = self.infix_fraction(self.sum())
            self.inside.pop()
            self.expect("}")
        elif self.kind == "num" and one_digit:
            token = self.tokens[self.at]
            if not token.value.isdigit():
                raise Unreadable
            node = build.whole_number(token.value[0])
            if len(token.value) == 1:
                self.at += 1
            else:
                self.tokens[self.at] = token._replace(value=token.value[1:], spaced=False)
        else:
            self.deeper()
            is_letter = self.kind == "letter" and self.ahead().kind == "num"
            node = self.bare_letter() if is_letter else self.atom()
            self.depth -= 1
        return node

    def infix_fraction(self, node: Node) -> Node:
        """`n \\choose k` and `a \\over b` inside braces."""
        if self.accept("choose"):
            return Call("binom", (node, self.sum()))
        return build.divide(node, self.sum()) if self.accept("over") else node

    # Atoms: named in `parser.ATOMS` by the kind of the token that begins them

    def number(self) -> Node:
        number = numerals.number(self.take().value)
        scale = SCALES.get(self.tokens[self.at].run.lower().removesuffix("s"))
        if scale:
            self.at += len(self.tokens[self.at].run) if self.kind == "letter" else 1
            return Num(number.value * scale, number.decimal)
        return number

    def repeating(self) -> Node:
        return numerals.repeating(self.take().value)

    def endless(self) -> Node:
        return numerals.endless(self.take().value)

    def clock(self) -> Node:
        hours, minutes = self.take().value.split(":")
        return Ratio((build.whole_number(hours), build.whole_number(minutes)), clock=True)

    def numeral(self) -> Node:
        return numerals.numeral(self.take().value)

    def constant(self) -> Node:
        return Const(self.take().value)  # type: ignore[arg-type]

    def dots(self) -> Node:
        self.at += 1
        return Dots()

    def empty_set(self) -> Node:
        self.at += 1
        return Group((), "{", "}")

    def fraction(self) -> Node:
        self.at += 1
        numerator = self.argument()
        denominator = self.argument()
        if isinstance(denominator, Mul) and denominator.factors[0] == Sym("d"):
            return self.derivative(numerator, denominator)
        return build.divide(numerator, denominator)

    def root(self) -> Node:
        self.at += 1
        degree: Node = build.whole_number("2")
        if self.accept("["):
            self.inside.append("")
            degree = self.sum()
            self.inside.pop()
            self.expect("]")
        return Root(build.operand(self.argument(one_digit=False)), build.operand(degree))

    def cube_root(self) -> Node:
        self.at += 1
        return Root(build.operand(self.argument(one_digit=False)), build.whole_number("3"))

    def binomial(self) -> Node:
        self.at += 1
        return Call("binom", (build.operand(self.argument()), build.operand(self.argument())))

    def prescript(self) -> Node:
        """`_{10}C_{3}`, `^6P_2`."""
        self.expect("_", "^")
        n = self.argument(one_digit=False)
        symbol = self.take().value
        self.expect("_")
        return build.selections(symbol, n, self.argument(one_digit=False))

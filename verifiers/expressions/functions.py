"""Application of known functions: powers and bases on the name, and arguments without brackets."""

from __future__ import annotations

from fractions import Fraction

from verifiers.expressions import build, units
from verifiers.expressions.lexer import Token, Unreadable
from verifiers.expressions.naming import Naming
from verifiers.expressions.nodes import Add, Call, Const, Div, Group, Mul, Node, Num
from verifiers.expressions.vocabulary import INVERSE

_OF_SEVERAL = frozenset({"max", "min", "gcd", "lcm", "log", "binom"})
_TRIGONOMETRIC = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
_NO_ARGUMENT = frozenset({"end of text", ")", "}", ",", "rel", "+", "-"})
# What ends an argument without brackets although it could be a factor: the cosine of `sin x cos y`.
_ENDS_ARGUMENT = frozenset({"fn", "num", "[", "lset", "{", "big", "word", "dots", "|", "lbar"})


class Functions(Naming):
    """Known functions by their names."""

    def function(self) -> Node:
        """`\\sin^2 x`, `\\log_2 8`, `\\max(a, b)`: the power belongs to the value, -1 to the function."""
        token = self.take()
        name = token.value
        exponent: Node | None = None
        base = self._glued_base() if token.run.lower() == "log" else None
        while self.kind in ("^", "_"):
            if self.take().kind == "_":
                base = self.argument(one_digit=self.ahead().kind in _NO_ARGUMENT)
            else:
                exponent = self.argument(one_digit=False) if self.kind != "-" else self.bare_exponent()
        if base is not None and name != "log":
            raise Unreadable
        if exponent == Num(Fraction(-1)):
            if name not in INVERSE:
                raise Unreadable  # \ln^{-1} may be the inverse or the reciprocal
            name, exponent = INVERSE[name], None
        args = self._arguments(name)
        if name == "lg":
            name, base = "log", build.whole_number("10")
        call: Node = Call(name, (*args, base) if base is not None else args)
        if name == "cis":  # of degrees as well, so not an exponential
            call = Add((Call("cos", args), Mul((Const("i"), Call("sin", args)))))
        return call if exponent is None else build.power(call, exponent)

    def _glued_base(self) -> Node | None:
        """The base of `log2(8)` in plain text."""
        base, bracket = self.tokens[self.at], self.ahead()
        if base.value not in ("2", "10") or base.spaced or bracket.kind != "(" or bracket.spaced:
            return None
        self.at += 1
        return build.whole_number(base.value)

    def _arguments(self, name: str) -> tuple[Node, ...]:
        if self.kind in ("(", "[", "{", "lset"):
            node = self.bracket()
            args = node.items if isinstance(node, Group) else (node,)
        else:
            args = (self._open_argument(name),)
        if not args or (len(args) > 1 and name not in _OF_SEVERAL):
            raise Unreadable
        return tuple(build.operand(arg) for arg in args)

    def _open_argument(self, name: str) -> Node:
        """An argument without brackets: it runs on to the next function, sign or bracket."""
        factors = [self.signed_factor()]
        while self._continues_argument(factors):
            factors.append(self.factor())
        argument = build.multiply(factors)
        if units.spell(self.tokens[self.at].run) == "degree":
            return self.measured(argument)
        is_angle = name in _TRIGONOMETRIC and Const("pi") in factors
        if is_angle and self.kind == "/" and self.ahead().kind == "num":  # the sine of `sin pi/6`
            self.at += 1
            return Div(argument, self.factor())
        return argument

    def _continues_argument(self, factors: list[Node]) -> bool:
        token = self.tokens[self.at]
        if token.kind == "(":
            return all(isinstance(factor, Num | Const) for factor in factors)
        if token.kind in _ENDS_ARGUMENT or self._is_exponential_beside(token, factors):
            return False
        return len(token.run) < 2 and self.multiplies(token, factors)

    def _is_exponential_beside(self, token: Token, factors: list[Node]) -> bool:
        """The e^x of `\\sin x\\,e^x`; `\\sin 2e^x` and `\\ln xe^x` have it in their arguments."""
        is_exponential = token.value == "e" and token.kind == "letter" and self.ahead().kind == "^"
        return is_exponential and token.spaced and not all(map(build.is_numeric, factors))

"""A position in the tokens of an answer, and what the parts of the grammar need of each other."""

from __future__ import annotations

from verifiers.expressions import limits
from verifiers.expressions.lexer import END, Token, Unreadable
from verifiers.expressions.nodes import Mul, Node
from verifiers.policy import LimitExceeded


class Cursor:
    """`inside` names the innermost brackets where it matters what a bar or a colon there means."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.inside: list[str] = []
        self.bound: list[str] = []  # index variables, which win over the constants i and e
        self.integrals = 0
        self.on_right_side = False  # of a relation

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def ahead(self, distance: int = 1) -> Token:
        return self.tokens[min(self.at + distance, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token is END:
            raise Unreadable
        self.at += 1
        return token

    def accept(self, *kinds: str) -> bool:
        if self.tokens[self.at].kind in kinds:
            self.at += 1
            return True
        return False

    def expect(self, *kinds: str) -> None:
        if not self.accept(*kinds):
            raise Unreadable

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > limits.MAX_DEPTH:
            raise LimitExceeded

    def atom(self) -> Node:
        raise NotImplementedError

    def signed_factor(self) -> Node:
        raise NotImplementedError

    def multiplies(self, token: Token, factors: list[Node]) -> bool:
        raise NotImplementedError

    def bare_exponent(self) -> Node:
        raise NotImplementedError

    def argument(self, one_digit: bool = True) -> Node:
        raise NotImplementedError

    def relation(self) -> Node:
        raise NotImplementedError

    def sum(self) -> Node:
        raise NotImplementedError

    def term(self) -> Node:
        raise NotImplementedError

    def factor(self) -> Node:
        raise NotImplementedError

    def bracket(self) -> Node:
        raise NotImplementedError

    def may_measure(self, token: Token) -> bool:
        raise NotImplementedError

    def measured(self, value: Node) -> Node:
        raise NotImplementedError

    def more_quantities(self, first: Node) -> Node:
        raise NotImplementedError

    def derivative(self, numerator: Node, denominator: Mul) -> Node:
        raise NotImplementedError

    def items(self) -> tuple[list[Node], list[str]]:
        raise NotImplementedError

    def assembled(self, items: list[Node], separators: list[str]) -> Node:
        raise NotImplementedError

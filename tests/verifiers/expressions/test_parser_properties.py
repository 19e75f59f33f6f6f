"""Properties of the parser: it inverts printing, refuses what it cannot read, and is fast."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.expressions import limits
from verifiers.expressions.nodes import (
    Add,
    Call,
    Const,
    Div,
    Group,
    Matrix,
    Mul,
    Node,
    Num,
    PlusMinus,
    Pow,
    Relation,
    Root,
    Sym,
)
from verifiers.expressions.parser import parse
from verifiers.policy import LimitExceeded

# Pieces of real answers; joined at random they are mostly nonsense, which must be refused and not crash.
PIECES = (
    r"1|12|1,234|0.5|.5|1e5|x|y|e|i|xy|abc|d|m|f(|A|\alpha|\pi|\infty|+|-|*|/|^|_|!|'|,|;|:|=|<|\le|\ne|\in"
    r"|\cup|\setminus|\pm|\cdot|\frac|\sqrt|\sqrt[3]|\sin|\log|\binom|\sum_{i=1}^{n}|\int|\lim_{x\to 0}|dx"
    r"|(|)|[|]|{|}|\{|\}|\left|\right|\left.|\right.|\mid|\lfloor|\rfloor|\begin{pmatrix}|\end{pmatrix}|&|\\"
    r"|\begin{cases}|\end{cases}|\text{|\text{ cm}|\mathrm|\text{ and }| or | and |, where |\pmod|\bmod|%|\%"
    r"|^\circ|$|\$|$$| |\,|\!|\quad|~|.|...|\ldots|\overline{|\boxed{|\vec|\mathbb{R}|\angle ABC|5 cm|12:00"
    r"|1011_2|hours|per|#|\unknown|@|√|²|½|π|°|−|∞|∪|≤|（"
    r"|\frac12|1\frac12|7 3/4|(1,2)|[0,1)|Evelyn|no|\choose"
    r"|\not|\prime|\operatorname|\tag|\color|\rm|\begin{array}{c}|\end{array}|\begin{aligned}|\end{aligned}"
).split("|") + ["|", "\\|"]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        first = parse(text)
    except LimitExceeded:
        return
    assert first == parse(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_unicode_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except LimitExceeded:
        pass


SYMBOLS = st.sampled_from("abcxyznk").map(Sym)
NUMBERS = st.integers(0, 10**6).map(lambda value: Num(Fraction(value)))
ATOMS = st.one_of(SYMBOLS, NUMBERS, st.sampled_from([Const("pi"), Const("e"), Const("i")]))


def _composite(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        several.map(Add),
        several.map(Mul),
        st.builds(Div, parts, parts),
        st.builds(Pow, parts, parts),
        st.builds(Root, parts, parts),
        st.builds(PlusMinus, parts),
        st.builds(
            lambda name, arg: Call(name, (arg,)), st.sampled_from(["sin", "ln", "abs", "factorial"]), parts
        ),
    )


EXPRESSIONS = st.recursive(ATOMS, _composite, max_leaves=12)


def printed(node: Node) -> str:
    """LaTeX with every operand in brackets, so that the parser's precedence cannot hide in the printer's."""
    match node:
        case Num(value=value):
            return str(value)
        case Sym(name=name):
            return name
        case Const(name=name):
            return {"pi": r"\pi "}.get(name, name)
        case Add(terms=terms):
            return "+".join(map(bracketed, terms))
        case Mul(factors=factors):
            return r"\cdot ".join(map(bracketed, factors))
        case Div(numerator=above, denominator=below):
            return rf"\frac{{{printed(above)}}}{{{printed(below)}}}"
        case Pow(base=base, exponent=exponent):
            return f"{bracketed(base)}^{{{printed(exponent)}}}"
        case Root(radicand=radicand, degree=Num(value=Fraction(numerator=2, denominator=1))):
            return rf"\sqrt{{{printed(radicand)}}}"
        case Root(radicand=radicand, degree=degree):
            return rf"\sqrt[{printed(degree)}]{{{printed(radicand)}}}"
        case PlusMinus(arg=arg):
            return rf"\pm {bracketed(arg)}"
        case Call(name="abs", args=(arg,)):
            return rf"\left|{printed(arg)}\right|"
        case Call(name="factorial", args=(arg,)):
            return f"{bracketed(arg)}!"
        case Call(name=name, args=(arg,)):
            return rf"\{name}{bracketed(arg)}"
        case Group(items=items, opening=opening, closing=closing):
            brackets = {"{": r"\{", "}": r"\}"}
            inside = ", ".join(map(printed, items))
            return brackets.get(opening, opening) + inside + brackets.get(closing, closing)
        case Matrix(rows=rows):
            inside = r" \\ ".join(" & ".join(map(printed, row)) for row in rows)
            return rf"\begin{{bmatrix}} {inside} \end{{bmatrix}}"
        case Relation(items=items, ops=ops):
            return "".join(
                part for pair in zip(map(printed, items), (*ops, ""), strict=True) for part in pair
            )
    raise AssertionError(node)


def bracketed(node: Node) -> str:
    return f"({printed(node)})"


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_a_printed_expression_is_read_back(node: Node) -> None:
    assert parse(printed(node)) == node


@settings(max_examples=100, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=2, max_size=4), st.sampled_from(["()", "[]", "(]", "[)", "{}"]))
def test_a_printed_list_is_read_back(items: list[Node], brackets: str) -> None:
    node = Group(tuple(items), brackets[0], brackets[1])  # type: ignore[arg-type]
    assert parse(printed(node)) == node


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.lists(EXPRESSIONS, min_size=1, max_size=6))
def test_a_printed_matrix_is_read_back(width: int, cells: list[Node]) -> None:
    rows = tuple(tuple(cells[i : i + width]) for i in range(0, len(cells) - width + 1, width))
    assert not rows or parse(printed(Matrix(rows))) == Matrix(rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=2, max_size=3), st.lists(st.sampled_from(["=", "<", ">="]), min_size=2))
def test_a_printed_relation_is_read_back(items: list[Node], ops: list[str]) -> None:
    node = Relation(tuple(items), tuple(ops[: len(items) - 1]))  # type: ignore[arg-type]
    assert parse(printed(node)) == node


@given(st.integers(1000, 10**15), st.sampled_from([",", "{,}", r"\,", r",\!", r"\ ", r"\; "]))
def test_thousands_groups_are_one_number(n: int, separator: str) -> None:
    assert parse(f"{n:,}".replace(",", separator)) == Num(Fraction(n))


@given(st.decimals(0, 10**9, allow_nan=False, places=6))
def test_decimals_are_exact(value: object) -> None:
    assert parse(f"{value:f}") == Num(Fraction(str(value)), decimal=True)


ADVERSARIAL: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: "(" * (n // 2) + ")" * (n // 2),
    "square brackets": lambda n: "[" * n,
    "braces": lambda n: "{" * n,
    "sets": lambda n: r"\{" * (n // 2),
    "bars": lambda n: "|" * n,
    "open bars": lambda n: "|x" * (n // 2),
    "roots": lambda n: r"\sqrt{" * (n // 6),
    "bare roots": lambda n: r"\sqrt" * (n // 5),
    "fractions": lambda n: r"\frac{1}{" * (n // 9),
    "sines": lambda n: r"\sin " * (n // 5),
    "powers": lambda n: "2^" * (n // 2) + "2",
    "factorials": lambda n: "x" + "!" * (n - 1),
    "primes": lambda n: "x" + "'" * (n - 1),
    "minus signs": lambda n: "-" * n,
    "sums": lambda n: "1+" * (n // 2) + "1",
    "slashes": lambda n: "a/" * (n // 2) + "b",
    "numbers": lambda n: "1 " * (n // 2),
    "letters": lambda n: "a b " * (n // 4),
    "a long word": lambda n: "x" * n,
    "the word answer": lambda n: "answer " * (n // 7),
    "unknown units": lambda n: "5 " + "blue " * (n // 5),
    "quantities": lambda n: "1 cm " * (n // 5),
    "upright letters": lambda n: r"\text{m}" * (n // 8),
    "text groups": lambda n: r"\text{" * (n // 6),
    "thousands": lambda n: "1" + ",000" * (n // 4),
    "commas": lambda n: "1," * (n // 2),
    "dollars": lambda n: "$1" * (n // 2),
    "backslashes": lambda n: "\\" * n,
    "alternatives": lambda n: "1 or " * (n // 5),
    "set operations": lambda n: r"A\cup B\cap " * (n // 12) + "A",
    "matrices": lambda n: r"\begin{pmatrix}" * (n // 15),
    "applications": lambda n: "f(" * (n // 2),
    "variable lists": lambda n: "P(x_" * (n // 4),
    "sums over i": lambda n: r"\sum_{i=1}^n " * (n // 13),
    "set-builders": lambda n: r"\{x|" * (n // 4),
    "numerals": lambda n: "1A" * (n // 2),
    "decimal points": lambda n: "1." * (n // 2),
    "periods": lambda n: "0." + "12" * (n // 2 - 4) + "...",
    "superscripts": lambda n: "x²" * (n // 2),
    "digits": lambda n: "1" * n,
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_hostile_text_has_a_bounded_cost(name: str) -> None:
    text = ADVERSARIAL[name](limits.MAX_CHARS)[: limits.MAX_CHARS]
    assert len(text) > limits.MAX_CHARS - 50
    started = time.process_time()
    try:
        parse(text)
    except LimitExceeded:
        pass
    spent = time.process_time() - started
    assert spent < 5, f"{spent:.1f} s"  # milliseconds; a cost that explodes takes minutes


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1001,
        "x" * 4097,
        "2e1001",
        "1e-99999999999",
        "(" * 65 + "x" + ")" * 65,
        "+".join("x" * 1001),
        r"\begin{pmatrix}" + "&".join("1" * 257) + r"\end{pmatrix}",
    ],
)
def test_what_is_too_large_is_a_limit_and_not_unreadable(text: str) -> None:
    with pytest.raises(LimitExceeded):
        parse(text)


def test_what_is_just_below_the_limits_is_read() -> None:
    for text in ("9" * 1000, "(" * 60 + "x" + ")" * 60, "+".join("x" * 900), r"\sqrt{" * 60 + "x" + "}" * 60):
        assert parse(text) is not None


def test_a_nearly_full_stack_is_a_limit_and_not_an_error() -> None:
    def deep(frames: int) -> Node | None:
        return deep(frames - 1) if frames else parse("(" * 60 + "x" + ")" * 60)

    with pytest.raises(LimitExceeded):
        deep(sys.getrecursionlimit() - 150)


@pytest.fixture(scope="module")
def math_answers(shared_data: Path) -> list[str]:
    with (shared_data / "math500/test.jsonl").open() as lines:
        return [json.loads(line)["answer"] for line in lines]


def test_every_reference_answer_of_math_is_read(math_answers: list[str]) -> None:
    assert len(math_answers) == 500
    assert [answer for answer in math_answers if parse(answer) is None] == []


def test_reading_needs_no_algebra_system() -> None:
    code = "import sys, verifiers.expressions.parser as p; p.parse('x'); print('sympy' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert result.stdout.strip() == "False"

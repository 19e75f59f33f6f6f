"""What sympy decides: calculus, and sums that are too long or too general to write out."""

from __future__ import annotations

import pytest

from verifiers.expressions.compare import same
from verifiers.expressions.parser import parse
from verifiers.policy import DEFAULT


def judge(a: str, b: str) -> bool | None:
    first, second = parse(a), parse(b)
    assert first is not None and second is not None
    return same(first, second, DEFAULT, algebra=True)[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\int_0^\pi \sin x\,dx", "2"),
        (r"\int_0^1 e^{-x}\,dx", r"1-\frac1e"),
        (r"\lim_{n\to\infty}\left(1+\frac1n\right)^n", "e"),
        (r"\frac{d}{dx}x^3", "3x^2"),
        (r"\sum_{k=0}^{\infty}\frac{1}{2^k}", "2"),
        (r"\sum_{k=1}^{100000000}k", "5000000050000000"),
    ],
)
def test_an_operation_equals_its_result(a: str, b: str) -> None:
    assert judge(a, b) is True
    assert judge(b, a) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\int_0^1 e^{-x}\,dx", r"1+\frac1e"),
        (r"\lim_{x\to 0}\frac{\sin x}{x}", "0"),
        (r"\frac{d}{dx}x^3", "3x^2+10^{-9}"),
        (r"\sum_{k=0}^{\infty}\frac{1}{2^k}", "2+10^{-9}"),
    ],
)
def test_another_result_is_different(a: str, b: str) -> None:
    assert judge(a, b) is False
    assert judge(b, a) is False


def test_no_text_is_ever_parsed_by_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sympy.physics.units  # noqa: F401 - parses the names of its own prefixes when it is imported

    def refuse(text: object, *args: object, **kwargs: object) -> None:
        raise AssertionError(text)

    monkeypatch.setattr("sympy.parsing.sympy_parser.parse_expr", refuse)
    monkeypatch.setattr("sympy.parsing.sympy_parser.eval_expr", refuse)
    assert judge(r"\int_0^1 f(x)\,dx + \sum_{k=1}^{n} k", r"\lim_{x\to 0} x") is not True
    assert judge(r"\lim_{x\to 0}\frac{\sin x}{x}+\int_1^2 \frac{1}{x}\,dx", r"1+\ln 2") is True

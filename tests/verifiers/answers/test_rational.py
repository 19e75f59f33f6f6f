"""Exact numbers: every spelling of the same rational, and nothing that only begins like one."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.answers.normal import plain
from verifiers.answers.rational import Number, parse_number, same_number
from verifiers.policy import LimitExceeded


def number(text: str) -> Number | None:
    return parse_number(plain(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", "42"),
        ("+7", "7"),
        ("-3", "-3"),
        ("\u22123", "-3"),
        ("1,234,567", "1234567"),
        (r"1\,234.5", "1234.5"),
        ("1{,}234", "1234"),
        (r"10,\!080", "10080"),
        (r"11,\! 111,\! 111,\! 100", "11111111100"),
        (".5", "1/2"),
        ("5.", "5"),
        ("0.50", "1/2"),
        ("1/2", "1/2"),
        ("-1/2", "-1/2"),
        ("3/-4", "-3/4"),
        (r"\frac{1}{2}", "1/2"),
        (r"\dfrac{-35}{9}", "-35/9"),
        (r"-\frac{35}{9}", "-35/9"),
        (r"\frac43", "4/3"),
        (r"\frac 59", "5/9"),
        (r"\frac{270}7\text{ degrees}", "270/7"),
        (r"\frac1{72}", "1/72"),
        (r"1\frac{4}{5}", "9/5"),
        (r"-1\frac{4}{5}", "-9/5"),
        (r"137 \frac{1}{2}", "275/2"),
        ("7 3/4", "31/4"),
        ("7\u00be", "31/4"),
        ("\u00bd", "1/2"),
        ("1.5e-3", "3/2000"),
        (r"6.02 \times 10^{23}", "602000000000000000000000"),
        ("3 \u00d7 10^-2", "3/100"),
        ("10^{5}", "100000"),
        (r"0.\overline{3}", "1/3"),
        (r"1.2\overline{45}", "137/110"),  # 1.2 + 45/990
        (r"\$32,\!348", "32348"),
        ("$18.90", "189/10"),
        ("-$5", "-5"),
        ("$18 per day", "18"),
        ("$1,150/week", "1150"),
        (r"90^\circ", "90"),
        ("74\u00b0", "74"),
        (r"864 \mbox{ inches}^2", "864"),
        (r"15\mbox{ cm}^2", "15"),
        ("20 apples", "20"),
        ("-1.8 billion", "-1800000000"),
        ("x = 5", "5"),
        ("5 = x", "5"),
        ("(5)", "5"),
        (r"\(5\)", "5"),
        ("$5$", "5"),
        ("**5.**", "5"),
        ("Twelve", "12"),
        ("forty-two", "42"),
        ("one half", "1/2"),
        ("two thirds", "2/3"),
        ("five hundred", "500"),
        ("a dozen", "12"),
        ("2 dozen", "24"),
        ("5 squared", "25"),
        ("-2 cubed", "-8"),
        (r"185\\", "185"),
    ],
)
def test_spellings_of_a_number(text: str, value: str) -> None:
    parsed = number(text)
    assert parsed is not None and parsed.value == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ".",
        "1,2345",
        "12,34,567",
        "1,23",
        "0,123",
        "(1,234)",
        "1, 234",
        "1 2",
        "1.2.3",
        "3.14...",
        "5!",
        "--5",
        "1/0",
        r"\frac{1}{0}",
        r"4\sqrt2",
        r"\frac{1}{2}\pi",
        "2pi",
        "2 pi",
        "4e",
        "2x",
        "2xy",
        "2 e",
        "3i",
        "5/s",
        "5 or 6",
        "5 and 6",
        "5 halves",
        "3:4",
        "12:00",
        "52_8",
        "10-12",
        "10\u201312",
        r"3\frac{7}{2}",
        "4 blue shoe boxes and 6 red shoe boxes",
        "5 is wrong",
        "x > 5",
        "a=b=5",
        "[1]",
        "1 cm 5",
        "\u0665",  # an Arabic-Indic five
        "infinity",
        "ten two",
        "twenty ten",
        "twenty zero",
        "tenth",
        "nan",
        "1_000",
        "0x10",
        "__import__('os')",
    ],
)
def test_what_is_not_wholly_a_number_is_not_a_number(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    "text", ["9" * 1001, "1e1001", "1e-99999999999", "10^{123456789012}", "2e" + "9" * 900]
)
def test_sizes_are_refused_before_arithmetic(text: str) -> None:
    with pytest.raises(LimitExceeded):
        number(text)


def test_percent_is_read_both_ways_against_a_bare_number_only() -> None:
    def same(a: str, b: str) -> bool | None:
        x, y = number(a), number(b)
        assert x and y
        return same_number(x, y)

    assert same("28%", "28") and same("28 percent", "0.28") and same(r"28\%", "28 pct")
    assert same(r"\frac{1}{2}\%", "0.005")
    assert same("10%", "1000%") is False and same("10%", "0.2") is False
    assert same("5 cm", "5 km") is None and same("5 hrs", "5 hours") is True and same("5 cm", "5") is True
    assert same("x=5", "y=5") is None and same("x=5", "5") is True


@given(st.integers(-(10**30), 10**30))
def test_integers_are_exact_with_and_without_thousands(n: int) -> None:
    assert number(str(n)) == number(f"{n:,}") == Number(Fraction(n))


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**12))
def test_fractions_are_exact_in_every_notation(a: int, b: int) -> None:
    value = Fraction(a, b)
    for text in (f"{a}/{b}", rf"\frac{{{a}}}{{{b}}}", f"${a}/{b}$"):
        parsed = number(text)
        assert parsed is not None and parsed.value == value


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=6))
def test_decimals_are_exact(d: object) -> None:
    parsed = number(f"{d:f}")
    assert parsed is not None and parsed.value == Fraction(str(d))


@given(st.text(alphabet="0123456789.,/-+ %$\\{}()eE^x=frac", max_size=40))
def test_any_text_is_read_or_refused_without_an_error(text: str) -> None:
    try:
        parsed = number(text)
    except LimitExceeded:
        return
    assert parsed is None or isinstance(parsed.value, Fraction)


def test_a_fraction_knows_whether_it_is_reduced() -> None:
    reduced = {
        text: number(text) for text in ("1/2", "2/4", "5/1", r"\frac{3}{4}", r"\frac{6}{8}", "0.50", "2")
    }
    assert {t for t, n in reduced.items() if n and not n.reduced} == {"2/4", "5/1", r"\frac{6}{8}"}

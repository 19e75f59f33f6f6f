"""Equations in steps are checked exactly, and what may be right is never accused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.arithmetic import check_arithmetic

PROMPT = "Natalia's students sold apples, clips and red pears in June. How many students were there?"


def check(step: str, prompt: str = PROMPT) -> bool | None:
    return check_arithmetic([step], prompt)[0]


RIGHT = [
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.",
    "So 3 + 4 = 7 apples are left, and 7 * 2 = 14 pears.",
    "He pays $1,200 x 3 = $3,600.",
    "In all: 2(3+4) = 14",
    "x = 16 * 64 / 20 = 1024 / 20 = 51.2 seconds",
    r"\[ \frac{16 \times 64}{20} = \frac{1024}{20} = 51.2 \text{ feet} \]",
    r"\(18 - 6 = 12\) and **12 − 2 = 10**",
    "33 classes * 15 students/class = 495 students",
    "5 apples + 3 apples = 8 apples",
    "1/2 x 0.5 = 0.25",
    "100% - 20% = 80%",
    "20% * 50 = 10",
    "2**5 = 2 ^ 5 = 32",
    "½ * 10 = 5",
    "5 - 8 = -3",
    "- So he has 5 + 8 = 13",
    "3. 5 + 8 = 13",
]

WRONG = [
    "5 + 3 = 9",
    "He has 495 * 15 = 7455 dollars.",
    "495 students * $15/student = $7455.",
    "the total is 50 + 70 + 140 + 240 = 400",
    "20 - 13.00 = 6.00",
    r"\frac{40}{5} = 9",
    r"The total is \( 4 \times 5 = 21 \).",
    "2 * 22 - 8 = 46 - 8 = 38",
    "400,000 - 32,000 - 250,000 = 128,000",
    "First 3 + 4 = 7. Then 7 * 2 = 15 apples.",
    "So Natalia sold 3 + 4 = 8 clips in June.",
    "5 apples + 3 apples = 9 apples",
    "60 minutes + 30 minutes = 100 minutes",
    "which is <<6*7=43>>42",
    "2.5 * 3 = 7.4",
    "(2 + 3) * 4 = 21",
    "12/60 = 0.3",
    "2 + 3 = 5 and that makes 5 * 4 = 24",
]

# Each would be an accusation, were it not for the reason beside it.
UNDECIDED = {
    "half of 60 + 4 = 34": "the expression begins in words",
    "2x + 3 = 11": "an equation to solve",
    "3N + 6 = 18": "a capital letter is a variable too",
    "2 m + 3 = 11": "and so is one that could be a unit",
    "A + 3 = 7": "a variable before the sum",
    "25 boys + his 1 teacher + 1 friend = 27": "the sum begins further left",
    "2 hours + 30 minutes = 150 minutes": "units convert",
    "75 cents + $1 = $1.75": "as cents and dollars do",
    "50 + 20% = 60": "percent of what",
    "1/3 = 20": "a third of something",
    "Day 2 = 5 + 3": "a label",
    "10 / 3 = 3.33": "rounded",
    "10 / 4 = 3 buses": "rounded up",
    "3.33 * 3 = 10": "computed from a rounded number",
    "about 12345 * 3 = 37000": "announced as rounded",
    "11/18 * 162 = 99.00000000000001": "a calculator's float",
    "580/110 = 5.2727272727272725": "cut by the calculator",
    "5 + 3 = 8 * 2 = 16": "runs on",
    "5 + 3 * 2 = 16": "worked from the left",
    "2 + 3 * 4 + 1 = 25": "without its brackets",
    "10 - 2 + 1 = 7": "or with others",
    "6 + 4 = 5 * 2 + 1 = 11": "runs on twice",
    "7 + 9 + 1 + 2 = 19.50": "the summands are cut",
    "price is 3 * 2 = 5.97": "and the factors",
    "28 / 1/5 = 140": "divided by a fraction",
    "5 * 3 = 15,000": "in thousands",
    "He rose from 5 to 8, 5 - 8 = 3": "a distance",
    "3:30 - 1:15 = 2:15": "times of day",
    "0900-0130 = 0730": "in any spelling",
    "17 % 5 = 2": "a remainder",
    "17 / 5 = 3 remainder 2": "in words",
    "20/8 = 2 and 1/2": "a mixed number",
    "1 1/2 * 4 = 6": "on the other side",
    "5! = 120": "an operation that is not read here",
    "2 * (3 + 4 = 14": "a bracket that is not closed",
    "5 < 3 + 4 <= 9": "no equation",
    "3 + 4 != 8 and 3 + 4 ≠ 8": "the contrary of one",
    "1/0 = 5 + 2": "no number",
    "8 *= 40": "nothing to multiply with",
    "9^9^9^9 * 2 = 5": "too large to compute",
    "120 + 60 = 3 hours": "minutes, and hours on one side",
    "12 + 12 = 2 feet": "inches",
    "2 * 8 = 24 hours": "nobody says that they were hours",
    "24 * 7 = 1 week": "hours in a week",
    "2 apples + 3 pears = 9 pears": "two things are counted",
    "10 + 5 = 3": "on a clock",
    "350 + 20 = 10": "an angle",
    "5 + 3 = 1": "a day of the week",
    "9 + 5 = 2 o'clock": "as it says",
    "At 11:00 a.m.: 1130 + 45 = 1215": "hours and minutes",
    "$5 * 3 = $1": "no slip, whatever it is",
    "1.000 + 500 = 1.500": "thousands with a point",
    "3,5 + 1,5 = 6": "decimals with a comma",
    "log 8 + 1 = 8": "a function",
    "ln 1 + 2 = 2": "any function",
    "exp 0 + 1 = 1.5": "by whatever name",
    r"\log_2 8 + 1 = 6": "or sign",
    r"\arctan 1 + 2 = 2.785": "of it",
    r"3 \oplus 5 + 1 = 7": "an operation that is not ours",
    r"3 \star 5 + 1 = 7": "nor is this",
    "Is 5 + 3 = 9?": "a question",
    "If 5 + 3 = 9, then there are 9": "a condition",
    "That would give 5 + 3 = 9": "another",
    "5 + 3 = 9 is false": "denied",
    "not 5 + 3 = 9": "before",
    "5 + 3 = 9, which is impossible": "and after",
    "5 + 3 = 9 does not hold": "in any words",
    "Guess 4: 4 + 5 = 10, too small": "a guess",
    "Try 4. 4 + 5 = 10": "a trial",
    "Someone claims 5 + 3 = 9": "of whom?",
    "No. 2 + 5 = 8": "a number",
    "Fig. 2 + 5 = 8": "and another",
    "the second of 5 + 3 = 9": "the expression begins in words that are known",
    "3 + 4 = 8 and 1": "and goes on in such",
    "It is a mistake that 5 + 3 = 9": "no claim of this step",
    "Suppose 5 + 3 = 9": "nor is this",
    "5 * 20 = 3 modulo 97": "residues",
    "101 + 11 = 1000 in binary": "another base",
    "there are 7 apples": "no equation at all",
    "": "nothing",
}

# Mistakes in the solutions of GSM8K, as they are written there; some are no plain claims.
MISTAKES_OF_GSM8K = """
192*100=$1920 | 6*2.5 = $<<6*3=18.00>> | 4000 + 2040 = <<4080+4080/2=6120>> | 3/1=1 dollar
50 cubic inches/pump = 29 | 8*3 = <<80*3=240>> | $4200+$3000 = $8600 | 10 x .5 = 10 | 2*8 = 24 hours
200*.55=100 | 16 marbles = 45 marbles | 7+9+1+2 = $19.50 | 70 + 40 = 100 people | 10 x 1,248 = 11,480
2 / 12 = .125 | 3 x (8/16) = 6 | 4+4+6 = 18 | 50-8 = <<52-8=44>> | $32 - $20 = $300 | 1152/ 1,536 = .5
14*20=140 | 364 yards = 364 / 4 = <<3/4*364=273>>
"""


@pytest.mark.parametrize("step", RIGHT)
def test_a_step_whose_equations_hold_is_right(step: str) -> None:
    assert check(step) is True


@pytest.mark.parametrize("step", WRONG)
def test_a_step_with_a_wrong_equation_is_wrong(step: str) -> None:
    assert check(step) is False


@pytest.mark.parametrize(("step", "reason"), UNDECIDED.items())
def test_a_step_that_may_be_right_is_not_accused(step: str, reason: str) -> None:
    assert check(step) is None, reason


def test_the_arithmetic_is_that_of_the_prompt() -> None:
    assert check("5 * 20 = 120", "What is 5 * 20?") is False
    for prompt in (
        "What is 5 * 20 mod 97?",
        "Define a * b = a^2 + b. What is 5 * 20?",
        "For real numbers let x*y = xy + 4x. Find 5 * 20.",
        r"Let $a \star b = ab + 4a$",
        "The operation * takes two numbers.",
    ):
        assert check("5 * 20 = 120", prompt) is None, prompt


def test_what_is_counted_has_a_name_in_the_prompt_or_the_line_is_no_claim() -> None:
    line = "So she has 3 + 4 = 8 {}."
    assert check(line.format("apples")) is False
    assert check(line.format("zebras")) is None
    assert check(line.format("zebras"), "How many zebras?") is False
    assert check("So zebras 3 + 4 = 8", "How many zebras?") is None  # may be a function of 3
    assert check(line.format("thousand"), "How many thousand?") is None
    assert check("The average is 4 + 5 + 6 = 10", "What is the average?") is None
    assert check("5 pairs + 3 = 13", "How many pairs?") is None


@pytest.mark.parametrize("word", ["Suppose there are four.", "We try 4.", "That is a contradiction."])
def test_nothing_is_accused_in_a_solution_that_supposes_or_tries_something(word: str) -> None:
    assert check_arithmetic(["4 + 5 = 10", "2 + 2 = 4"]) == [False, True]
    assert check_arithmetic(["4 + 5 = 10", "2 + 2 = 4", word]) == [None, True, None]


@given(st.integers(2, 400), st.integers(1, 400), st.integers(1, 400))
def test_a_remainder_is_never_accused(modulus: int, a: int, b: int) -> None:
    a, b = a % modulus, b % modulus
    assert check(f"{a} + {b} = {(a + b) % modulus}") is not False
    assert check(f"{a} * {b} = {a * b % modulus}") is not False


def test_numbers_too_long_to_write_are_compared() -> None:
    assert check("10^4000 * 10^1000 = 1") is None
    assert check("10^4000 + 5 = 10^4000 + 6") is False


_NUMBERS = st.one_of(
    st.integers(0, 9999).map(str),
    st.integers(1000, 999_999).map("{:,}".format),
    st.decimals(0, 99, places=2).map(str),
)
_SIGNS = st.sampled_from(["+", "-", "*", "/", "×", r"\times"])


def _value(numbers: list[str], signs: list[str]) -> Fraction | None:
    """Products first, then sums; an independent computation."""
    terms = [Fraction(numbers[0].replace(",", ""))]
    for sign, number in zip(signs, numbers[1:], strict=True):
        operand = Fraction(number.replace(",", ""))
        if sign in "+-":
            terms.append(operand if sign == "+" else -operand)
        elif sign == "/":
            if not operand:
                return None
            terms[-1] /= operand
        else:
            terms[-1] *= operand
    return sum(terms, Fraction(0))


@given(st.lists(_NUMBERS, min_size=2, max_size=5), st.data(), st.integers(-3, 9))
def test_equations_that_hold_are_never_accused_and_slips_never_pass(
    numbers: list[str], data: st.DataObject, slip: int
) -> None:
    signs = data.draw(st.lists(_SIGNS, min_size=len(numbers) - 1, max_size=len(numbers) - 1))
    value = _value(numbers, signs)
    if value is None or value.denominator != 1:
        return
    expression = numbers[0] + "".join(f" {s} {n}" for s, n in zip(signs, numbers[1:], strict=True))
    assert check(f"So he has {expression} = {value + slip} apples.") is not (slip != 0)
    assert check(f"So he has {expression} = {value} apples.") is True


@given(st.integers(10, 9999), st.integers(10, 9999), st.integers(1, 50))
def test_every_slip_in_a_plain_sum_or_product_is_found(a: int, b: int, slip: int) -> None:
    assert check(f"She sold {a} + {b} = ${a + b + slip} in June.") is (False if slip < a + b else None)
    assert check(f"This makes {a} * {b} = {a * b - slip} clips.") is (False if 2 * slip < a * b else None)


@given(st.text("0123456789+-*/=()<>%$.,x {}\\fracdt\n", max_size=200))
def test_no_text_breaks_the_check(text: str) -> None:
    assert check(text) in (True, False, None)


@pytest.mark.parametrize("text", ["(" * 20_000, "1=" * 9_000, "1/" * 9_000 + "=2", "9" * 20_000 + "+1=2"])
def test_long_texts_take_no_long_time(text: str) -> None:
    assert check(text) in (False, None)


@pytest.mark.parametrize(
    ("split", "mistakes"), [("test", 0), pytest.param("train", 7, marks=pytest.mark.slow)]
)
def test_only_gold_solutions_with_a_mistake_are_accused(split: str, mistakes: int, shared_data: Path) -> None:
    rows = map(
        json.loads, (shared_data / "gsm8k" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    )
    lines = [(line, row["question"]) for row in rows for line in row["answer"].split("\n")]
    known = [part.strip() for part in MISTAKES_OF_GSM8K.replace("\n", "|").split("|") if part.strip()]
    results = [check(line, question) for line, question in lines]
    accused = [line for (line, _), right in zip(lines, results, strict=True) if right is False]
    assert [line for line in accused if not any(part in line for part in known)] == []
    assert len(accused) == mistakes
    assert results.count(True) > 0.7 * len(lines)  # most others have no equation


def test_no_gold_solution_of_math_500_is_accused(shared_data: Path) -> None:
    rows = (shared_data / "math500" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, rows):
        assert False not in check_arithmetic(row["solution"].split("\n\n"), row["problem"])


def test_accusations_on_processbench_are_right(shared_data: Path) -> None:
    rows = json.loads((shared_data / "processbench" / "gsm8k.json").read_text(encoding="utf-8"))
    checked = [(row["label"], check_arithmetic(row["steps"], row["problem"])) for row in rows]
    accused = [(label, found.index(False)) for label, found in checked if False in found]
    print(f"accused {len(accused)}, at the first wrong step {sum(label == t for label, t in accused)}")
    assert [(label, t) for label, t in accused if label == -1 or t < label] == []
    assert len(accused) >= 5

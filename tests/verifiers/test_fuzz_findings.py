"""Inputs that fuzzing (`fuzz.py`) once found wrong, slow or fatal: each must stay mended."""

from __future__ import annotations

import time

import pytest

from verifiers import json_schema
from verifiers.math import canonical, equivalent, verify
from verifiers.verdict import Reference, Row, Settings

SECONDS = 5.0  # of CPU, where the fault was a cost that doubled with each level


def cost(gold: str, prediction: str) -> float:
    begin = time.process_time()
    verify(gold, rf"\boxed{{{prediction}}}")
    canonical(prediction)
    canonical(prediction + "+1-1")
    return time.process_time() - begin


@pytest.mark.parametrize("function", [r"\sin", r"\cos", r"\sinh", r"\tan", r"\ln", "f"])
def test_equal_towers_of_functions_do_not_double_in_cost_with_each_level(function: str) -> None:
    tower = (function + "(") * 24 + "31" + ")" * 24
    assert cost(tower + "+1-1", tower + "+2-2") < SECONDS


def test_a_power_tower_on_a_unit_is_no_unit() -> None:
    assert cost("$125$ miles", "$125$ miles" + "^2" * 20) < SECONDS


@pytest.mark.parametrize(
    "answer", [r"\pm 2020\le 2021", r"3 \pm 29565 >\sqrt{2}", r"(\pm 2020\le 2021)", r"1 \pm 2 = 3 \pm 4"]
)
@pytest.mark.parametrize("gold", [r"\pm 2021", r"3 \pm 2\sqrt{2}"])
def test_a_relation_with_signs_is_compared_without_end(gold: str, answer: str) -> None:
    assert verify(rf"\boxed{{{gold}}}", rf"\boxed{{{answer}}}").status != "correct"
    assert verify(rf"\boxed{{{answer}}}", rf"\boxed{{{gold}}}").status != "correct"


@pytest.mark.parametrize("answer", ["222**2222", r"\frac{1}{297^{2006}}", "9^{5000}", "2000!"])
def test_an_exact_value_of_thousands_of_digits_has_a_class_or_none(answer: str) -> None:
    assert canonical(answer) == canonical(answer)
    assert verify(answer, rf"\boxed{{{answer}}}").status == "correct"
    assert not equivalent(answer, answer + "+1")


@pytest.mark.parametrize("pair", [("f(y) = y", "f(Y) = y"), ("f(y) = y", "f(y0) = y")])
def test_which_function_definition_is_the_gold_does_not_decide(pair: tuple[str, str]) -> None:
    a, b = pair
    statuses = {verify(rf"\boxed{{{x}}}", rf"\boxed{{{y}}}").status for x, y in ((a, b), (b, a))}
    assert statuses != {"correct", "incorrect"}


@pytest.mark.parametrize(
    "text",
    ["The perimeter is 7", "A12:302A", "x^8 + x2:3^2 + x + 1", r"$AB=4,CD=5$ and $$\text{a hexagon}$$"],
)
def test_a_short_text_is_never_different_from_itself(text: str) -> None:
    assert verify(text, text).status != "incorrect"


@pytest.mark.parametrize(
    ("short", "exact"),
    [("0.5", r"\cos\frac{37\pi}{3}"), ("0.25", r"\sin^2(30^\circ)"), ("0.5", r"e^{-\ln 2}")],
)
def test_a_short_decimal_may_be_exact(short: str, exact: str) -> None:
    assert verify(short, rf"\boxed{{{exact}}}").status == "correct"
    assert verify(exact, rf"\boxed{{{short}1}}").status == "incorrect"


def test_asterisks_before_an_answer_cost_no_search_of_all_their_splits() -> None:
    begin = time.process_time()
    assert verify("B", "*" * 10_000 + "The answer is (B).(5B).(B).").status != "correct"
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("text", ["", " ", "```json\n```", "\x00", "```\n\n```"])
def test_an_empty_text_or_fence_is_not_json(text: str) -> None:
    row = (Row(Reference(schema="true"), text), "true")
    assert json_schema.verify_rows([row], Settings())[0].status == "incorrect"


@pytest.mark.parametrize("dear", ["x+0+" + "".join(f"(\\cos(1+\\cos({n}x)))" for n in range(40)) + "*(x-x)"])
def test_dear_arithmetic_is_left_to_the_workers(dear: str) -> None:
    begin = time.process_time()  # of this process: the worker's deadline is not its concern
    verify("x", rf"\boxed{{{dear}}}", deadline=0.1)
    assert time.process_time() - begin < SECONDS

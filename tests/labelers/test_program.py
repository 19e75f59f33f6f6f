"""A program that finds a step wrong overrules its label and those after it; nothing else changes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.arithmetic import CONFIDENCE
from labelers.program import CHECKS, apply, check_facts, check_steps, checker_for
from labelers.rollouts.labels import first_errors
from store.tables import PROMPTS, STEPS
from verifiers.registry import BadVerifier, VerifierFailed


def steps(**solutions: list[tuple[str, bool | None]]) -> pl.DataFrame:
    rows = [
        {
            "completion_id": name,
            "prompt_id": "p",
            "step_index": t,
            "text": text,
            "value": 0.5,
            "label": label,
            "soft": 0.7,
            "confidence": 0.9,
            "method": "mc",
        }
        for name, of_solution in solutions.items()
        for t, (text, label) in enumerate(of_solution)
    ]
    return pl.DataFrame(rows, schema=STEPS)


PROMPT = pl.DataFrame(
    [{"prompt_id": "p", "messages": [{"role": "user", "content": "How many?"}]}], schema=PROMPTS
)
SOLUTION = steps(a=[("2 + 2 = 4", True), ("4 * 2 = 9", True), ("so nine", None), ("The answer is 9", True)])


def test_a_wrong_equation_makes_its_step_and_all_after_it_false() -> None:
    checks = check_steps(SOLUTION, PROMPT, checker_for("arithmetic"))
    assert checks["right"].to_list() == [True, False, None, None]
    after = apply(SOLUTION, checks)
    assert after.schema == STEPS
    assert after["label"].to_list() == [True, False, False, False]
    assert after["soft"].to_list() == pytest.approx([0.7, *[1 - CONFIDENCE] * 3])
    assert after["confidence"].to_list() == [0.9, *[CONFIDENCE] * 3]
    assert after["method"].to_list() == ["mc", "program", "program", "program"]
    assert after["value"].to_list() == [0.5] * 4  # a policy may still get home
    assert first_errors(after)["first_error"].to_list() == [1]


def test_a_label_that_was_surer_of_the_mistake_stays_as_sure() -> None:
    sure = steps(a=[("4 * 2 = 9", False), ("4 * 2 = 9", True)])
    sure = sure.with_columns(soft=pl.lit(0.01), confidence=pl.lit(0.99))
    after = apply(sure, check_steps(sure, PROMPT, checker_for("arithmetic")))
    assert after["soft"].to_list() == [0.01, 0.01]
    assert after["confidence"].to_list() == [0.99, CONFIDENCE]  # .99 was for True


def test_an_earlier_mistake_that_rollouts_found_stays_the_first_one() -> None:
    table = steps(a=[("he has five", False), ("4 * 2 = 9", True)])
    after = apply(table, check_steps(table, PROMPT, checker_for("arithmetic")))
    assert first_errors(after)["first_error"].to_list() == [0]


def test_the_facts_count_what_was_overruled() -> None:
    checks = check_steps(SOLUTION, PROMPT, checker_for("arithmetic"))
    assert check_facts(SOLUTION, checks) == {
        "steps": 4,
        "checked": 2,
        "wrong": 1,
        "solutions_with_wrong": 1,
        "overruled": 3,  # two True labels and one null
    }
    nothing = SOLUTION.clear()
    assert set(check_facts(nothing, check_steps(nothing, PROMPT, checker_for("arithmetic"))).values()) == {0}


_CASES = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])), min_size=1
    ),
)


@given(_CASES)
def test_labels_turn_false_exactly_from_the_first_step_found_wrong(cases: dict[str, list]) -> None:
    table = steps(**{name: [("x", label) for label, _ in case] for name, case in cases.items()})
    rows = [(name, t, right, 1.0) for name, case in cases.items() for t, (_, right) in enumerate(case)]
    after = apply(table, pl.DataFrame(rows, schema=CHECKS, orient="row"))
    found = {(i, t): label for i, t, label in after.select("completion_id", "step_index", "label").rows()}
    for name, case in cases.items():
        mistake = next((t for t, (_, right) in enumerate(case) if right is False), len(case))
        for t, (label, _) in enumerate(case):
            assert found[name, t] is (label if t < mistake else False)


OWN = """
def even(steps, prompt):
    assert prompt == "How many?"
    return [None if not s.split()[-1].isdigit() else int(s.split()[-1]) % 2 == 0 for s in steps]

def short(steps, prompt):
    return [True]

def odd(steps, prompt):
    return ["yes"] * len(steps)

def broken(steps, prompt):
    raise KeyError("oops")

def alone(steps):
    return [None] * len(steps)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "checks.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_a_checker_of_your_own_sees_the_steps_in_order_and_the_prompt(own: Path) -> None:
    checker = checker_for(f"{own}:even")
    checks = check_steps(SOLUTION.reverse(), PROMPT, checker)
    assert checks["right"].to_list() == [True, False, None, False]
    assert checker.name == "checks.py:even"
    assert apply(SOLUTION, checks)["confidence"].to_list() == [0.9, 1.0, 1.0, 1.0]


def test_changed_code_is_another_checker(own: Path) -> None:
    before = checker_for(f"{own}:even").identity
    own.write_text(OWN.replace("% 2 == 0", "% 2 == 1"), encoding="utf-8")
    changed = checker_for(f"{own}:even")
    assert changed.identity != before
    assert check_steps(SOLUTION, PROMPT, changed)["right"].to_list() == [False, True, None, True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("short", "returned .* for 4 steps; it must return a list"),
        ("odd", "returned"),
        ("broken", "raised KeyError: 'oops'; the solution begins '2 \\+ 2 = 4'"),
    ],
)
def test_a_checker_that_fails_names_itself_and_the_solution(name: str, message: str, own: Path) -> None:
    with pytest.raises(VerifierFailed, match=f"checker checks.py:{name} {message}"):
        check_steps(SOLUTION, PROMPT, checker_for(f"{own}:{name}"))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("arithmetics", "no checker 'arithmetics'; use arithmetic"),
        ("{own}:evne", "no function 'evne'; did you mean 'even'?"),
        ("{own}:alone", r"cannot be called with \(steps, prompt\)"),
        ("gone.py:even", "there is no file gone.py"),
    ],
)
def test_a_checker_that_is_not_there_is_refused(use: str, message: str, own: Path) -> None:
    with pytest.raises(BadVerifier, match=message):
        checker_for(use.format(own=own))

"""The world's exact checks: rendering and parsing invert each other, and one changed token makes a line
false.
"""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from samplers.policy.world import (
    EXACT,
    Errors,
    check_steps,
    demonstrate,
    first_error,
    first_wrong_token,
    generate,
    parse,
    problems,
    solvable,
    solve,
    tokens,
)

seeds = st.integers(0, 2**32)


@given(seeds)
def test_parse_inverts_rendering(seed):
    problem = generate(random.Random(seed))
    assert parse(problem.text) == problem


@given(seeds)
def test_reference_solution_is_true_and_solvable_at_every_prefix(seed):
    problem = generate(random.Random(seed))
    steps = solve(problem)
    assert all(check_steps(problem, steps)) and first_error(problem, steps) == -1
    assert all(solvable(problem, steps[:i]) for i in range(len(steps) + 1))
    assert steps[-1] == f"The answer is {problem.answer}."


@given(seeds, st.data())
def test_one_changed_token_makes_a_line_false(seed, data):
    problem = generate(random.Random(seed))
    steps = solve(problem)
    i = data.draw(st.integers(0, len(steps) - 1))
    words = tokens(steps[i])
    j = data.draw(st.integers(0, len(words) - 1))
    pool = [" 1", " 7", " 31", "Ann", " Ben", " more", " less", " twice", " +", " -", ".", ":", "", " x"]
    words[j] = data.draw(st.sampled_from([w for w in pool if w != words[j]]))
    changed = "".join(words)
    assert check_steps(problem, [*steps[:i], changed]) == [True] * i + [False]
    assert 0 <= first_wrong_token(problem, changed) or changed == ""


@given(seeds)
def test_a_demonstrator_without_errors_writes_the_reference(seed):
    rng = random.Random(seed)
    problem = generate(rng)
    assert demonstrate(problem, rng, EXACT) == solve(problem)


@given(seeds)
def test_true_steps_imply_solvable_and_the_answer_line_decides(seed):
    rng = random.Random(seed)
    problem = generate(rng)
    steps = demonstrate(problem, rng, Errors().scaled(2))
    for i in range(len(steps) + 1):
        if first_error(problem, steps[:i]) == -1:
            assert solvable(problem, steps[:i])
    assert solvable(problem, steps) == (steps[-1] == f"The answer is {problem.answer}.")


@given(seeds)
def test_first_wrong_token_agrees_with_the_lines_truth(seed):
    rng = random.Random(seed)
    problem = generate(rng)
    steps = demonstrate(problem, rng, Errors().scaled(2))
    assert [first_wrong_token(problem, s) == -1 for s in steps] == check_steps(problem, steps)


@given(st.text(max_size=200))
def test_foreign_text_is_refused_and_never_true(text):
    assume("How many" not in text)
    with pytest.raises(ValueError, match="world"):
        parse(text)
    problem = problems(1, 0)[0]
    assume(text not in solve(problem))
    assert check_steps(problem, [text]) == [False]
    assert solvable(problem, [text])


@pytest.mark.parametrize(
    "text",
    [
        "Ann has 7 apples. Ben has 3 more apples than Cal. How many apples does Ben have?",  # nobody known
        "Ann has 7 apples. Ben has 3 more apples than Ann. How many apples does Cal have?",  # unknown target
        "Ann has 7 apples. Ben has 3 more books than Ann. How many apples does Ben have?",  # another thing
        "Ann has 2 apples. Ben has 3 fewer apples than Ann. How many apples does Ben have?",  # below one
    ],
)
def test_ill_posed_problems_are_refused(text):
    with pytest.raises(ValueError, match="world"):
        parse(text)


def test_inconsistent_language_by_hand():
    problem = parse("Ann has 7 apples. Ann has 3 more apples than Ben. How many apples does Ben have?")
    right, read_wrongly = "Ben has 3 less than Ann: 7 - 3 = 4.", "Ben has 3 more than Ann: 7 + 3 = 10."
    assert solve(problem) == ["Ann has 7.", right, "The answer is 4."]
    assert check_steps(problem, ["Ann has 7.", read_wrongly, "The answer is 10."]) == [True, False, False]
    assert not solvable(problem, ["Ann has 7.", read_wrongly]) and solvable(problem, ["Ann has 7."])


def test_written_amounts_carry_on_until_a_later_line_mends_them():
    problem = parse("Ann has 7 apples. Ben has 3 more apples than Ann. How many apples does Ben have?")
    assert not solvable(problem, ["Ann has 8."])
    assert solvable(problem, ["Ann has 8.", "Ann has 7."])
    assert not solvable(problem, ["Ann has 7.", "Ben has 3 more than Ann: 7 + 3 = 11."])


@settings(max_examples=20)
@given(seeds)
def test_the_same_seed_gives_the_same_problems(seed):
    first = problems(5, seed)
    assert first == problems(5, seed) and len({p.text for p in first}) == 5
    rng, again = random.Random(seed), random.Random(seed)
    assert demonstrate(first[0], rng) == demonstrate(first[0], again)


def test_the_demonstrator_is_right_about_half_the_time():
    rng, right = random.Random(0), 0
    for problem in problems(1000, 0):
        right += solvable(problem, demonstrate(problem, rng))
    assert 450 < right < 650

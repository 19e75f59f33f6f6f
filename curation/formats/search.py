"""MATH-APS: Monte Carlo values of the prefixes that a tree search visited (OmegaPRM, Luo et al. 2024, arXiv
2406.06592).

A prefix that another one continues is a step of it. Each prefix that nothing continues makes a row, so all
rows of a question share their beginnings. The published rows list some prefixes twice, with estimates of
their own; their value is the mean.

Every row labels all of its steps, so a step that several rows share is labelled in each of them. A trainer
that takes rows for independent samples, as ours does, weighs it as often as solutions go through it: the
first steps of a much visited tree count many times."""

from __future__ import annotations

from statistics import fmean

from curation.formats.rows import (
    HARD,
    Format,
    Row,
    Unreadable,
    plain_prompt,
    step_values,
    stepwise_row,
    to_number,
    to_prompt,
)
from store.tables import STEPWISE


def read_math_aps(row: Row) -> list[Row]:
    """{question, reasoning_steps: [{solution_prefix, mc_value}]}, the question inside every prefix. A step is
    right where any rollout from it was (Math-Shepherd's hard label)."""
    question, values = row["question"], _values(row)
    solutions = sorted(values)
    rows, chain = [], [question]
    for solution, following in zip(solutions, [*solutions[1:], ""], strict=True):
        while not solution.startswith(chain[-1]):
            chain.pop()
        chain.append(solution)
        if not following.startswith(solution):
            steps = [now[len(before) :] for before, now in zip(chain, chain[1:], strict=False)]
            shares = [values[prefix] for prefix in chain[1:]]
            labels = [share > 0 for share in shares]
            rows.append(stepwise_row(to_prompt(question), steps, labels, "math-aps", shares))
    return rows


def write_math_aps(rows: list[Row]) -> Row:
    """All rows of a question, each prefix once. Only the values are written. Steps are cut at every prefix
    that is there, so rows that cut the same text in different places would come back as neither."""
    question = plain_prompt(rows[0]["prompt"])
    values: dict[str, float] = {}
    for row in rows:
        if not all(row["completions"]):
            raise Unreadable("empty_step")
        prefix = question
        for step, value in zip(row["completions"], step_values(row), strict=True):
            prefix += step
            if values.setdefault(prefix, value) != value:
                raise Unreadable("prefix_with_two_values")
    steps = [{"solution_prefix": prefix, "mc_value": values[prefix]} for prefix in sorted(values)]
    written = {"question": question, "reasoning_steps": steps}
    again = {tuple(one["completions"][:n]) for one in read_math_aps(written) for n in _lengths(one)}
    if any(tuple(row["completions"]) not in again for row in rows):
        raise Unreadable("steps_cut_in_different_places")
    return written


def _lengths(row: Row) -> range:
    return range(1, len(row["completions"]) + 1)


def _values(row: Row) -> dict[str, float]:
    """The value of each prefix, without that of the question alone."""
    found: dict[str, list[float]] = {}
    for step in row["reasoning_steps"]:
        prefix, value = step["solution_prefix"], to_number(step["mc_value"], "value_is_no_number")
        if not prefix.startswith(row["question"]):
            raise Unreadable("prefix_without_the_question")
        if not 0 <= value <= 1:
            raise Unreadable("value_is_no_probability")
        found.setdefault(prefix, []).append(value)
    found.pop(row["question"], None)
    if not found:
        raise Unreadable("no_steps")
    return {prefix: fmean(estimates) for prefix, estimates in found.items()}


FORMATS = {
    "math-aps": Format(
        "stepwise",
        STEPWISE,
        read_math_aps,
        write_math_aps,
        columns=("question", "reasoning_steps"),
        unread=("final_answer", "question_id"),
        loses=HARD,
        refuses=(
            "step_without_a_value",
            "value_is_no_probability",
            "empty_step",
            "prefix_with_two_values",
            "steps_cut_in_different_places",
            "prompt_is_a_conversation",
        ),
        alters="a step is right where its value is above 0; a row that another one of its prompt repeats or "
        "begins with is no row of its own",
        by_prompt=True,
    )
}

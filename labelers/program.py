"""Steps checked by a program: where the domain has one, it overrules what rollouts estimate.

A checker sees the steps of a solution and its prompt, and says of each step right, wrong, or None for "cannot
tell". `arithmetic` is the built-in one; your own is FILE.py:FUNCTION:

    def check(steps: list[str], prompt: str) -> list[bool | None]: ...

Only "wrong" counts against a label, with the checker's confidence: your own function is taken at its word, a
built-in one has its measured precision. A rollout estimates whether the policy still gets home; a policy that
mends its own slip gets home from a wrong step too, and no number of rollouts shows that it was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from labelers.arithmetic import CONFIDENCE, check_arithmetic
from labelers.verdicts import last_user_text
from verifiers.own import is_own, load_own
from verifiers.registry import BadVerifier, VerifierFailed

CHECKS = pl.Schema(
    {
        "completion_id": pl.String(),
        "step_index": pl.Int32(),
        "right": pl.Boolean(),
        "confidence": pl.Float64(),  # that a step found wrong is wrong
    }
)
METHOD = "program"

Check = Callable[[list[str], str], list[bool | None]]


class Checker(NamedTuple):
    name: str
    identity: dict[str, Any]  # what its answers depend on, for a stage's settings
    check: Check
    confidence: float


def checker_for(use: str) -> Checker:
    """ "arithmetic" or FILE.py:FUNCTION. Raises BadVerifier."""
    if use == "arithmetic":
        return Checker(use, {"use": use, "confidence": CONFIDENCE}, check_arithmetic, CONFIDENCE)
    if not is_own(use):
        raise BadVerifier(f"no checker {use!r}; use arithmetic, or name your own function: FILE.py:FUNCTION")
    name, function, source = load_own(use, "checker", BadVerifier, steps=[], prompt="")
    check = _own(name, function)
    return Checker(name, {"use": name, "source": source}, check, 1.0)


def check_steps(steps: pl.DataFrame, prompts: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    """CHECKS of every step of STEPS; `right` is null where the checker cannot tell. Raises VerifierFailed."""
    asked = {i: last_user_text(m) for i, m in prompts.select("prompt_id", "messages").iter_rows()}
    solutions = steps.sort("completion_id", "step_index").group_by("completion_id", maintain_order=True)
    rows: list[tuple[str, int, bool | None, float]] = []
    for (completion_id,), solution in solutions:
        found = checker.check(solution["text"].to_list(), asked.get(solution["prompt_id"][0], ""))
        rows += [
            (str(completion_id), t, right, checker.confidence)
            for t, right in zip(solution["step_index"], found, strict=True)
        ]
    return pl.DataFrame(rows, schema=CHECKS, orient="row")


def apply(steps: pl.DataFrame, checks: pl.DataFrame) -> pl.DataFrame:
    """STEPS in which a step found wrong, and every step after it, is False.

    What builds on a mistake is no right prefix. `confidence` and `soft` are the checker's, or the step's own
    where that was surer of False. Steps before it keep their labels, and `value` stays in all of
    them: it says whether the policy gets home, which a mistake does not settle.
    """
    wrong = pl.col("step_index") >= pl.col("_mistake").fill_null(2**31 - 1)
    sure = pl.col("_sure")
    own = pl.when(~pl.col("label")).then(pl.col("confidence"))
    return (
        steps.join(_mistakes(checks), on="completion_id", how="left", maintain_order="left")
        .with_columns(
            label=pl.when(wrong).then(False).otherwise(pl.col("label")),
            soft=pl.when(wrong).then(pl.min_horizontal("soft", 1 - sure)).otherwise(pl.col("soft")),
            confidence=pl.when(wrong).then(pl.max_horizontal(own, sure)).otherwise(pl.col("confidence")),
            method=pl.when(wrong).then(pl.lit(METHOD)).otherwise(pl.col("method")),
        )
        .drop("_mistake", "_sure")
    )


def check_facts(steps: pl.DataFrame, checks: pl.DataFrame) -> dict[str, int]:
    """What `apply` would do to STEPS. `overruled`: labels that were True or null and would be False."""
    after = apply(steps, checks).select("completion_id", "step_index", new="label")
    both = steps.join(after, on=["completion_id", "step_index"])
    return {
        "steps": checks.height,
        "checked": checks.height - checks["right"].null_count(),
        "wrong": int((~checks["right"]).sum()),
        "solutions_with_wrong": _mistakes(checks).height,
        "overruled": both.filter(~pl.col("new") & pl.col("label").fill_null(True)).height,
    }


def _mistakes(checks: pl.DataFrame) -> pl.DataFrame:
    """(completion_id, _mistake, _sure): the first step found wrong, of the solutions that have one."""
    found = checks.filter(~pl.col("right"))
    return found.group_by("completion_id").agg(
        _mistake=pl.col("step_index").min(), _sure=pl.col("confidence").sort_by("step_index").first()
    )


def _own(name: str, function: Callable[..., Any]) -> Check:
    def check(steps: list[str], prompt: str) -> list[bool | None]:
        try:
            found = function(list(steps), prompt)
        except (Exception, SystemExit) as error:
            raise VerifierFailed(
                f"checker {name} raised {type(error).__name__}: {error}; the solution begins {steps[0]!r:.80}"
            ) from error
        if not isinstance(found, list) or len(found) != len(steps) or not all(map(_is_answer, found)):
            raise VerifierFailed(
                f"checker {name} returned {found!r:.80} for {len(steps)} steps; "
                "it must return a list with True, False or None for each"
            )
        return found

    return check


def _is_answer(value: object) -> bool:
    return value is None or isinstance(value, bool)

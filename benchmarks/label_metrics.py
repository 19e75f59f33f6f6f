"""What step labels cost and how right they are, with intervals over problems.

Rollouts and tokens are counted as the published scripts pay for them, every solution its own prefixes;
`calls` counts what was really asked of the engine, where solutions with a common prefix share its draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labelers.rollouts.label import StepLabels
from labelers.rollouts.labels import first_errors

RESAMPLES = 1000
COUNTS = ("wrong", "wrong_found", "right", "right_found", "rollouts", "tokens")


class Interval(NamedTuple):
    value: float
    low: float  # 2.5 %
    high: float  # 97.5 %


class Row(NamedTuple):
    """One strategy on one set of solutions. `times_*`: as many times fewer than exhaustive."""

    strategy: str
    rollouts: int
    calls: int
    decode_tokens: int
    prefill_tokens: int
    seconds: float
    times_rollouts: Interval
    times_calls: float
    times_tokens: Interval
    error_accuracy: Interval
    f1: Interval
    f1_gain: Interval  # in points of F1, over exhaustive on the same problems
    accuracy_gain: Interval  # the same for the first-error accuracy
    false_positives: float  # share of true first errors that are labelled right
    false_negatives: float  # share of right steps, as far as the first error, that are labelled wrong
    brier: float  # of the value against the true one, sampled prefixes
    kept: float  # share of solutions whose first error is known
    flagged: float  # share of these said to have an error
    positive: float  # share of right ones among the labels as far as the first wrong one
    same_labels: float  # share of steps with the label that exhaustive gives


class Measured(NamedTuple):
    """`truth`: (completion_id, prompt_id, true_error); `values`: (completion_id, step_index, true_value)."""

    name: str
    labels: StepLabels
    seconds: float
    truth: pl.DataFrame
    values: pl.DataFrame


def pooled(parts: list[Measured]) -> Measured:
    """Several seeds as one set of solutions."""
    facts: dict[str, float] = {}
    for part in parts:
        for name in ("rollouts", "tokens", "prompt_tokens"):
            facts[name] = facts.get(name, 0) + part.labels.facts[name]
    labels = StepLabels(
        pl.concat([p.labels.rollouts for p in parts]), pl.concat([p.labels.steps for p in parts]), facts
    )
    truth, values = pl.concat([p.truth for p in parts]), pl.concat([p.values for p in parts])
    return Measured(parts[0].name, labels, sum(p.seconds for p in parts), truth, values)


def compared(measured: Measured, baseline: Measured, seed: int) -> Row:
    mine, theirs = _by_prompt(measured), _by_prompt(baseline)
    problems = len(mine)
    weights = np.random.default_rng(seed).multinomial(problems, [1 / problems] * problems, RESAMPLES)
    draws = np.vstack([np.ones(problems, dtype=int), weights])
    ours, base = draws @ mine, draws @ theirs
    (accuracy, f1), (base_accuracy, base_f1) = _quality(ours), _quality(base)
    facts, drawn = measured.labels.facts, _drawn(measured)
    return Row(
        measured.name,
        drawn.height,
        facts["rollouts"],
        int(drawn["n_tokens"].sum()),
        int(drawn["n_prompt_tokens"].sum()),
        measured.seconds,
        _interval(base[:, 4] / np.maximum(ours[:, 4], 1)),
        baseline.labels.facts["rollouts"] / max(1, facts["rollouts"]),
        _interval(base[:, 5] / np.maximum(ours[:, 5], 1)),
        _interval(accuracy),
        _interval(f1),
        _interval(100 * (f1 - base_f1)),
        _interval(100 * (accuracy - base_accuracy)),
        *_step_rates(measured),
        _brier(measured),
        *_retention(measured),
        _agreement(measured, baseline),
    )


def _quality(sums: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First-error accuracy and ProcessBench F1 of every resample."""
    error, correct = sums[:, 1] / np.maximum(sums[:, 0], 1), sums[:, 3] / np.maximum(sums[:, 2], 1)
    return error, 2 * error * correct / np.maximum(error + correct, 1e-12)


def _interval(samples: NDArray[np.float64]) -> Interval:
    """The first is the estimate, the others are resamples."""
    return Interval(float(samples[0]), *map(float, np.quantile(samples[1:], [0.025, 0.975])))


def _drawn(measured: Measured) -> pl.DataFrame:
    return measured.labels.rollouts.filter(pl.col("source") == "rollout")


def _by_prompt(measured: Measured) -> NDArray[np.int64]:
    """(prompt, COUNTS), prompts in the order of their ids."""
    costs = (
        _drawn(measured).group_by("completion_id").agg(pl.len().alias("rollouts"), tokens=pl.sum("n_tokens"))
    )
    found = (pl.col("true_error") == pl.col("first_error")).fill_null(False)
    wrong = pl.col("true_error") >= 0
    rows = _predicted(measured).join(costs, on="completion_id", how="left")
    rows = rows.with_columns(pl.col("rollouts", "tokens").fill_null(0))
    rows = rows.with_columns(wrong=wrong, wrong_found=wrong & found, right=~wrong, right_found=~wrong & found)
    return (
        rows.group_by("prompt_id")
        .agg(pl.sum(*COUNTS))
        .sort("prompt_id")
        .select(COUNTS)
        .cast(pl.Int64)
        .to_numpy()
    )


def _predicted(measured: Measured) -> pl.DataFrame:
    return measured.truth.join(first_errors(measured.labels.steps), on="completion_id", how="left")


def _step_rates(measured: Measured) -> tuple[float, float]:
    steps = measured.labels.steps.join(measured.truth, on="completion_id").drop_nulls("label")
    at_error = steps.filter(pl.col("step_index") == pl.col("true_error"))
    before = steps.filter((pl.col("true_error") < 0) | (pl.col("step_index") < pl.col("true_error")))
    return _mean(at_error["label"]), _mean(~before["label"])


def _brier(measured: Measured) -> float:
    steps = measured.labels.steps.join(measured.values, on=["completion_id", "step_index"]).drop_nulls(
        "value"
    )
    return _mean((steps["value"] - steps["true_value"]) ** 2)


def _retention(measured: Measured) -> tuple[float, float, float]:
    """Share of solutions with a known first error, share of these with one, share of positive labels."""
    predicted = _predicted(measured)
    known = predicted.drop_nulls("first_error")
    steps = measured.labels.steps.join(known, on="completion_id")
    used = steps.filter((pl.col("first_error") < 0) | (pl.col("step_index") <= pl.col("first_error")))
    return (
        known.height / predicted.height,
        _mean(known["first_error"] >= 0),
        _mean(used["label"]),
    )


def _agreement(measured: Measured, baseline: Measured) -> float:
    step = ["completion_id", "step_index"]
    both = measured.labels.steps.join(baseline.labels.steps.select(*step, other="label"), on=step)
    return _mean(both["label"].eq_missing(both["other"]))


def _mean(values: pl.Series) -> float:
    return float(np.mean(values.to_numpy())) if values.len() else float("nan")

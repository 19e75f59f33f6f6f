"""Step labels from recorded rollouts, and from nothing else: another rule costs no sampling.

Counts become labels as `labelers.rollouts` describes (Math-Shepherd, arXiv 2312.08935, equations 3 and 4):
k right ones among n finished rollouts give value = k / n and the hard label value > threshold.

What decides nothing is not a failure. A rollout cut by the token limit, and one whose answer or gold the
verifier could not read, counts in `n_truncated` and on neither side. A step without a success is labelled
False only when all N were asked and at least one decided; else its label is null.

`first-success` reads a stream only up to its first success, so its STEPS do not depend on how many rollouts
were in flight at once. There k / n is biased upwards (one success in one try is no proof of certainty), so
`soft` is the posterior mean under a uniform prior, (k + 1) / (n + 2), which holds whatever the stopping rule;
`value` stays the raw ratio. Under `exhaustive`, `soft` is the value (equation 4). The last step of a solution
was not sampled: its value and soft label are its outcome, 0 or 1.

`confidence` is the posterior probability that the true value lies on the label's side of the threshold, for a
prior that puts half its weight on "dead" (value 0) and half uniformly on [0, 1]: 1 after one success at
threshold 0, (n + 1) / (n + 2) after n failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import comb
from typing import Any, Literal, get_args

import polars as pl

from labelers.segment import SplitPolicy, split_steps
from store.tables import STEPS

Strategy = Literal["exhaustive", "first-success"]

DEFAULT_ROLLOUTS = 8  # Math-Shepherd section 4.1
UNDECIDED = ("unparseable", "gold_unparseable", "limit", "timeout")


def relabel(
    rollouts: pl.DataFrame,
    solutions: pl.DataFrame,
    n: int = DEFAULT_ROLLOUTS,
    strategy: Strategy = "exhaustive",
    *,
    policy: SplitPolicy = "newline",
    threshold: float = 0.0,
) -> pl.DataFrame:
    """STEPS from the first `n` recorded rollouts of every step: another rule, fewer rollouts, no sampling."""
    check_rule(n, strategy, threshold, 1)
    counts = _counts(rollouts.filter(pl.col("sample_index") < n), strategy)
    steps = _step_rows(solutions, policy).join(counts, on=["completion_id", "step_index"], how="left")
    steps = steps.with_columns(pl.col("n_rollouts", "n_correct", "n_truncated").fill_null(0))
    return _judged(steps, n, strategy, threshold)


def check_rule(n: int, strategy: str, threshold: float, wave: int) -> None:
    if strategy not in get_args(Strategy):
        raise ValueError(
            f"step labels: unknown strategy {strategy!r}; one of {', '.join(get_args(Strategy))}"
        )
    if n < 1 or wave < 1 or not 0 <= threshold < 1:
        raise ValueError(
            f"step labels: need n, wave >= 1 and 0 <= threshold < 1; got {n}, {wave}, {threshold}"
        )
    if threshold and strategy == "first-success":
        raise ValueError("step labels: first-success stops at one success, so its threshold can only be 0")


def in_order(solutions: pl.DataFrame) -> Iterator[tuple[str, str, str | None, str, str]]:
    """(completion_id, prompt_id, system prompt, text, finish_reason), similar texts of a prompt together."""
    if solutions["completion_id"].n_unique() != solutions.height:
        raise ValueError("step labels: completion_id must be unique among the solutions")
    columns = ["completion_id", "prompt_id", "system_variant", "text", "finish_reason"]
    return solutions.select(columns).sort("prompt_id", "text", "completion_id").iter_rows()


def _counts(rollouts: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """Rollouts, successes and undecided ones of every step, as far as the strategy reads its stream."""
    cut = pl.col("finish_reason") == "length"
    right = (pl.col("verdict") == "correct") & ~cut
    rows = rollouts.with_columns(right=right, undecided=cut | pl.col("verdict").is_in(UNDECIDED))
    step = ["completion_id", "step_index"]
    if strategy == "first-success":
        first = pl.col("sample_index").filter(pl.col("right")).min().over(step)
        rows = rows.filter(first.is_null() | (pl.col("sample_index") <= first))
    return rows.group_by(step).agg(
        pl.len().cast(pl.Int32).alias("n_rollouts"),
        pl.col("right").sum().cast(pl.Int32).alias("n_correct"),
        pl.col("undecided").sum().cast(pl.Int32).alias("n_truncated"),
    )


def _step_rows(solutions: pl.DataFrame, policy: SplitPolicy) -> pl.DataFrame:
    """The step texts of every solution in order, `last` marking the one that ends it."""
    rows = [
        (completion_id, prompt_id, t, step, t == len(steps) - 1)
        for completion_id, prompt_id, _, text, _ in in_order(solutions)
        for steps in [split_steps(text, policy)]
        for t, step in enumerate(steps)
    ]
    names = ("completion_id", "prompt_id", "step_index", "text")
    schema: dict[str, Any] = {name: STEPS[name] for name in names} | {"last": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _judged(steps: pl.DataFrame, n: int, strategy: Strategy, threshold: float) -> pl.DataFrame:
    """Labels and their strength from the counts of each step."""
    k, finished, last = pl.col("n_correct"), pl.col("n_rollouts") - pl.col("n_truncated"), pl.col("last")
    decided = (finished > 0) & (last | (pl.col("n_rollouts") >= n) | ((k > 0) & (threshold == 0)))
    posterior = (k + 1) / (finished + 2) if strategy == "first-success" else pl.col("value")
    name = f"mc-{strategy}-n{n}" + (f"-t{threshold:g}" if threshold else "")
    steps = steps.with_columns(value=pl.when(finished > 0).then(k / finished))
    steps = steps.with_columns(
        label=pl.when(decided).then(pl.col("value") > threshold),
        soft=pl.when(finished > 0).then(pl.when(last).then(pl.col("value")).otherwise(posterior)),
        method=pl.when(last).then(pl.lit("outcome")).otherwise(pl.lit(name)),
    )
    counted = steps.select("n_correct", pl.col("n_rollouts") - pl.col("n_truncated"), "label", "last")
    strength = [
        None if label is None else 1.0 if is_last else confidence(right, of, threshold, label)
        for right, of, label, is_last in counted.iter_rows()
    ]
    steps = steps.with_columns(confidence=pl.Series(strength, dtype=pl.Float64))
    return steps.select(STEPS.names()).cast(STEPS).sort("completion_id", "step_index")


@cache
def confidence(k: int, n: int, threshold: float, label: bool) -> float:
    """P(value > threshold), or of the contrary for a False label, after k of n finished rollouts right."""
    # a uniform prior makes the value Beta(k+1, n-k+1), whose distribution function is a binomial tail
    tail = _binomial_tail(n + 1, k + 1, threshold)
    if k == 0:  # a dead prefix explains n failures with certainty, a live one with probability 1 / (n + 1)
        tail = (1 + tail / (n + 1)) / (1 + 1 / (n + 1))
    return 1 - tail if label else tail


def _binomial_tail(n: int, k: int, p: float) -> float:
    """P(at least k of n) for probability p each."""
    return sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))

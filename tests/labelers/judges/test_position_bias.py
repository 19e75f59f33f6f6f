"""The benchmark of position bias tells a rule that takes it out from one that merely is symmetric."""

import polars as pl
import pytest

from benchmarks.position_bias import reached, report
from labelers.judges.pairwise import consensus


def even(judgements):
    return consensus(judgements).with_columns(soft=0.5)


def hard(judgements):
    """Both orders agree: a side; else even odds."""
    side = pl.col("preference").replace_strict({"A": 1.0, "B": 0.0}, default=0.5, return_dtype=pl.Float64)
    return consensus(judgements).with_columns(soft=side)


def mean_of_orders(judgements):
    """Of probabilities instead of log-odds."""
    p = 1 / (1 + (pl.col("logprob_b") - pl.col("logprob_a")).exp())
    return judgements.group_by("prompt_id", "a_id", "b_id").agg(soft=p.mean()).fill_null(0.5)


def test_consensus_reaches_the_target_with_log_probabilities_and_without():
    rows = report(pairs=500, positions=(2.0,))
    assert [row["mode"] for row in rows] == ["log-probabilities", "8 samples"]
    assert all(reached(row) for row in rows)


@pytest.mark.parametrize("rule", [even, hard, mean_of_orders])
def test_a_rule_that_has_no_bias_but_does_not_know_the_preference_misses_it(rule):
    rows = report(pairs=100, positions=(0.5, 2.0), rule=rule)
    assert not any(reached(row) for row in rows)

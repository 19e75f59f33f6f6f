"""How often a judge is right, on the pairs that a verifier has decided: its weight in a panel, and its gate.

Accuracies are shares with Wilson's 95 % interval. The interval takes pairs as independent; pairs of one
prompt are not quite, so it is a little too narrow. A verifiable pair is also an easier one than two right
answers are, so an accuracy here bounds what to expect of a judge elsewhere from above.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import polars as pl

from labelers.judges.asking import last_attempts
from labelers.judges.choosing import PAIR
from labelers.judges.pairwise import consensus
from labelers.judges.truth import with_truth
from labelers.proportions import rate


def calibrate(judgements: pl.DataFrame, verdicts: pl.DataFrame) -> dict[str, Any]:
    """One judge's JUDGEMENTS against a verifier, on the pairs of one correct and one incorrect completion.

    `accuracy` is that of agreed preferences, `coverage` the share of the pairs that have one, `single` the
    accuracy of the decided judgements taken one by one, `brier` the mean squared error of the soft
    preference, over the `n` pairs that have one.
    """
    final = last_attempts(judgements, *PAIR, "order", "judge", "template_hash", "sample_index")
    single = with_truth(final.filter(pl.col("verdict").is_in(["A", "B"])), verdicts)
    hits = int((single["verdict"].cast(pl.String) == single["truth"]).sum())
    return calibrate_agreed(consensus(judgements), verdicts) | {"single": rate(hits, single.height)}


def calibrate_agreed(agreed: pl.DataFrame, verdicts: pl.DataFrame) -> dict[str, Any]:
    """The preferences of CONSENSUS or PANEL rows against a verifier."""
    pairs = with_truth(agreed, verdicts)
    preferred = pairs.filter(pl.col("preference").is_not_null())
    error = (pairs["soft"] - (pairs["truth"] == "A").cast(pl.Float64)).drop_nulls()
    return {
        "pairs": pairs.height,
        "coverage": rate(preferred.height, pairs.height),
        "accuracy": rate(int((preferred["preference"] == preferred["truth"]).sum()), preferred.height),
        "brier": {"mean": (error**2).mean(), "n": len(error)},
    }


def weight(calibration: dict[str, Any]) -> float:
    """Log-odds of the accuracy under a uniform prior, (k + 1) / (n + 2).

    Without verifiable pairs it is 0, and for a judge worse than chance too: its opinions are not turned
    round.
    """
    n = calibration["accuracy"]["n"]
    hits = round((calibration["accuracy"]["rate"] or 0.0) * n)
    return max(0.0, log((hits + 1) / (n - hits + 1)))


class Gate(NamedTuple):
    passed: bool
    reason: str  # a sentence, of a passed gate too


def passes(calibration: dict[str, Any], min_accuracy: float, min_pairs: int = 50) -> Gate:
    """Whether the judge is known to be right often enough: by the lower end of its interval."""
    accuracy, wanted = calibration["accuracy"], max(1, min_pairs)
    if accuracy["n"] < wanted:
        found = f"the judge prefers a side of only {accuracy['n']} verifiable pairs and {wanted} are wanted"
        return Gate(False, f"{found}: judge more prompts that have an answer")
    found = f"the judge is right on {accuracy['rate']:.1%} of {accuracy['n']:,} verifiable pairs, at least"
    passed = accuracy["low"] >= min_accuracy
    relation = "not below" if passed else "below"
    return Gate(passed, f"{found} {accuracy['low']:.1%} with 95 % confidence, {relation} {min_accuracy:.1%}")

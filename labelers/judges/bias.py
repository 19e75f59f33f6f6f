"""A judge's biases over one dataset: position, length, its own family, and what it could not be read on.

Rates are over what can show them, each with its count and 95 % interval; null where there is nothing. Nothing
here changes a label: it is an audit that goes with the data.

Position. An unbiased judge that is unsure of a pair changes its mind with the order as often towards the
first text as towards the second, so `flips_to_first` is 1/2 without a position bias, however hard the pairs
are. For a judge that draws its verdicts with a bias of b logits towards what it sees first it is sigmoid(2
b), whatever the pairs: P(first, first) / P(second, second) = exp(2 b).

Length. The rate at which the longer text wins also holds that longer may be better. `length_coefficient` is
w in

    P(a preferred) = sigmoid(w tanh(d / s) + v t)        d = len(a) - len(b) in characters, s its deviation

with t = +1, -1, 0 for a right, b right, not decided by a verifier, where verdicts are given (the length
term of length-controlled AlpacaEval, Dubois et al. 2024, arXiv 2404.04475, with truth in place of the
model's quality).
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import polars as pl

from labelers.judges import logistic
from labelers.judges.asking import counts, last_attempts
from labelers.judges.choosing import PAIR
from labelers.judges.families import self_family
from labelers.judges.pairwise import consensus
from labelers.judges.truth import with_truth
from labelers.proportions import Z95, rate

ANSWER = (*PAIR, "order", "judge", "template_hash", "sample_index")  # one per question and sample
MIN_PAIRS = 10  # fewer say nothing of a coefficient


def bias_report(
    judgements: pl.DataFrame, completions: pl.DataFrame, verdicts: pl.DataFrame | None = None
) -> dict[str, Any]:
    """Statistics of one judge's JUDGEMENTS; `verdicts` separate what is longer from what is right.

    `position_flip` is the share of pairs, read in both orders, whose two verdicts differ; `first_position`
    the share of decided verdicts for what was seen first; `longer_wins` the share of preferences, between
    texts of different length, for the longer; `retried` the share of questions asked again because the
    first reply could not be read, `unparsed` the share of those that could not be read at all; `soft_from`
    how many pairs have soft preferences of log-probabilities and how many of verdicts.
    """
    final = last_attempts(judgements, *ANSWER)
    agreed = consensus(judgements)
    return {
        "pairs": agreed.height,
        "judgements": judgements.height,
        "preferences": agreed.height - agreed["preference"].null_count(),
        "rejected": counts(agreed["rejected"]),
        "soft_from": counts(agreed["soft_from"]),
        "unparsed": _rate(final["verdict"] == "unparsed"),
        "retried": _rate(final["attempt"] > 0),
        "ties": _rate(final["verdict"] == "tie"),
        **_position(agreed, final),
        **preference_bias(agreed, completions, verdicts),
    }


def preference_bias(
    agreed: pl.DataFrame, completions: pl.DataFrame, verdicts: pl.DataFrame | None = None
) -> dict[str, Any]:
    """What CONSENSUS rows of one judge show, those too that its scores imply: length and own family."""
    clear = _with_lengths(agreed.filter(pl.col("preference").is_not_null()), completions)
    return {
        "longer_wins": _rate((clear["preference"] == "A") == (clear["longer_by"] > 0)),
        "length_coefficient": _length_coefficient(clear, verdicts),
        **self_family(agreed, completions, verdicts),
    }


def _position(agreed: pl.DataFrame, final: pl.DataFrame) -> dict[str, Any]:
    readable = agreed.filter(~pl.col("rejected").is_in(["unparsed", "one_order"]).fill_null(False))
    decided = final.filter(pl.col("verdict").is_in(["A", "B"])).with_columns(
        first=(pl.col("verdict") == "A") == (pl.col("order") == "ab")
    )
    both = decided.group_by(name for name in ANSWER if name != "order").agg(
        pl.len(), always_first=pl.col("first").all(), never_first=(~pl.col("first")).all()
    )
    flips = both.filter((pl.col("len") == 2) & (pl.col("always_first") | pl.col("never_first")))
    return {
        "position_flip": _rate((readable["rejected"] == "order_flip").fill_null(False)),
        "first_position": _rate(decided["first"]),
        "flips_to_first": _rate(flips["always_first"]),
        "position_bias_logits": _bias_logits(agreed, final, flips["always_first"]),
    }


def _bias_logits(agreed: pl.DataFrame, final: pl.DataFrame, to_first: pl.Series) -> float | None:
    """From log-probabilities, else from the flips of several samples; one verdict has no scale of its own."""
    by_letters = agreed.filter(soft_from="logprobs")
    if by_letters.height:
        return by_letters["position_bias"].mean()  # type: ignore[return-value]
    if not final.filter(pl.col("sample_index") > 0).height:
        return None
    first = int(to_first.sum())
    return log((first + 0.5) / (len(to_first) - first + 0.5)) / 2


def _length_coefficient(clear: pl.DataFrame, verdicts: pl.DataFrame | None) -> dict[str, Any]:
    """w as {estimate, se, n, low, high}; null below MIN_PAIRS pairs of texts that differ in length."""
    n = clear.height
    if n < MIN_PAIRS:
        return {"estimate": None, "se": None, "n": n, "low": None, "high": None}
    by = clear["longer_by"].to_numpy()
    spread = np.sqrt(np.mean(by.astype(float) ** 2))
    features = [np.tanh(by / spread), *([_truth(clear, verdicts)] if verdicts is not None else [])]
    fitted = logistic.fit(
        np.column_stack(features), (clear["preference"] == "A").to_numpy(), clear["prompt_id"].to_numpy()
    )
    w, se = float(fitted.coefficients[0]), float(fitted.errors[0])
    return {"estimate": w, "se": se, "n": n, "low": w - Z95 * se, "high": w + Z95 * se}


def _truth(clear: pl.DataFrame, verdicts: pl.DataFrame) -> np.ndarray:
    """+1 where a is right and b is not, -1 the other way round, 0 where no verifier decides."""
    known = with_truth(clear.select(PAIR), verdicts).unique(PAIR)
    sign = pl.when(pl.col("truth") == "A").then(1.0).when(pl.col("truth") == "B").then(-1.0).otherwise(0.0)
    joined = clear.join(known, on=PAIR, how="left", maintain_order="left")
    return joined.select(sign).to_series().to_numpy()


def _with_lengths(pairs: pl.DataFrame, completions: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose texts differ in length, with `longer_by`: characters that a has more than b."""
    lengths = completions.select("completion_id", length=pl.col("text").str.len_chars().cast(pl.Int64))
    for side in "ab":
        named = lengths.rename({"completion_id": f"{side}_id", "length": f"length_{side}"})
        pairs = pairs.join(named, on=f"{side}_id")
    pairs = pairs.with_columns(longer_by=pl.col("length_a") - pl.col("length_b"))
    return pairs.filter(pl.col("longer_by") != 0).sort(*PAIR, "judge", "template_hash")


def _rate(hits: pl.Series) -> dict[str, Any]:
    return rate(int(hits.sum()), len(hits))

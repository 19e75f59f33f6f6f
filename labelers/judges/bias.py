"""How far a judge can be trusted: its biases on any pairs, its accuracy on pairs a verifier has decided.

Rates are over the judgements that can show them, each with its count; null when there are none. Accuracies
come with Wilson's 95 % score interval (Wilson 1927, J. Am. Stat. Assoc. 22).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import polars as pl

from labelers.judges.pairwise import PAIR, consensus

Z95 = 1.959964


def bias_report(judgements: pl.DataFrame, completions: pl.DataFrame) -> dict[str, Any]:
    """Position, length and self-preference statistics of one judge's JUDGEMENTS.

    `position_flip` is the share of pairs, read in both orders, whose two verdicts differ; `first_position`
    the share of decided judgements won by what was seen first; `longer_wins` the share of agreed preferences,
    between texts of different length, won by the longer; `self_judged` the share of pairs in which the judge
    is the model that wrote one of the two.
    """
    agreed = _with_texts(consensus(judgements), completions)
    readable = agreed.filter(~pl.col("rejected").is_in(["unparsed", "one_order"]).fill_null(False))
    decided = judgements.filter(pl.col("verdict").is_in(["A", "B"]))
    first_won = (decided["verdict"] == "A") == (decided["order"] == "ab")
    clear = agreed.filter(pl.col("preference").is_not_null() & (pl.col("length_a") != pl.col("length_b")))
    longer_won = (clear["preference"] == "A") == (clear["length_a"] > clear["length_b"])
    own = (agreed["judge"] == agreed["model_a"]) | (agreed["judge"] == agreed["model_b"])
    return {
        "pairs": agreed.height,
        "judgements": judgements.height,
        "preferences": int(agreed["preference"].is_not_null().sum()),
        "rejected": dict(sorted(agreed["rejected"].drop_nulls().value_counts().iter_rows())),
        "unparsed": _rate(judgements["verdict"] == "unparsed"),
        "ties": _rate(judgements["verdict"] == "tie"),
        "position_flip": _rate((readable["rejected"] == "order_flip").fill_null(False)),
        "first_position": _rate(first_won),
        "longer_wins": _rate(longer_won),
        "position_bias_logits": agreed["position_bias"].mean(),
        "self_judged": _rate(own),
        "self_judging": bool(own.any()),
    }


def calibrate(judgements: pl.DataFrame, verdicts: pl.DataFrame) -> dict[str, Any]:
    """The judge against a verifier, on the pairs of one correct and one incorrect completion.

    `accuracy` is that of agreed preferences, `coverage` the share of the pairs that have one, `single` the
    accuracy of the decided judgements taken one by one.
    """
    pairs = _with_truth(consensus(judgements), verdicts)
    preferred = pairs.filter(pl.col("preference").is_not_null())
    single = _with_truth(judgements.filter(pl.col("verdict").is_in(["A", "B"])), verdicts)
    return {
        "pairs": pairs.height,
        "coverage": _rate(pairs["preference"].is_not_null()),
        "accuracy": _rate(preferred["preference"] == preferred["truth"]),
        "single": _rate(single["verdict"].cast(pl.String) == single["truth"]),
    }


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a proportion."""
    centre, spread = successes + z * z / 2, z * sqrt(successes * (n - successes) / n + z * z / 4)
    return max(0.0, (centre - spread) / (n + z * z)), min(1.0, (centre + spread) / (n + z * z))


def _rate(hits: pl.Series) -> dict[str, Any]:
    n, k = len(hits), int(hits.sum())
    low, high = wilson(k, n) if n else (None, None)
    return {"rate": k / n if n else None, "n": n, "low": low, "high": high}


def _with_texts(pairs: pl.DataFrame, completions: pl.DataFrame) -> pl.DataFrame:
    """`length_a`, `model_a`, `length_b`, `model_b` beside each pair."""
    facts = completions.select("completion_id", "model", length=pl.col("text").str.len_chars())
    for side in "ab":
        named = facts.rename({name: f"{name}_{side}" for name in ("model", "length")})
        pairs = pairs.join(named, left_on=f"{side}_id", right_on="completion_id", how="left")
    return pairs.sort(PAIR)


def _with_truth(rows: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """The rows whose pair a verifier decides, with `truth`: the side that is correct."""
    known = verdicts.select("completion_id", pl.col("verdict").cast(pl.String))
    for side in "ab":
        named = known.rename({"verdict": f"is_{side}"})
        rows = rows.join(named, left_on=f"{side}_id", right_on="completion_id")
    truth = (
        pl.when((pl.col("is_a") == "correct") & (pl.col("is_b") == "incorrect"))
        .then(pl.lit("A"))
        .when((pl.col("is_b") == "correct") & (pl.col("is_a") == "incorrect"))
        .then(pl.lit("B"))
    )
    return rows.with_columns(truth=truth).filter(pl.col("truth").is_not_null())

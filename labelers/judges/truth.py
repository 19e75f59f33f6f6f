"""What a verifier says of a pair: the side that is right, where exactly one is."""

from __future__ import annotations

import polars as pl


def with_truth(pairs: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """The rows of `pairs` (a_id, b_id, ...) with one correct and one incorrect side; `truth` is "A" or
    "B"."""
    known = verdicts.select("completion_id", pl.col("verdict").cast(pl.String))
    for side in "ab":
        pairs = pairs.join(
            known.rename({"completion_id": f"{side}_id", "verdict": f"is_{side}"}), on=f"{side}_id"
        )
    one_right = (
        pl.when((pl.col("is_a") == "correct") & (pl.col("is_b") == "incorrect"))
        .then(pl.lit("A"))
        .when((pl.col("is_b") == "correct") & (pl.col("is_a") == "incorrect"))
        .then(pl.lit("B"))
    )
    return pairs.with_columns(truth=one_right).drop("is_a", "is_b").drop_nulls("truth")

"""What is known about a completion, right or wrong, in one form whatever decided it.

LABELS has one row per completion: `label` is null where nothing was decided, and then `reason` says why. What
could not be read stays undecided; it is never turned into "wrong".
"""

from __future__ import annotations

import polars as pl

from store.errors import InputError

LABELS = pl.Schema(
    {
        "completion_id": pl.String,
        "label": pl.Boolean,
        "reason": pl.String,  # null where there is a label
        "evidence": pl.String,  # verifier, vote
    }
)


def labels_from_verdicts(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Verdicts to LABELS: `correct` and `incorrect` decide, every other verdict is a named reason."""
    verdict = pl.col("verdict").cast(pl.String)
    decided = verdict.is_in(["correct", "incorrect"])
    frame = verdicts.select(
        "completion_id",
        label=pl.when(decided).then(verdict == "correct"),
        reason=pl.when(~decided).then(verdict),
        evidence=pl.lit("verifier"),
    )
    return _unique(frame)


def labels_from_votes(votes: pl.DataFrame, min_margin: float = 0.0) -> pl.DataFrame:
    """VOTES to LABELS: agreeing with the majority counts as right where the majority leads by `min_margin`.

    A prompt whose first two answers tie has no majority, so its completions stay undecided.
    """
    reason = (
        pl.when(pl.col("answer").is_null())
        .then(pl.lit("no_answer"))
        .when(pl.col("margin") <= 0)
        .then(pl.lit("no_majority"))
        .when(pl.col("margin") < min_margin)
        .then(pl.lit("weak_majority"))
    )
    frame = votes.with_columns(reason=reason).select(
        "completion_id",
        label=pl.when(pl.col("reason").is_null()).then(pl.col("is_majority")),
        reason="reason",
        evidence=pl.lit("vote"),
    )
    return _unique(frame)


def _unique(labels: pl.DataFrame) -> pl.DataFrame:
    twice = labels.filter(pl.col("completion_id").is_duplicated())
    if twice.height:
        raise InputError(
            f"completion {twice['completion_id'][0]} is labelled twice; keep one verdict per completion"
        )
    return labels.cast(LABELS).sort("completion_id")  # type: ignore[arg-type]

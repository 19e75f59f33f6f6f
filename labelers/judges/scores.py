"""Scores that judges gave to completions: of several judges as one, and the preferences that scores imply."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import polars as pl

from labelers.judges.agreement import krippendorff_alpha
from labelers.judges.pairwise import CONSENSUS

JUDGE_SCORES = pl.Schema(
    {"prompt_id": pl.String, "completion_id": pl.String, "judge": pl.String, "score": pl.Float64}
)
ROUNDING = 1e-9  # means of the same ratings in another order are the same


def mean_scores(scores: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    """JUDGE_SCORES with one row a completion, and the agreement of the judges (Krippendorff, interval).

    The score is the mean over all judges, null where one of them gave none: a mean over fewer judges would
    compare completions by who happened to be readable. One judge's scores stay as they are, with no facts.
    """
    judges = sorted(scores["judge"].unique())
    by_completion = scores.group_by("prompt_id", "completion_id", maintain_order=True)
    if len(judges) == 1:
        return scores.select(list(JUDGE_SCORES)).sort("prompt_id", "completion_id"), {}
    complete = (pl.len() == len(judges)) & (pl.col("score").null_count() == 0)
    merged = by_completion.agg(score=pl.when(complete).then(pl.col("score").mean()))
    wide = scores.pivot("judge", index="completion_id", values="score").select(judges)
    facts = {
        "judges": len(judges),
        "krippendorff_alpha": krippendorff_alpha(list(wide.iter_rows()), level="interval"),
    }
    merged = merged.with_columns(judge=pl.lit("panel")).select(list(JUDGE_SCORES))
    return merged.sort("prompt_id", "completion_id"), facts


def implied(scores: pl.DataFrame) -> pl.DataFrame:
    """CONSENSUS rows of every two scored completions of a prompt: the higher score wins, equal ones tie."""
    rows = []
    known = scores.filter(pl.col("score").is_not_null()).sort("prompt_id", "completion_id")
    for (prompt_id, judge), group in known.group_by("prompt_id", "judge", maintain_order=True):
        for (a, x), (b, y) in combinations(group.select("completion_id", "score").iter_rows(), 2):
            preference = None if abs(x - y) < ROUNDING else "A" if x > y else "B"
            row = {"prompt_id": prompt_id, "a_id": a, "b_id": b, "judge": judge, "preference": preference}
            rows.append(dict.fromkeys(CONSENSUS) | row | {"rejected": None if preference else "tie"})
    return pl.DataFrame(rows, schema=CONSENSUS)

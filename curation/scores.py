"""How good a completion is, whatever said so: ratings, rankings, constraints, system variants.

SCORES has one row per completion: `score` is null where nothing could be read, and then `reason` says why.
Scores are compared within a prompt only. `parts` are single checks behind the score: a completion is better
than another only where it fails none that the other passes, because two of three constraints kept are no
more than another two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import fsum
from typing import Any

import polars as pl

from curation.candidates import once
from store.errors import InputError

SCORES = pl.Schema(
    {
        "completion_id": pl.String(),
        "score": pl.Float64(),  # higher is better
        "parts": pl.List(pl.Float64()),  # null: the score is one judgement
        "reason": pl.String(),  # null where there is a score
        "evidence": pl.String(),  # rating, ranking, constraints, system_variant
    }
)
ORDER_ONLY = frozenset({"system_variant"})  # evidence whose scores are places: their gaps have no size


def scores_from_judge(scores: pl.DataFrame, evidence: str) -> pl.DataFrame:
    """(completion_id, score) of a judge's ratings or rankings as SCORES; null and NaN are `no_score`."""
    read = pl.col("score").cast(pl.Float64)
    read = pl.when(read.is_finite()).then(read)
    return _table(
        scores.select(
            "completion_id",
            score=read,
            parts=pl.lit(None),
            reason=pl.when(read.is_null()).then(pl.lit("no_score")),
            evidence=pl.lit(evidence),
        )
    )


def scores_from_constraints(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The share of its prompt's constraints that a completion keeps, read from COMPLETION_VERDICTS.

    Where other verifiers judged too, the share is not the whole judgement: `other_verifier`.
    """
    columns = verdicts.select("completion_id", pl.col("verdict").cast(pl.String), "method", "extracted")
    rows = [(completion_id, *_kept(*rest), "constraints") for completion_id, *rest in columns.iter_rows()]
    return _table(pl.DataFrame(rows, schema=SCORES, orient="row"))


def _kept(
    verdict: str, method: str, extracted: str | None
) -> tuple[float | None, list[float] | None, str | None]:
    """(score, parts, reason) of one verdict."""
    if verdict not in ("correct", "incorrect"):
        return None, None, verdict
    kept: Any = json.loads(extracted or "[]") if method == "constraints" else []
    if not kept:
        return None, None, "other_verifier"
    parts = [float(one) for one in kept]
    return fsum(parts) / len(parts), parts, None


def scores_from_variants(completions: pl.DataFrame, best_first: Sequence[str | None]) -> pl.DataFrame:
    """Completions by the system prompt they were sampled with: earlier in `best_first` is better.

    None stands for no system prompt. A completion that the token limit cut has no score: it would be chosen
    or rejected for where it stops. InputError for a variant that `best_first` does not name, or names twice.
    """
    if len(set(best_first)) < max(2, len(best_first)):
        raise InputError("system variants: give at least two different ones, the best first")
    places = {variant: -float(place) for place, variant in enumerate(best_first)}
    rows: list[tuple[Any, ...]] = []
    for completion_id, variant, finish in completions.select(
        "completion_id", "system_variant", "finish_reason"
    ).iter_rows():
        if variant not in places:
            raise InputError(
                f"completion {completion_id}: system variant {variant!r:.80} is not among those given"
            )
        cut = finish == "length"
        score, reason = (None, "truncated") if cut else (places[variant], None)
        rows.append((completion_id, score, None, reason, "system_variant"))
    return _table(pl.DataFrame(rows, schema=SCORES, orient="row"))


def _table(scores: pl.DataFrame) -> pl.DataFrame:
    return once(scores).cast(SCORES).sort("completion_id")  # type: ignore[arg-type]

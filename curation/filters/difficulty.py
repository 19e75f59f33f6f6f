"""How hard a prompt is: the share of its decided completions that are right.

What every sample solves and what none solves teaches a policy nothing, and a reward model little. A prompt
that no verifier judges and no vote decides has no pass rate, and the filter does not apply to it; one that is
judged, but none of whose completions could be read, is refused as `no_pass_rate`.
"""

from __future__ import annotations

import polars as pl

from curation.filters.funnel import Check

PASS_RATES = pl.Schema(
    {
        "prompt_id": pl.String(),
        "pass_rate": pl.Float64(),  # null: none of its completions could be decided
        "n_decided": pl.UInt32(),
    }
)


def pass_rates(completions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """PASS_RATES of the prompts with LABELS, which may be undecided."""
    owned = labels.join(completions.select("completion_id", "prompt_id"), "completion_id")
    rates = owned.group_by("prompt_id").agg(
        pass_rate=pl.col("label").cast(pl.Float64).mean(), n_decided=pl.col("label").count()
    )
    return rates.select(PASS_RATES.names()).cast(PASS_RATES).sort("prompt_id")  # type: ignore[arg-type]


def difficulty_checks(
    prompt_ids: pl.Series, rates: pl.DataFrame, low: float | None, high: float | None
) -> list[Check]:
    """`too_hard` below `low`, `too_easy` above `high`, `no_pass_rate` where nothing could be decided."""
    if low is None and high is None:
        return []
    joined = pl.DataFrame({"prompt_id": prompt_ids}).join(
        rates.with_columns(judged=True), "prompt_id", "left", maintain_order="left"
    )
    rate, judged = joined["pass_rate"], joined["judged"].fill_null(False)
    found = [Check("no_pass_rate", judged & rate.is_null())]
    if low is not None:
        found.append(Check("too_hard", rate < low))
    if high is not None:
        found.append(Check("too_easy", rate > high))
    return found


def histogram(rates: pl.DataFrame, bins: int = 10) -> list[int]:
    """Prompts by pass rate: counts of [0, 1/bins), ..., [1 - 1/bins, 1]."""
    places = (rates["pass_rate"].drop_nulls() * bins).floor().clip(0, bins - 1).cast(pl.Int64)
    counts = dict(places.value_counts().iter_rows())
    return [counts.get(place, 0) for place in range(bins)]

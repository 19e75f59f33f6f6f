"""Which completions are worth the money of the expensive labelers, chosen by content."""

from __future__ import annotations

import polars as pl

from store.ids import content_id


def choose_solutions(
    completions: pl.DataFrame, per_prompt: int, max_prompts: int | None, seed: int
) -> pl.DataFrame:
    """At most `per_prompt` distinct, finished completions of each of at most `max_prompts` prompts.

    The order is that of a hash of (seed, id), so adding prompts or samples never
    changes which of the others are chosen first. Rows sorted by prompt and completion id.
    """
    finished = completions.filter(pl.col("finish_reason") != "length").sort("prompt_id", "completion_id")
    distinct = finished.unique(["prompt_id", "text"], keep="first", maintain_order=True)
    kept = set(choose_ids(distinct["prompt_id"].unique().to_list(), max_prompts, seed))
    rank = pl.col("completion_id").map_elements(
        lambda i: content_id("solution", seed, i), return_dtype=pl.String
    )
    return (
        distinct.filter(pl.col("prompt_id").is_in(kept))
        .with_columns(rank.alias("_rank"))
        .sort("prompt_id", "_rank")
        .group_by("prompt_id", maintain_order=True)
        .head(per_prompt)
        .drop("_rank")
        .sort("prompt_id", "completion_id")
    )


def choose_ids(ids: list[str], limit: int | None, seed: int) -> list[str]:
    """The first `limit` ids (all when None) in the order of a hash of (seed, id)."""
    return sorted(ids, key=lambda i: content_id("chosen", seed, i))[:limit]

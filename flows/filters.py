"""Completions that the recipe leaves out of the sets: each with the reason that its account will name.

The stages before kept them all: votes, pass rates and rollouts are estimates over every sample, and dropping
some would bend them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from curation.candidates import EXCLUDED, NO_TEXT, conflicting
from curation.duplicates.frames import near_copies
from curation.duplicates.rule import Rule
from curation.filters.difficulty import difficulty_checks, histogram, pass_rates
from curation.filters.funnel import Check, first_failures
from curation.filters.texts import length_checks, refuses
from flows.recipe import CompletionFilters, Recipe
from flows.screen import SCREENED
from store.shards import read_table

VALUES = pl.Schema({"completion_id": pl.String(), "value": pl.String()})


def inputs(recipe: Recipe) -> list[str]:
    """Tables that decide what is left out, beside those that the sets are built from."""
    return [SCREENED] if recipe.decontaminate.completions == "drop" else []


def settings(recipe: Recipe) -> dict[str, Any]:
    found = recipe.build.filters.model_dump()
    if rule := _copies_rule(recipe):
        found["copies"] = rule._asdict()
    return {"filters": found}


def excluded(
    run_dir: Path, recipe: Recipe, completions: pl.DataFrame, labels: pl.DataFrame, values: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """EXCLUDED of `completions`, and facts: how many for each reason, prompts by tenths of their pass rate.

    `labels` are LABELS; `values` (VALUES) what a set says of a completion: of near copies with one value one
    stays, those with different values are all kept. A completion that no set takes, without text or with a
    text of two values, is nobody's copy: it would be kept for those that are left out, and go itself.
    """
    config = recipe.build.filters
    rates = pass_rates(completions, labels)
    checks = [*_screened(run_dir, recipe, completions), *_checks(completions, rates, config)]
    reasons = first_failures(checks, completions.height)
    found = completions.select("completion_id", "prompt_id", "text").with_columns(reason=reasons)
    if rule := _copies_rule(recipe):
        left = found.filter(pl.col("reason").is_null()).join(values, "completion_id")
        left = left.filter(~NO_TEXT & ~conflicting("value"))
        copies = near_copies(left, text="text", key="completion_id", within=("prompt_id", "value"), rule=rule)
        is_copy = pl.col("completion_id").is_in(copies["completion_id"].to_list())
        found = found.with_columns(reason=pl.when(is_copy).then(pl.lit("near_duplicate")).otherwise("reason"))
    found = found.filter(pl.col("reason").is_not_null()).select(EXCLUDED.names())
    facts: dict[str, Any] = {"filters": dict(found["reason"].value_counts().sort("reason").iter_rows())}
    if rates.height:
        facts["pass_rates"] = histogram(rates)
    return found, facts


def _screened(run_dir: Path, recipe: Recipe, completions: pl.DataFrame) -> list[Check]:
    if recipe.decontaminate.completions != "drop":
        return []
    from curation.decontamination import REPORT

    hits = read_table(run_dir / SCREENED, REPORT).filter(pl.col("action").cast(pl.String) == "drop")
    return [Check("touches_eval_set", completions["completion_id"].is_in(hits["row_id"].to_list()))]


def _checks(completions: pl.DataFrame, rates: pl.DataFrame, config: CompletionFilters) -> list[Check]:
    found = [Check("refusal", refuses(completions["text"]))] if config.refusals == "drop" else []
    found += length_checks(completions["text"], config.min_words, config.max_words)
    return found + difficulty_checks(
        completions["prompt_id"], rates, config.min_pass_rate, config.max_pass_rate
    )


def _copies_rule(recipe: Recipe) -> Rule | None:
    return recipe.deduplicate.completion_rule if recipe.deduplicate else None

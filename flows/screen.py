"""Compare completions with the evaluation sets, once they are drawn.

A completion that quotes a benchmark which its prompt does not says something about the sampler: it is warned
of, or, where the recipe says drop, left out of the sets that are built.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.decontamination import REPORT, TOTALS, decontaminate_completions
from flows.decontaminate import against, files_of, rule_settings, settings_of
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, PROMPTS

SCREENED = "tables/contaminated_completions.parquet"


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    shards = sorted(
        f"{COMPLETIONS_DIR}/{path.name}" for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet")
    )
    settings = rule_settings(recipe) | {"completions": recipe.decontaminate.completions}
    return Stage("screen", work, settings, (CLEAN, *shards, *files_of(recipe)), (SCREENED,))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    prompts = read_table(run_dir / CLEAN, PROMPTS)
    completions = read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS)
    found = decontaminate_completions(
        prompts, completions, against(run_dir, recipe, prompts).sets, settings_of(recipe)
    )
    write_table(found.report, run_dir / SCREENED, REPORT)
    account = Account("screen", completions.height)
    account.keep(completions.height)  # votes and rollouts need every sample; the sets leave some out
    by_action = found.report.group_by("action").agg(pl.col("row_id").n_unique()).sort("action")
    facts = {
        "eval_sets": found.totals.select(TOTALS.names()).to_dicts(),
        "actions": dict(by_action.select(pl.col("action").cast(pl.String), "row_id").iter_rows()),
    }
    return Outcome(account, {SCREENED: found.report.height}, facts=facts)

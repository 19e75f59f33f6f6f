"""Keep the solutions on whose first wrong step all labelers agree: rollouts, other completers, a critique."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.critique import CRITIQUES_DIR
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR, steps_dir
from flows.stage import Outcome, Stage
from labelers.consensus import agree
from labelers.judges import critique
from labelers.rollouts.labels import first_errors
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import CRITIQUES, STEPS

AGREED_FILE = "tables/agreed_steps.parquet"


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    assert recipe.rollout
    folders = [steps_dir(k) for k in range(len(recipe.engines_of(recipe.rollout)))]
    folders += [CRITIQUES_DIR] if recipe.critique else []
    shards = sorted(path.name for path in (run_dir / STEPS_DIR).glob("*.parquet"))
    inputs = tuple(f"{folder}/{name}" for folder in folders for name in shards)
    return Stage("consensus", work, {"labelers": folders}, inputs, (AGREED_FILE,))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    steps = read_table(run_dir / STEPS_DIR, STEPS)
    agreed = agree(steps, _others(run_dir, recipe))
    kept = steps.filter(pl.col("completion_id").is_in(agreed.kept))
    account = Account("consensus", steps["completion_id"].n_unique())
    account.keep(len(agreed.kept))
    for reason, n in agreed.report["dropped"].items():
        account.reject(reason, n)
    write_table(kept, run_dir / AGREED_FILE, STEPS)
    return Outcome(account, {AGREED_FILE: kept.height}, facts=agreed.report)


def _others(run_dir: Path, recipe: Recipe) -> dict[str, pl.DataFrame]:
    """First errors by labeler, all but the first completer."""
    assert recipe.rollout
    others = {
        f"completer {k + 1}": first_errors(read_table(run_dir / steps_dir(k), STEPS))
        for k in range(1, len(recipe.engines_of(recipe.rollout)))
    }
    if recipe.critique:
        others["critique"] = critique.first_errors(read_table(run_dir / CRITIQUES_DIR, CRITIQUES))
    return others

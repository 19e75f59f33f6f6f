"""Majority vote of each prompt's completions."""

from __future__ import annotations

from pathlib import Path

from flows.checks import policy_setting
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from labelers.votes import pseudo_gold, vote
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, VOTES

VOTES_FILE = "tables/votes.parquet"


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    assert recipe.vote
    inputs = sorted(
        f"{COMPLETIONS_DIR}/{path.name}" for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet")
    )
    settings = recipe.vote.model_dump() | policy_setting(recipe)
    return Stage("vote", work, settings, tuple(inputs), (VOTES_FILE,))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    completions = read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS)
    account = Account("vote", completions.height)
    table = vote(completions, recipe.verify.policy.policy())
    account.keep(table.height)
    write_table(table, run_dir / VOTES_FILE, VOTES)
    assert recipe.vote
    margins = table.unique("prompt_id").sort("prompt_id")["margin"].to_list()
    facts = {
        "mean_margin": sum(margins) / max(len(margins), 1),
        "pseudo_gold": pseudo_gold(table, recipe.vote.min_margin).height,
        "prompts": len(margins),
    }
    return Outcome(account, {VOTES_FILE: table.height}, facts=facts)

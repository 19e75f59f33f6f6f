"""Rates that all solutions of a run have in common, estimated once, from a few of them out of all shards.

Shards that calibrated themselves would label one solution in two ways, depending on what stood beside it.
The pilot's rollouts are in the ledger: the shards that need them do not pay again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from flows.decontaminate import CLEAN
from flows.engines import engine_for
from flows.progress import Meter
from flows.recipe import Recipe
from flows.rollout import label, pilot_file, sampled_for, settings, strategy_of, verb
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers.rollouts.label import PILOT
from labelers.rollouts.strategy import Piloted
from labelers.selection import choose_solutions
from store.accounting import Account
from store.ids import content_id
from store.shards import write_json


def stages(run_dir: Path, recipe: Recipe, completer: int = 0) -> list[Stage]:
    """None for a strategy that has nothing to estimate."""
    if not isinstance(strategy_of(recipe, completer), Piloted):
        return []
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    inputs = [f"{folder}/{name}" for name in shards for folder in (COMPLETIONS_DIR, VERDICTS_DIR)]
    name = verb(completer).replace("rollout", "pilot")
    outputs = (pilot_file(completer),)
    done = partial(work, completer=completer)
    return [Stage(name, done, settings(recipe, completer), (CLEAN, *inputs), outputs)]


def work(run_dir: Path, recipe: Recipe, stage: Stage, completer: int) -> Outcome:
    config = recipe.rollout
    assert config
    prompts, completions, sampled = sampled_for(run_dir, recipe, COMPLETIONS_DIR, VERDICTS_DIR)
    chosen = choose_solutions(sampled, config.solutions_per_prompt, None, recipe.seed)
    ids = sorted(chosen["completion_id"], key=lambda i: content_id("pilot", i))[:PILOT]
    pilot = chosen.filter(pl.col("completion_id").is_in(ids))
    account = Account(stage.name, completions.height, pilot.height)
    account.reject("not_chosen", completions.height - pilot.height)
    with Meter(stage.name, 0, "rollouts") as meter:
        found = label(
            run_dir, recipe, completer, strategy_of(recipe, completer), pilot, sampled, prompts, meter
        )
    strategy = found.facts["strategy"]
    write_json(run_dir / stage.outputs[0], strategy)
    engine = engine_for(recipe.engines_of(config)[completer])
    return Outcome(
        account, {stage.outputs[0]: None}, engine.usage(), meter.cached, facts={"strategy": strategy}
    )

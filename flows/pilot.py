"""Rates that all solutions of a run have in common, estimated once, from a few of them out of all shards.

Shards that calibrated themselves would label one solution in two ways, depending on what stood beside it.
The pilot's rollouts are in the ledger: the shards that need them do not pay again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flows.engines import engine_for
from flows.progress import Meter
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.rollout import drawing, pilot_file, pilot_verb, sampled_for, settings, strategy_of
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers.rollouts.label import calibrate, options_of, pilot_of
from labelers.rollouts.strategy import Piloted
from labelers.selection import choose_solutions
from store.accounting import Account
from store.shards import write_json


def stages(run_dir: Path, recipe: Recipe, completer: int = 0) -> list[Stage]:
    """None for a strategy that has nothing to estimate."""
    if not isinstance(strategy_of(recipe, completer), Piloted):
        return []
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    inputs = [f"{folder}/{name}" for name in shards for folder in (COMPLETIONS_DIR, VERDICTS_DIR)]
    outputs = (pilot_file(completer),)
    done = partial(work, completer=completer)
    return [Stage(pilot_verb(completer), done, settings(recipe, completer), (CLEAN, *inputs), outputs)]


def work(run_dir: Path, recipe: Recipe, stage: Stage, completer: int) -> Outcome:
    config = recipe.rollout
    assert config
    prompts, completions, sampled = sampled_for(run_dir, recipe, COMPLETIONS_DIR, VERDICTS_DIR)
    chosen = choose_solutions(sampled, config.solutions_per_prompt, None, recipe.seed)
    pilot = pilot_of(chosen).height
    account = Account(stage.name, completions.height, pilot)
    account.reject("not_chosen", completions.height - pilot)
    with Meter(stage.name, 0, "rollouts") as meter:
        told = drawing(run_dir, recipe, completer, prompts, sampled, meter)
        strategy = options_of(calibrate(solutions=chosen, strategy=strategy_of(recipe, completer), **told))
    write_json(run_dir / stage.outputs[0], strategy)
    engine = engine_for(recipe.engines_of(config)[completer])
    return Outcome(
        account, {stage.outputs[0]: None}, engine.usage(), meter.cached, facts={"strategy": strategy}
    )

"""A judge reads the solutions that rollouts have labelled and names the first wrong step of each."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from labelers.judges.asking import tally
from labelers.judges.critique import critique_steps
from labelers.judges.templates import load_template
from labelers.rollouts.labels import first_errors
from samplers.engine import Sampling
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, CRITIQUES, PROMPTS, STEPS

CRITIQUES_DIR = "tables/critiques"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    assert recipe.critique
    settings = {
        "critique": recipe.critique.model_dump(exclude={"engine"}),
        "template_hash": load_template(recipe.critique.template, "critique").hash,
        "engine": identity(recipe.engines_of(recipe.critique)[0]),
        "split": list(recipe.split),
        "seed": recipe.seed,
    }
    return [
        Stage(
            f"critique/{path.stem}",
            work,
            settings,
            (CLEAN, f"{COMPLETIONS_DIR}/{path.name}", f"{STEPS_DIR}/{path.name}"),
            (f"{CRITIQUES_DIR}/{path.name}",),
        )
        for path in sorted((run_dir / STEPS_DIR).glob("*.parquet"))
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.critique
    assert config
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    completions = read_table(run_dir / stage.inputs[1], COMPLETIONS)
    found = first_errors(read_table(run_dir / stage.inputs[2], STEPS))
    decided = found.filter(pl.col("first_error").is_not_null())["completion_id"].to_list()
    solutions = completions.filter(pl.col("completion_id").is_in(decided))
    account = Account(stage.name, found.height)
    account.reject("undecided_step", found.height - solutions.height)  # no opinion could save them
    engine = engine_for(recipe.engines_of(config)[0])
    with Meter(stage.name, config.samples * solutions.height) as meter:
        critiques = critique_steps(
            engine,
            ledger_of(run_dir),
            solutions,
            prompts,
            config.template,
            Sampling(temperature=config.temperature, max_tokens=config.max_tokens),
            recipe.seed,
            split=recipe.split,
            samples=config.samples,
            budget=budget(),
            progress=meter.saw,
        )
    account.keep(solutions.height)
    write_table(critiques, run_dir / stage.outputs[0], CRITIQUES)
    facts = {
        "replies": tally(critiques, "first_error"),
        "engine": engine.model,
        "revision": engine.revision,
    }
    rows = {stage.outputs[0]: critiques.height}
    return Outcome(account, rows, engine.usage(), meter.cached, facts=facts)

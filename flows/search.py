"""Tree search for many labelled prefixes of one prompt (OmegaPRM), shard by shard.

It goes on from the samples of the policy and comes back with wrong solutions of its own, whose steps are
labelled by what their searches have drawn. They join the labelled solutions in the stepwise set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows.checks import checker_of, policy_setting
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR, overruled, sampled_for
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers.rollouts.collect import collect_prefixes
from labelers.rollouts.tree import TreeSearch
from samplers.engine import Sampling
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, ROLLOUTS, STEPS

SEARCHED_DIR = "tables/searched"  # COMPLETIONS that the search has written; samples that it searched are not
SEARCHED_ROLLOUTS_DIR = "tables/searched_rollouts"
SEARCHED_STEPS_DIR = "tables/searched_steps"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    assert recipe.rollout and recipe.engine and recipe.sample
    checker = checker_of(recipe)
    settings: dict[str, Any] = {
        "rollout": recipe.rollout.model_dump(exclude={"completers"}),
        "system": recipe.sample.system,
        "engine": identity(recipe.engine),
        "checker": dict(checker.identity) if checker else None,
        "seed": recipe.seed,
    } | policy_setting(recipe)
    inputs, outputs = (
        (COMPLETIONS_DIR, VERDICTS_DIR, STEPS_DIR),
        (SEARCHED_DIR, SEARCHED_ROLLOUTS_DIR, SEARCHED_STEPS_DIR),
    )
    return [
        Stage(
            f"search/{path.stem}",
            work,
            settings,
            (CLEAN, *(f"{folder}/{path.name}" for folder in inputs)),
            tuple(f"{folder}/{path.name}" for folder in outputs),
        )
        for path in sorted((run_dir / STEPS_DIR).glob("*.parquet"))
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.rollout
    assert config and config.tree and recipe.engine and recipe.sample
    prompts, completions, sampled = sampled_for(run_dir, recipe, *stage.inputs[1:3])
    mine = prompts.filter(pl.col("prompt_id").is_in(sampled["prompt_id"].unique().to_list()))
    engine = engine_for(recipe.engine)
    limits = {"n": config.n} if config.n else {}
    with Meter(stage.name, 0, "rollouts") as meter:
        found = collect_prefixes(
            engine,
            ledger_of(run_dir),
            mine,
            TreeSearch(**limits, **config.tree.model_dump()),
            Sampling(temperature=config.temperature, max_tokens=config.max_tokens),
            recipe.seed,
            samples=sampled,
            system=recipe.sample.system,
            split=recipe.split,
            reading=recipe.verify.policy.policy(),
            budget=budget(),
            progress=meter.saw,
        )
    labelled = read_table(run_dir / f"{STEPS_DIR}/{Path(stage.outputs[0]).name}", STEPS)
    new = ~pl.col("completion_id").is_in(labelled["completion_id"].unique().to_list())
    steps, checked = overruled(recipe, found.steps.filter(new), prompts)
    written = ~pl.col("completion_id").is_in(completions["completion_id"].to_list())
    tables = (found.solutions.filter(written), found.rollouts.filter(new), steps)
    for path, table, schema in zip(stage.outputs, tables, (COMPLETIONS, ROLLOUTS, STEPS), strict=True):
        write_table(table, run_dir / path, schema)
    account = Account(stage.name, found.solutions.height)
    account.reject("labelled_already", found.solutions.height - steps["completion_id"].n_unique())
    account.keep(steps["completion_id"].n_unique())
    facts = found.facts | checked | {"steps": steps.height, "label_undecided": steps["label"].null_count()}
    rows = {path: table.height for path, table in zip(stage.outputs, tables, strict=True)}
    return Outcome(account, rows, engine.usage(), meter.cached, facts=facts)

"""Math-Shepherd step labels for chosen training solutions, shard by shard."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.checks import policy_setting
from flows.decontaminate import CLEAN
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers.rollouts.label import label_steps, rollout_stats
from labelers.selection import choose_ids, choose_solutions
from samplers.engine import Sampling
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS, ROLLOUTS, STEPS

ROLLOUTS_DIR = "tables/rollouts"
STEPS_DIR = "tables/steps"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    assert recipe.rollout
    settings = {
        "rollout": recipe.rollout.model_dump(exclude={"engine"}),
        "engine": identity(recipe.engine_of(recipe.rollout)),
        "seed": recipe.seed,
    } | policy_setting(recipe)
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    return [
        Stage(
            f"rollout/{name.removesuffix('.parquet')}",
            work,
            settings,
            (CLEAN, f"{COMPLETIONS_DIR}/{name}", f"{VERDICTS_DIR}/{name}"),
            (f"{ROLLOUTS_DIR}/{name}", f"{STEPS_DIR}/{name}"),
        )
        for name in shards
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.rollout
    assert config
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS).filter(
        (pl.col("split") == "train") & pl.col("answer").is_not_null()
    )
    chosen_prompts = choose_ids(prompts["prompt_id"].to_list(), config.max_prompts, recipe.seed)
    completions = read_table(run_dir / stage.inputs[1], COMPLETIONS)
    verdicts = read_table(run_dir / stage.inputs[2], COMPLETION_VERDICTS)
    labelled = completions.filter(
        pl.col("prompt_id").is_in(chosen_prompts)
        & pl.col("completion_id").is_in(verdicts["completion_id"].to_list())
    )
    account = Account(stage.name, completions.height)
    account.reject("not_for_training", completions.height - labelled.height)
    solutions = choose_solutions(labelled, config.solutions_per_prompt, None, recipe.seed)
    account.reject("not_chosen", labelled.height - solutions.height)
    account.keep(solutions.height)
    engine = engine_for(recipe.engine_of(config))
    with Meter(stage.name, 0, "rollouts") as meter:
        rollouts, steps = label_steps(
            engine,
            ledger_of(run_dir),
            solutions,
            prompts,
            n=config.n,
            strategy=config.strategy,
            sampling=Sampling(temperature=config.temperature, max_tokens=config.max_tokens),
            seed=recipe.seed,
            policy=config.segment,
            reading=recipe.verify.policy.policy(),
            budget=budget(),
            progress=meter.saw,
        )
    write_table(rollouts, run_dir / stage.outputs[0], ROLLOUTS)
    write_table(steps, run_dir / stage.outputs[1], STEPS)
    sampled = steps.filter(pl.col("method") != "outcome")
    facts = rollout_stats(rollouts) | {
        "steps": steps.height,
        "rollouts_exhaustive": config.n * sampled.height,  # before prefixes that solutions share
        "label_true": int(steps["label"].sum()),
        "label_undecided": steps["label"].null_count(),
        "revision": engine.revision,
    }
    return Outcome(
        account,
        {stage.outputs[0]: rollouts.height, stage.outputs[1]: steps.height},
        engine.usage(),
        meter.cached,
        facts=facts,
    )

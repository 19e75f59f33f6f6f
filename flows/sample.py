"""Draw completions from the policy, a shard of prompts at a time."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.decontaminate import CLEAN
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.recipe import Recipe
from flows.stage import Outcome, Stage
from samplers.engine import Sampling
from samplers.sample import sample_prompts
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, PROMPTS

COMPLETIONS_DIR = "tables/completions"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    assert recipe.sample and recipe.engine
    settings = {
        "sample": recipe.sample.model_dump(),
        "engine": identity(recipe.engine),
        "seed": recipe.seed,
        "shard_prompts": recipe.shard_prompts,
    }
    n_prompts = read_table(run_dir / CLEAN, PROMPTS).height
    return [
        Stage(f"sample/{name}", work, settings, (CLEAN,), (f"{COMPLETIONS_DIR}/{name}.parquet",))
        for name in shard_names(n_prompts, recipe.shard_prompts)
    ]


def shard_names(n_rows: int, size: int) -> list[str]:
    return [f"{i:04d}" for i in range(-(-n_rows // size))]


def shard_of(stage: Stage) -> int:
    return int(stage.name.split("/")[1])


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.sample
    assert config and recipe.engine
    prompts = read_table(run_dir / CLEAN, PROMPTS).slice(
        shard_of(stage) * recipe.shard_prompts, recipe.shard_prompts
    )
    engine = engine_for(recipe.engine)
    sampling = Sampling(config.temperature, config.top_p, config.top_k, config.max_tokens)
    parts, wanted, cached = [], 0, 0
    for split, n in (("train", config.n), ("test", config.n_test)):
        rows = prompts.filter(pl.col("split") == split)
        if rows.is_empty():
            continue
        wanted += rows.height * n
        with Meter(stage.name, rows.height * n) as meter:
            parts.append(
                sample_prompts(
                    engine,
                    ledger_of(run_dir),
                    rows,
                    n=n,
                    sampling=sampling,
                    seed=recipe.seed,
                    system=config.system,
                    budget=budget(),
                    progress=meter.saw,
                )
            )
        cached += meter.cached
    table = pl.concat(parts)
    account = Account(stage.name, wanted)
    account.keep(table.height)
    account.reject("refused_by_engine", wanted - table.height)
    write_table(table, run_dir / stage.outputs[0], COMPLETIONS)
    return Outcome(
        account,
        {stage.outputs[0]: table.height},
        engine.usage(),
        cached,
        facts={"truncated": int((table["finish_reason"] == "length").sum()), "revision": engine.revision},
    )

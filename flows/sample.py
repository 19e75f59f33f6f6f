"""Draw completions from the policy, a shard of prompts at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows.checks import policy_setting
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.stage import Outcome, Stage
from labelers.adaptive import sample_until_clear
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
    } | (policy_setting(recipe) if recipe.sample.stop else {})
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
    best, *worse = config.systems
    draws = [("train", config.n, best), ("test", config.n_test, best)]
    draws += [("train", config.n, system) for system in worse]
    parts, wanted, answered, cached = [], 0, 0, 0
    for split, n, system in draws:
        rows = prompts.filter(pl.col("split") == split)
        if rows.is_empty():
            continue
        wanted += rows.height * n
        with Meter(stage.name, rows.height * n) as meter:
            early = split == "train" and system == best
            parts.append(_drawn(run_dir, recipe, rows, n, system, early, meter))
        answered += meter.done
        cached += meter.cached
    table = pl.concat(parts)
    account = Account(stage.name, wanted)
    account.keep(table.height)
    account.reject("majority_was_clear", wanted - answered)
    account.reject("refused_by_engine", answered - table.height)
    write_table(table, run_dir / stage.outputs[0], COMPLETIONS)
    return Outcome(
        account,
        {stage.outputs[0]: table.height},
        engine.usage(),
        cached,
        facts={"truncated": int((table["finish_reason"] == "length").sum()), "revision": engine.revision},
    )


def _drawn(
    run_dir: Path, recipe: Recipe, rows: pl.DataFrame, n: int, system: str | None, early: bool, meter: Meter
) -> pl.DataFrame:
    """COMPLETIONS, n of each prompt; fewer of those whose majority is clear before, if the recipe says so and
    it may end `early`. Best-of-n curves need the same number of every test prompt.
    """
    config = recipe.sample
    assert config and recipe.engine
    engine, ledger = engine_for(recipe.engine), ledger_of(run_dir)
    sampling = Sampling(config.temperature, config.top_p, config.top_k, config.max_tokens)
    told: dict[str, Any] = {"budget": budget(), "progress": meter.saw}
    if config.stop is None or not early:
        return sample_prompts(engine, ledger, rows, n, sampling, recipe.seed, system, **told)
    return sample_until_clear(
        engine,
        ledger,
        rows,
        n,
        config.stop.first,
        config.stop.confidence,
        sampling,
        recipe.seed,
        system,
        reading=recipe.verify.policy.policy(),
        **told,
    )

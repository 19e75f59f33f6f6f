"""Pairwise judging of training completions, both orders of every pair."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.decontaminate import CLEAN
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers.judges.pairwise import CONSENSUS, choose_pairs, consensus, judge_pairs
from labelers.judges.bias import bias_report, calibrate
from labelers.selection import choose_ids
from labelers.judges.templates import load_template
from samplers.engine import Sampling
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, JUDGEMENTS, PROMPTS

JUDGEMENTS_FILE = "tables/judgements.parquet"
CONSENSUS_FILE = "tables/consensus.parquet"


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    assert recipe.judge
    settings = {
        "judge": recipe.judge.model_dump(exclude={"engine"}),
        "template_hash": load_template(recipe.judge.template).hash,
        "engine": identity(recipe.engine_of(recipe.judge)),
        "seed": recipe.seed,
    }
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    inputs = [f"{folder}/{name}" for name in shards for folder in (COMPLETIONS_DIR, VERDICTS_DIR)]
    return Stage("judge", work, settings, (CLEAN, *inputs), (JUDGEMENTS_FILE, CONSENSUS_FILE))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.judge
    assert config
    prompts = read_table(run_dir / CLEAN, PROMPTS).filter(pl.col("split") == "train")
    completions = read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS)
    verdicts = read_table(run_dir / VERDICTS_DIR, COMPLETION_VERDICTS)
    pairs = _pairs(recipe, prompts, completions, verdicts)
    engine = engine_for(recipe.engine_of(config))
    with Meter("judge", 2 * pairs.height) as meter:
        judgements = judge_pairs(
            engine,
            ledger_of(run_dir),
            pairs,
            completions,
            prompts,
            config.template,
            Sampling(temperature=config.temperature, max_tokens=config.max_tokens, logprobs=config.logprobs),
            recipe.seed,
            budget=budget(),
            progress=meter.saw,
        )
    agreed = consensus(judgements)
    account = Account("judge", pairs.height)
    for reason, n in sorted(agreed["rejected"].drop_nulls().value_counts().iter_rows()):
        account.reject(reason, n)
    account.keep(int(agreed["preference"].is_not_null().sum()))
    write_table(judgements, run_dir / JUDGEMENTS_FILE, JUDGEMENTS)
    write_table(agreed, run_dir / CONSENSUS_FILE, CONSENSUS)
    facts = {
        "bias": bias_report(judgements, completions),
        "calibration": calibrate(judgements, verdicts),
        "template": load_template(config.template).text,
        "revision": engine.revision,
    }
    return Outcome(
        account,
        {JUDGEMENTS_FILE: judgements.height, CONSENSUS_FILE: agreed.height},
        engine.usage(),
        meter.cached,
        facts=facts,
    )


def _pairs(
    recipe: Recipe, prompts: pl.DataFrame, completions: pl.DataFrame, verdicts: pl.DataFrame
) -> pl.DataFrame:
    """Right against wrong where a verifier decides, so that the judge is calibrated; any two elsewhere."""
    assert recipe.judge
    chosen = choose_ids(prompts["prompt_id"].to_list(), recipe.judge.max_prompts, recipe.seed)
    rows = completions.filter(pl.col("prompt_id").is_in(chosen) & (pl.col("finish_reason") != "length"))
    verifiable = verdicts["prompt_id"].unique().to_list()
    decided, open_ended = (
        rows.filter(pl.col("prompt_id").is_in(verifiable) == known) for known in (True, False)
    )
    per_prompt, seed = recipe.judge.pairs_per_prompt, recipe.seed
    return pl.concat(
        [
            choose_pairs(decided, verdicts, per_prompt, seed, "right-wrong"),
            choose_pairs(open_ended, None, per_prompt, seed, "random"),
        ]
    )

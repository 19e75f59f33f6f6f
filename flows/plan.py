"""`flows run --plan`: calls, tokens and time of a run, estimated from a small probe of the policy.

The probe's completions are kept in the run's ledger, so the run itself does not pay for
them again. Time is an upper estimate: a probe of a few dozen calls does not fill a batch engine.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows import constrain, decontaminate, prompts
from flows.checks import check_prompts
from flows.decontaminate import CLEAN
from flows.engines import close_engines, engine_for, ledger_of
from flows.progress import duration, say
from flows.recipe import Recipe
from flows.stage import perform_here, run_stages
from labelers.segment import split_steps
from labelers.selection import choose_ids
from samplers.engine import Sampling
from samplers.sample import sample_prompts
from store.manifest import Manifest
from store.shards import read_table
from store.tables import PROMPTS
from verifiers.math import verify

PROBE_PROMPTS = 16
PROBE_SAMPLES = 4


@dataclass(frozen=True)
class Probe:
    """Means over the probe's completions."""

    prompt_tokens: float
    new_tokens: float
    steps: float
    solved: float  # share right, of those a verifier could decide
    seconds_per_token: float  # 0 when the ledger had the whole probe: there was nothing to time


@dataclass(frozen=True)
class Line:
    stage: str
    calls: float
    prompt_tokens: float
    new_tokens: float


def print_plan(run_dir: Path, recipe: Recipe) -> int:
    from rich.console import Console
    from rich.table import Table

    table = _clean_prompts(recipe)
    check_prompts(recipe, table)
    if not recipe.sample:
        say("plan: completions are recorded, no engine is called")
        return 0
    try:
        probe = _probe(run_dir, recipe, table)
    finally:
        close_engines()
    view = Table("stage", "calls", "prompt tokens", "new tokens", "time", box=None, header_style="bold")
    for line in estimate(recipe, table, probe):
        seconds = line.new_tokens * probe.seconds_per_token
        cells = [f"{value:,.0f}" for value in (line.calls, line.prompt_tokens, line.new_tokens)]
        view.add_row(line.stage, *cells, f"<= {duration(seconds)}" if seconds else "not known")
    Console().print(view)
    say("Nothing but the probe was spent; its calls are kept in the ledger. Training time is not estimated.")
    return 0


def _clean_prompts(recipe: Recipe) -> pl.DataFrame:
    """The prompts that a run would use, made aside: a plan changes nothing in a run but its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        manifest = Manifest.open(scratch)
        stages = [prompts.stage(recipe), decontaminate.stage(recipe)]
        stages += [constrain.stage(recipe)] if recipe.constrain else []
        for stage in stages:
            run_stages(scratch, recipe, [stage], manifest, perform_here)
        return read_table(scratch / CLEAN, PROMPTS)


def _probe(run_dir: Path, recipe: Recipe, table: pl.DataFrame) -> Probe:
    config = recipe.sample
    assert config and recipe.engine
    chosen = choose_ids(table["prompt_id"].to_list(), PROBE_PROMPTS, recipe.seed)
    rows = table.filter(pl.col("prompt_id").is_in(chosen))
    engine = engine_for(recipe.engine)
    engine.start()
    engine.usage()  # loading the model is no part of the rate
    drawn = sample_prompts(
        engine,
        ledger_of(run_dir),
        rows,
        n=min(PROBE_SAMPLES, config.n),
        sampling=Sampling(config.temperature, config.top_p, config.top_k, config.max_tokens),
        seed=recipe.seed,
        system=config.system,
    )
    usage = engine.usage()
    gold = dict(rows.select("prompt_id", "answer").iter_rows())
    verdicts = [verify(gold[p], text).status == "correct" for p, text in _texts(drawn) if gold[p] is not None]
    say(f"probe: {drawn.height} completions, {usage.calls} of them new")
    return Probe(
        prompt_tokens=_mean(drawn["n_prompt_tokens"]),
        new_tokens=_mean(drawn["n_tokens"]),
        steps=sum(len(split_steps(text)) for _, text in _texts(drawn)) / drawn.height,
        solved=sum(verdicts) / max(len(verdicts), 1),
        seconds_per_token=usage.engine_seconds / usage.new_tokens if usage.new_tokens else 0.0,
    )


def _mean(column: pl.Series) -> float:
    return float(column.sum()) / max(len(column), 1)


def _texts(drawn: pl.DataFrame) -> list[tuple[str, str]]:
    return list(drawn.select("prompt_id", "text").iter_rows())


def estimate(recipe: Recipe, table: pl.DataFrame, probe: Probe) -> list[Line]:
    """Calls and tokens of the engine stages, from the probe's means."""
    assert recipe.sample
    train, test = (table.filter(pl.col("split") == split).height for split in ("train", "test"))
    samples = train * recipe.sample.n + test * recipe.sample.n_test
    lines = [Line("sample", samples, samples * probe.prompt_tokens, samples * probe.new_tokens)]
    if recipe.judge:
        calls: float = 2 * recipe.judge.pairs_per_prompt * min(train, recipe.judge.max_prompts or train)
        asked = probe.prompt_tokens + 2 * probe.new_tokens
        lines.append(Line("judge (at most)", calls, calls * asked, calls * recipe.judge.max_tokens))
    if recipe.rollout:
        config = recipe.rollout
        solutions = min(train, config.max_prompts or train) * min(
            config.solutions_per_prompt, recipe.sample.n
        )
        prefixes = solutions * max(probe.steps - 1, 0)
        calls = prefixes * rollouts_per_prefix(config.n, config.strategy, probe.solved)
        half = probe.new_tokens / 2  # a rollout continues, on average, from the middle
        lines.append(Line("rollout", calls, calls * (probe.prompt_tokens + half), calls * half))
    return lines


def rollouts_per_prefix(n: int, strategy: str, solved: float) -> float:
    """n, or the mean number of draws until the first success, at most n: (1 - (1 - p)^n) / p."""
    if strategy == "exhaustive" or solved <= 0:
        return float(n)
    return (1 - (1 - solved) ** n) / solved

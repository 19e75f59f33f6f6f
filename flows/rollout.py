"""Step labels for chosen training solutions, shard by shard; one pass for each completer.

The first completer's labels are the ones that sets are built from. Those of a second one only tell, in
`flows.consensus`, which solutions to keep.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from flows.checks import checker_of, policy_setting
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from labelers import program
from labelers.rollouts.label import label_steps
from labelers.rollouts.strategies import strategy_for
from labelers.rollouts.strategy import Piloted, Strategy
from labelers.selection import choose_ids, choose_solutions
from samplers.engine import Sampling
from store.accounting import Account
from store.files import read_json
from store.shards import read_table, write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS, ROLLOUTS, STEPS

STEPS_DIR = "tables/steps"


def verb(completer: int) -> str:
    """`rollout` of the first completer, `rollout-2` of the second."""
    return "rollout" if completer == 0 else f"rollout-{completer + 1}"


def steps_dir(completer: int) -> str:
    return STEPS_DIR + verb(completer).removeprefix("rollout")


def rollouts_dir(completer: int) -> str:
    return "tables/rollouts" + verb(completer).removeprefix("rollout")


def pilot_verb(completer: int) -> str:
    return verb(completer).replace("rollout", "pilot")


def pilot_file(completer: int) -> str:
    return f"tables/{pilot_verb(completer)}.json"


def settings(recipe: Recipe, completer: int) -> dict[str, Any]:
    """What the rollouts of one completer depend on, but for the solutions themselves."""
    assert recipe.rollout
    engine = recipe.engines_of(recipe.rollout)[completer]
    return {
        "rollout": recipe.rollout.model_dump(exclude={"completers", "tree"}),
        "siblings": recipe.uses_siblings(engine),
        "policy": recipe.is_policy(engine),
        "engine": identity(engine),
        "seed": recipe.seed,
    } | policy_setting(recipe)


def strategy_of(recipe: Recipe, completer: int) -> Strategy:
    """As the recipe gives it; changepoint must know where pass rates are not this completer's own."""
    config = recipe.rollout
    assert config
    foreign = not recipe.is_policy(recipe.engines_of(config)[completer])
    about = {"foreign": True} if foreign and config.strategy == "changepoint" else {}
    return strategy_for(config.strategy, **config.options, **about)


def stages(run_dir: Path, recipe: Recipe, completer: int = 0) -> list[Stage]:
    checker = checker_of(recipe)
    found = settings(recipe, completer) | ({"checker": dict(checker.identity)} if checker else {})
    pilot = [pilot_file(completer)] if isinstance(strategy_of(recipe, completer), Piloted) else []
    return [
        Stage(
            f"{verb(completer)}/{path.stem}",
            partial(work, completer=completer),
            found,
            (CLEAN, f"{COMPLETIONS_DIR}/{path.name}", f"{VERDICTS_DIR}/{path.name}", *pilot),
            (f"{rollouts_dir(completer)}/{path.name}", f"{steps_dir(completer)}/{path.name}"),
            version=3,
        )
        for path in sorted((run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage, completer: int) -> Outcome:
    config = recipe.rollout
    assert config
    prompts, completions, sampled = sampled_for(run_dir, recipe, *stage.inputs[1:3])
    account = Account(stage.name, completions.height)
    account.reject("not_for_training", completions.height - sampled.height)
    solutions = choose_solutions(sampled, config.solutions_per_prompt, None, recipe.seed)
    account.reject("not_chosen", sampled.height - solutions.height)
    account.keep(solutions.height)
    piloted = stage.inputs[3:]
    strategy = strategy_for(**read_json(run_dir / piloted[0])) if piloted else strategy_of(recipe, completer)
    engine = engine_for(recipe.engines_of(config)[completer])
    with Meter(stage.name, 0, "rollouts") as meter:
        told = drawing(run_dir, recipe, completer, prompts, sampled, meter)
        found = label_steps(solutions=solutions, strategy=strategy, **told)
    steps, checked = overruled(recipe, found.steps, prompts)
    write_table(found.rollouts, run_dir / stage.outputs[0], ROLLOUTS)
    write_table(steps, run_dir / stage.outputs[1], STEPS)
    facts = found.facts | checked
    facts |= {
        "steps": steps.height,
        "label_true": int(steps["label"].sum()),
        "label_undecided": steps["label"].null_count(),
        "engine": engine.model,
        "revision": engine.revision,
    }
    rows = {stage.outputs[0]: found.rollouts.height, stage.outputs[1]: steps.height}
    return Outcome(account, rows, engine.usage(), meter.cached, facts=facts)


def drawing(
    run_dir: Path, recipe: Recipe, completer: int, prompts: pl.DataFrame, sampled: pl.DataFrame, meter: Meter
) -> dict[str, Any]:
    """What `label_steps` and `calibrate` are told alike: all but the solutions and the strategy."""
    config = recipe.rollout
    assert config
    engine = recipe.engines_of(config)[completer]
    return {
        "engine": engine_for(engine),
        "ledger": ledger_of(run_dir),
        "prompts": prompts,
        "sampling": Sampling(temperature=config.temperature, max_tokens=config.max_tokens),
        "seed": recipe.seed,
        "samples": sampled,
        "use_siblings": recipe.uses_siblings(engine),
        "split": recipe.split,
        "reading": recipe.verify.policy.policy(),
        "budget": budget(),
        "progress": meter.saw,
    }


def sampled_for(
    run_dir: Path, recipe: Recipe, completions_at: str, verdicts_at: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Training prompts with an answer, the completions there, and those of them that are verified and of a
    prompt that is to be labelled."""
    assert recipe.rollout
    prompts = read_table(run_dir / CLEAN, PROMPTS).filter(
        (pl.col("split") == "train") & pl.col("answer").is_not_null()
    )
    chosen = choose_ids(prompts["prompt_id"].to_list(), recipe.rollout.max_prompts, recipe.seed)
    completions = read_table(run_dir / completions_at, COMPLETIONS)
    verdicts = read_table(run_dir / verdicts_at, COMPLETION_VERDICTS)
    verified = pl.col("completion_id").is_in(verdicts["completion_id"].to_list())
    return prompts, completions, completions.filter(pl.col("prompt_id").is_in(chosen) & verified)


def overruled(
    recipe: Recipe, steps: pl.DataFrame, prompts: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Steps that a program finds wrong are wrong, whatever the rollouts say."""
    checker = checker_of(recipe)
    if checker is None:
        return steps, {}
    checks = program.check_steps(steps, prompts, checker)
    facts = program.check_facts(steps, checks)
    return program.apply(steps, checks), {"checker": {"name": checker.name} | facts}

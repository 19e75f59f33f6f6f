"""Judges on training completions: pairs in both orders, rankings in every rotation, or ratings.

One judge or a panel. Where a verifier decides, each judge is measured against it; a recipe's gate leaves out
the judges that fail, and stops the run when none is left: what they said stays in the ledger and the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from flows.checks import templates
from flows.engines import budget, close_engines, engine_for, identity, ledger_of
from flows.judge_modes import MODES, Mode
from flows.progress import Meter, say
from flows.prompt_tables import CLEAN
from flows.recipe import JudgeStage, Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage, Usage
from flows.verify import VERDICTS_DIR
from labelers.judges.calibration import passes
from labelers.selection import choose_ids
from samplers.engines import EngineConfig
from store.accounting import Account
from store.errors import InputError
from store.shards import read_table, write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS


class NothingJudged(RuntimeError):
    """What the judges said is of no use; asked again in the same way, they would say the same."""


class GateClosed(NothingJudged):
    """No judge has reached what the recipe's gate asks for."""


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    config = recipe.judge
    assert config
    judge_names(recipe.engines_of(config))
    settings = {
        "judge": config.model_dump(exclude={"engine", "panel"}),
        "templates": [template.hash for template in templates(config)],
        "engines": [identity(engine) for engine in recipe.engines_of(config)],
        "seed": recipe.seed,
    }
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    inputs = [f"{folder}/{name}" for name in shards for folder in (COMPLETIONS_DIR, VERDICTS_DIR)]
    mode = MODES[config.mode]
    return Stage("judge", work, settings, (CLEAN, *inputs), (mode.replies_file, mode.labels_file), version=4)


def judge_names(panel: Sequence[EngineConfig]) -> list[str]:
    """What the judges are called in tables: their models, with the revision where models have one name.

    InputError where the revision is the same too, or not known: their labels could not be told apart.
    """
    known = [(one["model"], one["revision"]) for one in map(identity, panel)]
    names = [str(model) for model, _ in known]
    for length in (8, None):  # revisions may begin alike
        names = [
            f"{model}@{revision[:length]}" if names.count(name) > 1 and revision else name
            for name, (model, revision) in zip(names, known, strict=True)
        ]
    for name, (model, _) in zip(names, known, strict=True):
        if names.count(name) > 1:
            raise InputError(
                f"judge.panel: two judges are called {model} and no revision tells their labels apart; take "
                "one out, or give a model that a server knows by this name a `revision`"
            )
    return names


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.judge
    assert config
    mode = _mode(run_dir, recipe)
    chosen = mode.choose()
    replies: list[pl.DataFrame] = []
    measured: dict[str, dict[str, Any]] = {}
    usage, cached = Usage(), 0
    panel = recipe.engines_of(config)
    for engine_config, name in zip(panel, judge_names(panel), strict=True):
        close_engines(but=engine_config)  # two models seldom fit into one memory
        engine = engine_for(engine_config)
        with Meter("judge", mode.calls(chosen)) as meter:
            told = {"budget": budget(), "progress": meter.saw}
            said = mode.ask(engine, ledger_of(run_dir), chosen, **told)
        replies.append(said.with_columns(judge=pl.lit(name)))
        measured[name] = mode.measure(replies[-1]) | {"revision": engine.revision}
        usage = usage.plus(engine.usage())
        cached += meter.cached
    said = pl.concat(replies)
    write_table(said, run_dir / mode.replies_file, mode.replies)
    labels = mode.conclude(said, _trusted(config, measured))
    write_table(labels.table, run_dir / mode.labels_file, labels.table.schema)
    facts = {
        "mode": config.mode,
        "judges": measured,
        "panel": labels.together,
        "template": templates(config)[0].text,
        "criteria": {t.criterion.name: t.criterion.text for t in templates(config) if t.criterion},
    }
    if warning := _nothing_kept(mode.calls(chosen), labels.account):
        if only := _sets_of_judges_alone(recipe, mode):
            raise NothingJudged(f"{warning}; nothing else makes the {' and '.join(only)} set")
        say(f"warning: {warning}")
        facts["warning"] = warning
    rows = {mode.replies_file: said.height, mode.labels_file: labels.table.height}
    return Outcome(labels.account, rows, usage, cached, facts=facts)


def _nothing_kept(asked: int, account: Account) -> str:
    """What to do about judges that have labelled nothing; empty if they have."""
    if account.kept:
        return ""
    if asked:
        return (
            f"{asked:,} questions to each judge gave no label ({account.line()}); look at the replies, and "
            "choose another judge, judge.template or judge.max_tokens"
        )
    return (
        "there was nothing to ask the judges: no prompt has the different finished completions that "
        "judge.mode needs; raise sample.n or sample.max_tokens"
    )


def _sets_of_judges_alone(recipe: Recipe, mode: Mode) -> list[str]:
    """Sets of the recipe that would be empty without the judges' labels."""
    if not mode.verdicts.is_empty():
        return []
    ranked = mode.config.mode != "pairwise" and recipe.vote is None
    wanted = {"preference", "ranking"} if ranked else {"preference"}
    return [name for name in recipe.build.sets if name in wanted]


def _mode(run_dir: Path, recipe: Recipe) -> Mode:
    """The training prompts that are judged, and their finished completions."""
    config = recipe.judge
    assert config
    prompts = read_table(run_dir / CLEAN, PROMPTS).filter(pl.col("split") == "train")
    chosen = choose_ids(prompts["prompt_id"].to_list(), config.max_prompts, recipe.seed)
    completions = read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS).filter(
        pl.col("prompt_id").is_in(chosen) & (pl.col("finish_reason") != "length")
    )
    verdicts = read_table(run_dir / VERDICTS_DIR, COMPLETION_VERDICTS)
    return MODES[config.mode](config, prompts, completions, verdicts, recipe.seed)


def _trusted(config: JudgeStage, measured: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The judges that the gate lets through; what it says of each is noted in `measured`."""
    if config.gate is None:
        return measured
    for facts in measured.values():
        gate = passes(facts["calibration"], config.gate.min_accuracy, config.gate.min_pairs)
        facts["gate"] = gate._asdict()
    trusted = {name: facts for name, facts in measured.items() if facts["gate"]["passed"]}
    if not trusted:
        reasons = [f"  {name}: {facts['gate']['reason']}" for name, facts in measured.items()]
        raise GateClosed(
            "\n".join(["judge.gate lets no judge through", *reasons]) + "\nChoose another judge or "
            "judge.template, ask about more prompts (judge.max_prompts), or lower "
            "judge.gate.min_accuracy or judge.gate.min_pairs; judge.gate=null uses the labels as they are"
        )
    return trusted

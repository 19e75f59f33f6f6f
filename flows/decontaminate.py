"""Drop training prompts that touch an evaluation set, before anything is spent on them.

The run's own test prompts are one of the sets. Every run measures, on seeded edits of the sets it was given,
how many leaks its rule finds, so that a clean table says what it is worth.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from curation.decontamination import (
    REPORT,
    TOTALS,
    Decontamination,
    Settings,
    decontaminate_prompts,
    preset,
)
from curation.decontamination.planted import planted_recall
from curation.eval_sets import Declaration, EvalSet, NotCompared, declared, eval_set_from_prompts, load
from data_cards.decontamination import hardly_seen
from flows.paraphrases import PARAPHRASES, judge_paraphrases, judge_settings, merged
from flows.progress import say
from flows.prompt_tables import prompts_in, prompts_out
from flows.recipe import OWN_TEST, DecontaminateStage, Recipe
from flows.stage import Outcome, Stage, Usage, require
from store.accounting import Account
from store.files import file_hash
from store.ids import derived_seed
from store.shards import read_table, write_table
from store.tables import PROMPTS

Policy = Literal["drop", "warn", "off"]
CONTAMINATION = "tables/contamination.parquet"


class Against(NamedTuple):
    """The evaluation sets of a run, and those that could not be loaded."""

    sets: list[EvalSet]
    not_compared: tuple[NotCompared, ...]


def stage(recipe: Recipe) -> Stage:
    inputs = (prompts_in(recipe, "decontaminate"), *files_of(recipe))
    outputs = [prompts_out(recipe, "decontaminate"), CONTAMINATION]
    outputs += [PARAPHRASES] if recipe.decontaminate.judge else []
    settings = rule_settings(recipe) | judge_settings(recipe) | {"seed": recipe.seed}
    return Stage("decontaminate", work, settings, inputs, tuple(outputs), version=3)


def rule_settings(recipe: Recipe) -> dict[str, Any]:
    """What is compared with what, by which rule. A moved file is the same set: its path is no setting."""
    config = recipe.decontaminate
    sets = [asdict(one) | {"path": one.path is not None} for one in declarations(recipe)]
    rule = preset(config.preset)
    return {
        "against": sets,
        "rule": rule.to_dict() | {"hash": rule.rule_hash},
        "twins": twins_of(recipe),
        "missing": config.missing,
    }


def declarations(recipe: Recipe) -> list[Declaration]:
    """The sets that the recipe names, suites taken apart. Raises InputError for one that there is not."""
    return declared([one.selected() for one in recipe.decontaminate.against])


def files_of(recipe: Recipe) -> list[str]:
    """Local files with evaluation sets; one that is not there has been found missing, or may be skipped."""
    paths = [Path(one.path).resolve() for one in declarations(recipe) if one.path is not None]
    return [str(path) for path in paths if path.is_file()]


def against(run_dir: Path, recipe: Recipe, prompts: pl.DataFrame) -> Against:
    """The recipe's evaluation sets, and the run's own test prompts. Raises InputError."""
    files = tuple(map(file_hash, files_of(recipe)))
    sets, not_compared = _loaded(recipe.decontaminate.model_dump_json(), files, run_dir)
    if prompts.filter(pl.col("split") == "test").height:
        sets = [*sets, eval_set_from_prompts(OWN_TEST, prompts)]
    return Against(sets, not_compared)


@lru_cache(maxsize=1)
def _loaded(config: str, files: tuple[str, ...], run_dir: Path) -> Against:
    """Read once for the prompts and the completions of a run: `files` and `run_dir` tell runs apart."""
    asked = DecontaminateStage.model_validate_json(config)
    loaded = load([one.selected() for one in asked.against], asked.missing)
    return Against(loaded.sets, tuple(loaded.not_compared))


def settings_of(recipe: Recipe) -> Settings:
    config = recipe.decontaminate
    return Settings(preset(config.preset), twins_of(recipe), completions=config.completions)


def twins_of(recipe: Recipe) -> Policy:
    """All problems of the embedded world are twins of one another."""
    return recipe.decontaminate.twins or ("warn" if recipe.prompts.source == "world" else "drop")


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    compared = against(run_dir, recipe, prompts)
    found = decontaminate_prompts(prompts, compared.sets, settings_of(recipe))
    facts: dict[str, Any] = {}
    usage, cached = Usage(), 0
    if recipe.decontaminate.judge:
        judged = judge_paraphrases(
            run_dir, recipe, _unmatched(prompts, found), compared.sets, settings_of(recipe)
        )
        found = merged(found, judged.report, compared.sets, settings_of(recipe))
        facts["judge"], usage, cached = judged.facts, judged.usage, judged.cached
    account = Account("decontaminate", prompts.height)
    account.reject("touches_eval_set", len(found.dropped))
    clean = prompts.filter(~pl.col("prompt_id").is_in(found.dropped))
    account.keep(clean.height)
    require(
        clean.filter(pl.col("split") == "train").height > 0,
        f"decontaminate: every training prompt touches an evaluation set ({account.line()}); where prompts "
        "are made from templates, the same one with other numbers is no leak: decontaminate.twins=warn",
    )
    write_table(clean, run_dir / stage.outputs[0], PROMPTS)
    write_table(found.report, run_dir / CONTAMINATION, REPORT)
    for line in hardly_seen(found.totals.to_dicts(), settings_of(recipe).rule.exact):
        say(f"decontaminate warning: hardly compared: {line}")
    facts |= _facts(recipe, compared, found.totals) | _planted(prompts, found.dropped)
    rows = {stage.outputs[0]: clean.height, CONTAMINATION: found.report.height}
    return Outcome(account, rows, usage, cached, facts)


def _unmatched(prompts: pl.DataFrame, found: Decontamination) -> pl.DataFrame:
    """Training prompts that no rule has matched, not even to warn of."""
    matched = found.report.filter(pl.col("field") == "prompt")["prompt_id"].unique()
    return prompts.filter((pl.col("split") == "train") & ~pl.col("prompt_id").is_in(matched.implode()))


def _facts(recipe: Recipe, compared: Against, totals: pl.DataFrame) -> dict[str, Any]:
    settings = settings_of(recipe)
    scanner = settings.scanner(compared.sets)
    recall = planted_recall(scanner, compared.sets, derived_seed("planted", recipe.seed))
    return {
        "eval_sets": totals.select(TOTALS.names()).to_dicts(),
        "not_compared": [one._asdict() for one in compared.not_compared],
        "rule": scanner.rule.to_dict() | {"hash": scanner.rule.rule_hash},
        "twins": settings.twins,
        "recall": recall.to_dicts(),
    }


def _planted(prompts: pl.DataFrame, dropped: list[str]) -> dict[str, int]:
    """Leaks that the recipe asked to be put among the prompts."""
    planted = prompts.filter(pl.col("source") == "planted")["prompt_id"]
    return {"planted": len(planted), "planted_found": int(planted.is_in(dropped).sum())}

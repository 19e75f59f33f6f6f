"""Labels to training sets, split by prompt into train and test, audited before anyone trains on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from curation import sets
from curation.audit import Finding, Sources, audit, audit_split
from curation.evidence import labels_from_verdicts, labels_from_votes
from flows import pairs
from flows.consensus import AGREED_FILE
from flows.decontaminate import CLEAN
from flows.judge_modes import SCORES_FILE
from flows.pairs import Made
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR
from flows.sample import COMPLETIONS_DIR
from flows.search import SEARCHED_DIR, SEARCHED_STEPS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from flows.vote import VOTES_FILE
from labelers.judges.scores import JUDGE_SCORES
from store.accounting import Account
from store.errors import InputError
from store.shards import read_table, write_table
from store.tables import (
    COMPLETION_VERDICTS,
    COMPLETIONS,
    OUTCOME,
    PREFERENCE,
    PROMPTS,
    RANKING,
    STEPS,
    STEPWISE,
    VOTES,
)

HONEST_TOO = ("chosen_by_position",)  # also where one recorded model always beats the other
SCHEMAS = {"preference": PREFERENCE, "ranking": RANKING, "outcome": OUTCOME, "stepwise": STEPWISE}

Built = tuple[pl.DataFrame, Account, dict[str, Any]]


def set_file(name: str, split: str) -> str:
    return f"datasets/{name}/{split}.parquet"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    """One stage a set."""
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    tables = [COMPLETIONS_DIR, VERDICTS_DIR]
    found = []
    judged = pairs.opinions_file(recipe)
    for name in recipe.build.sets:
        folders = [*tables, *_step_folders(recipe)] if name == "stepwise" else tables
        inputs = [CLEAN, *(f"{folder}/{shard}" for folder in folders for shard in shards)]
        if name == "stepwise" and recipe.agrees:
            inputs.append(AGREED_FILE)
        if judged and (name == "preference" or (name == "ranking" and judged == SCORES_FILE)):
            inputs.append(judged)
        settings: dict[str, Any] = {"seed": recipe.seed, "heldout_fraction": recipe.build.heldout_fraction}
        if recipe.vote:
            inputs.append(VOTES_FILE)
            settings["vote_margin"] = recipe.vote.min_margin
        if name == "preference":
            settings |= pairs.settings(recipe)
        if name == "stepwise":
            settings["truncate_after_error"] = recipe.build.truncate_after_error
        outputs = (set_file(name, "train"), set_file(name, "test"))
        found.append(Stage(f"build/{name}", work, settings, tuple(inputs), outputs, version=2))
    return found


def _step_folders(recipe: Recipe) -> list[str]:
    """The tables besides completions that the stepwise set is built from, where labelers need not agree."""
    if recipe.agrees or not recipe.rollout:
        return []
    searched = [SEARCHED_DIR, SEARCHED_STEPS_DIR] if recipe.rollout.tree else []
    return [STEPS_DIR, *searched]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    name = stage.name.split("/")[1]
    made = _made(run_dir, recipe)
    if SEARCHED_DIR in _step_folders(recipe) and name == "stepwise":
        searched = read_table(run_dir / SEARCHED_DIR, COMPLETIONS)
        made = made._replace(completions=pl.concat([made.completions, searched]))
    table, account, more = _BUILDERS[name](run_dir, recipe, made)
    train, test = sets.split_by_prompt(table, recipe.build.heldout_fraction, recipe.seed)
    sources = Sources(made.prompts, made.completions, made.labels)
    findings = audit({name: table}, sources) + audit_split(train, test)
    refuse_wrong_labels(name, findings)
    for split, part in (("train", train), ("test", test)):
        write_table(part, run_dir / set_file(name, split), SCHEMAS[name])
    facts = {
        "rows": table.height,
        "prompts": table["prompt_id"].n_unique(),
        "audit": [finding._asdict() for finding in findings],
    }
    heights = {set_file(name, "train"): train.height, set_file(name, "test"): test.height}
    return Outcome(account, heights, facts=facts | more | _balance(name, table))


def refuse_wrong_labels(name: str, findings: list[Finding]) -> None:
    """No model is trained on a set with a finding, unless honest labels can look like that too."""
    wrong = [finding for finding in findings if finding.check not in HONEST_TOO]
    if wrong:
        first = wrong[0]
        raise InputError(
            f"the {name} set is not written: its audit found {first.check} at {first.where} ({first.detail}) "
            f"and {len(wrong) - 1} more; repair the completions or labels that went in, or report this"
        )


def _made(run_dir: Path, recipe: Recipe) -> Made:
    """A verifier decides where one applies to the prompt; elsewhere a clear majority does."""
    prompts = read_table(run_dir / CLEAN, PROMPTS)
    verdicts = read_table(run_dir / VERDICTS_DIR, COMPLETION_VERDICTS)
    labels, verified = labels_from_verdicts(verdicts), verdicts["prompt_id"].unique().to_list()
    if recipe.vote:
        votes = read_table(run_dir / VOTES_FILE, VOTES).filter(~pl.col("prompt_id").is_in(verified))
        labels = pl.concat([labels, labels_from_votes(votes, recipe.vote.min_margin)])
    return Made(prompts, read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS), labels, verified)


def _ranking(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    """By verdicts; the completions of other prompts by a judge's scores, where there are some."""
    scores = made.labels.select("completion_id", score=pl.col("label").cast(pl.Float64))
    if pairs.opinions_file(recipe) == SCORES_FILE:
        known = pl.col("prompt_id").is_in(made.verified)
        judged = read_table(run_dir / SCORES_FILE, JUDGE_SCORES).filter(~known)
        # Votes for the answers that the judge did not see are on another scale: one prompt, one scale.
        theirs = made.completions.filter(pl.col("prompt_id").is_in(judged["prompt_id"].unique().to_list()))
        scores = scores.filter(~pl.col("completion_id").is_in(theirs["completion_id"].to_list()))
        scores = pl.concat([scores, judged.select("completion_id", "score")])
    return *sets.ranking(made.prompts, made.completions, scores), {}


def _outcome(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    return *sets.outcome(made.prompts, made.completions, made.labels), {}


def _stepwise(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    if recipe.agrees:
        steps = read_table(run_dir / AGREED_FILE, STEPS)
    else:
        folders = [name for name in _step_folders(recipe) if name != SEARCHED_DIR]
        steps = pl.concat([read_table(run_dir / name, STEPS) for name in folders])
    built = sets.stepwise(
        made.prompts, made.completions, steps, truncate_after_error=recipe.build.truncate_after_error
    )
    return *built, {}


_BUILDERS: dict[str, Callable[[Path, Recipe, Made], Built]] = {
    "preference": pairs.build,
    "ranking": _ranking,
    "outcome": _outcome,
    "stepwise": _stepwise,
}


def _balance(name: str, table: pl.DataFrame) -> dict[str, int]:
    """How many labels say yes; empty for sets without labels."""
    if name == "outcome":
        labels = table["label"]
    elif name == "stepwise":
        labels = table["labels"].explode()
    else:
        return {}
    return {"labels": len(labels), "positive": int(labels.sum() or 0)}

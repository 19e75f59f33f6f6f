"""Labels to training sets, split into train and test, audited before anyone trains on them.

Near copies of a prompt are on one side of the split, whether or not the recipe has dropped any.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from curation import sets
from curation.audit import Finding, Sources, audit, audit_split
from curation.evidence import labels_from_verdicts, labels_from_votes
from curation.splits import prompt_groups, split_by_group
from flows import filters, pairs
from flows.consensus import AGREED_FILE
from flows.judge_modes import SCORES_FILE
from flows.pairs import Made
from flows.progress import say
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR
from flows.sample import COMPLETIONS_DIR
from flows.search import SEARCHED_DIR, SEARCHED_STEPS_DIR
from flows.stage import Outcome, Stage, require
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
        inputs += filters.inputs(recipe)
        if name == "stepwise" and recipe.agrees:
            inputs.append(AGREED_FILE)
        if judged and (name == "preference" or (name == "ranking" and judged == SCORES_FILE)):
            inputs.append(judged)
        settings: dict[str, Any] = {"seed": recipe.seed, "heldout_fraction": recipe.build.heldout_fraction}
        settings |= filters.settings(recipe)
        if recipe.vote:
            inputs.append(VOTES_FILE)
            settings["vote_margin"] = recipe.vote.min_margin
        if name == "preference":
            settings |= pairs.settings(recipe)
        else:
            settings["per_prompt"] = recipe.build.completions_per_prompt
        if name in ("outcome", "stepwise"):
            settings["max_imbalance"] = recipe.build.max_imbalance
        if name == "stepwise":
            settings["truncate_after_error"] = recipe.build.truncate_after_error
        outputs = (set_file(name, "train"), set_file(name, "test"))
        found.append(Stage(f"build/{name}", work, settings, tuple(inputs), outputs, version=4))
    return found


def _step_folders(recipe: Recipe) -> list[str]:
    """The tables besides completions that the stepwise set is built from, where labelers need not agree."""
    if recipe.agrees or not recipe.rollout:
        return []
    searched = [SEARCHED_DIR, SEARCHED_STEPS_DIR] if recipe.rollout.tree else []
    return [STEPS_DIR, *searched]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    name = stage.name.split("/")[1]
    material = made(run_dir, recipe, name)
    train_ids = material.prompts.filter(pl.col("split") == "train").select("prompt_id")
    mine = material.completions.join(train_ids, "prompt_id", "semi", maintain_order="left")
    values = _values(run_dir, recipe, material, name)
    left_out, filtered = filters.excluded(run_dir, recipe, mine, material.labels, values)
    material = material._replace(excluded=left_out)
    table, account, more = _BUILDERS[name](run_dir, recipe, material)
    require(
        not (table.is_empty() and account.rejected.get("balance")),
        f"the {name} set is not written: all its labels are of one kind, and build.max_imbalance leaves none "
        f"of them ({account.line()}); leave it out, or choose prompts that are neither too easy nor too hard",
    )
    groups = prompt_groups(material.prompts.filter(pl.col("split") == "train"))
    train, test = split_by_group(table, groups, recipe.build.heldout_fraction, recipe.seed)
    sources = Sources(material.prompts, material.completions, material.labels)
    findings = audit({name: table}, sources) + audit_split(train, test)
    refuse_wrong_labels(name, findings)
    for split, part in (("train", train), ("test", test)):
        write_table(part, run_dir / set_file(name, split), SCHEMAS[name])
    facts = {
        "rows": table.height,
        "prompts": table["prompt_id"].n_unique(),
        "split_groups": groups["group"].n_unique(),
        "audit": [finding._asdict() for finding in findings],
    }
    if warning := empty_side(table, groups, train.height, test.height, recipe.build.heldout_fraction):
        say(f"build/{name} warning: {warning}")
        facts["warning"] = warning
    heights = {set_file(name, "train"): train.height, set_file(name, "test"): test.height}
    return Outcome(account, heights, facts=facts | filtered | more | _balance(name, table))


def empty_side(
    table: pl.DataFrame, groups: pl.DataFrame, n_train: int, n_test: int, fraction: float
) -> str | None:
    """Why one side of the split has no row, where it should have those of a prompt or more."""
    used = groups.join(table.select("prompt_id"), "prompt_id", "semi")
    side, share = ("test", fraction) if n_train else ("train", 1 - fraction)
    if (n_train and n_test) or used.height * share < 1:
        return None
    sizes = used["group"].value_counts()["count"].to_list()
    return (
        f"no {side} rows: {used.height:,} prompts are {len(sizes):,} group(s) of near copies, the largest of "
        f"{max(sizes):,}; a group is not divided, and the seed drew none for {side}"
    )


def made(run_dir: Path, recipe: Recipe, name: str) -> Made:
    """What the set `name` is built from. A verifier decides where one applies to the prompt; elsewhere a
    clear majority does."""
    prompts = read_table(run_dir / CLEAN, PROMPTS)
    verdicts = read_table(run_dir / VERDICTS_DIR, COMPLETION_VERDICTS)
    labels, verified = labels_from_verdicts(verdicts), verdicts["prompt_id"].unique().to_list()
    if recipe.vote:
        votes = read_table(run_dir / VOTES_FILE, VOTES).filter(~pl.col("prompt_id").is_in(verified))
        labels = pl.concat([labels, labels_from_votes(votes, recipe.vote.min_margin)])
    completions = read_table(run_dir / COMPLETIONS_DIR, COMPLETIONS)
    if name == "stepwise" and SEARCHED_DIR in _step_folders(recipe):
        completions = pl.concat([completions, read_table(run_dir / SEARCHED_DIR, COMPLETIONS)])
    return Made(prompts, completions, labels, verified)


def _values(run_dir: Path, recipe: Recipe, material: Made, name: str) -> pl.DataFrame:
    """What the set says of a completion, in a word: the labels of its steps, or its own. What only a judge
    has compared or scored is not here."""
    if name != "stepwise":
        return material.labels.drop_nulls("label").select(
            "completion_id", value=pl.col("label").cast(pl.String)
        )
    marks = pl.col("label").cast(pl.String).fill_null("?").sort_by("step_index").str.join("")
    return _steps(run_dir, recipe).group_by("completion_id").agg(value=marks).sort("completion_id")


def refuse_wrong_labels(name: str, findings: list[Finding]) -> None:
    """No model is trained on a set with a finding, unless honest labels can look like that too."""
    wrong = [finding for finding in findings if finding.check not in HONEST_TOO]
    if wrong:
        first = wrong[0]
        raise InputError(
            f"the {name} set is not written: its audit found {first.check} at {first.where} ({first.detail}) "
            f"and {len(wrong) - 1} more; repair the completions or labels that went in, or report this"
        )


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
    limit = recipe.build.completions_per_prompt
    built = sets.ranking(made.prompts, made.completions, scores, per_prompt=limit, excluded=made.excluded)
    return *built, {}


def _outcome(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    built = sets.outcome(
        made.prompts,
        made.completions,
        made.labels,
        per_prompt=recipe.build.completions_per_prompt,
        max_imbalance=recipe.build.max_imbalance,
        excluded=made.excluded,
    )
    return *built, {}


def _stepwise(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    built = sets.stepwise(
        made.prompts,
        made.completions,
        _steps(run_dir, recipe),
        truncate_after_error=recipe.build.truncate_after_error,
        per_prompt=recipe.build.completions_per_prompt,
        max_imbalance=recipe.build.max_imbalance,
        excluded=made.excluded,
    )
    return *built, {}


def _steps(run_dir: Path, recipe: Recipe) -> pl.DataFrame:
    if recipe.agrees:
        return read_table(run_dir / AGREED_FILE, STEPS)
    folders = [name for name in _step_folders(recipe) if name != SEARCHED_DIR]
    return pl.concat([read_table(run_dir / name, STEPS) for name in folders])


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

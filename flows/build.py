"""Labels to training sets, split by prompt into train and test, audited before anyone trains on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curation import sets
from curation.audit import Finding, Sources, audit, audit_split
from curation.evidence import labels_from_verdicts, labels_from_votes
from flows.decontaminate import CLEAN
from flows.judge import CONSENSUS_FILE
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from flows.verify import VERDICTS_DIR
from flows.vote import VOTES_FILE
from labelers.judges.pairwise import CONSENSUS
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
_SETTINGS = {"preference": ("pairs_per_prompt",), "stepwise": ("truncate_after_error",)}
SCHEMAS = {"preference": PREFERENCE, "ranking": RANKING, "outcome": OUTCOME, "stepwise": STEPWISE}

Built = tuple[pl.DataFrame, Account]


class Made(NamedTuple):
    """What the stages before have made, which every set is built from."""

    prompts: pl.DataFrame
    completions: pl.DataFrame
    labels: pl.DataFrame  # curation.evidence.LABELS
    verified: list[str]  # prompts to which a verifier applies


def set_file(name: str, split: str) -> str:
    return f"datasets/{name}/{split}.parquet"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    """One stage a set."""
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    tables = [COMPLETIONS_DIR, VERDICTS_DIR]
    found = []
    for name in recipe.build.sets:
        folders = [*tables, STEPS_DIR] if name == "stepwise" else tables
        inputs = [CLEAN, *(f"{folder}/{shard}" for folder in folders for shard in shards)]
        if name == "preference" and recipe.judge:
            inputs.append(CONSENSUS_FILE)
        settings: dict[str, Any] = {"seed": recipe.seed, "heldout_fraction": recipe.build.heldout_fraction}
        if recipe.vote:
            inputs.append(VOTES_FILE)
            settings["min_margin"] = recipe.vote.min_margin
        settings |= {key: getattr(recipe.build, key) for key in _SETTINGS.get(name, ())}
        outputs = (set_file(name, "train"), set_file(name, "test"))
        found.append(Stage(f"build/{name}", work, settings, tuple(inputs), outputs))
    return found


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    name = stage.name.split("/")[1]
    made = _made(run_dir, recipe)
    table, account = _BUILDERS[name](run_dir, recipe, made)
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
    return Outcome(account, heights, facts=facts | _balance(name, table))


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


def _preference(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    """Verdicts before opinions: the judge's pairs only of prompts that no verifier decides."""
    limit = recipe.build.pairs_per_prompt
    if not recipe.judge:
        return sets.preference(made.prompts, made.completions, made.labels, pairs_per_prompt=limit)
    verifiable = pl.col("prompt_id").is_in(made.verified)
    verified, account = sets.preference(
        made.prompts, made.completions.filter(verifiable), made.labels, pairs_per_prompt=limit
    )
    agreed = read_table(run_dir / CONSENSUS_FILE, CONSENSUS).filter(
        pl.col("preference").is_not_null() & ~verifiable
    )
    judged, judged_account = sets.preference_judged(
        made.prompts, made.completions.filter(~verifiable), _chosen(agreed), labels=made.labels
    )
    merged = pl.concat([verified, judged]).sort("prompt_id", "chosen_id", "rejected_id")
    return merged, _sum("preference", [account, judged_account])


def _chosen(agreed: pl.DataFrame) -> pl.DataFrame:
    """CONSENSUS rows as (prompt_id, chosen_id, rejected_id, soft = P(chosen preferred))."""
    a_won = pl.col("preference") == "A"
    return agreed.select(
        "prompt_id",
        chosen_id=pl.when(a_won).then("a_id").otherwise("b_id"),
        rejected_id=pl.when(a_won).then("b_id").otherwise("a_id"),
        soft=pl.when(a_won).then(pl.col("soft")).otherwise(1 - pl.col("soft")),
    )


def _ranking(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    return sets.ranking(made.prompts, made.completions, _scores(made.labels))


def _scores(labels: pl.DataFrame) -> pl.DataFrame:
    return labels.select("completion_id", score=pl.col("label").cast(pl.Float64))


def _outcome(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    return sets.outcome(made.prompts, made.completions, made.labels)


def _stepwise(run_dir: Path, recipe: Recipe, made: Made) -> Built:
    steps = read_table(run_dir / STEPS_DIR, STEPS)
    return sets.stepwise(
        made.prompts, made.completions, steps, truncate_after_error=recipe.build.truncate_after_error
    )


_BUILDERS: dict[str, Callable[[Path, Recipe, Made], Built]] = {
    "preference": _preference,
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


def _sum(stage: str, accounts: list[Account]) -> Account:
    total = Account(stage, sum(account.rows_in for account in accounts))
    for account in accounts:
        total.keep(account.kept)
        for reason, n in account.rejected.items():
            total.reject(reason, n)
    return total

"""Topic and quality of the prompts: a judge's for a sample, a classifier's for the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from curation.annotations import ANNOTATIONS, MIN_EXAMPLES, Spread, annotation_table, spread
from flows.checks import check_quotas
from flows.engines import budget, engine_for, identity, ledger_of
from flows.judge import NothingJudged
from flows.progress import Meter
from flows.prompt_tables import prompts_in
from flows.recipe import AnnotateStage, Recipe
from flows.stage import Outcome, Stage
from labelers.annotate import REPLIES, ask_quality, ask_topics, quality_template, readings, topic_template
from labelers.judges.asking import tally
from labelers.judges.material import as_text
from labelers.selection import choose_ids
from samplers.engine import Sampling
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import PROMPTS

ANNOTATIONS_FILE = "tables/annotations.parquet"
REPLIES_FILE = "tables/annotation_replies.parquet"


def stage(recipe: Recipe) -> Stage:
    config = recipe.annotate
    assert config
    hashes = [topic_template(config.topics).hash] if config.topics else []
    hashes += [quality_template().hash] if config.quality else []
    settings = {
        "annotate": config.model_dump(exclude={"engine"}),
        "templates": hashes,
        "engine": identity(recipe.engines_of(config)[0]),
        "seed": recipe.seed,
    }
    return Stage(
        "annotate", work, settings, (prompts_in(recipe, "select"),), (ANNOTATIONS_FILE, REPLIES_FILE)
    )


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.annotate
    assert config
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS).sort("prompt_id")
    if recipe.select:
        check_quotas(recipe.select, prompts)  # before the judge is paid
    chosen = choose_ids(prompts["prompt_id"].to_list(), config.max_prompts, recipe.seed)
    judged = prompts.filter(pl.col("prompt_id").is_in(chosen))
    engine = engine_for(recipe.engines_of(config)[0])
    sampling = Sampling(temperature=0.0, max_tokens=config.max_tokens)
    with Meter("annotate", judged.height * (bool(config.topics) + config.quality)) as meter:
        told: dict[str, Any] = {
            "structured": config.structured,
            "budget": budget(),
            "progress": meter.saw,
        }
        said = [pl.DataFrame(schema=REPLIES)]
        if config.topics:
            said.append(ask_topics(engine, ledger_of(run_dir), judged, config.topics, sampling, **told))
        if config.quality:
            said.append(ask_quality(engine, ledger_of(run_dir), judged, sampling, **told))
    replies = pl.concat(said)
    table, measured = annotated(prompts, replies, config, recipe.seed)
    account = Account("annotate", prompts.height)
    account.keep(table.height)
    write_table(table, run_dir / ANNOTATIONS_FILE, ANNOTATIONS)
    write_table(replies, run_dir / REPLIES_FILE, REPLIES)
    facts = {
        "judge": engine.model,
        "revision": engine.revision,
        "judged": judged.height,
        "replies": tally(replies, "said"),
        "classifier": measured,
        **_counts(table),
    }
    rows = {ANNOTATIONS_FILE: table.height, REPLIES_FILE: replies.height}
    return Outcome(account, rows, engine.usage(), meter.cached, facts=facts)


def annotated(
    prompts: pl.DataFrame, replies: pl.DataFrame, config: AnnotateStage, seed: int
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """ANNOTATIONS, and how good the classifiers are; there is none where the judge saw every prompt."""
    ids = prompts["prompt_id"].to_list()
    said = {question: readings(replies, question) for question in ("topic", "quality")}
    learnt: dict[str, Spread] = {}
    if config.max_prompts is not None and len(ids) > config.max_prompts:
        texts = [as_text(messages) for messages in prompts["messages"].to_list()]
        for question, wanted in (("topic", bool(config.topics)), ("quality", config.quality)):
            if wanted:
                _check_enough(question, len(said[question]))
                learnt[question] = spread(ids, texts, said[question], seed)
    topic, quality = learnt.get("topic"), learnt.get("quality")
    table = annotation_table(ids, said["topic"], said["quality"], topic, quality, config.min_probability)
    measured = {question: found.accuracy() for question, found in learnt.items()}
    if quality:
        measured["quality"] |= quality.error()
    return table, measured


def _check_enough(question: str, n: int) -> None:
    if n < MIN_EXAMPLES:
        raise NothingJudged(
            f"annotate: only {n} replies about the {question} could be read, too few for a classifier; look "
            "at the replies, and choose another judge, annotate.structured or more annotate.max_tokens, or "
            "leave the question out"
        )


def _counts(table: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Prompts by topic, by rounded quality, and by who said so; "none" where nobody did."""
    rounded = [None if value is None else f"{round(value)}" for value in table["quality"]]
    columns = {
        "topics": table["topic"].to_list(),
        "topic_by": table["topic_by"].to_list(),
        "quality": rounded,
        "quality_by": table["quality_by"].to_list(),
    }
    return {
        name: dict(sorted(Counter(v or "none" for v in column).items())) for name, column in columns.items()
    }

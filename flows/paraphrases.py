"""Ask a judge about training prompts that may say an evaluation text in other words.

N-grams find no paraphrase. What shares rare words with an evaluation text and was not flagged is shown to the
recipe's judge. The same is dropped; what the judge cannot say is listed as unknown, which is not clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curation.decontamination import REPORT, Decontamination, Settings
from curation.decontamination.judged import Paraphrases
from curation.decontamination.prompts import ROLES
from curation.decontamination.report import Tally, report_rows
from curation.eval_sets import EvalSet
from curation.words.texts import texts_of
from flows.engines import budget, engine_for, identity, ledger_of
from flows.progress import Meter
from flows.recipe import Recipe
from flows.stage import Usage
from labelers.judges.contamination import KINDS, PAIR, SAMENESS, judge_same, template_hash
from samplers.engine import Sampling
from store.ids import content_id
from store.shards import write_table

ORDER = ("prompt_id", "row_id", "field", "eval_set", "eval_config", "eval_split", "eval_row", "eval_field")
PARAPHRASES = "tables/paraphrases.parquet"  # SAMENESS: what the judge said of each pair


class Judged(NamedTuple):
    report: pl.DataFrame  # REPORT rows, action drop, warn or unknown
    facts: dict[str, Any]
    usage: Usage
    cached: int


def judge_settings(recipe: Recipe) -> dict[str, Any]:
    """What the judge's verdicts depend on; nothing where there is none."""
    config = recipe.decontaminate.judge
    if config is None:
        return {}
    return {
        "judge": config.model_dump(exclude={"engine"}),
        "engine": identity(recipe.engines_of(config)[0]),
        "templates": {kind: template_hash(kind) for kind in KINDS},
    }


def judge_paraphrases(
    run_dir: Path,
    recipe: Recipe,
    prompts: pl.DataFrame,
    sets: Sequence[EvalSet],
    settings: Settings,
) -> Judged:
    """Judge `prompts`, training PROMPTS that nothing has matched, against the evaluation sets."""
    config = recipe.decontaminate.judge
    assert config
    ours = prompts.sort("prompt_id")
    texts = texts_of(
        "\n".join(m["content"] for m in messages if m["role"] == "user") for messages in ours["messages"]
    )
    index = Paraphrases(sets)
    pairs = index.pairs(texts, config.min_dice)
    engine = engine_for(recipe.engines_of(config)[0])
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    with Meter("decontaminate", 2 * pairs.select(PAIR).n_unique()) as meter:
        told: dict[str, Any] = {"budget": budget(), "progress": meter.saw}
        said = judge_same(engine, ledger_of(run_dir), pairs, sampling, recipe.seed, **told)
    write_table(said, run_dir / PARAPHRASES, SAMENESS)
    verdicts = said.select(*PAIR, pl.col("verdict").cast(pl.String))
    judged = pairs.join(verdicts, PAIR, maintain_order="left")
    found = index.matches(judged)
    if settings.twins == "off":  # the judge is told not to mind numbers
        found = found.filter(~pl.col("numbers_differ"))
    rows = report_rows(found, content_id(judge_settings(recipe))[:12], settings, "prompt", "prompt")
    unknown = pl.col("verdict") == "unknown"
    ids = ours["prompt_id"].gather(rows["row"])
    report = rows.with_columns(
        row_id=ids,
        prompt_id=ids,
        action=pl.when(unknown).then(pl.lit("unknown")).otherwise("action").cast(REPORT["action"]),
    ).select(REPORT.names())
    return Judged(report, _facts(judged, said, engine.revision), engine.usage(), meter.cached)


def merged(
    found: Decontamination, judged: pl.DataFrame, sets: Sequence[EvalSet], settings: Settings
) -> Decontamination:
    """What the scan found, and what the judge did."""
    report = pl.concat([found.report, judged]).sort(*ORDER)
    dropped = report.filter(pl.col("action") == "drop")["prompt_id"].unique().sort().to_list()
    tally = Tally(ROLES)
    tally.add(report.filter(pl.col("action") != "unknown"))  # no hits
    return Decontamination(report, tally.totals(settings.scanner(sets)), dropped)


def _facts(judged: pl.DataFrame, said: pl.DataFrame, revision: str | None) -> dict[str, Any]:
    """Pairs are of texts: equal prompts and evaluation texts are asked about once."""
    verdicts = dict(
        said.group_by("verdict").len().select(pl.col("verdict").cast(pl.String), "len").iter_rows()
    )
    reasons = said["reason"].drop_nulls().value_counts().sort("reason").iter_rows()
    return {
        "prompts": judged["row"].n_unique(),
        "pairs": said.height,
        **{verdict: verdicts.get(verdict, 0) for verdict in ("same", "different", "unknown")},
        "near, not judged": int(judged.unique("row")["left_out"].sum()),
        "unknown because": dict(reasons),
        "revision": revision,
    }

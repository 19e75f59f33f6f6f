"""Keep the prompts that are worth completions: by length, language, topic and quality, then by quota.

Length and language are those of the prompt without its system messages, which many prompts share.
The filters apply to training and test prompts alike, so that models are measured on what they are made for;
quotas limit the training prompts only.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.annotations import ANNOTATIONS
from curation.duplicates.frames import prompt_texts
from curation.filters.funnel import Check, first_failures, funnel
from curation.filters.limits import over_quota
from curation.filters.texts import language_check, length_checks, prose
from flows.annotate import ANNOTATIONS_FILE
from flows.checks import check_quotas
from flows.prompt_tables import prompts_in, prompts_out
from flows.recipe import Recipe, SelectStage
from flows.stage import Outcome, Stage, require
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import PROMPTS


def stage(recipe: Recipe) -> Stage:
    assert recipe.select
    inputs = [prompts_in(recipe, "select"), *([ANNOTATIONS_FILE] if recipe.annotate else [])]
    settings = recipe.select.model_dump() | {"seed": recipe.seed}
    return Stage("select", work, settings, tuple(inputs), (prompts_out(recipe, "select"),), version=2)


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.select
    assert config
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    known = prompts.select("prompt_id", "domain", "source", "split").with_columns(
        text=prompt_texts(prompts)["text"]
    )
    if recipe.annotate:
        said = read_table(run_dir / ANNOTATIONS_FILE, ANNOTATIONS)
        known = known.join(said, "prompt_id", "left", maintain_order="left")
    checks = _checks(known, config)
    reasons = first_failures(checks, known.height)
    if config.quotas:
        check_quotas(config, prompts)
        checks.append(_over_quota(known, reasons, config, recipe.seed))
        reasons = first_failures(checks, known.height)
    account = Account("select", prompts.height)
    for reason, n in reasons.drop_nulls().value_counts().sort("reason").iter_rows():
        account.reject(reason, n)
    kept = prompts.filter(reasons.is_null())
    account.keep(kept.height)
    require(bool((kept["split"] == "train").any()), f"select: no training prompt is left: {account.line()}")
    write_table(kept, run_dir / stage.outputs[0], PROMPTS)
    groups = known.filter(reasons.is_null())[config.quota_by].fill_null("none").value_counts()
    facts = {
        "funnel": funnel(reasons, [check.reason for check in checks]),
        "grouped_by": config.quota_by,
        "groups": dict(groups.sort(config.quota_by).iter_rows()),
    }
    return Outcome(account, {stage.outputs[0]: kept.height}, facts=facts)


def _checks(known: pl.DataFrame, config: SelectStage) -> list[Check]:
    found = length_checks(known["text"], config.min_words, config.max_words)
    if config.languages:
        found.append(language_check(_languages(known["text"], config.languages), config.languages))
    if config.topics:
        found.append(Check("no_topic", known["topic"].is_null()))
        found.append(Check("other_topic", ~known["topic"].is_in(config.topics)))
    if config.min_quality is not None:
        found.append(Check("no_quality", known["quality"].is_null()))
        found.append(Check("low_quality", known["quality"] < config.min_quality))
    return found


def _languages(texts: pl.Series, wanted: list[str]) -> pl.Series:
    """Of each text the wanted language that its prose may be in (a short one has the benefit of the doubt),
    else the likeliest one; null for a text that is in none, such as a formula."""
    from verifiers.instructions.language import detect, written_in

    def language(text: str) -> str | None:
        likeliest = detect(text)
        if likeliest in wanted:
            return likeliest
        return next((code for code in wanted if written_in(text, code)), likeliest)

    return pl.Series([language(text) for text in prose(texts)], dtype=pl.String)


def _over_quota(known: pl.DataFrame, reasons: pl.Series, config: SelectStage, seed: int) -> Check:
    """Among the training prompts that no filter has refused."""
    limited = known.filter(reasons.is_null() & (known["split"] == "train"))
    some = over_quota(limited["prompt_id"], limited[config.quota_by], config.quotas, seed)
    over = limited["prompt_id"].filter(some.fails)
    return Check(some.reason, known["prompt_id"].is_in(over.to_list()))

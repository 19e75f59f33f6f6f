"""Decontamination of a run's own tables: its prompts, their reference answers, and what was sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from curation.decontamination.matches import ORDER
from curation.decontamination.report import (
    REPORT,
    Decontamination,
    Role,
    Settings,
    Tally,
    report_rows,
)
from curation.decontamination.scan import Parts, Scanner
from curation.eval_sets import EvalSet
from curation.words.texts import Texts, texts_of

ROLES: dict[str, Role] = {"prompt": "prompt", "answer": "answer", "completion": "completion"}


def decontaminate_prompts(
    prompts: pl.DataFrame,
    eval_sets: Sequence[EvalSet],
    settings: Settings = Settings(),  # noqa: B008
    completions: pl.DataFrame | None = None,
) -> Decontamination:
    """Compare training prompts (PROMPTS rows with split "train"), and COMPLETIONS of them, with eval sets.

    Fields: `prompt` (the user's messages, joined by newlines; each is also compared whole), `answer`,
    `completion`. `dropped` are prompt ids.
    """
    scanner = settings.scanner(eval_sets)
    train = prompts.filter(pl.col("split") == "train").sort("prompt_id")
    ids = train["prompt_id"]
    texts, parts = _user_messages(train["messages"])
    found = [_rows(scanner, settings, "prompt", ids, ids, texts, parts)]
    if settings.answers != "off":
        found.append(_rows(scanner, settings, "answer", ids, ids, texts_of(train["answer"].fill_null(""))))
    if completions is not None and settings.completions != "off":
        found.append(_completions(scanner, settings, completions, ids))
    return _result(scanner, pl.concat(found), "prompt_id")


def decontaminate_completions(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    eval_sets: Sequence[EvalSet],
    settings: Settings = Settings(),  # noqa: B008
) -> Decontamination:
    """Compare the COMPLETIONS of training prompts alone; `dropped` are completion ids."""
    scanner = settings.scanner(eval_sets)
    ids = prompts.filter(pl.col("split") == "train")["prompt_id"]
    return _result(scanner, _completions(scanner, settings, completions, ids), "row_id")


def _completions(
    scanner: Scanner, settings: Settings, completions: pl.DataFrame, prompt_ids: pl.Series
) -> pl.DataFrame:
    ours = completions.filter(pl.col("prompt_id").is_in(prompt_ids.implode())).sort("completion_id")
    texts = texts_of(ours["text"].fill_null(""))
    return _rows(scanner, settings, "completion", ours["completion_id"], ours["prompt_id"], texts)


def _rows(
    scanner: Scanner,
    settings: Settings,
    field: str,
    row_ids: pl.Series,
    prompt_ids: pl.Series,
    texts: Texts,
    parts: Parts | None = None,
) -> pl.DataFrame:
    role = ROLES[field]
    found = scanner.scan(texts, parts, exact_words=1 if role == "prompt" else scanner.rule.n)
    rows = report_rows(found, scanner.rule.rule_hash, settings, role, field)
    ids = [row_ids.gather(rows["row"]).alias("row_id"), prompt_ids.gather(rows["row"]).alias("prompt_id")]
    return rows.with_columns(ids).select(REPORT.names())


def _result(scanner: Scanner, report: pl.DataFrame, dropped: str) -> Decontamination:
    report = report.sort("prompt_id", "row_id", "field", *ORDER[1:])
    ids = report.filter(pl.col("action") == "drop")[dropped].unique().sort().to_list()
    tally = Tally(ROLES)
    tally.add(report)
    return Decontamination(report, tally.totals(scanner), ids)


def _user_messages(messages: pl.Series) -> tuple[Texts, Parts]:
    lists = [[m["content"] for m in row if m["role"] == "user"] for row in messages]
    rows = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(row) for row in lists], out=rows[1:])
    parts = Parts(texts_of(text for row in lists for text in row), rows)
    return texts_of("\n".join(row) for row in lists), parts

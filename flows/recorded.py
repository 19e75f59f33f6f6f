"""Completions that already exist: read from the rows that hold the prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows import processbench
from flows.inputs import dotted, recorded_completion
from flows.prompt_tables import CLEAN
from flows.recipe import FilePrompts, ProcessBenchPrompts, Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage, require
from store.accounting import Account
from store.ids import content_id
from store.inputs import read_rows
from store.shards import read_table, write_table
from store.tables import COMPLETIONS, PROMPTS


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    source = recipe.prompts
    require(
        isinstance(source, FilePrompts | ProcessBenchPrompts),
        "`recorded` reads completions from a prompts file: prompts.source: file",
    )
    assert isinstance(source, FilePrompts | ProcessBenchPrompts) and recipe.recorded
    path = str(Path(str(source.path)).resolve())
    settings = recipe.recorded.model_dump()
    if isinstance(source, FilePrompts):
        settings["fields"] = source.fields.model_dump()
    return [Stage("recorded", work, settings, (CLEAN, path), (f"{COMPLETIONS_DIR}/recorded.parquet",))]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    source = recipe.prompts
    wanted = set(read_table(run_dir / CLEAN, PROMPTS)["prompt_id"])
    if isinstance(source, ProcessBenchPrompts):
        rows, account = processbench.completion_rows(source, wanted)
    else:
        assert isinstance(source, FilePrompts) and recipe.recorded
        rows, account = _completion_rows(source, recipe.recorded.completions, wanted)
    account.keep(len(rows))
    table = pl.DataFrame(rows, schema=COMPLETIONS).sort("prompt_id", "sample_index", "completion_id")
    write_table(table, run_dir / stage.outputs[0], COMPLETIONS)
    return Outcome(account, {stage.outputs[0]: table.height})


def _completion_rows(
    source: FilePrompts, models: dict[str, str], wanted: set[str]
) -> tuple[list[dict[str, Any]], Account]:
    rows = read_rows(Path(str(source.path)))
    account = Account("recorded", len(rows) * len(models))
    found: dict[str, dict[str, Any]] = {}
    for i, row in enumerate(rows):
        where = f"{source.path} row {i + 1}"
        question = dotted(row, source.fields.prompt, where)
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        prompt_id = content_id("prompt", messages)
        for index, (model, field) in enumerate(models.items()):
            text = dotted(row, field, where)
            if prompt_id not in wanted:
                account.reject("prompt_dropped", 1)
            elif not isinstance(text, str) or not text.strip():
                account.reject("empty_completion", 1)
            else:
                made = recorded_completion(prompt_id, model, index, text)
                if made["completion_id"] in found:
                    account.reject("duplicate", 1)
                found[made["completion_id"]] = made
    return list(found.values()), account

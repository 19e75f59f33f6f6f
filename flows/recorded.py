"""Completions that already exist: read from the rows that hold the prompts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.decontaminate import CLEAN
from flows.inputs import dotted
from flows.recipe import FilePrompts, Recipe
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
        isinstance(source, FilePrompts),
        "`recorded` reads completions from a prompts file: prompts.source: file",
    )
    assert isinstance(source, FilePrompts) and recipe.recorded
    path = str(Path(str(source.path)).resolve())
    settings = recipe.recorded.model_dump() | {"fields": source.fields.model_dump()}
    return [Stage("recorded", work, settings, (CLEAN, path), (f"{COMPLETIONS_DIR}/recorded.parquet",))]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    source = recipe.prompts
    assert recipe.recorded and isinstance(source, FilePrompts)
    prompts = read_table(run_dir / CLEAN, PROMPTS)
    wanted = set(prompts["prompt_id"])
    rows = read_rows(Path(str(source.path)))
    models = recipe.recorded.completions
    account = Account("recorded", len(rows) * len(models))
    found: dict[str, dict] = {}
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
                record = _record(prompt_id, model, index, text)
                if record["completion_id"] in found:
                    account.reject("duplicate", 1)
                found[record["completion_id"]] = record
    account.keep(len(found))
    table = pl.DataFrame(list(found.values()), schema=COMPLETIONS).sort(
        "prompt_id", "sample_index", "completion_id"
    )
    write_table(table, run_dir / stage.outputs[0], COMPLETIONS)
    return Outcome(account, {stage.outputs[0]: table.height})


def _record(prompt_id: str, model: str, index: int, text: str) -> dict:
    return {
        "completion_id": content_id("recorded", prompt_id, model, text),
        "prompt_id": prompt_id,
        "sampler": "recorded",
        "model": model,
        "revision": None,
        "system_variant": None,
        "sample_index": index,
        "seed": None,
        "text": text,
        "n_prompt_tokens": None,
        "n_tokens": None,
        "finish_reason": "recorded",
    }

"""Evaluation sets as texts to stay clear of: files that a recipe names, or a run's own held-out prompts."""

from __future__ import annotations

import csv
import difflib
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from store.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")


class EvalRow(NamedTuple):
    """One text of one eval row; a row with two fields (passage, question) is two of these."""

    eval_set: str
    row_id: str
    field: str
    text: str


def load_eval_set(
    name: str, path: Path | str, fields: Sequence[str], id_field: str | None = None
) -> list[EvalRow]:
    """The texts in the columns `fields` of a JSON Lines, JSON, CSV or Parquet file.

    Rows are named by `id_field`, else by their number in the file from 0. Anything that would leave part of
    the set uncompared stops the run: a missing file, a missing column, no text at all.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"eval set {name!r}: no file {path}; correct the path or remove the set from the recipe"
        )
    if not fields:
        raise InputError(f"eval set {name!r}: name the text column(s) of {path} in `fields`")
    rows = _read(name, path)
    if not rows:
        raise InputError(
            f"eval set {name!r}: {path} has no rows; a set that is not compared protects nothing"
        )
    wanted = [*fields, *([id_field] if id_field else [])]
    for number, row in enumerate(rows):
        for column in wanted:
            if column not in row:
                raise InputError(_no_column(name, path, number, column, row))
    found = [
        EvalRow(name, str(row[id_field]) if id_field else str(number), column, str(row[column]))
        for number, row in enumerate(rows)
        for column in fields
        if row[column] not in (None, "")
    ]
    if not found:
        raise InputError(f"eval set {name!r}: column(s) {', '.join(fields)} of {path} are empty in every row")
    return found


def eval_set_from_prompts(name: str, prompts: pl.DataFrame, split: str = "test") -> list[EvalRow]:
    """A run's own held-out prompts (PROMPTS rows of `split`) as an eval set."""
    held_out = prompts.filter(pl.col("split") == split).sort("prompt_id")
    return [
        EvalRow(name, prompt_id, f"message {i}", message["content"])
        for prompt_id, messages in held_out.select("prompt_id", "messages").iter_rows()
        for i, message in enumerate(messages)
        if message["role"] == "user"
    ]


def _read(name: str, path: Path) -> list[dict[str, Any]]:
    kind = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if kind is None:
        raise InputError(
            f"eval set {name!r}: {path.name} is none of {', '.join(SUFFIXES)}; convert it to one"
        )
    try:
        if kind == ".parquet":
            return pl.read_parquet(path).to_dicts()
        if kind == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))
        text = (gzip.decompress(path.read_bytes()) if kind.endswith(".gz") else path.read_bytes()).decode(
            "utf-8"
        )
        return _objects(json.loads(text) if kind == ".json" else _lines(text))
    except (OSError, ValueError, EOFError, pl.exceptions.PolarsError) as error:
        raise InputError(f"eval set {name!r}: cannot read {path}: {error}") from error


def _lines(text: str) -> Iterable[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error


def _objects(rows: Any) -> list[dict[str, Any]]:
    rows = list(rows) if not isinstance(rows, dict) else [rows]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every row must be an object with named columns")
    return rows


def _no_column(name: str, path: Path, number: int, column: str, row: dict[str, Any]) -> str:
    near = difflib.get_close_matches(column, list(row), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(str, row))}"
    return f"eval set {name!r}: row {number} of {path} has no column {column!r}; {hint}"

"""Rows of large files as a stream, and files written from one: they appear whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import InputError
from store.files import write_error
from store.inputs import check_exists, read_rows

Row = dict[str, Any]

BATCH_ROWS = 2048  # rows held at a time


def stream_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .jsonl.gz, .parquet or .json file; of the first three, some at a time."""
    check_exists(path)
    if not path.name.endswith((".jsonl", ".jsonl.gz", ".parquet", ".json")):
        raise InputError(f"{path}: the name must end in .jsonl, .jsonl.gz, .parquet or .json")
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _jsonl(path)
    return iter(read_rows(path))


def check_target(path: Path, is_table: bool) -> None:
    """InputError unless `write_rows` can make this file."""
    endings = (".parquet", ".jsonl", ".jsonl.gz") if is_table else (".jsonl", ".jsonl.gz")
    if not path.name.endswith(endings):
        raise InputError(f"{path}: the name must end in {', '.join(endings)}")
    if path.exists():
        raise InputError(f"{path}: exists; remove it, or choose another name")


def write_rows(path: Path, rows: Iterable[Row], schema: pl.Schema) -> None:
    """A .parquet file of `schema`, or a .jsonl or .jsonl.gz file."""
    partial = path.with_name(f".{os.getpid()}.{path.name}")  # keeps its ending
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            _write_parquet(partial, rows, schema)
        else:
            _write_jsonl(partial, rows)
        os.replace(partial, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _parquet(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({error})") from error


def _jsonl(path: Path) -> Iterator[Row]:
    number = 0
    try:
        with _open(path, "rt") as file:
            for line in file:
                number += 1
                if line.strip():
                    yield json.loads(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text, some lines after line {number}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{number}: not valid JSON, column {error.colno} ({error.msg})") from error
    except RecursionError as error:
        raise InputError(f"{path}:{number}: JSON nested too deeply") from error


def _write_parquet(path: Path, rows: Iterable[Row], schema: pl.Schema) -> None:
    arrow = pl.DataFrame(schema=schema).to_arrow().schema
    left = iter(rows)
    with pq.ParquetWriter(path, arrow) as writer:
        while batch := list(islice(left, BATCH_ROWS)):
            writer.write_table(pl.DataFrame(batch, schema=schema).to_arrow())


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with _open(path, "wt") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _open(path: Path, mode: Literal["rt", "wt"]) -> IO[str]:
    """Lines end at newlines only, as JSON Lines has it."""
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8", newline="\n")
    return open(path, mode, encoding="utf-8", newline="\n")

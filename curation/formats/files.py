"""Files that are written from a stream of rows: they appear whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import accumulate, islice
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import InputError
from store.files import write_error
from store.shards import ROW_GROUP, ZSTD_LEVEL
from store.tables import MESSAGES

Row = dict[str, Any]

BATCH_ROWS = 256  # rows held at a time as Python objects: few, for they may be long
GROUP_BYTES = 1 << 26  # a row group of long texts ends before it has ROW_GROUP rows
MESSAGES_TYPE = pl.Series(dtype=MESSAGES).to_arrow().type
MESSAGE_FIELDS = list(MESSAGES_TYPE.value_type)


def check_target(path: Path, is_table: bool) -> None:
    """InputError unless `write_rows` can make this file."""
    endings = (".parquet", ".jsonl", ".jsonl.gz") if is_table else (".jsonl", ".jsonl.gz")
    if not path.name.endswith(endings):
        raise InputError(f"{path}: the name must end in {', '.join(endings)}")
    if path.exists():
        raise InputError(f"{path}: exists; remove it, or choose another name")


def write_rows(path: Path, rows: Iterable[Row], schema: pl.Schema) -> None:
    """A .parquet file of `schema`, or a .jsonl or .jsonl.gz file."""
    partial = path.with_name(f".unfinished.{path.name}")  # what a kill left is written over
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


def _write_parquet(path: Path, rows: Iterable[Row], schema: pl.Schema) -> None:
    arrow = pl.DataFrame(schema=schema).to_arrow().schema
    left, group, n_bytes = iter(rows), list[pa.Table](), 0
    with pq.ParquetWriter(path, arrow, compression="zstd", compression_level=ZSTD_LEVEL) as writer:
        while batch := list(islice(left, BATCH_ROWS)):
            group.append(pa.table([_column(batch, name, arrow.field(name).type) for name in schema], arrow))
            n_bytes += group[-1].nbytes
            if len(group) * BATCH_ROWS >= ROW_GROUP or n_bytes >= GROUP_BYTES:
                writer.write_table(pa.concat_tables(group))
                group, n_bytes = [], 0
        if group:
            writer.write_table(pa.concat_tables(group))


def _column(rows: list[Row], name: str, dtype: pa.DataType) -> pa.Array:
    """Messages are taken apart here: Arrow's own way from dicts takes several times as long."""
    values: list[Any] = [row.get(name) for row in rows]
    if dtype != MESSAGES_TYPE or None in values:
        return pa.array(values, dtype)
    flat = [message for messages in values for message in messages]
    offsets = list(accumulate(map(len, values), initial=0))
    fields = [pa.array([message[key] for message in flat], pa.large_string()) for key in ("role", "content")]
    return pa.LargeListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, fields=MESSAGE_FIELDS))


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with _create(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def _create(path: Path) -> Iterator[IO[str]]:
    """Lines end at newlines only, as JSON Lines has it. Packed without a name and a time, the same rows give
    the same bytes; level 6 takes a fraction of the time of Python's own 9 and hardly more space."""
    with open(path, "wb") as file:
        with (
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
            if path.suffix == ".gz"
            else nullcontext(file) as raw,
            io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as text,
        ):
            yield text

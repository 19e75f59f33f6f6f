"""Large files of rows, read a batch of columns at a time and written again without some of their rows.

.parquet, .jsonl and .jsonl.gz. What is kept is copied: the lines of JSON files byte for byte, the record
batches of Parquet files. A file can be cut into parts that processes read side by side.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from store.errors import InputError
from store.files import write_error
from store.inputs import check_exists, did_you_mean
from store.shards import ROW_GROUP

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
_SEEN_ROWS = 1000  # of a JSON file, to know its columns


class Part(NamedTuple):
    """Row groups [begin, end) of a Parquet file, bytes [begin, end) of a .jsonl file, all of a .jsonl.gz."""

    path: str
    begin: int
    end: int


def columns_of(path: Path) -> pa.Schema:
    """Columns and their types; those of JSON lines as in the first rows (null where they are no one type)."""
    if _is_parquet(path):
        with _parquet(path) as file:
            return file.schema_arrow
    rows = [row for row, _ in islice(_rows(_whole(path)), _SEEN_ROWS)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.schema([(name, _type_of([row.get(name) for row in rows])) for name in names])


def check_columns(path: Path, names: Sequence[str]) -> None:
    """InputError unless the file has these columns, or is one of JSON lines without a row."""
    there = columns_of(path).names
    if not there and not _is_parquet(path):
        return
    for name in names:
        if name not in there:
            where = "" if _is_parquet(path) else f" in the first {_SEEN_ROWS:,} rows"
            has = f"no column {name!r}{where} (it has {', '.join(map(repr, there)) or 'none'})"
            raise InputError(f"{path}: {has}{did_you_mean(name, there)}")


def parts_of(path: Path, size: int = 1 << 26) -> list[Part]:
    """The file in parts of about `size` bytes, in order; JSON lines are not torn."""
    if path.name.endswith(".gz"):
        return [_whole(path)]
    if _is_parquet(path):
        with _parquet(path) as file:
            sizes = [file.metadata.row_group(k).total_byte_size for k in range(file.num_row_groups)]
        cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // size, prepend=0))
        edges = sorted({0, *cuts.tolist(), len(sizes)})
    else:
        check_exists(path)
        length = path.stat().st_size
        with open(path, "rb") as lines:
            edges = sorted({0, length, *(_next_line(lines, at) for at in range(size, length, size))})
    return [Part(str(path), a, b) for a, b in zip(edges, edges[1:], strict=False)]


def batches(part: Part, columns: Sequence[str], rows: int = 16_384) -> Iterator[pa.Table]:
    """`columns` of the part's rows, `rows` at a time; a column that a row does not have is null there.

    InputError names the line where JSON cannot be read, or a column is text here and a list there.
    """
    path = Path(part.path)
    if _is_parquet(path):
        check_columns(path, columns)
        with _parquet(path) as file:
            for batch in _record_batches(file, range(part.begin, part.end), rows, list(columns)):
                yield pa.table(batch).select(list(columns))
        return
    found = _rows(part)
    while block := list(islice(found, rows)):
        values = {name: [row.get(name) for row, _ in block] for name in columns}
        lines = [line for _, line in block]
        yield pa.table({name: _array(v, name, part, lines) for name, v in values.items()})


def write_kept(path: Path, out: Path, keep: NDArray[np.bool_]) -> None:
    """Copy the rows of `path` where `keep` (rows,) to `out`, of the same format, which appears whole."""
    partial = out.with_name(f".unfinished.{out.name}")  # what a kill left is written over
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        written = (_copy_parquet if _is_parquet(path) else _copy_lines)(path, partial, keep)
        assert written == len(keep), f"{path} has {written} rows, not {len(keep)}"
        os.replace(partial, out)
    except OSError as error:
        raise write_error(out, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _copy_parquet(path: Path, out: Path, keep: NDArray[np.bool_]) -> int:
    at = 0
    with _parquet(path) as file, pq.ParquetWriter(out, file.schema_arrow, compression="zstd") as writer:
        for batch in _record_batches(file, range(file.num_row_groups), ROW_GROUP):
            mine = _kept_of(batch, keep[at : at + batch.num_rows])
            if mine.num_rows:  # as a table it is a row group; as a batch it would wait for a million rows
                writer.write_table(mine)
            at += batch.num_rows
    return at


def _kept_of(batch: pa.RecordBatch, keep: NDArray[np.bool_]) -> pa.Table:
    try:
        return pa.Table.from_batches([batch.filter(pa.array(keep))])
    except pa.ArrowNotImplementedError:  # of string views; they can be sliced
        edges = np.flatnonzero(np.diff(keep, prepend=False, append=False)).tolist()
        runs = [batch.slice(a, b - a) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return pa.Table.from_batches(runs, batch.schema)


def _record_batches(
    file: pq.ParquetFile, groups: Iterable[int], rows: int, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """One row group after the other on this thread: else several are decoded in advance, and memory grows."""
    for group in groups:
        yield from file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)


def _copy_lines(path: Path, out: Path, keep: NDArray[np.bool_]) -> int:
    at = 0
    with open(out, "wb") as raw:
        # Without a name and a time, the same rows give the same bytes.
        target = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        for line, _ in _lines(_whole(path)):
            if keep[at]:
                target.write(line if line.endswith(b"\n") else line + b"\n")
            at += 1
        if target is not raw:
            target.close()
    return at


def _rows(part: Part) -> Iterator[tuple[dict[str, Any], int]]:
    """(row, its line within the part)."""
    for line, number in _lines(part):
        try:
            row = json.loads(line)
        except UnicodeDecodeError as error:
            raise InputError(f"{_place(part, number)}: not UTF-8 text (byte {error.start})") from error
        except json.JSONDecodeError as error:
            where = f"{_place(part, number)}: not valid JSON"
            raise InputError(f"{where}, column {error.colno} ({error.msg})") from error
        except (RecursionError, ValueError) as error:  # lists in lists in lists, a number of many digits
            raise InputError(f"{_place(part, number)}: cannot be read ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{_place(part, number)}: must be an object with named columns")
        yield row, number


def _lines(part: Part) -> Iterator[tuple[bytes, int]]:
    """(line, its number within the part from 0) of each line that is not blank."""
    path = Path(part.path)
    check_exists(path)
    zipped = path.suffix == ".gz"
    opener: Callable[..., Any] = gzip.open if zipped else open
    number = 0
    try:
        with opener(path, "rb") as file:
            file.seek(part.begin)
            left = part.end - part.begin
            for line in file:
                if not zipped and left <= 0:
                    break
                left -= len(line)
                if not line.isspace():
                    yield line, number
                number += 1
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error})") from error


def _place(part: Part, line: int) -> str:
    """file:line, from 1; counts the lines before the part, which only an error needs."""
    before = 0
    if part.begin:
        with open(part.path, "rb") as file:
            left = part.begin
            while left:
                block = file.read(min(left, 1 << 20))
                before, left = before + block.count(b"\n"), left - len(block)
    return f"{part.path}:{before + line + 1}"


def _array(values: list[Any], name: str, part: Part, lines: list[int]) -> pa.Array:
    try:
        return pa.array(values)
    except UnicodeEncodeError:  # halves of characters, which JSON can say and UTF-8 cannot
        return _array(_whole_characters(values), name, part, lines)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        sizes = range(1, len(values) + 1)
        first = bisect_left(sizes, True, key=lambda k: _type_of(values[:k]) == _MIXED)
        where = _place(part, lines[first])
        raise InputError(
            f"{where}: column {name!r} is of another type here than in the rows before"
        ) from None


_MIXED = pa.null()


def _type_of(values: list[Any]) -> pa.DataType:
    try:
        found = pa.array(_whole_characters(values)).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _MIXED
    return pa.string() if found == pa.null() else found


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    return value


def _next_line(file: IO[bytes], at: int) -> int:
    file.seek(at - 1)
    file.readline()
    return file.tell()


def _whole(path: Path) -> Part:
    check_exists(path)
    return Part(str(path), 0, path.stat().st_size)


def _is_parquet(path: Path) -> bool:
    if not path.name.endswith(SUFFIXES):
        raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    return path.suffix == ".parquet"


def _parquet(path: Path) -> pq.ParquetFile:
    check_exists(path)
    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({error})") from error

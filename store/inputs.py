"""What a user hands in: rows from .jsonl, .jsonl.gz, .json, .csv and .parquet files.

Every problem is an InputError that names the file, the line or row, and the nearest
thing that does exist. All but .json, which is one document, are read as a stream.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from store.errors import InputError

Row = dict[str, Any]
Placed = tuple[Any, str]  # a row and where it stands: path:line, or "path, row 3"
MAX_FIELD = 2**31 - 1  # a CSV field may hold a whole solution; the csv module's own limit is 128 KiB
BATCH_ROWS = 256  # rows of a Parquet file that are held at a time: few, for they may be long


def read_rows(path: Path | str, required: Sequence[str] = ()) -> list[Row]:
    """All rows of a file; every row must have the `required` columns."""
    path = Path(path)
    rows = []
    for row, place in _placed(path):
        _check_columns(row, required, place)
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: no rows in this file")
    return rows


def stream_rows(path: Path | str) -> Iterator[Any]:
    """The rows of a file one after the other, whatever they are: a line of JSON need not be an object."""
    return (row for row, _ in _placed(Path(path)))


def _placed(path: Path) -> Iterator[Placed]:
    """A missing file and an unknown ending are told at once, not with the first row."""
    reader = _reader(path)
    check_exists(path)
    return reader(path)


def check_exists(path: Path | str) -> None:
    """InputError with the nearest existing name unless `path` is a file."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, a file is needed")
    if path.exists():
        return
    # The first part of the path that is not there is the one that was mistyped.
    missing = path
    while not missing.parent.exists():
        missing = missing.parent
    names = [p.name for p in missing.parent.iterdir()] if missing.parent.is_dir() else []
    raise InputError(f"{path}: no such file{_in(missing, path)}{did_you_mean(missing.name, names)}")


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `choices`, or nothing when none is near."""
    by_folded = {choice.casefold(): choice for choice in sorted(choices, reverse=True)}
    near = difflib.get_close_matches(name.casefold(), sorted(by_folded), n=1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def _in(missing: Path, path: Path) -> str:
    return "" if missing == path else f" (there is no folder {str(missing)!r})"


def _reader(path: Path) -> Callable[[Path], Iterator[Placed]]:
    for suffix, reader in READERS.items():
        if path.name.lower().endswith(suffix):
            return reader
    raise InputError(f"{path}: cannot tell the format from the name; must end in {', '.join(READERS)}")


def _check_columns(row: Any, required: Sequence[str], place: str) -> None:
    if not isinstance(row, dict):
        raise InputError(f"{place}: must be an object with named columns, not {_kind(row)}")
    for name in required:
        if name not in row:
            has = ", ".join(map(repr, row)) or "none"
            raise InputError(f"{place}: no column {name!r} (it has {has}){did_you_mean(name, row)}")


def _read_jsonl(path: Path) -> Iterator[Placed]:
    """One JSON object a line; blank lines are skipped."""
    with _opened(path) as file:
        for number, text in enumerate(_lines(file, path), start=1):
            if text.strip():
                yield _parse_json(text.rstrip("\n"), path, number), f"{path}:{number}"


def _read_json(path: Path) -> Iterator[Placed]:
    with _opened(path) as file:
        text = _decoded(file.read(), path, 1, 0)
    value = _parse_json(text, path, 1) if text.strip() else []
    if not isinstance(value, list):
        raise InputError(f"{path}: must be a list of objects, not {_kind(value)}")
    yield from _numbered(value, path)


def _read_csv(path: Path) -> Iterator[Placed]:
    csv.field_size_limit(MAX_FIELD)
    with _opened(path) as file:
        lines = csv.reader(_lines(file, path), strict=True)
        try:
            header = next(lines, [])
            if len(set(header)) < len(header):
                raise InputError(f"{path}:1: a column name stands twice in {header}")
            for fields in lines:
                place = f"{path}:{lines.line_num}"
                if fields and len(fields) != len(header):
                    raise InputError(f"{place}: {len(fields)} fields, the header has {len(header)}")
                if fields:
                    yield dict(zip(header, fields, strict=True)), place
        except csv.Error as error:
            raise InputError(f"{path}:{lines.line_num}: not valid CSV ({error})") from error


def _read_parquet(path: Path) -> Iterator[Placed]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Read ahead, and all that was read so far would stay in memory.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            rows = (row for batch in file.iter_batches(BATCH_ROWS) for row in batch.to_pylist())
            yield from _numbered(rows, path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error


READERS = {
    ".jsonl": _read_jsonl,
    ".jsonl.gz": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked; whatever goes wrong until it is closed is an InputError."""
    is_packed = path.name.lower().endswith(".gz")
    try:
        with cast(BinaryIO, gzip.open(path, "rb")) if is_packed else open(path, "rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """Split at newlines only: str.splitlines would also cut at U+2028 and others inside a JSON string."""
    start = 0
    for number, line in enumerate(file, start=1):
        yield _decoded(line, path, number, start)
        start += len(line)


def _decoded(data: bytes, path: Path, first_line: int, start: int) -> str:
    """`data` begins at byte `start` of the file; a byte order mark there is no part of the text."""
    try:
        return data.decode("utf-8" if start else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{line}: not UTF-8 text (byte {start + error.start})") from error


def _parse_json(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{path}:{line}: not valid JSON, column {error.colno} ({error.msg})") from error
    except ValueError as error:  # Python's own limit on digits
        raise InputError(f"{path}:{first_line}: not valid JSON (a number of too many digits)") from error
    except RecursionError as error:
        raise InputError(f"{path}:{first_line}: JSON nested too deeply") from error


def _numbered(rows: Iterable[Any], path: Path) -> Iterator[Placed]:
    return ((row, f"{path}, row {i}") for i, row in enumerate(rows, start=1))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")

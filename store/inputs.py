"""What a user hands in: rows from .jsonl, .jsonl.gz, .json, .csv and .parquet files.

Every problem is an InputError that names the file, the line or row, and the nearest
thing that does exist.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from store.errors import InputError

Row = dict[str, Any]
MAX_FIELD = 2**31 - 1  # a CSV field may hold a whole solution; the csv module's own limit is 128 KiB


def read_rows(path: Path | str, required: Sequence[str] = ()) -> list[Row]:
    """All rows of a file; every row must have the `required` columns."""
    path = Path(path)
    reader = _reader(path)
    check_exists(path)
    rows, places = reader(path)
    if not rows:
        raise InputError(f"{path}: no rows in this file")
    for row, place in zip(rows, places, strict=True):
        _check_columns(row, required, place)
    return rows


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


def _reader(path: Path) -> Callable[[Path], tuple[list[Row], list[str]]]:
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


def _read_jsonl(path: Path) -> tuple[list[Row], list[str]]:
    """One JSON object a line; blank lines are skipped."""
    rows, places = [], []
    # Split at newlines only: str.splitlines would also cut at U+2028 and others inside a JSON string.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_parse_json(line, path, number))
            places.append(f"{path}:{number}")
    return rows, places


def _read_json(path: Path) -> tuple[list[Row], list[str]]:
    text = _text(path)
    value = _parse_json(text, path, 1) if text.strip() else []
    if not isinstance(value, list):
        raise InputError(f"{path}: must be a list of objects, not {_kind(value)}")
    return value, _row_places(path, len(value))


def _read_csv(path: Path) -> tuple[list[Row], list[str]]:
    csv.field_size_limit(MAX_FIELD)
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rows, places = [], []
    try:
        header = next(lines, [])
        if len(set(header)) < len(header):
            raise InputError(f"{path}:1: a column name stands twice in {header}")
        for fields in lines:
            place = f"{path}:{lines.line_num}"
            if fields and len(fields) != len(header):
                raise InputError(f"{place}: {len(fields)} fields, the header has {len(header)}")
            if fields:
                rows.append(dict(zip(header, fields, strict=True)))
                places.append(place)
    except csv.Error as error:
        raise InputError(f"{path}:{lines.line_num}: not valid CSV ({error})") from error
    return rows, places


def _read_parquet(path: Path) -> tuple[list[Row], list[str]]:
    import polars as pl

    try:
        rows = pl.read_parquet(path, glob=False).to_dicts()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error
    return rows, _row_places(path, len(rows))


READERS = {
    ".jsonl": _read_jsonl,
    ".jsonl.gz": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.name.lower().endswith(".gz") else data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 text (byte {error.start})") from error


def _parse_json(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{path}:{line}: not valid JSON, column {error.colno} ({error.msg})") from error
    except RecursionError as error:
        raise InputError(f"{path}:{first_line}: JSON nested too deeply") from error


def _row_places(path: Path, n: int) -> list[str]:
    return [f"{path}, row {i}" for i in range(1, n + 1)]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")

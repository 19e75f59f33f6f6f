"""Copies among the rows of files, in memory that does not grow with their texts."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.duplicates.copies import Copies, find_copies
from curation.duplicates.frames import hashes_of, messages_text, texts_of_series
from curation.duplicates.rule import Rule
from curation.duplicates.sketches import Sketches
from curation.row_files import batches, check_columns, columns_of, parts_of, write_kept
from store.accounting import Account
from store.errors import InputError
from store.shards import write_json, write_table

DUPLICATES = pl.Schema(
    {
        "file": pl.String(),
        "row": pl.Int64(),  # from 0
        "kept_file": pl.String(),
        "kept_row": pl.Int64(),
        "similarity": pl.Float32(),
        "exact": pl.Boolean(),
    }
)
DUPLICATES_FILE, SUMMARY_FILE = "duplicates.parquet", "summary.json"


class FileCopies(NamedTuple):
    """`copies` of all rows of all files, one file after the other; `rows` (files,) in each; `same` (n,): a
    hash of the compared text as it stands."""

    copies: Copies
    rows: list[int]
    same: NDArray[np.uint64]


def copies_in_files(
    paths: Sequence[Path], out: Path, columns: Sequence[str], rule: Rule, within: Sequence[str] = ()
) -> FileCopies:
    """Compare the texts of `columns`, joined; only among rows with the same values in `within`.

    Sketches are kept in a folder in `out` meanwhile: about 120 bytes a row and 4 a word. Raises InputError
    for a column that is missing or holds neither texts, lists of texts nor messages.
    """
    for path in paths:
        check_columns(path, [*columns, *within])
        nothing = pl.DataFrame(pl.from_arrow(columns_of(path).empty_table()))
        _joined(nothing, [*columns, *within], path)
    rows = []
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".sketches-", dir=out) as folder,
        Sketches(Path(folder), rule) as sketches,
    ):
        for path in paths:
            before = sketches.count
            for part in parts_of(path):
                for batch in batches(part, list(dict.fromkeys([*columns, *within]))):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    text = _joined(frame, columns, path)
                    mine = hashes_of(_joined(frame, within, path)) if within else None
                    sketches.add(texts_of_series(text), hashes_of(text), mine)
            rows.append(sketches.count - before)
        if not sketches.count:
            raise InputError(f"{paths[0]}: no rows in {'this file' if len(paths) == 1 else 'these files'}")
        return FileCopies(find_copies(sketches), rows, sketches.preference())


def deduplicate_files(
    paths: Sequence[Path],
    out: Path,
    columns: Sequence[str],
    rule: Rule,
    within: Sequence[str] = (),
    together: bool = False,
) -> tuple[Account, pl.DataFrame]:
    """Write each file without its copies into folder `out`; (account of the rows, DUPLICATES).

    `together`: rows whose compared text is the very same stay or go together, as the rows of a prompt should.
    Also writes DUPLICATES and a summary there.
    """
    *targets, _ = targets_of([*paths, Path(DUPLICATES_FILE)], out)
    found = copies_in_files(paths, out, columns, rule, within)
    copies, stays = found.copies, found.copies.stays
    if together:
        stays |= found.same == found.same[copies.kept]
    account = Account("deduplicate", len(stays))
    account.keep(int(stays.sum()))
    account.reject("same_words", int((~stays & copies.exact).sum()))
    account.reject("near_copy", int((~stays & ~copies.exact).sum()))
    starts = np.cumsum([0, *found.rows])
    for path, target, start, end in zip(paths, targets, starts, starts[1:], strict=False):
        write_kept(path, target, stays[start:end])
    gone = np.flatnonzero(~stays)
    report = pl.DataFrame(
        {
            **_places("", paths, starts, gone),
            **_places("kept_", paths, starts, copies.kept[gone]),
            "similarity": copies.similarity[gone],
            "exact": copies.exact[gone],
        },
        schema=DUPLICATES,
    )
    write_table(report, out / DUPLICATES_FILE, DUPLICATES)
    write_json(out / SUMMARY_FILE, account.to_dict() | {"rule": rule._asdict()} | group_sizes(copies.group))
    return account.close(), report


def targets_of(paths: Sequence[Path], out: Path) -> list[Path]:
    """A file of the same name in `out` for each path; InputError where it exists or two would be one."""
    targets = [out / path.name for path in paths]
    for k, target in enumerate(targets):
        if target in targets[:k]:
            raise InputError(f"{paths[k]}: two files to write are called {target.name}; rename one")
        if target.exists():
            raise InputError(f"{target}: exists; choose another folder")
    return targets


def group_sizes(group: NDArray[np.uint64]) -> dict[str, int]:
    """How many groups there are, and the rows of the largest."""
    sizes = np.unique(group, return_counts=True)[1]
    return {"groups": len(sizes), "largest": int(sizes.max(initial=0))}


def _joined(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> pl.Series:
    """One text a row: the columns' texts, one under the other."""
    parts = [_text(name, frame.schema[name], path).fill_null("") for name in columns]
    return frame.select(pl.concat_str(parts, separator="\n")).to_series()


def _text(name: str, dtype: pl.DataType, path: Path) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        if dtype.inner == pl.String():
            return column.list.join("\n", ignore_nulls=True)
        fields = dict(dtype.inner) if isinstance(dtype.inner, pl.Struct) else {}
        if fields.get("role") == pl.String() and fields.get("content") == pl.String():
            return messages_text(name)
    if isinstance(dtype, pl.List | pl.Struct | pl.Array | pl.Binary):
        raise InputError(f"{path}: column {name!r} holds {dtype}: neither texts nor messages (role, content)")
    return column.cast(pl.String)


def _places(
    prefix: str, paths: Sequence[Path], starts: NDArray[Any], rows: NDArray[np.integer[Any]]
) -> dict[str, pl.Series]:
    number = np.searchsorted(starts, rows, "right") - 1
    names = pl.Series([str(path) for path in paths])
    return {f"{prefix}file": names.gather(number), f"{prefix}row": pl.Series(rows - starts[number])}

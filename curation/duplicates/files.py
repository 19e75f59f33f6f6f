"""Copies among the rows of files, in memory that does not grow with their texts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.duplicates.copies import Copies, find_copies
from curation.duplicates.frames import hashes_of, messages_roles, messages_text, texts_of_series
from curation.duplicates.rule import Rule
from curation.duplicates.sketches import Sketches
from curation.duplicates.staging import appear_together
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
_BATCH = 4096  # rows in memory at a time
BETWEEN = "\U0010ffff"  # columns, messages and items of a list: a word that no text has


class FileCopies(NamedTuple):
    """`copies` of all rows of all files, one file after the other; `rows` (files,) in each; `same` (n,): a
    hash of the compared text as it stands."""

    copies: Copies
    rows: list[int]
    same: NDArray[np.uint64]


def check_request(paths: Sequence[Path], columns: Sequence[str]) -> None:
    """InputError for a column that is missing or holds neither texts, lists of texts nor messages."""
    for path in paths:
        check_columns(path, columns)
        nothing = pl.DataFrame(pl.from_arrow(columns_of(path).empty_table()))
        for name in set(columns) & set(nothing.columns):
            _text(name, nothing.schema[name], path)


def copies_in_files(
    paths: Sequence[Path],
    scratch: Path,
    columns: Sequence[str],
    rule: Rule,
    within: Sequence[str] = (),
    roles_apart: bool = False,
) -> FileCopies:
    """Compare the texts of `columns`, joined; only among rows with the same values in `within`.

    `roles_apart`: only among those with the same system messages and roles, too. A row whose columns are all
    null or empty is nobody's copy. Sketches are kept in the folder `scratch`: about 130 bytes a row and 4 a
    word. Raises InputError where there are no rows.
    """
    rows = []
    folder = scratch / "sketches"
    folder.mkdir()
    with Sketches(folder, rule) as sketches:
        for path in paths:
            before = sketches.count
            for part in parts_of(path):
                for batch in batches(part, list(dict.fromkeys([*columns, *within])), _BATCH):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    text = _joined(frame, columns, path)
                    mine = _identity(frame, columns, within, roles_apart, path)
                    sketches.add(texts_of_series(text), hashes_of(text), mine)
            rows.append(sketches.count - before)
        if not sketches.count:
            raise InputError(f"{paths[0]}: no rows in {'this file' if len(paths) == 1 else 'these files'}")
        found = FileCopies(find_copies(sketches), rows, sketches.preference())
    shutil.rmtree(folder)
    return found


def deduplicate_files(
    paths: Sequence[Path],
    out: Path,
    columns: Sequence[str],
    rule: Rule,
    within: Sequence[str] = (),
    together: bool = False,
) -> tuple[Account, dict[str, Any]]:
    """Write each file without its copies into folder `out`; (account of the rows, facts about the groups).

    Rows with other system messages or roles are no copies. `together`: rows whose compared text is the very
    same stay or go together, as the rows of a prompt should. Also writes DUPLICATES there, and a summary with
    the facts. All files appear at the end; after a kill the same request can be made again.
    """
    check_request(paths, [*columns, *within])
    names = [path.name for path in paths]
    with appear_together(out, [*names, DUPLICATES_FILE, SUMMARY_FILE], paths) as folder:
        found = copies_in_files(paths, folder, columns, rule, within, roles_apart=True)
        copies, stays = found.copies, found.copies.stays
        if together:
            stays |= found.same == found.same[copies.kept]
        account = Account("deduplicate", len(stays))
        account.keep(int(stays.sum()))
        account.reject("same_words", int((~stays & copies.exact).sum()))
        account.reject("near_copy", int((~stays & ~copies.exact).sum()))
        starts = np.cumsum([0, *found.rows])
        for path, start, end in zip(paths, starts, starts[1:], strict=False):
            write_kept(path, folder / path.name, stays[start:end])
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
        write_table(report, folder / DUPLICATES_FILE, DUPLICATES)
        facts = group_facts(copies)
        write_json(folder / SUMMARY_FILE, account.close().to_dict() | {"rule": rule._asdict()} | facts)
    return account, facts


def group_facts(copies: Copies) -> dict[str, Any]:
    """Groups, the rows of the largest, rows that stay although texts of their group have other numbers, and
    rows that stay as there is nothing to compare."""
    return group_sizes(copies.group) | {
        "numbers_differ": int((copies.stays & copies.numbers_differ).sum()),
        "nothing_to_compare": int(copies.wordless.sum()),
    }


def group_sizes(group: NDArray[np.uint64]) -> dict[str, int]:
    """How many groups there are, and the rows of the largest."""
    sizes = np.unique(group, return_counts=True)[1]
    return {"groups": len(sizes), "largest": int(sizes.max(initial=0))}


def _joined(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> pl.Series:
    """One text a row of the columns' texts; empty where they all are."""
    parts = [_text(name, frame.schema[name], path).fill_null("") for name in columns]
    text = frame.select(text=pl.concat_str(parts, separator=BETWEEN))
    is_empty = pl.col("text").str.strip_chars(f"{BETWEEN} \t\r\n") == ""
    return text.select(pl.when(is_empty).then(pl.lit("")).otherwise("text").alias("text")).to_series()


def _identity(
    frame: pl.DataFrame, columns: Sequence[str], within: Sequence[str], roles_apart: bool, path: Path
) -> NDArray[np.uint64]:
    """(n,): a hash of what rows must have in common to be compared at all."""
    from curation.words.kernels import BASE, mix

    parts = [_text(name, frame.schema[name], path) for name in within]
    if roles_apart:
        parts += [messages_roles(name) for name in columns if _holds_messages(frame.schema[name])]
    found = np.zeros(frame.height, np.uint64)
    for part in parts:
        found = mix(found * BASE + hashes_of(frame.select(part.fill_null("").alias("part")).to_series()))
    return found


def _text(name: str, dtype: pl.DataType, path: Path) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List | pl.Array) and dtype.inner == pl.String():
        return column.cast(pl.List(pl.String)).list.join(BETWEEN, ignore_nulls=True)
    if _holds_messages(dtype):
        return messages_text(name, BETWEEN)
    if dtype.is_nested() or dtype == pl.Binary():
        raise InputError(f"{path}: column {name!r} holds {dtype}: neither texts nor messages (role, content)")
    return column.cast(pl.String)


def _holds_messages(dtype: pl.DataType) -> bool:
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return False
    fields = dict(dtype.inner)
    return fields.get("role") == pl.String() and fields.get("content") == pl.String()


def _places(
    prefix: str, paths: Sequence[Path], starts: NDArray[Any], rows: NDArray[np.integer[Any]]
) -> dict[str, pl.Series]:
    number = np.searchsorted(starts, rows, "right") - 1
    names = pl.Series([str(path) for path in paths])
    return {f"{prefix}file": names.gather(number), f"{prefix}row": pl.Series(rows - starts[number])}

"""Row formats of other trainers, to and from the tables of `store.tables`, by name and as a stream.

    table        formats
    preference   trl-preference (four forms; OpenRLHF, NeMo-RL and others use the same columns), trl-margin,
                 rewardbench, rlhflow-pairs, rlhflow-judged-pairs, helpsteer2-preference, helpsteer3
    ranking      nemo-ranked, scored-rollouts, rewardbench2
    outcome      trl-unpaired, rollouts, rlhflow-outcome
    stepwise     trl-stepwise, math-shepherd, openrlhf-steps, openrlhf-steps-soft, rlhflow-steps, math-aps,
                 processbench, prm800k-positive, -negative, -drop, -class (what a neutral rating means)
    attributes   helpsteer, nemo-attributes

The tables' own names are formats too. Ids are hashes of the content, so reading the same rows twice gives the
same ids. A row that cannot be read or written is rejected by name and counted, and so is one that the format
has no way to say (a tie where every row is a choice); nothing is guessed. What is left out of a row that is
kept (one completion of many, a column that the format or the table has no place for) is counted too. The
evidence of labels, their method and the ids are not among it: they are made anew. `curation.formats.losses`
lists what each format cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import polars as pl

from curation.formats import (
    annotated,
    attributes,
    benchmarks,
    rankings,
    rlhflow,
    search,
    steps,
    trl,
)
from curation.formats.files import check_target, write_rows
from curation.formats.rows import Format, Parts, Row, Unreadable
from curation.formats.tables import TABLES
from store.accounting import Account
from store.errors import InputError
from store.inputs import stream_rows

FORMATS: dict[str, Format] = {
    **trl.FORMATS,
    **benchmarks.FORMATS,
    **rlhflow.FORMATS,
    **steps.FORMATS,
    **search.FORMATS,
    **annotated.FORMATS,
    **rankings.FORMATS,
    **attributes.FORMATS,
    **TABLES,
}
MAX_NAMES, MAX_LETTERS = 32, 64  # of columns counted by name: rows may bring any number of any length
BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # of rows of another shape


def choose_format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


@dataclass
class RowAccount(Account):
    """Also knows the first row (from 1) of each reason, and what was left out of rows that were kept."""

    first: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def reject_row(self, reason: str, number: int) -> None:
        self.first.setdefault(reason, number)
        self.reject(reason)

    def leave_out(self, what: str) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + 1

    def leave_out_column(self, name: str, value: Any) -> None:
        """Only if it holds anything; names come from files, so they are made fit to be shown."""
        if _holds(value):
            shown = name[:MAX_LETTERS] if name.isprintable() else ascii(name[:MAX_LETTERS])
            known = shown in self.left_out or len(self.left_out) < MAX_NAMES
            self.leave_out(shown if known else "columns of other names")

    def line(self) -> str:
        parts = [super().line()]
        if self.first:
            parts.append("first in row " + ", ".join(f"{n:,} ({why})" for why, n in self.first.items()))
        if self.left_out:
            parts.append("left out of kept rows " + ", ".join(f"{w} {n:,}" for w, n in self.left_out.items()))
        return "; ".join(parts)


def read_format(name: str, rows: Iterable[Row]) -> tuple[pl.DataFrame, RowAccount]:
    """The table of rows in a format. The account counts the rows given; one may hold several of the table."""
    form, account, given = choose_format(name), RowAccount(name, 0), list(rows)
    found = list(_reading(form, lambda: iter(given), account))
    account.close()
    return pl.DataFrame(found, schema=form.schema), account


def stream_format(name: str, source: Path, account: RowAccount) -> Iterator[Row]:
    """Rows of the format's table as the file is read; the account is whole, not closed, when they end."""
    return _reading(choose_format(name), lambda: stream_rows(source), account)


def write_format(name: str, frame: pl.DataFrame) -> tuple[list[Row], RowAccount]:
    """Rows of a format for a table; the account counts rows of the table."""
    account = RowAccount(name, 0)
    written = list(_writing(choose_format(name), frame.iter_rows(named=True), account))
    account.close()
    return written, account


def convert(source: Path, target: Path, read_as: str, write_as: str) -> list[RowAccount]:
    """One file into another as a stream; the accounts of reading and of writing.

    `source` is any file that `store.inputs` reads; `target` .parquet for a table, .jsonl or .jsonl.gz for
    any format. InputError where no row is left, or the two formats belong to different tables."""
    reader, writer = choose_format(read_as), choose_format(write_as)
    if reader.table != writer.table or read_as == write_as:
        same = [name for name, form in FORMATS.items() if form.table == reader.table and name != read_as]
        raise InputError(f"{read_as} holds {reader.table} rows; they can be written as {', '.join(same)}")
    check_target(target, write_as in TABLES)
    reading, writing = RowAccount(f"read {read_as}", 0), RowAccount(f"write {write_as}", 0)
    rows = _writing(writer, stream_format(read_as, source, reading), writing)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source}: no row is left; {reading.line()}; {writing.line()}")
    write_rows(target, chain([first], rows), reader.schema)
    for account in (reading, writing):
        account.close()
    return [reading, writing]


def _reading(form: Format, again: Callable[[], Iterator[Row]], account: RowAccount) -> Iterator[Row]:
    """`again` starts the rows from the first one."""
    unsure = _contradicted(form, again()) if form.distinct else set()
    seen: set[str] = set()
    for row in again():
        account.rows_in += 1
        try:
            parts = _read(form, row)
        except Unreadable as reason:
            account.reject_row(str(reason), account.rows_in)
            continue
        if form.distinct:
            parts = [_once(part, seen, unsure) for part in parts]
        found = [part for part in parts if not isinstance(part, Unreadable)]
        left_out = [str(part) for part in parts if isinstance(part, Unreadable)]
        if not found:
            account.reject_row(left_out[0], account.rows_in)
            continue
        for what in left_out:
            account.leave_out(what)
        for column in _not_read(form, row):
            account.leave_out_column(column, row[column])
        account.keep()
        yield from found


def _not_read(form: Format, row: Row) -> list[str]:
    return [] if form.columns is None else [name for name in row if name not in form.columns]


def _read(form: Format, row: Row) -> Parts:
    try:
        return form.read(row)
    except BROKEN:
        raise Unreadable("not_in_this_format") from None


def _contradicted(form: Format, rows: Iterator[Row]) -> set[str]:
    """Completions that are there with different labels: whichever came first would win."""
    labels: dict[str, str] = {}
    unsure = set()
    for row in rows:
        try:
            parts = _read(form, row)
        except Unreadable:
            continue
        for part in parts:
            if not isinstance(part, Unreadable):
                said = repr((part["labels"], part.get("ratings")))
                if labels.setdefault(part["completion_id"], said) != said:
                    unsure.add(part["completion_id"])
    return unsure


def _once(part: Row | Unreadable, seen: set[str], unsure: set[str]) -> Row | Unreadable:
    if isinstance(part, Unreadable):
        return part
    name = part["completion_id"]
    if name in unsure:
        return Unreadable("contradicting_labels")
    if name in seen:
        return Unreadable("duplicate")
    seen.add(name)
    return part


def _writing(form: Format, rows: Iterable[Row], account: RowAccount) -> Iterator[Row]:
    groups = (
        (list(group) for _, group in groupby(rows, key=lambda row: row["prompt_id"]))
        if form.by_prompt
        else ([row] for row in rows)
    )
    for group in groups:
        alone = [_write(form, [row]) for row in group]
        usable = [row for row, one in zip(group, alone, strict=True) if not isinstance(one, Unreadable)]
        whole = alone[0] if len(group) == 1 else _write(form, usable)
        for one in alone:
            account.rows_in += 1
            problem = one if isinstance(one, Unreadable) else whole
            if isinstance(problem, Unreadable):
                account.reject_row(str(problem), account.rows_in)
            else:
                account.keep()
        if isinstance(whole, Unreadable) or not usable:
            continue
        for row in usable:
            for name in _not_written(form, row):
                account.leave_out_column(name, row.get(name))
        yield whole


def _not_written(form: Format, row: Row) -> Iterable[str]:
    """Of a table of attributes, every column that is not among those of the format is lost, too."""
    is_closed = form.table == "attributes" and form.columns is not None
    return [name for name in row if name not in form.schema] if is_closed else form.loses


def _write(form: Format, rows: list[Row]) -> Row | Unreadable:
    try:
        return form.write(rows)
    except Unreadable as reason:
        return reason
    except BROKEN:
        return Unreadable("not_in_this_table")


def _holds(value: Any) -> bool:
    """Does a column say anything in this row?"""
    return any(v is not None for v in value) if isinstance(value, list) else value is not None

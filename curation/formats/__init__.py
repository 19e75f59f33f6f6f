"""Row formats of other trainers, to and from the tables of `store.tables`, by name and as a stream.

    table        formats
    preference   trl-preference (four forms; OpenRLHF, NeMo-RL and others use the same columns), trl-margin,
                 helpsteer2-preference, helpsteer3
    ranking      nemo-ranked, scored-rollouts
    outcome      trl-unpaired, rollouts
    stepwise     trl-stepwise, math-shepherd, openrlhf-steps, openrlhf-steps-soft, rlhflow-steps,
                 math-aps, prm800k-positive, -negative, -drop, -class (what a neutral rating means)
    attributes   helpsteer, nemo-attributes

The tables' own names are formats too. Ids are hashes of the content, so reading the same rows twice gives the
same ids. A row that cannot be read or written is rejected by name and counted, and so is one that the format
has no way to say (a tie where every row is a choice); nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

import polars as pl

from curation.formats import (
    annotated,
    attributes,
    rankings,
    search,
    steps,
    trl,
)
from curation.formats.files import check_target, stream_rows, write_rows
from curation.formats.rows import Format, Row, Unreadable, one_row
from store.accounting import Account
from store.errors import InputError
from store.ids import content_id
from store.tables import OUTCOME, PREFERENCE, RANKING, STEPWISE, attributes_table

FORMATS: dict[str, Format] = {
    **trl.FORMATS,
    **steps.FORMATS,
    **search.FORMATS,
    **annotated.FORMATS,
    **rankings.FORMATS,
    **attributes.FORMATS,
}


def _own(table: str, schema: pl.Schema, *needed: str) -> Format:
    """Rows of the table itself, with at least the columns that are needed."""

    def read(row: Row) -> list[Row]:
        if any(row[name] in (None, []) for name in needed):
            raise Unreadable("empty_column")
        ids = {"prompt_id": row.get("prompt_id") or content_id(row["prompt"])}
        return [dict.fromkeys(schema) | row | ids]

    return Format(table, schema, read, one_row(dict))


TABLES = {
    "preference": _own("preference", PREFERENCE, "prompt", "chosen", "rejected"),
    "ranking": _own("ranking", RANKING, "prompt", "completions", "scores"),
    "outcome": _own("outcome", OUTCOME, "prompt", "completion"),
    "stepwise": _own("stepwise", STEPWISE, "prompt", "completions", "labels"),
    "attributes": _own("attributes", attributes_table([]), "prompt", "completion"),
}
FORMATS |= TABLES


def choose_format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def read_format(name: str, rows: Iterable[Row]) -> tuple[pl.DataFrame, Account]:
    """The table of rows in a format. The account counts the rows given; one may hold several of the table."""
    form, account = choose_format(name), Account(name, 0)
    return pl.DataFrame(list(_reading(form, rows, account)), schema=form.schema), account.close()


def write_format(name: str, frame: pl.DataFrame) -> tuple[list[Row], Account]:
    """Rows of a format for a table; the account counts rows of the table."""
    account = Account(name, 0)
    return list(_writing(choose_format(name), frame.iter_rows(named=True), account)), account.close()


def convert(source: Path, target: Path, read_as: str, write_as: str) -> list[Account]:
    """One file into another as a stream; the accounts of reading and of writing.

    `source` is .jsonl, .jsonl.gz, .parquet, .json or .csv; `target` .parquet for a table, .jsonl or .jsonl.gz
    for any format. InputError where no row is left, or the two formats belong to different tables."""
    reader, writer = choose_format(read_as), choose_format(write_as)
    if reader.table != writer.table or read_as == write_as:
        same = [name for name, form in FORMATS.items() if form.table == reader.table and name != read_as]
        raise InputError(f"{read_as} holds {reader.table} rows; they can be written as {', '.join(same)}")
    check_target(target, write_as in TABLES)
    accounts = [Account(f"read {read_as}", 0), Account(f"write {write_as}", 0)]
    rows = _writing(writer, _reading(reader, stream_rows(source), accounts[0]), accounts[1])
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source}: no row is left; {'; '.join(account.line() for account in accounts)}")
    write_rows(target, chain([first], rows), reader.schema)
    return [account.close() for account in accounts]


def _reading(form: Format, rows: Iterable[Row], account: Account) -> Iterator[Row]:
    seen: set[str] = set()
    for row in rows:
        account.rows_in += 1
        try:
            found = form.read(row)
        except Unreadable as reason:
            account.reject(str(reason))
            continue
        except (KeyError, TypeError, AttributeError, IndexError):
            account.reject("not_in_this_format")
            continue
        if form.distinct:
            new = {one["completion_id"]: one for one in reversed(found) if one["completion_id"] not in seen}
            seen |= set(new)
            found = list(reversed(new.values()))
        if not found:
            account.reject("duplicate")
            continue
        account.keep()
        yield from found


def _writing(form: Format, rows: Iterable[Row], account: Account) -> Iterator[Row]:
    groups = (
        (list(group) for _, group in groupby(rows, key=lambda row: row["prompt_id"]))
        if form.by_prompt
        else ([row] for row in rows)
    )
    for group in groups:
        account.rows_in += len(group)
        try:
            written = form.write(group)
        except Unreadable as reason:
            account.reject(str(reason), len(group))
            continue
        account.keep(len(group))
        yield written

"""The audit of files of any format, as a stream, and of the split that they make."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from curation.audit.auditor import NOTHING, Auditor
from curation.audit.columns import FILE_ROW
from curation.audit.raw import RawChecks
from curation.audit.reading import REJECTIONS, SIDE, Rows, parts_of, table_batches, table_of
from curation.audit.report import Report, Tally
from curation.audit.splits import Splits, split_of
from curation.audit.tokens import Tokens
from curation.formats import FORMATS, choose_format
from curation.formats.detect import detect_format
from curation.formats.rows import Format, Unreadable
from curation.formats.tables import TABLES
from store.errors import InputError
from store.inputs import stream_rows

SAMPLE_ROWS = 100  # rows by which the format is found
UNREAD = 0.1  # share of rows that say nothing, from which on the file is not the format's
COLUMNS_NAMED = 12

Row = dict[str, Any]


def audit_files(
    paths: Sequence[Path], read_as: str | None = None, tokens: Tokens | None = None
) -> list[Report]:
    """A report of each file, and of the prompts on both sides of a split: some files are named train and
    others test, or the rows have a column `split`.

    A file that is damaged, or that no format reads, is an error in its report; InputError where there is no
    other."""
    splits = Splits()
    reports: list[Report] = []
    refused: list[InputError] = []
    for path in paths:
        try:
            reports.append(_audit_file(path, read_as, tokens, splits))
        except InputError as error:
            refused.append(error)
            tally = Tally()
            tally.add("unreadable_file", 1, 1, [(path.name, str(error))])
            reports.append(Report(str(path), "", "", 0, 0, tally.close(), {}))
    if len(refused) == len(paths):
        raise refused[0]
    tally = Tally()
    splits.close(tally)
    if found := tally.close():
        reports.append(Report("train and test", "", "", 0, 0, found, {}))
    return reports


def _audit_file(path: Path, read_as: str | None, tokens: Tokens | None, splits: Splits) -> Report:
    """Where the format is not given and one that fits the first rows does not fit later ones, the next one
    that does is tried."""
    names = [read_as] if read_as else _detect(path)
    while True:
        name, *others = names
        prompts = Splits()
        report, rows = _audit_as(path, name, tokens, prompts)
        names = [other for other in others if _reads_most(FORMATS[other], rows.examples)]
        if not names or rows.unread <= UNREAD * rows.n:
            break
    splits.merge(prompts)
    same = FORMATS[name].read  # of formats that differ only in what they write
    report.also_fits = tuple(other for other in others if rows.unread and FORMATS[other].read is not same)
    return report


def _audit_as(path: Path, name: str, tokens: Tokens | None, splits: Splits) -> tuple[Report, Rows]:
    form, side = choose_format(name), split_of(path.stem) or split_of(path.parent.name)
    auditor = Auditor(form.table, str(path), NOTHING, tokens, given_ids=name in TABLES)
    raw = RawChecks(auditor.tally, checked_ids=form.schema if name in TABLES else ())
    is_table = table_of(path) == name
    rows = Rows(path, form, raw, auditor.tally)
    for batch in table_batches(path, form.schema) if is_table else rows:
        auditor.add(batch)
        for (said,), part in batch.group_by(SIDE, maintain_order=True):
            if said or side:
                splits.add(str(said or side), path.name, part["prompt"], part[FILE_ROW])
    n = auditor.read if is_table else rows.n
    raw.close(auditor.facts, n)
    if rows.strange > UNREAD * n:
        where = ("whole set", f"{rows.strange:,} rows are not read as {name}")
        auditor.tally.add("unread_file", rows.strange, n, [where])
    for check in {*REJECTIONS.values(), "unreadable_row"}:
        auditor.tally.raise_out_of(check, n)
    return auditor.close(name, n), rows


def _detect(path: Path) -> list[str]:
    rows = list(islice(stream_rows(path), SAMPLE_ROWS))
    if not rows:
        raise InputError(f"{path}: no rows in this file")
    if table := table_of(path):
        return [table]
    names = detect_format(rows)
    if not names:
        columns = dict.fromkeys(str(name) for row in rows if isinstance(row, dict) for name in row)
        has = ", ".join(repr(name[:40]) for name in islice(columns, COLUMNS_NAMED)) or "none"
        raise InputError(
            f"{path}: no format has rows like these (columns: {has}); name one (--from {', '.join(FORMATS)})"
        )
    # A format whose shape the rows have, but that can read next to none of them, is not theirs.
    first = next((i for i, name in enumerate(names) if _reads_most(FORMATS[name], rows)), 0)
    return names[first:]


def _reads_most(form: Format, rows: list[Row]) -> bool:
    readable = sum(any(not isinstance(part, Unreadable) for part in parts_of(form, row)) for row in rows)
    return bool(rows) and 2 * readable >= len(rows)

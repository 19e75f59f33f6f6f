"""The audit of files of any format, as a stream: a row that the format's reader rejects is a finding, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from curation.audit.auditor import NOTHING, Auditor
from curation.audit.columns import FILE_ROW
from curation.audit.raw import RawChecks
from curation.audit.report import Report, Tally
from curation.audit.splits import Splits, split_of
from curation.audit.tokens import Tokens
from curation.formats import BROKEN, FORMATS, choose_format
from curation.formats.detect import detect_format
from curation.formats.rows import Format, Parts, Unreadable
from curation.formats.tables import TABLES
from store.errors import InputError
from store.inputs import stream_rows

BATCH_ROWS = 4096  # rows held at a time
SAMPLE_ROWS = 100  # rows by which the format is found

# Reasons for which a reader rejects a row, and the defect that they are. Others are `unreadable_row`.
REJECTIONS = {
    "same_completion_twice": "same_text",
    "empty_completion": "empty_text",
    "empty_step": "empty_text",
    "empty_text": "empty_text",
    "contradicting_labels": "labelled_both_ways",
    "same_completion_with_two_scores": "labelled_both_ways",
    "prefix_with_two_values": "prefix_labelled_both_ways",
    "labels_differ_from_steps": "lengths_differ",
    "values_differ_from_tags": "lengths_differ",
    "rewards_differ_from_completions": "lengths_differ",
    "scores_differ_from_completions": "lengths_differ",
    "labels_differ_from_completions": "lengths_differ",
    "values_differ_from_completions": "lengths_differ",
    "confidences_differ_from_completions": "lengths_differ",
    "ratings_differ_from_completions": "lengths_differ",
    "label_differs_from_input": "labels_beside_steps",
    "text_after_last_tag": "labels_beside_steps",
    "text_holds_the_marks_of_the_format": "step_marks_in_text",
    "no_step_tag": "label_missing",
    "turn_without_a_mark": "label_missing",
    "label_neither_true_nor_false": "label_missing",
    "no_label": "label_missing",
    "prompt_differs_from_conversation": "prompt_mismatch",
    "value_is_no_probability": "value_out_of_range",
    "text_is_no_unicode": "broken_unicode",
    "duplicate": "duplicate_row",
}

Row = dict[str, Any]


def audit_files(
    paths: Sequence[Path], read_as: str | None = None, tokens: Tokens | None = None
) -> list[Report]:
    """A report of each file, and where some are named train and others test, of the prompts that they share.

    InputError where a file is damaged, or no format reads it."""
    splits = Splits()
    reports = [_audit_file(path, read_as, tokens, splits) for path in paths]
    tally = Tally()
    splits.close(tally)
    if found := tally.close():
        reports.append(Report("train and test", "", "", 0, 0, found, {}))
    return reports


def _audit_file(path: Path, read_as: str | None, tokens: Tokens | None, splits: Splits) -> Report:
    name = read_as or _detect(path)
    form, side = choose_format(name), split_of(path.stem) or split_of(path.parent.name)
    auditor = Auditor(form.table, str(path), NOTHING, tokens, given_ids=name in TABLES)
    raw = RawChecks(auditor.tally)
    batches = _table_batches(path, name, form)
    rows = _Rows(path, form, raw, auditor.tally)
    for batch in rows if batches is None else batches:
        auditor.add(batch)
        if side:
            prompts = batch["prompt"].list.eval(pl.element().struct.field("content")).list.join("\n")
            splits.add(side, path.name, prompts, batch[FILE_ROW])
    n = rows.n if batches is None else auditor.read
    raw.close(auditor.facts, n)
    auditor.tally.add("unreadable_row", 0, auditor.read)
    return auditor.close(name, n)


class _Rows:
    """Batches of table rows that the rows of a file hold; `n` rows were read so far."""

    def __init__(self, path: Path, form: Format, raw: RawChecks, tally: Tally) -> None:
        self.path, self.form, self.raw, self.tally = path, form, raw, tally
        self.n = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        schema = pl.Schema({**self.form.schema, FILE_ROW: pl.UInt32()})
        rows = stream_rows(self.path)
        while batch := list(islice(rows, BATCH_ROWS)):
            found = [one | {FILE_ROW: number} for number, one in self._read(batch)]
            if found:
                yield pl.DataFrame(found, schema=schema)

    def _read(self, batch: list[Row]) -> Iterator[tuple[int, Row]]:
        for row in batch:
            self.n += 1
            seen = self.raw.add(row, self.n) if isinstance(row, dict) else set()
            for part in _parts(self.form, row):
                if isinstance(part, Unreadable):
                    check = REJECTIONS.get(str(part), "unreadable_row")
                    if check not in seen:
                        self.tally.add(check, 1, 1, [(f"row {self.n}", str(part))])
                else:
                    yield self.n, part


def _parts(form: Format, row: Any) -> Parts:
    try:
        return form.read(row)
    except Unreadable as reason:
        return [reason]
    except BROKEN:
        return [Unreadable("not_in_this_format")]


def _table_batches(path: Path, name: str, form: Format) -> Iterator[pl.DataFrame] | None:
    """Batches of a Parquet file that is a table of the store already; None where it is not."""
    if name not in TABLES or path.suffix != ".parquet" or name == "attributes":
        return None
    if pl.read_parquet_schema(path) != dict(form.schema):
        return None
    return _batches(path, form.schema)


def _batches(path: Path, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    n = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            frame = pl.DataFrame(pl.from_arrow(batch)).cast(schema)
            numbers = pl.int_range(n + 1, n + frame.height + 1, dtype=pl.UInt32, eager=True)
            yield frame.with_columns(numbers.alias(FILE_ROW))
            n += frame.height


def _detect(path: Path) -> str:
    rows = list(islice(stream_rows(path), SAMPLE_ROWS))
    names = detect_format(rows)
    if not names:
        raise InputError(f"{path}: no format has rows like these; name one (--from {', '.join(FORMATS)})")
    # A format whose shape the rows have, but that can read next to none of them, is not theirs.
    return next((name for name in names if 2 * _n_readable(FORMATS[name], rows) >= len(rows)), names[0])


def _n_readable(form: Format, rows: list[Row]) -> int:
    return sum(any(not isinstance(part, Unreadable) for part in _parts(form, row)) for row in rows)

"""Files as batches of table rows; a row that the format's reader rejects is a finding, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.audit.columns import FILE_ROW
from curation.audit.raw import RawChecks
from curation.audit.report import Tally
from curation.audit.splits import split_of
from curation.formats import BROKEN
from curation.formats.annotated import SCREENING, UNFINISHED
from curation.formats.rows import Format, Parts, Unreadable
from curation.formats.tables import TABLES
from store.errors import InputError
from store.inputs import stream_rows

Row = dict[str, Any]

BATCH_ROWS = 4096  # rows held at a time
BATCH_BYTES = 1 << 24  # a batch of long texts ends before it has BATCH_ROWS rows
KEPT = 100  # unread rows that are kept, to try them in other formats
SIDE = "file_side"  # train or test, as the row's column `split` says; null where it says neither

# Reasons for which a reader rejects a row, and the defect that they are. Others are `unreadable_row`.
REJECTIONS = {
    "same_completion_twice": "same_text",
    "empty_completion": "empty_text",
    "empty_step": "empty_text",
    "empty_text": "empty_text",
    "no_prompt": "no_prompt",
    "contradicting_labels": "labelled_both_ways",
    "same_completion_with_two_scores": "labelled_both_ways",
    "prefix_with_two_values": "prefix_labelled_both_ways",
    "labels_differ_from_steps": "lengths_differ",
    "values_differ_from_tags": "lengths_differ",
    "rewards_differ_from_completions": "lengths_differ",
    "scores_differ_from_completions": "lengths_differ",
    "counts_differ_from_completions": "lengths_differ",
    "completion_ids_differ_from_completions": "lengths_differ",
    "labels_differ_from_completions": "lengths_differ",
    "values_differ_from_completions": "lengths_differ",
    "confidences_differ_from_completions": "lengths_differ",
    "ratings_differ_from_completions": "lengths_differ",
    "label_differs_from_input": "labels_beside_steps",
    "label_is_no_step": "labels_beside_steps",
    "text_after_last_tag": "labels_beside_steps",
    "text_holds_the_marks_of_the_format": "step_marks_in_text",
    "no_step_tag": "label_missing",
    "turn_without_a_mark": "label_missing",
    "label_neither_true_nor_false": "label_missing",
    "no_label": "label_missing",
    "prompt_differs_from_conversation": "prompt_mismatch",
    "margin_is_no_number": "margin_against_choice",
    "rating_out_of_range": "rating_out_of_range",
    "rating_is_no_number": "rating_out_of_range",
    "strength_out_of_range": "rating_out_of_range",
    "strength_is_no_number": "rating_out_of_range",
    "score_is_no_number": "score_missing",
    "reward_is_no_number": "score_missing",
    "value_is_no_probability": "value_out_of_range",
    "value_is_no_number": "value_out_of_range",
    "fewer_than_two_completions": "too_few_completions",
    "text_is_no_unicode": "broken_unicode",
    "duplicate": "duplicate_row",
}
# Rows that PRM800K publishes without a label, on purpose.
UNLABELLED = {*UNFINISHED, *SCREENING}
# What is wrong with a whole row: the reader's own word for it would be the same finding again.
_WHOLE_ROW = {"same_text", "prompt_mismatch", "lengths_differ"}


class Rows:
    """Batches of table rows that the rows of a file hold. `n` rows were read so far, `unread` of them gave
    nothing; `strange` of these had no defect that a check knows."""

    def __init__(self, path: Path, form: Format, raw: RawChecks, tally: Tally) -> None:
        self.path, self.form, self.raw, self.tally = path, form, raw, tally
        self.n = self.unread = self.strange = 0
        self.examples: list[Row] = []  # the first unread rows

    def __iter__(self) -> Iterator[pl.DataFrame]:
        schema = pl.Schema({**self.form.schema, FILE_ROW: pl.UInt32(), SIDE: pl.String()})
        found: list[Row] = []
        letters = 0
        for row in stream_rows(self.path):
            self.n += 1
            found += self._read(row)
            letters += n_letters(row)
            if self.n % BATCH_ROWS == 0 or letters >= BATCH_BYTES:
                if found:
                    yield pl.DataFrame(found, schema=schema)
                found, letters = [], 0
        if found:
            yield pl.DataFrame(found, schema=schema)

    def _read(self, row: Any) -> list[Row]:
        seen = self.raw.add(row, self.n) if isinstance(row, dict) else set()
        found: list[Row] = []
        reasons: set[str] = set()
        for part in parts_of(self.form, row):
            if not isinstance(part, Unreadable):
                side = row.get("split")
                side = split_of(side) if isinstance(side, str) else None
                found.append(part | {FILE_ROW: self.n, SIDE: side})
                continue
            check = REJECTIONS.get(str(part), "unreadable_row")
            if check not in seen and not (check == "unreadable_row" and seen & _WHOLE_ROW):
                self.tally.add(check, 1, 1, [(f"row {self.n}", str(part))])
            reasons |= {str(part) if str(part) in UNLABELLED else check, *seen}
        if found:
            self.raw.keep_ids(row, self.n, found[0]["prompt"])
        else:
            self.unread += 1
            self.strange += reasons <= {"unreadable_row"}
            if len(self.examples) < KEPT:
                self.examples.append(row)
        return found


def parts_of(form: Format, row: Any) -> Parts:
    try:
        return form.read(row)
    except Unreadable as reason:
        return [reason]
    except BROKEN:
        return [Unreadable("not_in_this_format")]


def n_letters(value: Any) -> int:
    """Characters in all texts of a row."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(n_letters, value.values()))
    return sum(map(n_letters, value)) if isinstance(value, list) else 0


def table_of(path: Path) -> str | None:
    """The table of the store that a Parquet file is already, whatever is in its rows."""
    if not path.name.lower().endswith(".parquet"):
        return None
    with _readable(path):
        schema = pl.read_parquet_schema(path)
    return next((name for name, form in TABLES.items() if schema == dict(form.schema)), None)


def table_batches(path: Path, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """Batches of a Parquet file of that schema; its rows never become Python objects."""
    n = 0
    with _readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        longest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
        for batch in file.iter_batches(max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(longest, 1))))):
            frame = pl.DataFrame(pl.from_arrow(batch)).cast(schema)
            numbers = pl.int_range(n + 1, n + frame.height + 1, dtype=pl.UInt32, eager=True)
            yield frame.with_columns(numbers.alias(FILE_ROW), pl.lit(None, pl.String).alias(SIDE))
            n += frame.height


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pl.exceptions.ComputeError, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error

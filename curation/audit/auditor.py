"""The audit of one set: every check that its table has, batch by batch."""

from __future__ import annotations

from typing import Any

import polars as pl

from curation.audit.across import Across
from curation.audit.alignment import Alignment
from curation.audit.biases import Lengths, Position
from curation.audit.columns import FILE_ROW, TEXTS, derived
from curation.audit.joins import Joins, Sources
from curation.audit.report import EXAMPLES, Report, Tally
from curation.audit.rows import NO_PROMPT, RATED, ROW_CHECKS, RowCheck
from curation.audit.texts import TEXT_CHECKS
from curation.audit.tokens import Tokens, check_tokens

NOTHING = Sources()


class Auditor:
    """`table` is preference, ranking, outcome, stepwise or attributes; `given_ids`: the ids in it are the
    set's own. Batches may have a column `file_row` with the number of the row in the file."""

    def __init__(
        self,
        table: str,
        name: str,
        sources: Sources = NOTHING,
        tokens: Tokens | None = None,
        given_ids: bool = True,
        examples: int | None = EXAMPLES,
    ) -> None:
        self.table, self.name, self.tokens = table, name, tokens
        self.tally = Tally(examples)
        self.facts: dict[str, Any] = {}
        self.read = 0
        self._across = Across(table, given_ids)
        self._alignment = Alignment(TEXTS[table]) if TEXTS[table] else None
        self._joins = Joins(table, sources)
        self._position, self._lengths = Position(), Lengths(table)
        self._values = self._between = self._labels = self._positive = 0

    def add(self, frame: pl.DataFrame) -> None:
        self.read += frame.height
        frame = derived(self.table, frame)
        frame = frame.with_columns(at=pl.col(FILE_ROW) if FILE_ROW in frame.columns else pl.col("place"))
        rated = self.table == "stepwise" and "ratings" in frame.columns
        checks = RATED if rated else ROW_CHECKS[self.table]
        self._check_rows(frame, (NO_PROMPT, *checks, *TEXT_CHECKS))
        self._joins.add(frame, self.tally)
        self._across.add(frame)
        if self._alignment:
            self._alignment.add(frame)
        self._position.add(*self._joins.seats(frame))
        self._lengths.add(frame)
        self._count(frame)
        if self.tokens:
            check_tokens(self.table, frame, self.tokens, self.tally)

    def close(self, read_as: str = "", rows: int | None = None) -> Report:
        """`rows`: of the file, where it is not the number of table rows."""
        self._across.close(self.tally)
        if self._alignment:
            self._alignment.close(self.tally)
        self._position.close(self.tally, self.facts)
        self._lengths.close(self.tally, self.facts)
        if self._labels:
            self.facts["labels"] = {"n": self._labels, "positive": self._positive}
        if self._values and not self._between:
            place = ("whole set", "no value between")
            self.tally.add("one_rollout_values", self._values, self._values, [place])
        rows = self.read if rows is None else rows
        return Report(
            self.name, self.table, read_as or self.table, rows, self.read, self.tally.close(), self.facts
        )

    def _check_rows(self, frame: pl.DataFrame, checks: tuple[RowCheck, ...]) -> None:
        flags = frame.select(**{str(i): one.bad.fill_null(False) for i, one in enumerate(checks)})
        for i, one in enumerate(checks):
            bad = flags[str(i)]
            n, out_of = int(bad.sum()), frame.height
            if one.amount is not None and one.out_of is not None:
                n, out_of = (int(frame.select(x.sum()).item() or 0) for x in (one.amount, one.out_of))
            shown = frame.filter(bad).head(min(self.tally.room(one.check), n)) if n else frame.clear()
            self.tally.add(one.check, n, out_of, shown.select("place", one.detail.alias("detail")).rows())

    def _count(self, frame: pl.DataFrame) -> None:
        if self.table == "stepwise":
            values = frame["values"].list.explode(empty_as_null=False, keep_nulls=False).drop_nulls()
            self._values += len(values)
            self._between += int(((values > 0) & (values < 1)).sum())
            labels = frame["labels"].list.explode(empty_as_null=False, keep_nulls=False)
        elif self.table == "outcome":
            labels = frame["label"]
        else:
            return
        self._labels += len(labels) - labels.null_count()
        self._positive += int(labels.sum() or 0)

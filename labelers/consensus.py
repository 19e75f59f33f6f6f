"""Solutions on whose first wrong step independent labelers agree (the filter of "Lessons", arXiv 2501.07301).

Rollouts estimate solvability, a judge reads the argument, another completer has other blind spots. Each errs
in its own way, so where all name the same first wrong step, or all name none, the label is far more often
right. What that costs is reported beside it: the share of solutions kept, and how much rarer mistakes are
among them, since two labelers agree more easily that nothing is wrong than where.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from labelers.rollouts.labels import first_errors

NONE = -1  # a first error of no step


class Agreement(NamedTuple):
    kept: list[str]  # completion ids, sorted
    report: dict[str, Any]


def agree(steps: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> Agreement:
    """The solutions of STEPS for which every other labeler finds the first error that their labels show.

    `others` maps a labeler's name to (completion_id, first_error): a step index, -1 for none, null for
    unknown; a solution without a row is unknown to it. The report counts {solutions, kept, retention,
    dropped by reason, with_error and positive_steps before and after, agreement by labeler}. Shares are null
    where nothing was counted; "before" is all solutions whose own labels are decided.
    """
    own = first_errors(steps).sort("completion_id")
    table = own
    for name, found in others.items():
        table = table.join(
            found.select("completion_id", pl.col("first_error").alias(_column(name))),
            on="completion_id",
            how="left",
            validate="1:1",
            maintain_order="left",
        )
    table = table.with_columns(reason=_reason(list(others)))
    kept = table.filter(pl.col("reason").is_null())["completion_id"].to_list()
    dropped = table.drop_nulls("reason").group_by("reason").len().sort("reason")
    decided = own.drop_nulls("first_error")
    report = {
        "solutions": own.height,
        "kept": len(kept),
        "retention": _share(len(kept), own.height),
        "dropped": dict(dropped.iter_rows()),
        "with_error": _before_after(_with_error, decided, kept),
        "positive_steps": _before_after(_positive, steps.join(decided, on="completion_id"), kept),
        "agreement": {name: _agreement(table, name) for name in others},
    }
    return Agreement(kept, report)


def _reason(others: list[str]) -> pl.Expr:
    """Why a solution is dropped, null where it is not; the first labeler that speaks against it is named."""
    own = pl.col("first_error")
    reasons = [pl.when(own.is_null()).then(pl.lit("undecided"))]
    for name in others:
        other = pl.col(_column(name))
        one_none = (own == NONE) != (other == NONE)
        reasons += [
            pl.when(other.is_null()).then(pl.lit(f"unknown: {name}")),
            pl.when(one_none).then(pl.lit(f"error or none: {name}")),
            pl.when(own != other).then(pl.lit(f"other step: {name}")),
        ]
    return pl.coalesce(reasons)


def _agreement(table: pl.DataFrame, name: str) -> float | None:
    both = table.drop_nulls(["first_error", _column(name)])
    return _share((both["first_error"] == both[_column(name)]).sum(), both.height)


def _column(name: str) -> str:
    """Of a labeler's answers; the prefix keeps any name apart from the table's own columns."""
    return f"by {name}"


def _with_error(solutions: pl.DataFrame) -> float | None:
    return _share((solutions["first_error"] != NONE).sum(), solutions.height)


def _positive(steps: pl.DataFrame) -> float | None:
    labels = steps["label"].drop_nulls()
    return _share(labels.sum(), labels.len())


def _before_after(share: Any, table: pl.DataFrame, kept: list[str]) -> dict[str, float | None]:
    return {"before": share(table), "after": share(table.filter(pl.col("completion_id").is_in(kept)))}


def _share(part: Any, whole: int) -> float | None:
    return part / whole if whole else None

"""Checks in order: a row is refused under the name of the first one that it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl


class Check(NamedTuple):
    reason: str
    fails: pl.Series  # Boolean, one value a row; null: nothing is known that speaks against the row


def first_failures(checks: Sequence[Check], n_rows: int) -> pl.Series:
    """(n_rows,) the reason of the first check that a row fails; null where it passes all."""
    reasons = pl.Series("reason", [None] * n_rows, dtype=pl.String)
    for reason, fails in checks:
        refused = fails.fill_null(False) & reasons.is_null()
        reasons = reasons.zip_with(~refused, pl.Series([reason]).new_from_index(0, n_rows))
    return reasons


def funnel(reasons: pl.Series, order: Sequence[str]) -> list[dict[str, Any]]:
    """What each filter refused and what it left, in the order in which they were applied, for reports."""
    counts = dict(reasons.drop_nulls().value_counts().iter_rows())
    left, found = len(reasons), []
    for reason in order:
        left -= counts.get(reason, 0)
        found.append({"filter": reason, "rejected": counts.get(reason, 0), "left": left})
    return found

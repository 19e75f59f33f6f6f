"""Which row formats a file may be in, told from its first rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from curation.formats import BROKEN, FORMATS
from curation.formats.rows import Format, Row, Unreadable

SAMPLE = 100  # rows that are looked at


class Fit(NamedTuple):
    """How well rows fit a format; the smaller, the better."""

    strange: int  # rows of another shape
    useless: bool  # it can read none of the rows
    ignored: int  # columns that the format does not look at, over all rows
    rejected: int  # rows and parts of rows that have the shape but cannot be read


def detect_format(rows: Iterable[Row]) -> list[str]:
    """The formats that most of the first rows have the shape of, best first; empty where there is none.

    A row whose label or text cannot be read still has the shape of its format. Of formats that fit all rows
    alike, those come first that can read any of them, then the one that looks at more of their columns, then
    the one that can read more of them.
    Rows do not say what everything in them means: PRM800K fits four formats, a list of 0 and 1 is labels and
    scores."""
    sample = list(islice(rows, SAMPLE))
    fits = {name: _fit(form, sample) for name, form in FORMATS.items()}
    fewest = min(fit.strange for fit in fits.values())
    if 2 * fewest >= len(sample):
        return []
    return sorted((name for name, fit in fits.items() if fit.strange == fewest), key=fits.__getitem__)


def _fit(form: Format, rows: list[Row]) -> Fit:
    strange = ignored = rejected = 0
    for row in rows:
        try:
            parts = form.read(row)
        except BROKEN:
            strange += 1
            continue
        except Unreadable as reason:
            other = str(reason) == "not_in_this_format"
            strange, rejected = strange + other, rejected + (not other)
        else:
            rejected += any(isinstance(part, Unreadable) for part in parts)
        ignored += sum(not _looks_at(form, column, value) for column, value in row.items())
    return Fit(strange, strange + rejected == len(rows), ignored, rejected)


def _looks_at(form: Format, column: str, value: Any) -> bool:
    """In a table of attributes, any number is one."""
    if form.columns is not None:
        return column in form.columns
    return column in form.schema or (isinstance(value, int | float) and not isinstance(value, bool))

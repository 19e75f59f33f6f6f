"""Which row formats a file may be in, told from its first rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from curation.formats import BROKEN, FORMATS
from curation.formats.rows import Format, Row, Unreadable
from curation.formats.tables import TABLES
from store.errors import InputError
from store.inputs import stream_rows

SAMPLE = 100  # rows that are looked at
FEW = 0.1  # of the rows may be damaged before this speaks against a format


def only_format(path: Path) -> str:
    """The format that a file's rows are in. InputError where there is none, or several of other meaning."""
    names = detect_format(stream_rows(path))
    if not names:
        raise InputError(f"{path}: no format has rows like these; name it with --from")
    if len({FORMATS[name].read for name in names}) > 1:
        raise InputError(f"{path}: the rows could be {', '.join(names)}; name the right one with --from")
    return names[0]


class Fit(NamedTuple):
    """How well rows fit a format; the smaller, the better."""

    strange: int  # rows of another shape
    useless: bool  # it can read none of the rows
    ignored: int  # columns that the format does not look at, over all rows
    strict: bool  # it rejects more than a few of the rows, or parts of them, that have the shape


def detect_format(rows: Iterable[Row]) -> list[str]:
    """The formats that most of the first rows have the shape of, best first; empty where there is none.

    A row whose label or text cannot be read still has the shape of its format. Of formats that fit all rows
    alike, those come first that can read any of them, then the one that looks at more of their columns; a few
    damaged rows change nothing. A table of ours is among them only where it looks at a column that no other
    format looks at: it accepts what others reject, which would hide the damage.
    Rows do not say what everything in them means: PRM800K fits four formats, a list of 0 and 1 is labels and
    scores."""
    sample = list(islice(rows, SAMPLE))
    fits = {name: _fit(form, sample) for name, form in FORMATS.items()}
    fewest = min(fit.strange for fit in fits.values())
    if 2 * fewest >= len(sample):
        return []
    fitting = [name for name, fit in fits.items() if fit.strange == fewest]
    seen = {name: _columns(FORMATS[name], sample) for name in fitting}
    others = [seen[name] for name in fitting if name not in TABLES]
    own = [name for name in fitting if name not in TABLES or not any(seen[name] <= other for other in others)]
    return sorted(own, key=fits.__getitem__)


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
    return Fit(strange, strange + rejected == len(rows), ignored, rejected > FEW * len(rows))


def _columns(form: Format, rows: list[Row]) -> set[str]:
    """Those that the format looks at."""
    objects = (row for row in rows if isinstance(row, dict))
    return {name for row in objects for name, value in row.items() if _looks_at(form, name, value)}


def _looks_at(form: Format, column: str, value: Any) -> bool:
    """In a table of attributes, any number is one."""
    if form.columns is not None:
        return column in form.columns
    return column in form.schema or (isinstance(value, int | float) and not isinstance(value, bool))

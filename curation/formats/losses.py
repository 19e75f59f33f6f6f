"""What does not survive a row format, for people who choose one."""

from __future__ import annotations

from typing import NamedTuple

from curation.formats import FORMATS, TABLES
from curation.formats.rows import Format


class Losses(NamedTuple):
    """All of it is counted when files are converted, except what comes back changed."""

    name: str
    table: str
    unread: tuple[str, ...]  # columns of published rows that the table has no place for
    unwritten: tuple[str, ...]  # columns of the table that the format has no place for
    altered: str  # what is changed when written rows are read again
    refused: tuple[str, ...]  # reasons for which a row of the table is not written


def losses() -> list[Losses]:
    """Of every format but the tables themselves, which hold whatever they hold."""
    return [_losses(name, form) for name, form in FORMATS.items() if name not in TABLES]


def _losses(name: str, form: Format) -> Losses:
    others = ("attributes of other names",) if form.table == "attributes" else ()
    return Losses(name, form.table, form.unread, form.loses + others, form.alters, form.refuses)

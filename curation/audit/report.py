"""What an audit found: counts by check, the first places of each, and facts about the whole set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from curation.audit.catalogue import CHECKS, SEVERITIES, Severity

EXAMPLES = 5  # places named for each check


def place(at: Any) -> str:
    """What names a row: its ids, or its number in the file."""
    return at if isinstance(at, str) else f"row {at}"


def _valid(text: str) -> str:
    """Text of a set may hold halves of characters, which no file in UTF-8 can."""
    return text.encode("utf-8", "backslashreplace").decode()


class Finding(NamedTuple):
    dataset: str
    check: str
    where: str  # the row of a file, or ids
    detail: str
    severity: Severity = "error"


@dataclass
class Found:
    """One check: how often, out of how many, and where first."""

    check: str
    count: int = 0
    out_of: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)  # (where, detail)

    @property
    def severity(self) -> Severity:
        return CHECKS[self.check].severity

    @property
    def share(self) -> float:
        return self.count / self.out_of if self.out_of else 0.0

    def to_dict(self) -> dict[str, Any]:
        about = CHECKS[self.check]
        return {
            "check": self.check,
            "severity": about.severity,
            "count": self.count,
            "of": about.of,
            "out_of": self.out_of,
            "share": round(self.share, 6),
            "says": about.says,
            "fix": about.fix,
            "first": [{"where": _valid(where), "detail": _valid(detail)} for where, detail in self.first],
        }


@dataclass
class Report:
    """Of one set. `rows` as they stand in the file, `read` those of the table that they hold."""

    name: str
    table: str
    read_as: str
    rows: int
    read: int
    found: list[Found]
    facts: dict[str, Any]
    also_fits: tuple[str, ...] = ()  # other formats of rows like these, best first

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.found)

    def findings(self) -> list[Finding]:
        """Every place that was kept, the heaviest checks first."""
        return [Finding(self.name, f.check, *place, f.severity) for f in self.found for place in f.first]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "table": self.table,
            "format": self.read_as,
            "other_formats": list(self.also_fits),
            "rows": self.rows,
            "rows_read": self.read,
            "findings": [one.to_dict() for one in self.found],
            "facts": self.facts,
        }


class Tally:
    """Counts findings; keeps the first `examples` places of each check (None: all)."""

    def __init__(self, examples: int | None = EXAMPLES) -> None:
        self.examples = examples
        self._found: dict[str, Found] = {}

    def add(self, check: str, count: int, out_of: int, places: Iterable[tuple[str, str]] = ()) -> None:
        """`out_of` of all calls add up, so it must be given where nothing was found, too."""
        found = self._found.setdefault(check, Found(check))
        found.count += count
        found.out_of += out_of
        room = self.room(check)
        found.first += [place for place, _ in zip(places, range(room), strict=False)]

    def raise_out_of(self, check: str, out_of: int) -> None:
        """What was found, if anything, is out of at least so many."""
        if check in self._found:
            self._found[check].out_of = max(self._found[check].out_of, out_of)

    def room(self, check: str) -> int:
        """How many more places of this check are kept."""
        if self.examples is None:
            return 2**31
        return max(0, self.examples - len(self._found.get(check, Found(check)).first))

    def close(self) -> list[Found]:
        """The checks that found something: errors first, then the commonest."""
        found = [one for one in self._found.values() if one.count]
        return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.count, one.check))

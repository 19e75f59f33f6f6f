"""Three-valued decisions and how they combine."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from verifiers.policy import LimitExceeded

Method = Literal["rational", "algebraic", "numeric", "string"]
Decision = tuple[bool | None, Method]

_WEAKEST_LAST: tuple[Method, ...] = ("string", "rational", "algebraic", "numeric")


class NeedsAlgebra(Exception):
    """Only a computer algebra system, or more work than is done outside a killable process, can decide."""


class Account(threading.local):
    """The work that may still be spent on one pair of answers, in bits of precision times nodes."""

    left: float = math.inf

    def open(self, limit: float) -> None:
        self.left = limit

    def spend(self, amount: float) -> None:
        """Raises NeedsAlgebra when nothing is left."""
        self.left -= amount
        if self.left < 0:
            raise NeedsAlgebra


account = Account()


def assign(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether every row can get a column of its own that fits it."""
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(fits)))


def every(questions: Iterable[Callable[[], Decision]]) -> Decision:
    """All hold; one that fails decides, whatever the others cost.

    Raises NeedsAlgebra or LimitExceeded only when no question fails.
    """
    return _until(False, questions)


def some(questions: Iterable[Callable[[], Decision]]) -> Decision:
    """At least one holds. Raises NeedsAlgebra or LimitExceeded only when none holds."""
    return _until(True, questions)


def _until(decisive: bool, questions: Iterable[Callable[[], Decision]]) -> Decision:
    """`decisive` when one question says so; its opposite when all are decided and none does."""
    method: Method = "string"
    known = True
    postponed: Exception | None = None
    for question in questions:
        try:
            same, how = question()
        except (NeedsAlgebra, LimitExceeded) as error:
            postponed = error
            continue
        if same is decisive:
            return decisive, how
        known = known and same is not None
        method = max(method, how, key=_WEAKEST_LAST.index)
    if postponed:
        raise postponed
    return (not decisive if known else None), method

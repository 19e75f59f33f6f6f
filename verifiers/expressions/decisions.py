"""Three-valued decisions and how they combine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from verifiers.policy import LimitExceeded

Method = Literal["rational", "algebraic", "numeric", "string"]
Decision = tuple[bool | None, Method]

_WEAKEST_LAST: tuple[Method, ...] = ("string", "rational", "algebraic", "numeric")


class NeedsAlgebra(Exception):
    """Only a computer algebra system can decide this pair."""


def every(questions: Iterable[Callable[[], Decision]]) -> Decision:
    """All hold; one that fails decides, whatever the others cost.

    Raises NeedsAlgebra or LimitExceeded only when no question fails.
    """
    method: Method = "string"
    known = True
    postponed: Exception | None = None
    for question in questions:
        try:
            same, how = question()
        except (NeedsAlgebra, LimitExceeded) as error:
            postponed = error
            continue
        if same is False:
            return False, how
        known = known and same is True
        method = max(method, how, key=_WEAKEST_LAST.index)
    if postponed:
        raise postponed
    return (True if known else None), method


def some(questions: Iterable[Callable[[], Decision]]) -> Decision:
    """At least one holds. Raises NeedsAlgebra or LimitExceeded only when none holds."""
    method: Method = "string"
    known = True
    postponed: Exception | None = None
    for question in questions:
        try:
            same, how = question()
        except (NeedsAlgebra, LimitExceeded) as error:
            postponed = error
            continue
        if same:
            return True, how
        known = known and same is False
        method = max(method, how, key=_WEAKEST_LAST.index)
    if postponed:
        raise postponed
    return (False if known else None), method

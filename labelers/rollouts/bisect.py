"""Binary search for the first step that nobody gets home from (OmegaPRM, arXiv 2406.06592, section 3.2).

A wrong solution's first error lies between a prefix with a right rollout (at first the prompt) and one
without (at first the solution itself). Each probe halves what is between them, with at most N rollouts and
none after the first success, so T steps cost about log2(T) probes instead of T - 1. Where the middle takes no
rollouts, or they decide nothing, the prefix nearest to it is probed instead.

Only probed prefixes are known; the steps before a success are proven by it (method "witness"), those behind
the first negative are labelled False without a draw (method "after-error"). Where a policy often repairs its
errors the search trusts single successes far behind the error, and its labels are worse than `exhaustive`'s.
`tree` collects labelled prefixes with the same search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelers.rollouts.exhaustive import DEFAULT_ROLLOUTS
from labelers.rollouts.first_success import up_to_success
from labelers.rollouts.strategy import Evidence, StepLabel, replay
from labelers.rollouts.witness import bounds, closed_labels, undrawn


@dataclass(frozen=True)
class Bisect:
    n: int = DEFAULT_ROLLOUTS
    wave: int = 1  # draws of one prefix at a time

    name = "bisect"

    def __post_init__(self) -> None:
        if self.n < 1 or self.wave < 1:
            raise ValueError(f"bisect: need n >= 1 and wave >= 1; got {self}")

    def probes(self, seen: Evidence) -> Sequence[int]:
        middle = sum(bounds(seen, self.n)) // 2
        nearest = min(undrawn(seen, self.n), key=lambda t: abs(t - middle), default=None)
        return [] if nearest is None else [nearest] * min(self.wave, self.n - len(seen.draws[nearest]))

    def read(self, seen: Evidence) -> Evidence:
        return up_to_success(replay(self, seen))

    def labels(self, seen: Evidence) -> list[StepLabel]:
        return closed_labels(seen, self.n, f"mc-bisect-n{self.n}")

"""A success is a witness for everything before it: scan to the first step that nobody gets home from.

If some rollout from prefix t is right, every prefix s <= t is solvable too, for the steps s+1..t and that
rollout continue it. So a solution with the right answer is its own witness and costs nothing; another one is
scanned from the left, each step by `first-success`, up to the first step without a success: of all the dead
steps only that one costs its N rollouts.

A prefix that the engine takes no rollout from, or whose rollouts decide nothing, is passed over; its label is
null unless a later success proves it.

What follows the first negative step is labelled False without having been drawn from (method "after-error"):
the labels mark the first error, as those of the "Lessons" recipe do (arXiv 2501.07301, which drops the steps
behind it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelers.rollouts.exhaustive import DEFAULT_ROLLOUTS
from labelers.rollouts.first_success import settled, step_label, up_to_success
from labelers.rollouts.strategy import Evidence, StepLabel, outcome_label, replay


@dataclass(frozen=True)
class Witness:
    n: int = DEFAULT_ROLLOUTS
    wave: int = 1  # draws of one prefix at a time

    name = "witness"

    def __post_init__(self) -> None:
        if self.n < 1 or self.wave < 1:
            raise ValueError(f"witness: need n >= 1 and wave >= 1; got {self}")

    def probes(self, seen: Evidence) -> Sequence[int]:
        first = next(iter(undrawn(seen, self.n)), None)
        return [] if first is None else [first] * min(self.wave, self.n - len(seen.draws[first]))

    def read(self, seen: Evidence) -> Evidence:
        return up_to_success(replay(self, seen))

    def labels(self, seen: Evidence) -> list[StepLabel]:
        return closed_labels(seen, self.n, f"mc-witness-n{self.n}")


def bounds(seen: Evidence, n: int) -> tuple[int, int]:
    """(steps proven by the solution's own answer or a later success, first step after them that is lost)."""
    steps = range(len(seen.draws))
    good = max((t + 1 for t in steps if seen.outcome == "right" or "right" in seen.draws[t]), default=0)
    return good, min((t for t in steps[good:] if settled(seen.draws[t], n) is False), default=len(steps))


def undrawn(seen: Evidence, n: int) -> list[int]:
    """The prefixes between the bounds that can still be asked for draws."""
    return [t for t in range(*bounds(seen, n)) if len(seen.draws[t]) < n and t not in seen.closed]


def closed_labels(seen: Evidence, n: int, method: str) -> list[StepLabel]:
    """True before the last success, False from the first negative on, and null between them."""
    good, bad = bounds(seen, n)
    drawn = [step_label(draws, n, method) for draws in seen.draws]
    proven = [label if label.label else _proven(label) for label in drawn[:good]]
    after = [*drawn[bad + 1 :], outcome_label(seen)] if bad < len(drawn) else []
    lost = [label if label.label is False else _lost(drawn[bad], label) for label in after]
    return [*proven, *drawn[good : bad + 1], *(lost or [outcome_label(seen)])]


def _proven(label: StepLabel) -> StepLabel:
    """One success in one try: (1 + 1) / (1 + 2) is the mean of what the value may be."""
    return label._replace(label=True, soft=2 / 3, confidence=1.0, method="witness")


def _lost(first: StepLabel, label: StepLabel) -> StepLabel:
    """What stands behind the first negative step is as doubtful as that step."""
    return first._replace(value=label.value, method="after-error")

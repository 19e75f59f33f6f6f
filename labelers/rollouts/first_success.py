"""Stop at a step's first success: the hard labels of `exhaustive` bit for bit, at a fraction of its rollouts.

Both read the same seeded stream, and one success settles the label at threshold 0, so nothing after it can
matter. From a prefix of solvability p it takes (1 - (1 - p)^N) / p draws in the mean, and N when p = 0.

k / n is biased upwards here (one success in one try is no proof of certainty), so `soft` is the posterior
mean under a uniform prior, (k + 1) / (n + 2), which holds whatever the stopping rule; `value` stays the raw
ratio. The draws that a wave brought after the first success are not read: labels do not depend on `wave`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelers.rollouts.exhaustive import DEFAULT_ROLLOUTS, confidence
from labelers.rollouts.strategy import Draw, Evidence, StepLabel, outcome_label


@dataclass(frozen=True)
class FirstSuccess:
    n: int = DEFAULT_ROLLOUTS
    wave: int = 1  # draws of one prefix at a time

    name = "first-success"

    def __post_init__(self) -> None:
        if self.n < 1 or self.wave < 1:
            raise ValueError(f"first-success: need n >= 1 and wave >= 1; got {self}")

    def probes(self, seen: Evidence) -> Sequence[int]:
        return [
            t
            for t, draws in enumerate(seen.draws)
            if "right" not in draws[: self.n]
            for _ in range(min(self.wave, self.n - len(draws)))
        ]

    def read(self, seen: Evidence) -> Evidence:
        return up_to_success(seen.head([self.n] * len(seen.draws)))

    def labels(self, seen: Evidence) -> list[StepLabel]:
        method = f"mc-first-success-n{self.n}"
        return [*(step_label(draws, self.n, method) for draws in seen.draws), outcome_label(seen)]


def up_to_success(seen: Evidence) -> Evidence:
    """The draws of every prefix, cut after its first success; nothing depends on what was closed then."""
    sizes = [draws.index("right") + 1 if "right" in draws else len(draws) for draws in seen.draws]
    return seen.head(sizes)._replace(closed=frozenset())


def settled(draws: Sequence[Draw], n: int) -> bool | None:
    """Whether at most `n` draws hold a success; None while more are needed or none of them decided."""
    if "right" in draws:
        return True
    return False if len(draws) >= n and "wrong" in draws else None


def step_label(draws: Sequence[Draw], n: int, method: str) -> StepLabel:
    """The label of a step from draws that end with their first success."""
    right, wrong = draws.count("right"), draws.count("wrong")
    decided, label = right + wrong, settled(draws, n)
    if not decided:
        return StepLabel(None, None, None, None, method)
    sure = None if label is None else confidence(right, decided, 0.0, label)
    return StepLabel(right / decided, label, (right + 1) / (decided + 2), sure, method)

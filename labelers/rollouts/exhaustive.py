"""Math-Shepherd as published (arXiv 2312.08935, section 3.3): N rollouts from every step.

    hard (eq. 3)   label = 1[some rollout is right]        threshold k/N in general: 1[value > threshold]
    soft (eq. 4)   value = (right rollouts) / (finished rollouts)

What decides nothing is not a failure: a rollout cut by the token limit, or one that the verifier could not
read, counts on neither side. A step without a success is labelled False only when all N were asked and at
least one decided; else its label is null.

`confidence` is the posterior probability that the true value lies on the label's side of the threshold, for a
prior that puts half its weight on "dead" (value 0) and half uniformly on [0, 1]: 1 after one success at
threshold 0, (n + 1) / (n + 2) after n failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb

from labelers.rollouts.strategy import Evidence, StepLabel, outcome_label

DEFAULT_ROLLOUTS = 8  # Math-Shepherd section 4.1


@dataclass(frozen=True)
class Exhaustive:
    n: int = DEFAULT_ROLLOUTS
    threshold: float = 0.0

    name = "exhaustive"

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.threshold < 1:
            raise ValueError(f"exhaustive: need n >= 1 and 0 <= threshold < 1; got {self}")

    def probes(self, seen: Evidence) -> Sequence[int]:
        return [t for t, draws in enumerate(seen.draws) for _ in range(self.n - len(draws))]

    def read(self, seen: Evidence) -> Evidence:
        return seen.head([self.n] * len(seen.draws))

    def labels(self, seen: Evidence) -> list[StepLabel]:
        method = f"mc-exhaustive-n{self.n}" + (f"-t{self.threshold:g}" if self.threshold else "")
        return [
            *(self._label(*seen.counts(t), len(draws), method) for t, draws in enumerate(seen.draws)),
            outcome_label(seen),
        ]

    def _label(self, right: int, decided: int, drawn: int, method: str) -> StepLabel:
        if not decided:
            return StepLabel(None, None, None, None, method)
        value = right / decided
        if drawn < self.n and not (right and self.threshold == 0):
            return StepLabel(value, None, value, None, method)
        label = value > self.threshold
        return StepLabel(value, label, value, confidence(right, decided, self.threshold, label), method)


@cache
def confidence(k: int, n: int, threshold: float, label: bool) -> float:
    """P(value > threshold), or of the contrary for a False label, after k of n finished rollouts right."""
    # a uniform prior makes the value Beta(k+1, n-k+1), whose distribution function is a binomial tail
    tail = _binomial_tail(n + 1, k + 1, threshold)
    if k == 0:  # a dead prefix explains n failures with certainty, a live one with probability 1 / (n + 1)
        tail = (1 + tail / (n + 1)) / (1 + 1 / (n + 1))
    return 1 - tail if label else tail


def _binomial_tail(n: int, k: int, p: float) -> float:
    """P(at least k of n) for probability p each."""
    return sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))

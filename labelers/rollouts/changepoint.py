"""Change-point step labels: where along a wrong solution does the chance of getting home collapse?

The unknown is the first error e of a solution; `solvability` gives P(evidence, e). The labeler holds the
posterior over e = 0..T-1 and "no error", and asks for the draw that tells most about e for its price,

    prefix t maximising  I(success at t ; e) / (characters that a rollout from t will write)

one `wave` at a time, until one e has probability `stop`, or `budget` rollouts are spent, or, after the first
LEAST of them, a draw is not worth its price any more,

    (what the best draw tells) * (what is left to know, the entropy of e) < `gain`

Where a prefix fails because the problem is hard, failures tell little; how little is too little depends on
what there is to know, which is more in a long solution than in one whose error is all but found. This is
probabilistic bisection; the closest published relatives are EpicPRM (arXiv 2503.02382) and SCAN (2509.16548).
Of step t it says

    label = t < MAP(e)      soft = P(e > t)      confidence = P(label)      value = P(the next draw is right)

The mode is right about e more often than the median, where labels would be split at soft = 1/2. Its price is
a step here and there whose label has a confidence below 1/2.

A solution with a right answer is not probed unless `audit` is set: it is itself a success of every prefix,
all its steps are labelled right (method "witness"), and their confidence is still the posterior.
Completions of the prompt that begin with the same text are draws that cost nothing.

The rates that solutions have in common are estimated from the first ones (`calibration`): how often a wrong
step is repaired differs between models, and it decides how much one success proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelers.rollouts.calibration import fitted_rates
from labelers.rollouts.solvability import HARDNESS, Array, Draws, Rates, first_error_weights
from labelers.rollouts.strategy import Evidence, StepLabel, outcome_label

TINY = 1e-300  # keeps 0 log 0 at 0
LEAST = 4  # rollouts before `gain` may stop: no solution is labelled by what is usual alone


@dataclass(frozen=True)
class Changepoint:
    """`stop`: a probability; `budget`: rollouts of one solution; `gain`: nats squared;
    `wave`: rollouts at a time.

    `audit`: probe solutions with a right answer, too. `calibrate`: estimate what follows, the `Rates`;
    `foreign`: the rollouts are another model's than the solutions, so estimate `completer` as well.
    """

    stop: float = 0.98
    budget: int = 24
    gain: float = 0.01
    wave: int = 1
    audit: bool = False
    calibrate: bool = True
    foreign: bool = False
    repair: float = 0.02
    noise: float = 0.005
    completer: float = 1.0
    hardness: tuple[float, ...] = HARDNESS

    name = "changepoint"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hardness", tuple(self.hardness))  # a list when it comes from JSON
        if not (0.5 <= self.stop < 1 and self.budget >= 0 and self.gain >= 0 and self.wave >= 1):
            raise ValueError(
                "changepoint: need 0.5 <= stop < 1, budget >= 0, gain >= 0, wave >= 1; "
                f"got {self.stop}, {self.budget}, {self.gain}, {self.wave}"
            )
        self.rates.check()

    @property
    def rates(self) -> Rates:
        return Rates(self.repair, self.noise, self.completer, self.hardness)

    def probes(self, seen: Evidence) -> Sequence[int]:
        wanted = seen.outcome == "wrong" or (self.audit and seen.outcome == "right")
        spent = sum(map(len, seen.draws)) - sum(seen.free)
        left = self.budget - spent
        if not wanted or left <= 0 or len(seen.closed) == len(seen.draws):
            return ()
        weights = first_error_weights(self.rates, as_draws(seen))
        told = information(weights)
        told[list(seen.closed)] = -np.inf
        posterior = weights[0] / weights[0].sum()
        idle = spent >= LEAST and told.max() * entropy(posterior) < self.gain
        if idle or posterior.max() >= self.stop:
            return ()
        return (int(np.argmax(told / _prices(seen))),) * min(self.wave, left)

    def read(self, seen: Evidence) -> Evidence:
        return seen

    def labels(self, seen: Evidence) -> list[StepLabel]:
        if seen.outcome == "undecided":  # wrong or right, the end decides which model holds
            return [StepLabel(None, None, None, None, self.name) for _ in seen.draws] + [outcome_label(seen)]
        weights = first_error_weights(self.rates, as_draws(seen))
        posterior = weights[0] / weights[0].sum()
        soft = (1 - np.cumsum(posterior)).clip(0, 1).tolist()
        values = (weights[1:].sum(1) / weights[0].sum()).clip(0, 1).tolist()
        proven = seen.outcome == "right" and not self.audit
        first, method = (seen.n_steps, "witness") if proven else (int(np.argmax(posterior)), self.name)
        labels = [
            StepLabel(value, t < first, good, good if t < first else 1 - good, method)
            for t, (value, good) in enumerate(zip(values, soft, strict=False))
        ]
        return [*labels, outcome_label(seen)]

    def calibrated(self, pilot: Sequence[Evidence]) -> Changepoint:
        """With the rates under which the pilot's draws are likeliest; itself where it is told not to."""
        evidence = [as_draws(seen) for seen in pilot if seen.outcome != "undecided" and seen.n_steps]
        if not (self.calibrate and evidence):
            return self
        rates = fitted_rates(self.rates, evidence, self.foreign)
        return replace(self, calibrate=False, **rates._asdict())


def as_draws(seen: Evidence) -> Draws:
    """The counts. A sibling counts at the prompt and at every prefix it shares, as another rollout would."""
    counts = [seen.counts(t) for t in range(len(seen.draws))]
    own = int(seen.outcome == "right")
    others = (max(0, seen.solved - own), max(0, seen.sampled - 1))
    return Draws(bool(own), tuple(k for k, _ in counts), tuple(n for _, n in counts), *others)


def information(weights: Array) -> Array:
    """Mutual information, in nats, of the first error and the next draw of each prefix."""
    total = weights[0].sum()
    first = weights[0] / total
    right = weights[1:] / total  # [t, e]: P(the draw from t is right, e)
    told = np.zeros(len(right))
    for joint in (right, np.maximum(first - right, 0)):
        apart = joint.sum(1, keepdims=True) * first
        told += (joint * np.log((joint + TINY) / (apart + TINY))).sum(1)
    return told


def entropy(posterior: Array) -> float:
    """In nats."""
    return float(-(posterior * np.log(posterior + TINY)).sum())


def _prices(seen: Evidence) -> Array:
    """Characters that a rollout from each prefix will write, if it goes on as the solution did."""
    return np.maximum(np.cumsum(seen.lengths[:0:-1])[::-1], 1)

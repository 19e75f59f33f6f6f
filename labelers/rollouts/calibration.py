"""The rates that all solutions of a call share, estimated from the first ones: maximum a posteriori.

Two steps alternate. Hardness, the share of each level of step difficulty, by EM: the expected number of
steps of level j is d log L / d log h_j (Fisher's identity), taken here as a difference quotient, to which
PRIOR_STEPS steps of the prior are added. Repair rate, verifier noise and the completer's error ratio: the
best point of a grid, each in turn, under a log-normal prior, since few solutions say little about them.

Draws that were chosen adaptively need no correction: which prefix comes next depends on draws already seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from labelers.rollouts.solvability import HARDNESS, Draws, Rates, Stack, log_likelihood, stacked

ROUNDS, EM_STEPS = 3, 12
STEP = 1e-3  # of the difference quotient, relative
PRIOR_STEPS = 20.0
GRIDS = {
    "repair": (0.0002, 0.0005, 0.002, 0.005, 0.01, 0.02, 0.035, 0.055, 0.08, 0.12, 0.18),
    "noise": (0.001, 0.003, 0.01, 0.02, 0.04, 0.07, 0.12),
    "completer": (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8),
}
# (centre, standard deviation of the logarithm)
PRIORS = {"repair": (0.02, 1.5), "noise": (0.005, 1.5), "completer": (1.0, 0.5)}


def fitted_rates(start: Rates, evidence: Sequence[Draws], foreign: bool) -> Rates:
    """The rates under which draws and priors are likeliest; `completer` is fitted only to a `foreign` one."""
    rates = start
    names = [name for name in GRIDS if foreign or name != "completer"]
    for _ in range(ROUNDS):
        stacks = stacked(rates, evidence)
        for _ in range(EM_STEPS):
            rates = rates._replace(hardness=_hardness(rates, stacks))
        for name in names:
            rates = _best_of_grid(rates, name, evidence)
    return rates


def _best_of_grid(rates: Rates, name: str, evidence: Sequence[Draws]) -> Rates:
    centre, spread = PRIORS[name]

    def score(value: float) -> float:
        prior = -0.5 * (log(value / centre) / spread) ** 2
        moved = _with(rates, name, value)
        return prior + log_likelihood(moved, stacked(moved, evidence))

    return _with(rates, name, max(GRIDS[name], key=score))


def _with(rates: Rates, name: str, value: float) -> Rates:
    return Rates(**(rates._asdict() | {name: value}))


def _hardness(rates: Rates, stacks: Sequence[Stack]) -> tuple[float, ...]:
    here = log_likelihood(rates, stacks)
    expected = PRIOR_STEPS * np.array(HARDNESS)
    for level, share in enumerate(rates.hardness):
        moved = list(rates.hardness)
        moved[level] = share * (1 + STEP)
        expected[level] += (log_likelihood(rates._replace(hardness=tuple(moved)), stacks) - here) / STEP
    return tuple((expected / expected.sum()).round(6).tolist())

"""What a probe strategy will cost, found by letting it label made-up solutions.

A strategy sees nothing but evidence, so its cost can be had without an engine: each completion of the probe
becomes a solution of as many steps, right or wrong as it was, whose first error is uniform; from a prefix
without an error a rollout of k more steps succeeds with probability a^k, where a^T is the prompt's pass rate,
and from behind the error only if one of the k steps mends it (2 %).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from labelers.rollouts.strategy import Draw, Evidence, Strategy
from store.ids import derived_seed

REPAIR = 0.02  # the reference world's chance that a step mends an error


class Solution(NamedTuple):
    """A completion of the probe: its steps, whether it is right, and the prompt's right and read ones."""

    steps: int
    right: bool
    solved: int
    sampled: int


class Cost(NamedTuple):
    """Means a solution; tokens in units of the solution's own length."""

    rollouts: float
    read: float  # of the prefixes: the prompt comes on top, once a rollout
    written: float


def expected_cost(strategy: Strategy, solutions: Iterable[Solution]) -> Cost:
    """Zero where no solution tells anything."""
    costs = [_cost(strategy, one, Random(derived_seed("plan", i))) for i, one in enumerate(solutions)]
    if not costs:
        return Cost(0.0, 0.0, 0.0)
    return Cost(*(sum(column) / len(costs) for column in zip(*costs, strict=True)))


def _cost(strategy: Strategy, solution: Solution, random: Random) -> Cost:
    """Let the strategy label one made-up solution to its end."""
    n = solution.steps
    first_error = n if solution.right else random.randrange(max(n, 1))
    skill = ((solution.solved + 1) / (solution.sampled + 2)) ** (1 / max(n, 1))
    drawn: list[list[Draw]] = [[] for _ in range(n - 1)]
    read = written = 0.0
    while wanted := strategy.probes(_evidence(solution, drawn)):
        for t in wanted:
            left = n - 1 - t
            chance = skill**left * (1.0 if t < first_error else 1 - (1 - REPAIR) ** left)
            drawn[t].append("right" if random.random() < chance else "wrong")
            read, written = read + (t + 1) / n, written + left / n
    return Cost(float(sum(map(len, drawn))), read, written)


def _evidence(solution: Solution, drawn: list[list[Draw]]) -> Evidence:
    outcome: Draw = "right" if solution.right else "wrong"
    lengths = (1,) * solution.steps
    return Evidence(lengths, outcome, solution.solved, solution.sampled, tuple(map(tuple, drawn)))

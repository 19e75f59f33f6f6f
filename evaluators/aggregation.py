"""One number from a solution's step rewards (Math-Shepherd: min; Lightman et al.: prod; RLHFlow: mean)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum, prod

NO_STEPS = -1.0  # below every probability: a solution without steps is picked last

AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "prod": prod,
    "last": lambda steps: steps[-1],
    "mean": lambda steps: fsum(steps) / len(steps),
}


def aggregate(steps: Sequence[float], how: str) -> float:
    """`steps` are probabilities of being right; `how` is one of AGGREGATIONS."""
    return float(AGGREGATIONS[how](steps)) if steps else NO_STEPS

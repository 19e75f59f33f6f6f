"""The strategies by the name they have in a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelers.rollouts.bisect import Bisect
from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.strategy import Strategy
from labelers.rollouts.witness import Witness

STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "exhaustive": Exhaustive,
    "first-success": FirstSuccess,
    "witness": Witness,
    "bisect": Bisect,
    "changepoint": Changepoint,
}


def strategy_for(name: str, **options: Any) -> Strategy:
    """The strategy with its options (the fields of its class); ValueError names what is wrong with them."""
    if name not in STRATEGIES:
        raise ValueError(f"step labels: unknown strategy {name!r}; one of {', '.join(STRATEGIES)}")
    try:
        return STRATEGIES[name](**options)
    except TypeError as error:
        raise ValueError(f"step labels: {name} does not take these options: {error}") from None

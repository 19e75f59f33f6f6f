"""The strategies by the name they have in a recipe."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

from labelers.rollouts.bisect import Bisect
from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.strategy import Strategy
from labelers.rollouts.witness import Witness

STRATEGIES: dict[str, type[Strategy]] = {
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
    types = get_type_hints(STRATEGIES[name])
    if unknown := sorted(options.keys() - types):
        raise ValueError(f"step labels: {name} has no option {unknown}; it takes {', '.join(types)}")
    for option, value in options.items():
        if not _fits(value, types[option]):
            kind = types[option].__name__
            raise ValueError(f"step labels: {name}: {option} is {value!r}, must be of type {kind}")
    return STRATEGIES[name](**options)


def _fits(value: Any, declared: Any) -> bool:
    """A whole number is a float, too; True is no number, as it would be in Python."""
    if get_origin(declared) is tuple:
        return isinstance(value, (list, tuple)) and all(_fits(one, get_args(declared)[0]) for one in value)
    return type(value) is declared or (declared is float and type(value) is int)

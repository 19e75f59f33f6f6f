"""Ensembles of heads or of whole models: what makes members differ, and one reward from many.

Heads on one backbone see the same rows, so each gets its own resampling of the data: every unit counts
Poisson(1) times for every head, which is the bootstrap in the limit of many units (Oza & Russell 2001, online
bagging). The draw hangs on the recorded seed and on what the unit says, not on where it stands.

Aggregation follows Coste et al. 2023 (arXiv 2310.02743): the mean, the minimum ("worst case"), or the mean
less the members' disagreement, here their standard deviation, which unlike the variance of the paper has the
unit of the reward. Rewards of different members have no common origin or scale, so each member is
standardised by its own mean and deviation first (tlc4418/llm_optimization#12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from store.ids import derived_seed

from .units import Unit, fingerprint

How = Literal["mean", "min", "mean-std"]


def resampled(units: Sequence[Unit], heads: int, seed: int) -> list[Unit]:
    """The units with each head's number of `copies` in their items; one head sees every unit once."""
    if heads == 1:
        return list(units)
    found: list[Unit] = []
    seen: Counter[str] = Counter()
    for unit in units:
        name = fingerprint([unit])
        rng = np.random.default_rng(derived_seed("bootstrap", seed, name, seen[name]))
        seen[name] += 1
        copies = np.broadcast_to(rng.poisson(1.0, heads).astype(np.float32), (len(unit.items), heads))
        found.append(replace(unit, items=replace(unit.items, copies=copies)))
    return found


def aggregate(
    members: np.ndarray, how: How, mean: np.ndarray | None = None, std: np.ndarray | None = None
) -> np.ndarray:
    """(E, ...) values of E members → (...). With `mean` and `std` (E,) of each member, members are
    standardised first and the result is in standard deviations; leave them out for probabilities, which
    share a scale."""
    assert (mean is None) == (std is None)
    if mean is not None and std is not None:
        shape = (-1, *[1] * (members.ndim - 1))
        scale = np.where(std > 0, std, 1)  # a member that says one thing of everything has no scale to remove
        members = (members - mean.reshape(shape)) / scale.reshape(shape)
    if how == "min":
        return members.min(axis=0)
    centre = members.mean(axis=0)
    return centre - members.std(axis=0) if how == "mean-std" else centre

"""Bootstrap intervals over prompts, the unit sampled: completions of one prompt are not independent."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def bootstrap_mean(values: ArrayLike, draws: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """Percentile interval of the mean of one value per prompt."""
    array = np.asarray(values, dtype=float)
    if not array.size:
        return Interval(float("nan"), float("nan"), float("nan"))
    means = _resamples(array.size, draws, seed) @ array / array.size
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(array.mean()), float(low), float(high))


def paired_difference(
    ours: ArrayLike, baseline: ArrayLike, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of mean(ours - baseline), both measured on the same prompts in the same order."""
    a, b = np.asarray(ours, dtype=float), np.asarray(baseline, dtype=float)
    if a.shape != b.shape:
        raise ValueError(
            f"paired_difference: {a.size} and {b.size} prompts; both must cover the same prompts"
        )
    return bootstrap_mean(a - b, draws, level, seed)


@lru_cache(maxsize=1)
def _resamples(size: int, draws: int, seed: int) -> NDArray[np.float64]:
    """How often each prompt is drawn, a row per resample; the same for every method compared on them."""
    counts = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    return counts.astype(float)

"""How far raters agree beyond chance: percent agreement, Cohen's and Fleiss' kappa, Krippendorff's alpha.

    kappa = (P_o - P_e) / (1 - P_e)        alpha = 1 - D_o / D_e

Cohen (1960, Educ. Psychol. Meas. 20): two raters, P_e from the product of their own margins. Fleiss (1971,
Psychol. Bull. 76): every item has the same number of ratings, P_e from the pooled margin. Krippendorff (2011,
"Computing Krippendorff's Alpha-Reliability"): any number of raters, missing ratings, and a distance that fits
the scale. With n_uc the number of raters that gave value c to unit u, m_u = sum_c n_uc >= 2, the coincidences

    o_ck = sum_u n_uc (n_uk - [c = k]) / (m_u - 1)        n_c = sum_k o_ck        n = sum_c n_c

give D_o = sum o_ck d2_ck / n and D_e = sum n_c n_k d2_ck / (n (n - 1)) for c != k, with d2 = 1 (nominal),
(sum of n_g from c to k - (n_c + n_k) / 2)^2 (ordinal), (c - k)^2 (interval), ((c - k) / (c + k))^2 (ratio).

Where chance alone leaves no disagreement (one category) the statistics are undefined: None, not 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import combinations, permutations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Units = Sequence[Sequence[Hashable | None]]  # one row an item, one column a rater; None: not rated
Floats = NDArray[np.float64]


def percent_agreement(units: Units) -> float | None:
    """Share of agreeing pairs of ratings among all pairs of ratings of one item."""
    codes, _ = _coded(units)
    agree = pairs = 0
    for one, other in combinations(codes.T, 2):
        both = (one >= 0) & (other >= 0)
        pairs += int(both.sum())
        agree += int((one == other)[both].sum())
    return agree / pairs if pairs else None


def cohen_kappa(first: Sequence[Hashable | None], second: Sequence[Hashable | None]) -> float | None:
    """Of two raters; items that either left out do not count."""
    both = Counter(pair for pair in zip(first, second, strict=True) if None not in pair)
    n = both.total()
    if not n:
        return None
    margins: tuple[Counter[Any], Counter[Any]] = (Counter(), Counter())
    for pair, times in both.items():
        for margin, value in zip(margins, pair, strict=True):
            margin[value] += times
    observed = sum(times for (a, b), times in both.items() if a == b) / n
    return _beyond_chance(observed, sum(margins[0][value] * margins[1][value] for value in margins[0]) / n**2)


def fleiss_kappa(counts: ArrayLike) -> float | None:
    """Of `counts` (items, categories), whose rows all have the same sum of at least 2.

    Raises ValueError for any other table: with a varying number of ratings use Krippendorff's alpha.
    """
    table = np.asarray(counts, dtype=np.float64)
    if not len(table):
        return None
    raters = table.sum(axis=1)
    if raters[0] < 2 or (raters != raters[0]).any():
        found = f"{raters.min():g} to {raters.max():g}"
        raise ValueError(
            f"fleiss_kappa: every item needs the same number of ratings, at least 2; found {found}"
        )
    observed = (table * (table - 1)).sum(axis=1) / (raters * (raters - 1))
    margin = table.sum(axis=0) / table.sum()
    return _beyond_chance(float(observed.mean()), float(margin @ margin))


def krippendorff_alpha(units: Units, level: Level = "nominal") -> float | None:
    """Every level but the nominal needs numbers; that of ratios takes the square of the distinct values."""
    if level not in get_args(Level):
        raise ValueError(f"krippendorff_alpha: level {level!r}; one of {', '.join(get_args(Level))}")
    codes, values = _coded(units)
    rated = (codes >= 0).sum(axis=1)
    codes, rated = codes[rated >= 2], rated[rated >= 2]
    counts = np.bincount(codes[codes >= 0], minlength=len(values)).astype(np.float64)
    if np.count_nonzero(counts) < 2:
        return None
    points = _points(values, counts, level)
    observed = 0.0
    for one, other in permutations(codes.T, 2):
        both = (one >= 0) & (other >= 0)
        distance = _squared_distance(points[one[both]], points[other[both]], level)
        observed += float((distance / (rated[both] - 1)).sum())
    return 1 - observed * float(counts.sum() - 1) / _all_distances(points, counts, level)


def _all_distances(points: Floats, counts: Floats, level: Level) -> float:
    """sum_ck n_c n_k d2_ck; a sum of squared differences is a variance."""
    n = counts.sum()
    if level == "nominal":
        return float(n**2 - counts @ counts)
    if level == "ratio":
        return sum(
            float(m * (counts @ _squared_distance(x, points, level)))
            for m, x in zip(counts, points, strict=True)
        )
    return float(2 * n * (counts @ (points - counts @ points / n) ** 2))


def _points(values: list[Any], counts: Floats, level: Level) -> Floats:
    """Where each value lies; ordinal ones at their mid-ranks, which differ by the sum in the formula."""
    if level == "nominal":
        return np.arange(len(values), dtype=np.float64)
    return np.cumsum(counts) - counts / 2 if level == "ordinal" else np.asarray(values, dtype=np.float64)


def _squared_distance(x: ArrayLike, y: Floats, level: Level) -> Floats:
    if level == "nominal":
        return np.not_equal(x, y).astype(np.float64)
    gap = np.subtract(x, y)
    if level == "ratio":
        gap = np.divide(gap, np.add(x, y), out=np.zeros_like(gap), where=gap != 0)
    return gap**2


def _coded(units: Units) -> tuple[NDArray[np.int64], list[Any]]:
    """(items, raters) indices into the values in order, -1 where there is no rating; and the values."""
    values = sorted({value for unit in units for value in unit if value is not None}, key=_order)
    code: dict[Any, int] = {value: at for at, value in enumerate(values)} | {None: -1}
    rows = [[code[value] for value in unit] for unit in units]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(units[0]) if units else 0), values


def _order(value: Any) -> tuple[bool, Any]:
    """Numbers by size, all else by its text."""
    return (False, value) if isinstance(value, int | float) else (True, str(value))


def _beyond_chance(observed: float, expected: float) -> float | None:
    return (observed - expected) / (1 - expected) if expected < 1 else None

"""How good scores and step labels are: AUC, pairwise accuracy, calibration, first-error location.

A metric of nothing (no pair, one class only) is NaN, never 0 or 1. Equal scores count half everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAN = float("nan")


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """P(a right one scores above a wrong one), equal scores counting half (Mann-Whitney U / n1 n0)."""
    s, y = np.asarray(scores, dtype=float), np.asarray(labels, dtype=bool)
    n1, n0 = int(y.sum()), int((~y).sum())
    if not n1 or not n0:
        return NAN
    return float((_mid_ranks(s)[y].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def auc_per_prompt(prompt_ids: Sequence[str], scores: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """AUC among the completions of each prompt that has right and wrong ones; what best-of-N lives on."""
    ids, s, y = np.asarray(prompt_ids), np.asarray(scores, dtype=float), np.asarray(labels, dtype=bool)
    order = np.argsort(ids, kind="stable")
    names, starts = np.unique(ids[order], return_index=True)
    groups = np.split(order, starts[1:])
    values = {str(name): auc(s[group], y[group]) for name, group in zip(names, groups, strict=True)}
    return {name: value for name, value in values.items() if not np.isnan(value)}


def auc_within(prompt_ids: Sequence[str], scores: ArrayLike, labels: ArrayLike) -> float:
    """Mean of `auc_per_prompt`."""
    values = list(auc_per_prompt(prompt_ids, scores, labels).values())
    return float(np.mean(values)) if values else NAN


def pairwise_accuracy(chosen: ArrayLike, rejected: ArrayLike, tie: float = 0.5) -> float:
    """Share of pairs whose chosen side scores higher; a tie earns `tie` (RewardBench v1: 0)."""
    a, b = np.asarray(chosen, dtype=float), np.asarray(rejected, dtype=float)
    return float(np.mean((a > b) + tie * (a == b))) if a.size else NAN


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    return float(np.mean((p - y) ** 2)) if p.size else NAN


def calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass: mean |share right - mean probability|."""
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    if not p.size:
        return NAN
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, p.size)) if part.size]
    return float(sum(len(part) * abs(y[part].mean() - p[part].mean()) for part in parts) / p.size)


def first_error(right: Sequence[bool]) -> int:
    """Index of the first wrong step, -1 where all are right (ProcessBench's convention)."""
    return next((i for i, ok in enumerate(right) if not ok), -1)


class ProcessBench(NamedTuple):
    """Fractions. `f1` is the harmonic mean of the two accuracies, NaN where one is undefined."""

    error_accuracy: float
    correct_accuracy: float
    f1: float
    n: int


def processbench(truth: Sequence[int], predicted: Sequence[int | None]) -> ProcessBench:
    """First-error location, exact match; a prediction of None never matches."""
    pairs = list(zip(truth, predicted, strict=True))
    with_error = [t == p for t, p in pairs if t != -1]
    without = [t == p for t, p in pairs if t == -1]
    error = sum(with_error) / len(with_error) if with_error else NAN
    correct = sum(without) / len(without) if without else NAN
    return ProcessBench(error, correct, _harmonic(error, correct), len(pairs))


class StepAgreement(NamedTuple):
    """Labels against the truth; precision and recall are of the wrong steps, which a PRM must find."""

    accuracy: float
    error_precision: float
    error_recall: float
    error_f1: float
    n: int


def step_agreement(labels: ArrayLike, truth: ArrayLike) -> StepAgreement:
    given, true = np.asarray(labels, dtype=bool), np.asarray(truth, dtype=bool)
    if given.shape != true.shape:
        raise ValueError(f"step_agreement: {given.size} labels for {true.size} steps")
    both, flagged, wrong = int((~given & ~true).sum()), int((~given).sum()), int((~true).sum())
    precision = both / flagged if flagged else NAN
    recall = both / wrong if wrong else NAN
    accuracy = float((given == true).mean()) if given.size else NAN
    return StepAgreement(accuracy, precision, recall, _harmonic(precision, recall), int(given.size))


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else NAN


def _mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]

"""Ranking, calibration and error-finding of rewards against labels, in numpy.

accuracy      P(r_chosen > r_rejected), ties count one half; the tie rate stands beside it, since equal scores
              are usually a bug (a lost head, half precision)
top1          share of the prompts whose highest reward goes to a good answer, over prompts that have good and
              bad ones; several highest share
auroc         P(score of a random right one > of a random wrong one), ties one half (Mann-Whitney U / n1 n0)
within        the mean of a prompt's own AUROC over prompts with both labels: separates "this solution is
              wrong" from "this problem is hard"
ece           expected calibration error over ten equal-width bins (Guo et al. 2017, arXiv 1706.04599)
brier         mean squared error of probabilities, summed over classes where there are several (Brier 1950)
first error   F1 of ProcessBench (arXiv 2412.06559): the harmonic mean of how often the first wrong step is
              found in solutions that have one, and how often none is reported in solutions that have none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Floats = np.ndarray


def pair_accuracy(margins: Floats, weights: Floats | None = None) -> float:
    return float(np.average((margins > 0) + 0.5 * (margins == 0), weights=weights))


def auroc(scores: Floats, labels: Floats) -> float | None:
    """None where one of the two labels does not occur."""
    positive = labels.astype(bool)
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if not n1 or not n0:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mid_rank[inverse][positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def auroc_within(scores: Floats, labels: Floats, groups: Sequence[str]) -> float | None:
    """None where no group has both labels."""
    parts = [auroc(scores[at], labels[at]) for at in _by_group(groups)]
    known = [part for part in parts if part is not None]
    return float(np.mean(known)) if known else None


def top1(scores: Floats, good: Floats, groups: Sequence[str]) -> float | None:
    """None where no group has both good and bad ones."""
    mixed = [at for at in _by_group(groups) if good[at].any() and not good[at].all()]
    parts = [good[at][scores[at] == scores[at].max()].mean() for at in mixed]
    return float(np.mean(parts)) if parts else None


def _by_group(groups: Sequence[str]) -> Iterator[Floats]:
    """The indices of each group."""
    names = np.asarray(groups)
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(names[order][1:] != names[order][:-1]) + 1
    yield from np.split(order, starts)


def ece(probabilities: Floats, labels: Floats, bins: int = 10) -> float:
    at = np.clip((probabilities * bins).astype(int), 0, bins - 1)  # mean - std of an ensemble may be below 0
    gaps = [abs(probabilities[at == b].sum() - labels[at == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def brier(probabilities: Floats, labels: Floats) -> float:
    """Both (N,), or (N, classes)."""
    squares = (probabilities - labels) ** 2
    return float(squares.reshape(len(labels), -1).sum(1).mean())


def pearson(x: Floats, y: Floats) -> float | None:
    """Correlation; None of fewer than three values (two lie on a line) and where one side does not vary."""
    if len(x) < 3:
        return None
    a, b = x - x.mean(), y - y.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else None


def first_error(scores: Sequence[Floats], right: Sequence[Floats]) -> tuple[float, float] | None:
    """The best F1 over thresholds, and a threshold that gives it; one array of steps a solution.

    A solution's first step that scores below the threshold is reported. The threshold is chosen on these very
    solutions, so the F1 is optimistic by what one free parameter can gain. None where all solutions have a
    wrong step, or none has one.

    At threshold t a solution without an error is judged rightly where t ≤ min(scores), one whose first error
    is e where scores[e] < t ≤ min(scores before e): counting these intervals tries every threshold."""
    faulty = np.array([not labels.all() for labels in right])
    if faulty.all() or not faulty.any():
        return None
    intervals = np.array([_judged_rightly(s, labels) for s, labels in zip(scores, right, strict=True)])
    edges = np.unique(np.clip(np.r_[0.0, intervals.ravel(), 1.0], 0.0, 1.0))
    thresholds = (edges[:-1] + edges[1:]) / 2
    rates = [_share_inside(thresholds, intervals[kind]) for kind in (faulty, ~faulty)]
    total = rates[0] + rates[1]
    f1 = np.divide(2 * rates[0] * rates[1], total, out=np.zeros_like(total), where=total > 0)
    best = int(f1.argmax())
    return float(f1[best]), float(thresholds[best])


def _judged_rightly(scores: Floats, right: Floats) -> tuple[float, float]:
    """(low, high): thresholds t with low < t ≤ high judge the solution rightly."""
    if right.all():
        return -np.inf, float(scores.min())
    first = int(right.argmin())
    return float(scores[first]), float(scores[:first].min(initial=np.inf))


def _share_inside(thresholds: Floats, intervals: Floats) -> Floats:
    """For each threshold, the share of the intervals (low, high] that it is in."""
    nonempty = intervals[intervals[:, 0] < intervals[:, 1]]
    low, high = np.sort(nonempty[:, 0]), np.sort(nonempty[:, 1])
    inside = np.searchsorted(low, thresholds, "left") - np.searchsorted(high, thresholds, "left")
    return inside / len(intervals)

"""Ranking and calibration of rewards against labels, in numpy.

accuracy   P(r_chosen > r_rejected), ties count one half; the tie rate stands beside it, since equal
           scores are usually a bug (a lost head, half precision)
auroc      P(score of a random right one > of a random wrong one), ties one half (Mann-Whitney U / n1 n0)
within     the mean of a prompt's own AUROC over prompts with both labels: separates "this solution is
           wrong" from "this problem is hard"
ece        expected calibration error over ten equal-width bins (Guo et al. 2017, arXiv 1706.04599)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Floats = np.ndarray


def pair_accuracy(margins: Floats) -> float:
    return float(((margins > 0) + 0.5 * (margins == 0)).mean())


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
    names = np.asarray(groups)
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.r_[True, names[order][1:] != names[order][:-1]])
    parts = [auroc(scores[at], labels[at]) for at in np.split(order, starts[1:])]
    known = [part for part in parts if part is not None]
    return float(np.mean(known)) if known else None


def ece(probabilities: Floats, labels: Floats, bins: int = 10) -> float:
    at = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [abs(probabilities[at == b].sum() - labels[at == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))

"""Dawid and Skene's model of several judges who err: their error rates and the true classes, without gold.

Judge j says symbol l about an item of class c with probability theta_jcl, independently of the other
judges. EM (Dawid and Skene 1979, Applied Statistics 28, section 3), with n_ijl the number of times that
judge j said l of item i:

    E   T_ic ∝ pi_c prod_j prod_l theta_jcl^n_ijl
    M   pi_c ∝ sum_i T_ic + s        theta_jcl ∝ sum_i T_ic n_ijl + s

The smoothing s is a Dirichlet(1 + s) prior, so what never falls is log P(votes) + s sum(log theta) + s
sum(log pi): the objective. The first symbols name the classes, and EM starts from their shares among the
votes of an item, which ties class c to symbol c: judges who are mostly wrong would swap the names. Further
symbols ("cannot say") are answers that no class is named after. A judge that said nothing of an item has no
influence on it.

The model takes judges to err independently. Judges of one family repeat each other's mistakes, and the
posteriors are then too sure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SMOOTHING = 0.01
TOLERANCE = 1e-6  # of the objective, in nats per item
MAX_ROUNDS = 500


class DawidSkene(NamedTuple):
    prior: Floats  # (classes,)
    confusion: Floats  # (judges, classes, symbols): P(judge says symbol | class)
    posterior: Floats  # (items, classes)
    objective: list[float]  # after every round; never falls


def fit(counts: ArrayLike, classes: int, smoothing: float = SMOOTHING) -> DawidSkene:
    """The maximum a posteriori fit to `counts` (items, judges, symbols) of at least as many symbols as
    classes."""
    votes = np.asarray(counts, dtype=np.float64)
    items, judges, symbols = votes.shape
    flat = votes.reshape(items, judges * symbols)
    posterior = _normalised(votes[:, :, :classes].sum(axis=1))
    objective: list[float] = []
    while True:
        prior = _normalised(posterior.sum(axis=0) + smoothing)
        said = (posterior.T @ flat).reshape(classes, judges, symbols).swapaxes(0, 1)
        confusion = _normalised(said + smoothing)
        posterior, likelihood = _expectation(flat, prior, confusion)
        objective.append(likelihood + smoothing * float(_log(confusion).sum() + _log(prior).sum()))
        if len(objective) == MAX_ROUNDS or _settled(objective, items):
            return DawidSkene(prior, confusion, posterior, objective)


def _expectation(flat: Floats, prior: Floats, confusion: Floats) -> tuple[Floats, float]:
    """Posterior of every item, and the log-likelihood of all votes."""
    log_theta = _log(confusion).swapaxes(1, 2).reshape(-1, len(prior))  # (judges * symbols, classes)
    joint = flat @ log_theta + _log(prior)
    top = joint.max(axis=1, keepdims=True)
    weight = np.exp(joint - top)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total, float((top + np.log(total)).sum())


def _settled(objective: list[float], items: int) -> bool:
    return len(objective) > 1 and objective[-1] - objective[-2] < TOLERANCE * items


def _normalised(x: Floats) -> Floats:
    """Each row over its sum; uniform where there is nothing."""
    total = x.sum(axis=-1, keepdims=True)
    return np.where(total > 0, x / np.where(total > 0, total, 1), 1 / x.shape[-1])


def _log(x: Floats) -> Floats:
    return np.log(np.maximum(x, 1e-300))

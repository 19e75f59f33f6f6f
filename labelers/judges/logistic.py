"""Logistic regression without an intercept, for audits of preferences: which differences sway a judge.

    P(a preferred) = sigmoid(x' w)

Which of two texts is called a is arbitrary, so a preference has no intercept: swapping every a and b turns
the sign of x and of the answer, and leaves w as it was. Fitted by iteratively reweighted least squares
under a weak normal prior on w (standard deviation 5), which keeps the answer finite where a difference
decides every case.

Standard errors are of the sandwich kind over groups (Liang and Zeger 1986, Biometrika 73): pairs of one
prompt share texts, and counting them as independent would make every effect look surer than it is.
Residuals vanish where a difference decides every case, so the error is never taken below that of
independent rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PRIOR_PRECISION = 1 / 25
MAX_ROUNDS = 50


class Fit(NamedTuple):
    coefficients: Floats  # (features,)
    errors: Floats  # (features,) standard errors


def fit(x: ArrayLike, preferred: ArrayLike, groups: ArrayLike) -> Fit:
    """Of `x` (rows, features) and `preferred` (rows,) in [0, 1]; rows with one value of `groups` hang
    together.

    A step is halved until it raises the posterior, so the fit converges from anywhere.
    """
    features = np.asarray(x, dtype=np.float64)
    target = np.asarray(preferred, dtype=np.float64)
    weights = np.zeros(features.shape[1])
    for _ in range(MAX_ROUNDS):
        step = np.linalg.solve(_curvature(features, weights), _gradient(features, target, weights))
        while _objective(features, target, weights + step) < _objective(features, target, weights):
            step /= 2
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return Fit(weights, _errors(features, target, weights, np.asarray(groups)))


def _errors(x: Floats, target: Floats, weights: Floats, groups: NDArray[np.generic]) -> Floats:
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    scores = np.zeros((n_groups, x.shape[1]))
    np.add.at(scores, group, (target - _sigmoid(x @ weights))[:, None] * x)
    bread = np.linalg.inv(_curvature(x, weights))
    few = n_groups / max(1, n_groups - 1)  # the usual correction for a small number of groups
    return np.sqrt(np.maximum(np.diag(bread @ scores.T @ scores @ bread) * few, np.diag(bread)))


def _objective(x: Floats, target: Floats, weights: Floats) -> float:
    z = x @ weights
    return float((target * z - np.logaddexp(0, z)).sum() - PRIOR_PRECISION / 2 * weights @ weights)


def _gradient(x: Floats, target: Floats, weights: Floats) -> Floats:
    return x.T @ (target - _sigmoid(x @ weights)) - PRIOR_PRECISION * weights


def _curvature(x: Floats, weights: Floats) -> Floats:
    p = _sigmoid(x @ weights)
    return (x * (p * (1 - p))[:, None]).T @ x + PRIOR_PRECISION * np.eye(x.shape[1])


def _sigmoid(z: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(z / 2))

"""How likely a solution's evidence is, for every place where its first error can be.

Steps t = 1..T have hidden error rates e_t, independent, of a few levels: most steps are easy, some are
hard. A writer on the right track errs at step t with probability e_t; off it, a step finds back with
probability `repair` (rho). The chance of a right answer from a prefix on the track, R, and from one off it,
W, is

    R_T = 1        R_{t-1} = (1 - c e_t) R_t + c e_t W_t
    W_T = 0        W_t = noise + (1 - noise) (1 - (1 - rho)^(T-t)) (1 + R_t) / 2

c is the completer's error rate over the writer's, (1 + R_t) / 2 the value at the unknown place of the repair,
and `noise` the chance that a wrong answer is called right. Draws from prefix t are beta-binomial with mean
R_t or W_t; the solved samples of the prompt are binomial with mean R_0^(1/c), the writer's own chance. One
hard step thus explains low values before it, high ones after it and an error at it, where a curve that is
smooth in T - t would look for the error too early.

(track, R_t) is a Markov chain, read from the last step to the first, with R_t on a grid: mass that falls
between two points is shared by both, which keeps the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRID = np.array(
    [0.03, 0.05, 0.08, 0.13, 0.19, 0.26, 0.34, 0.42, 0.5, 0.58, 0.65, 0.72, 0.79, 0.85, 0.9, 0.94, 0.97, 0.99]
)
LEVELS = np.array([0.01, 0.04, 0.12, 0.35, 0.65, 0.88])  # error rates of a step
HARDNESS = (0.46, 0.23, 0.14, 0.08, 0.05, 0.04)  # how common each level is, before anything was seen
HIGHEST_RATE = 0.95  # of a completer worse than the writer
LOWEST_OFF, HIGHEST_OFF = 0.002, 0.9  # no prefix is beyond hope: one success must not decide alone
SPREAD = 20.0  # beta-binomial concentration: the failures of one prefix are not quite independent evidence


class Rates(NamedTuple):
    """What all solutions of a call have in common. Probabilities, but for `completer`, a ratio."""

    repair: float = 0.02
    noise: float = 0.005
    completer: float = 1.0
    hardness: tuple[float, ...] = HARDNESS

    def check(self) -> None:
        """ValueError for rates that are none."""
        if not (0 <= self.repair < 1 and 0 <= self.noise < 1 and self.completer > 0):
            raise ValueError(
                "changepoint: need repair and noise in [0, 1) and completer > 0; "
                f"got {self.repair}, {self.noise}, {self.completer}"
            )
        shares = self.hardness
        if len(shares) != len(LEVELS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-3:
            raise ValueError(f"changepoint: hardness must be {len(LEVELS)} shares of 1; got {shares}")


class Draws(NamedTuple):
    """`right[t]` of `decided[t]` draws from prefix t, t = 0..T-2: the whole solution is not drawn from."""

    outcome: bool
    right: tuple[int, ...]
    decided: tuple[int, ...]
    solved: int  # among `sampled` other solutions of the prompt
    sampled: int

    @property
    def n_steps(self) -> int:
        return len(self.right) + 1


def first_error_weights(rates: Rates, draws: Draws) -> Array:
    """P(evidence, first error = e), up to a factor: columns e = 0..T-1, then "no error".

    Row 0 is the evidence; row t+1 is the evidence with one more right draw from prefix t.
    """
    steps = draws.n_steps
    likelihood = np.repeat(_likelihood(rates, draws)[:, :, None], steps, axis=2)
    for t, (k, n) in enumerate(zip(draws.right, draws.decided, strict=True)):
        likelihood[t + 1, :, t + 1] = _drawn(rates.repair, rates.noise, k, n, steps - 1 - t, more=1)
    return _weights(rates, likelihood, np.full(steps, draws.outcome))


class Stack(NamedTuple):
    """Solutions of one length: likelihood (u, on or off the track, solution, grid point), outcomes."""

    likelihood: Array
    right: NDArray[np.bool_]


def stacked(rates: Rates, evidence: Sequence[Draws]) -> list[Stack]:
    """The likelihoods of many solutions; they depend on all rates but `hardness`."""
    by_length: dict[int, list[Draws]] = {}
    for draws in evidence:
        by_length.setdefault(draws.n_steps, []).append(draws)
    return [
        Stack(np.stack([_likelihood(rates, d) for d in group], axis=2), np.array([d.outcome for d in group]))
        for group in by_length.values()
    ]


def log_likelihood(rates: Rates, stacks: Sequence[Stack]) -> float:
    """Of all solutions together, up to a constant."""
    return float(sum(np.log(_weights(rates, *stack).sum(1)).sum() for stack in stacks))


def _weights(rates: Rates, likelihood: Array, right: NDArray[np.bool_]) -> Array:
    """The forward-backward pass. likelihood: (prefix of u steps, on or off the track, row, grid point)."""
    steps, _, rows, size = likelihood.shape
    kernels = [_kernels(rates, steps - u) for u in range(1, steps + 1)]  # [u-1]: of step u
    before = [likelihood[0, 0]]  # [u]: no error up to step u
    for u in range(1, steps + 1):
        before.append(before[-1] @ kernels[u - 1].stay.T)
        if u < steps:
            before[u] *= likelihood[u, 0]
    on, off = np.zeros((2, rows, size))  # what comes after step u, having found back, or still off the track
    on[:, -1] = right
    off[:, -1] = np.where(right, rates.noise, 1.0)
    weights = np.empty((rows, steps + 1))
    weights[:, steps] = (on * before[steps]).sum(1)
    for u in range(steps, 0, -1):
        stay, err, either = kernels[u - 1]
        weights[:, u - 1] = ((off @ err) * before[u - 1]).sum(1)
        on, off = (
            (on @ stay + off @ err) * likelihood[u - 1, 0],
            (((1 - rates.repair) * off + rates.repair * on) @ either) * likelihood[u - 1, 1],
        )
    return weights


def _likelihood(rates: Rates, draws: Draws) -> Array:
    """(u, on or off the track, grid point), of the draws from the prefix of u steps; u = 0: the pass rate."""
    root = _pass_rate(rates.completer, draws.solved, draws.sampled)
    counts = zip(draws.right, draws.decided, range(draws.n_steps - 1, 0, -1), strict=True)
    drawn = (_drawn(rates.repair, rates.noise, *each, more=0) for each in counts)
    return np.array([[root, root], *drawn])


class _Kernels(NamedTuple):
    """[i, j]: from R_u at grid point i to R_{u-1} at point j; step u is right, errs, or may do either."""

    stay: Array
    err: Array
    any: Array


@lru_cache(maxsize=4096)
def _kernels(rates: Rates, left: int) -> _Kernels:
    """The step after which `left` steps are left."""
    levels = _level_kernels(rates.repair, rates.noise, rates.completer, left)
    return _Kernels(*np.tensordot(np.array(rates.hardness), levels, axes=1))


@lru_cache(maxsize=4096)
def _level_kernels(repair: float, noise: float, completer: float, left: int) -> Array:
    """(level, kernel of _Kernels, i, j)."""
    size = len(GRID)
    kernels = np.zeros((len(LEVELS), 3, size, size))
    on, off = (GRID, _off_track(repair, noise, left)) if left else (np.ones(size), np.zeros(size))
    rows = np.arange(size)
    for rate, (stay, err, either) in zip(LEVELS, kernels, strict=True):
        miss = min(HIGHEST_RATE, rate * completer)
        value = np.clip((1 - miss) * on + miss * off, GRID[0], GRID[-1])
        at = np.clip(np.searchsorted(GRID, value) - 1, 0, size - 2)
        above = (value - GRID[at]) / (GRID[at + 1] - GRID[at])
        either[rows, at], either[rows, at + 1] = 1 - above, above
        stay += (1 - rate) * either
        err += rate * either
    return kernels


def _off_track(repair: float, noise: float, left: int) -> Array:
    """W for every grid point of R, with `left` steps to go."""
    found = (1 - (1 - repair) ** left) * (1 + GRID) / 2
    return np.clip(noise + (1 - noise) * found, LOWEST_OFF, HIGHEST_OFF)


@lru_cache(maxsize=1 << 16)
def _drawn(repair: float, noise: float, k: int, n: int, left: int, more: int) -> Array:
    """(2, grid): the probability of k right ones of n draws and `more` right ones, on the track and off it.

    It is divided by the best of the grid for k of n, which is the same for all rates: long solutions and many
    draws would else vanish.
    """
    means = np.stack([GRID, _off_track(repair, noise, left)])
    best = _log_polya(k, n, GRID).max()
    return np.exp(_log_polya(k + more, n + more, means) - best)


def _log_polya(k: int, n: int, mean: Array) -> Array:
    """log B(k + a, n - k + b) / B(a, b) with a + b = SPREAD, by its rising factorials."""
    a, b = mean * SPREAD, (1 - mean) * SPREAD
    right, wrong = (np.arange(m).reshape(-1, *[1] * mean.ndim) for m in (k, n - k))
    return np.log(a + right).sum(0) + np.log(b + wrong).sum(0) - np.log(SPREAD + np.arange(n)).sum()


@lru_cache(maxsize=4096)
def _pass_rate(completer: float, solved: int, sampled: int) -> Array:
    """The binomial probability over the grid, divided by a value that is the same for all rates."""
    failed = sampled - solved
    best = (solved + 0.5) / (sampled + 1)
    chance, top = (
        solved * np.log(p) + failed * np.log1p(-p) for p in (GRID ** (1 / completer), np.array(best))
    )
    return np.exp(chance - top)

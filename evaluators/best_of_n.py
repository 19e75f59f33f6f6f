"""Best-of-n accuracy from N samples per prompt, for every n <= N, without drawing fresh samples.

The value at n is the mean over all n-subsets of a prompt's N samples, not "the first n". Closed forms:

- a reward column: sort ascending; sample i (from 1) is the best of C(i-1, n-1) of the C(N, n) subsets. Where
  rewards are equal the block's weight is spread evenly over it, as if ties were broken at random.
- oracle: pass@n = 1 - C(N-c, n) / C(N, n).
- majority: multivariate hypergeometric, exact; the classes that share the lead each win with equal
  probability, which is also what "first seen wins" means on average. Unreadable answers take a place but do
  not vote.
- weighted majority: exact over all subsets where they are few, else over seeded random subsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from evaluators.candidates import Candidates
from evaluators.intervals import bootstrap_mean, paired_difference
from store.ids import derived_seed

MAX_SUBSETS = 2000  # enumerate up to here, draw this many beyond

Floats = NDArray[np.float64]


def rank_weights(total: int, n: int) -> Floats:
    """P(the i-th smallest of `total` samples is the largest of a random n-subset), i from 0."""
    subsets = comb(total, n)
    return np.array([comb(i, n - 1) / subsets for i in range(total)])


def expected_best(scores: ArrayLike, gold: ArrayLike, n: int) -> float:
    """Mean `gold` of the top-scored sample of an n-subset."""
    s, g = np.asarray(scores, dtype=float), np.asarray(gold, dtype=float)
    order = np.argsort(s, kind="stable")
    weights = rank_weights(s.size, n)
    _, block = np.unique(s[order], return_inverse=True)
    of_block = np.bincount(block, weights) / np.bincount(block)
    return float(of_block[block] @ g[order])


def pass_at_k(total: int, right: int, k: int) -> float:
    """P(a k-subset holds a right sample)."""
    return 1.0 - comb(total - right, k) / comb(total, k)


def majority_shares(answers: Sequence[str | None], n: int) -> dict[str, float]:
    """P(each answer wins the vote of a random n-subset); None is an answer that could not be read."""
    counts = Counter(a for a in answers if a is not None)
    silent = len(answers) - counts.total()
    wins = {
        size: _win(size, tuple(sorted(_others(counts, size))), silent, n) for size in set(counts.values())
    }
    return {answer: wins[size] for answer, size in counts.items()}


def expected_majority(answers: Sequence[str | None], gold: Sequence[float], n: int) -> float:
    """Mean `gold` of the majority answer of an n-subset; no readable answer at all scores 0.

    A class is as right as its members: equivalent answers share one verdict, so 0 or 1 in practice.
    """
    shares = majority_shares(answers, n)
    return float(sum(shares[a] * value for a, value in _class_gold(answers, gold).items()))


def expected_weighted(
    answers: Sequence[str | None], gold: Sequence[float], weights: ArrayLike, n: int, seed: int = 0
) -> float:
    """Mean `gold` of the answer with the largest sum of `weights` (not negative) in an n-subset."""
    w = np.asarray(weights, dtype=float)
    if (w < 0).any():
        raise ValueError(
            "expected_weighted: weights must not be negative; pass a reward through a sigmoid first"
        )
    of_class = _class_gold(answers, gold)
    if not of_class:
        return 0.0
    names = list(of_class)
    member = np.array([[a == name for name in names] for a in answers], dtype=float)
    subsets = _subsets(len(answers), n, seed)
    totals, seen = subsets @ (member * w[:, None]), subsets @ member > 0
    totals = np.where(seen, totals, -1.0)
    best = totals.max(axis=1, keepdims=True)
    winners = (totals >= best - 1e-12) & seen
    value = winners @ np.array([of_class[name] for name in names]) / np.maximum(winners.sum(axis=1), 1)
    return float(value.mean())


def curves(candidates: Candidates, ns: Sequence[int] | None = None, seed: int = 0) -> pl.DataFrame:
    """One row (method, n, prompt_id, value) per method, n and prompt.

    Methods are random, majority, oracle, every reward column, and `<column>+vote` for its weighted majority.
    `ns` are powers of two up to the smallest number of samples of a prompt, unless given.
    """
    smallest = candidates.frame.group_by("prompt_id").len()["len"].min()
    limit = int(smallest) if isinstance(smallest, int) else 0
    wanted = list(ns) if ns is not None else _powers(limit)
    if wanted and max(wanted) > limit:
        raise ValueError(f"best of {max(wanted)} needs that many samples of every prompt; some have {limit}")
    rows: list[tuple[str, int, str, float]] = []
    for key, group in candidates.frame.group_by("prompt_id", maintain_order=True):
        prompt_id = str(key[0])
        for n in wanted:
            values = _values(group, candidates.rewards, n, derived_seed(seed, prompt_id, n))
            rows += [(method, n, prompt_id, value) for method, value in values.items()]
    schema = {"method": pl.String, "n": pl.Int64, "prompt_id": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def summary(per_prompt: pl.DataFrame, baseline: str = "majority", seed: int = 0) -> pl.DataFrame:
    """Accuracy per method and n with an interval over prompts, and the paired gain over `baseline`."""
    rows = []
    base = {n: _of(per_prompt, baseline, n) for n in per_prompt["n"].unique()}
    for method in per_prompt["method"].unique(maintain_order=True):
        for n in sorted(base):
            values = _of(per_prompt, method, n)
            rows.append((method, n, len(values), *bootstrap_mean(values, seed=seed),
                         *paired_difference(values, base[n], seed=seed)))  # fmt: skip
    columns = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    schema = {"method": pl.String, "n": pl.Int64, "prompts": pl.Int64} | dict.fromkeys(columns, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _values(group: pl.DataFrame, rewards: Sequence[str], n: int, seed: int) -> dict[str, float]:
    gold = group["right"].cast(pl.Float64).to_list()
    answers = group["answer"].to_list()
    values = {
        "random": float(np.mean(gold)),
        "majority": expected_majority(answers, gold, n),
        "oracle": pass_at_k(len(gold), int(sum(gold)), n),
    }
    for column in rewards:
        scores = group[column].to_numpy()
        values[column] = expected_best(scores, gold, n)
        values[column + "+vote"] = expected_weighted(answers, gold, _as_weights(scores), n, seed)
    return values


def _of(per_prompt: pl.DataFrame, method: str, n: int) -> Floats:
    rows = per_prompt.filter((pl.col("method") == method) & (pl.col("n") == n)).sort("prompt_id")
    return rows["value"].to_numpy()


def _powers(limit: int) -> list[int]:
    return [2**i for i in range(limit.bit_length())] + ([limit] if limit & (limit - 1) else [])


def _as_weights(scores: Floats) -> Floats:
    """Rewards as vote weights: probabilities as they are, anything else through a sigmoid."""
    if scores.size and scores.min() >= 0 and scores.max() <= 1:
        return scores
    return 1 / (1 + np.exp(-np.clip(scores, -500, 500)))


def _class_gold(answers: Sequence[str | None], gold: Sequence[float]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for answer, value in zip(answers, gold, strict=True):
        if answer is not None:
            sums[answer] += value  # type: ignore[assignment]
    sizes = Counter(a for a in answers if a is not None)
    return {answer: sums[answer] / sizes[answer] for answer in sizes}


def _others(counts: Counter[str], size: int) -> list[int]:
    """Class sizes without one class of `size`."""
    sizes = list(counts.values())
    sizes.remove(size)
    return sizes


@lru_cache(maxsize=65536)
def _win(size: int, others: tuple[int, ...], silent: int, n: int) -> float:
    """P(a class of `size` wins the vote of an n-subset against `others`).

    Counts the subsets in which it has k votes, t others have k too and none has more, each worth 1/(1+t).
    `table[t, m]` is the number of ways to take m samples from the others with t of them at k.
    """
    total = size + sum(others) + silent
    won = 0.0
    for k in range(1, min(size, n) + 1):
        left = n - k
        table = np.zeros((left // k + 1, left + 1))
        table[0] = [comb(silent, m) for m in range(left + 1)]
        for other in others:
            table = _take(table, other, k)
        shares = table[:, left] / np.arange(1, table.shape[0] + 1)
        won += comb(size, k) * float(shares.sum())
    return won / comb(total, n)


def _take(table: Floats, other: int, k: int) -> Floats:
    """`table` after one more class has given 0..k of its `other` samples, k of them counting as a tie."""
    out = np.zeros_like(table)
    width = table.shape[1]
    for x in range(min(other, k, width - 1) + 1):
        moved = comb(other, x) * table[:, : width - x]
        if x < k:
            out[:, x:] += moved
        else:
            out[1:, x:] += moved[:-1]
    return out


@lru_cache(maxsize=64)
def _all_subsets(total: int, n: int) -> Floats:
    rows = np.zeros((comb(total, n), total))
    for row, chosen in zip(rows, combinations(range(total), n), strict=True):
        row[list(chosen)] = 1
    return rows


@lru_cache(maxsize=4)
def _drawn_subsets(total: int, n: int, seed: int) -> Floats:
    ranks = np.random.default_rng(seed).random((MAX_SUBSETS, total)).argsort(axis=1)
    return (ranks < n).astype(float)


def _subsets(total: int, n: int, seed: int) -> Floats:
    """0/1 rows, each an n-subset: all of them where they are few, else a seeded random choice."""
    return _all_subsets(total, n) if comb(total, n) <= MAX_SUBSETS else _drawn_subsets(total, n, seed)

"""A small text classifier: multinomial logistic regression over hashed words and pairs of words.

    x_g = (1 + log tf_g) log((1 + n) / (1 + df_g)),  each row scaled to length 1
    P(class | x) = softmax(W x + b),  fitted by  min  mean cross-entropy + (lambda / 2) ||W||^2

It learns from the labels that a judge gave a sample and labels the rest: topic and quality of prompts, at a
million texts a minute or so instead of a judge's calls. The features are the 64-bit hashes of
`curation.words` themselves (no table of buckets, so no collisions), those of at least two texts. The problem
is convex, its curvature at most 1/2 + lambda on rows of length 1, and Nesterov's accelerated gradient (1983)
with that step needs neither tuning nor chance: the same texts give the same weights. Only the folds of
`held_out` are drawn, by a hash of ids and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.words.texts import Grams, Texts, grams_of, split_words
from store.ids import content_id

Floats = NDArray[np.float64]

NEEDED_TEXTS = 2  # that have a feature: what one text alone has says nothing of others
REGULARISATION = 0.1  # lambda times n; the usual C = 10 for rows of length 1
MAX_ROUNDS = 200  # held-out accuracy on the subjects of MATH-500 is the same from 60 rounds on
TOLERANCE = 1e-4  # largest step of a weight at which it has converged
FOLDS = 5
CHUNK = 20_000  # texts predicted at once


class _Rows(NamedTuple):
    """A sparse matrix by rows: `columns` and `values` (k,), those of row i from rows[i] to rows[i + 1]."""

    columns: NDArray[np.int64]
    values: Floats
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Classifier:
    classes: tuple[str, ...]
    features: NDArray[np.uint64]  # (f,) sorted hashes
    idf: Floats  # (f,)
    weights: Floats  # (f, classes)
    bias: Floats  # (classes,)

    def probabilities(self, texts: Texts) -> Floats:
        """(n, classes); a text without a known word gets what the classes are in all."""
        parts = [
            self._chunk(Texts(texts.data, texts.offsets[start : start + CHUNK + 1]))
            for start in range(0, len(texts), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def _chunk(self, texts: Texts) -> Floats:
        rows = _scaled(_known(_features(texts), self.features), self.idf)
        return _softmax(_times(rows, self.weights) + self.bias)


class HeldOut(NamedTuple):
    """How well labels of texts that were not learnt from are met, over all folds."""

    n: int
    accuracy: float
    baseline: float  # of always saying the commonest class
    probabilities: Floats  # (n, classes), in the order of the texts
    classes: tuple[str, ...]


def learn(texts: Texts, labels: Sequence[str]) -> Classifier:
    """The classifier of `texts` (n) with their `labels` (n); one class alone is learnt as a constant."""
    classes = tuple(sorted(set(labels)))
    target = np.eye(len(classes))[[classes.index(label) for label in labels]]
    grams = _features(texts)
    features = _common(grams)
    rows = _known(grams, features)
    found_in = np.bincount(rows.columns, minlength=len(features))
    idf = np.log((1 + len(texts)) / (1 + found_in))
    weights, bias = _fit(_scaled(rows, idf), target, len(features))
    return Classifier(classes, features, idf, weights, bias)


def held_out(texts: Texts, labels: Sequence[str], ids: Sequence[str], seed: int) -> HeldOut:
    """FOLDS-fold cross-validation; the fold of a text follows from its id. n >= 2 texts."""
    order = sorted(range(len(ids)), key=lambda i: content_id("fold", seed, ids[i]))
    fold = np.empty(len(ids), np.int64)
    fold[order] = np.arange(len(ids)) % FOLDS
    classes = tuple(sorted(set(labels)))
    found = np.zeros((len(ids), len(classes)))
    for one in np.unique(fold):
        mine, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        model = learn(_some(texts, others), [labels[i] for i in others])
        places = np.array([classes.index(name) for name in model.classes])
        found[mine[:, None], places] = model.probabilities(_some(texts, mine))
    truth = np.array([classes.index(label) for label in labels])
    baseline = np.bincount(truth).max() / len(truth)
    right = float((found.argmax(axis=1) == truth).mean())
    return HeldOut(len(ids), right, float(baseline), found, classes)


def _some(texts: Texts, rows: NDArray[np.int64]) -> Texts:
    sizes = np.diff(texts.offsets)[rows]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    parts = [texts.data[texts.offsets[i] : texts.offsets[i + 1]] for i in rows]
    return Texts(np.concatenate([np.zeros(0, np.uint8), *parts]), offsets)


def _features(texts: Texts) -> Grams:
    """Single words and pairs of neighbours of each text, as the hashes of its n-grams."""
    words = split_words(texts)
    single, pairs = grams_of(words, 1), grams_of(words, 2)
    owners = np.concatenate([np.repeat(np.arange(len(texts)), np.diff(g.rows)) for g in (single, pairs)])
    order = np.argsort(owners, kind="stable")
    hashes, firsts = (np.concatenate(both)[order] for both in zip(single[:2], pairs[:2], strict=True))
    return Grams(hashes, firsts, single.rows + pairs.rows)


def _common(grams: Grams) -> NDArray[np.uint64]:
    """The hashes that at least NEEDED_TEXTS texts have, sorted."""
    owners = np.repeat(np.arange(len(grams.rows) - 1), np.diff(grams.rows))
    order = np.lexsort((owners, grams.hashes))
    hashes, owners = grams.hashes[order], owners[order]
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    features, counts = np.unique(hashes[new], return_counts=True)
    return features[counts >= NEEDED_TEXTS]


def _known(grams: Grams, features: NDArray[np.uint64]) -> _Rows:
    """How often each text has each known feature; unknown ones are left out."""
    n = len(grams.rows) - 1
    if not len(features):
        return _Rows(np.zeros(0, np.int64), np.zeros(0), np.zeros(n + 1, np.int64))
    owners = np.repeat(np.arange(n), np.diff(grams.rows))
    columns = np.minimum(np.searchsorted(features, grams.hashes), len(features) - 1)
    there = features[columns] == grams.hashes
    pairs, counts = np.unique(owners[there] * len(features) + columns[there], return_counts=True)
    owners, columns = np.divmod(pairs, len(features))
    rows = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=n))))
    return _Rows(columns, counts.astype(np.float64), rows)


def _scaled(rows: _Rows, idf: Floats) -> _Rows:
    values = (1 + np.log(rows.values)) * idf[rows.columns]
    lengths = np.sqrt(_sums((values**2)[:, None], rows.rows)[:, 0])
    return rows._replace(values=values / np.repeat(np.where(lengths > 0, lengths, 1), np.diff(rows.rows)))


def _times(rows: _Rows, weights: Floats) -> Floats:
    """(n, classes): the matrix times `weights` (f, classes)."""
    return _sums(weights[rows.columns] * rows.values[:, None], rows.rows)


def _sums(values: Floats, rows: NDArray[np.int64]) -> Floats:
    """(n, c) sums of the rows of `values` (k, c) from rows[i] to rows[i + 1]."""
    found = np.zeros((len(rows) - 1, values.shape[1]))
    some = np.diff(rows) > 0
    if some.any():
        found[some] = np.add.reduceat(values, rows[:-1][some], axis=0)
    return found


def _transposed(rows: _Rows, n_features: int) -> _Rows:
    owners = np.repeat(np.arange(len(rows.rows) - 1), np.diff(rows.rows))
    order = np.argsort(rows.columns, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows.columns, minlength=n_features))))
    return _Rows(owners[order], rows.values[order], starts)


def _fit(rows: _Rows, target: Floats, n_features: int) -> tuple[Floats, Floats]:
    """The last row of `w` is the bias, the weight of a feature that is 1 everywhere: so L counts rows of
    length sqrt(2). Momentum that turns against the gradient is dropped (O'Donoghue and Candes 2015)."""
    n, classes = target.shape
    penalty = np.full((n_features + 1, 1), REGULARISATION / n)
    penalty[-1] = 0
    step = 1 / (1 + REGULARISATION / n)
    columns = _transposed(rows, n_features)
    w = np.vstack([np.zeros((n_features, classes)), np.log(target.mean(axis=0))])
    ahead, pace = w, 1.0
    for _ in range(MAX_ROUNDS):
        error = (_softmax(_times(rows, ahead[:-1]) + ahead[-1]) - target) / n
        gradient = np.vstack([_times(columns, error), error.sum(axis=0)]) + penalty * ahead
        new = ahead - step * gradient
        moved = new - w
        pace = 1.0 if (gradient * moved).sum() > 0 else pace
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead, w, pace = new + (pace - 1) / next_pace * moved, new, next_pace
        if np.abs(moved).max() < TOLERANCE:
            break
    return w[:-1], w[-1]


def _softmax(scores: Floats) -> Floats:
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)

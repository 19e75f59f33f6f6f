"""The small classifier: it finds the minimum it names, learns what words tell, and is always the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

import curation.classifier as classifier
from curation.classifier import REGULARISATION, held_out, learn
from curation.words.texts import plain_words, texts_of

WORDS = {
    "maths": "sum triangle prove integer equation solve angle product".split(),
    "code": "python function loop compile bug array class return".split(),
    "poem": "rhyme verse moon sorrow stanza love ode lament".split(),
}
COMMON = "please write the a of with for how can you explain me".split()


def made(n: int, seed: int, share: float = 0.3) -> tuple[list[str], list[str]]:
    """Texts whose label is told by about `share` of their words."""
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(n):
        label = rng.choice(sorted(WORDS))
        words = [rng.choice(WORDS[label] if rng.random() < share else COMMON) for _ in range(12)]
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def test_it_reaches_the_minimum_of_the_penalised_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The features, the objective and its gradient written out again, densely and from the definition."""
    monkeypatch.setattr(classifier, "MAX_ROUNDS", 20_000)
    monkeypatch.setattr(classifier, "TOLERANCE", 1e-10)
    texts, labels = made(40, seed=1)
    model = learn(texts_of(texts), labels)
    grams = [[*w, *zip(w, w[1:], strict=False)] for w in map(plain_words, texts)]
    vocabulary = sorted({g for found in grams for g in found if sum(g in one for one in grams) >= 2}, key=str)
    assert len(model.features) == len(vocabulary)
    counts = np.array([[found.count(g) for g in vocabulary] for found in grams], float)
    x = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * np.log(
        41 / (1 + (counts > 0).sum(axis=0))
    )
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    target = np.array([[label == name for name in model.classes] for label in labels], float)

    # The same predictions, whatever the order of features: solve for the dense problem by Newton steps.
    w = np.zeros((x.shape[1] + 1, len(model.classes)))
    x1 = np.hstack([x, np.ones((len(x), 1))])
    ridge = np.full(x1.shape[1], REGULARISATION / len(x))
    ridge[-1] = 1e-9  # the bias is free; this only fixes its level
    for _ in range(60):
        p = np.exp(x1 @ w)
        p /= p.sum(axis=1, keepdims=True)
        gradient = x1.T @ (p - target) / len(x) + ridge[:, None] * w
        k, f = w.shape[1], w.shape[0]
        hessian = np.zeros((f * k, f * k))
        for a in range(k):
            for b in range(k):
                d = p[:, a] * ((a == b) - p[:, b]) / len(x)
                hessian[a * f : (a + 1) * f, b * f : (b + 1) * f] = (x1 * d[:, None]).T @ x1
            hessian[a * f : (a + 1) * f, a * f : (a + 1) * f] += np.diag(ridge)
        w = w - np.linalg.solve(hessian, gradient.T.reshape(-1)).reshape(k, f).T
    assert np.abs(gradient).max() < 1e-10
    assert np.allclose(model.probabilities(texts_of(texts)), p, atol=1e-5)


def test_it_learns_what_words_tell_and_says_how_well() -> None:
    texts, labels = made(300, seed=2)
    ids = [f"p{i}" for i in range(300)]
    tested = held_out(texts_of(texts), labels, ids, seed=0)
    assert tested.n == 300 and tested.accuracy > 0.9 > 0.45 > tested.baseline
    others, truth = made(200, seed=3)
    found = learn(texts_of(texts), labels).probabilities(texts_of(others))
    assert np.allclose(found.sum(axis=1), 1)
    right = [tested.classes[k] == label for k, label in zip(found.argmax(axis=1), truth, strict=True)]
    assert sum(right) / 200 == pytest.approx(tested.accuracy, abs=0.08)


def test_labels_without_a_reason_are_not_learnt() -> None:
    texts, labels = made(200, seed=4)
    random.Random(0).shuffle(labels)
    tested = held_out(texts_of(texts), labels, [f"p{i}" for i in range(200)], seed=0)
    assert tested.accuracy < tested.baseline + 0.1


def test_the_same_texts_give_the_same_weights_in_any_batch() -> None:
    texts, labels = made(60, seed=5)
    one, two = learn(texts_of(texts), labels), learn(texts_of(texts), labels)
    assert one.weights.tobytes() == two.weights.tobytes()
    together = one.probabilities(texts_of(texts))
    apart = np.concatenate([one.probabilities(texts_of([text])) for text in texts])
    assert np.allclose(together, apart, atol=1e-12)


def test_folds_follow_from_ids_not_from_places() -> None:
    texts, labels = made(60, seed=6)
    ids = [f"p{i}" for i in range(60)]
    first = held_out(texts_of(texts), labels, ids, seed=0)
    again = held_out(texts_of(texts[::-1]), labels[::-1], ids[::-1], seed=0)
    assert np.allclose(first.probabilities, again.probabilities[::-1], atol=1e-6)
    assert (
        held_out(texts_of(texts), labels, ids, seed=1).probabilities.tolist() != first.probabilities.tolist()
    )


def test_texts_without_a_known_word_get_the_shares_of_the_classes() -> None:
    model = learn(texts_of(["sum sum", "sum angle", "loop", "loop bug"]), ["maths", "maths", "code", "code"])
    unknown = model.probabilities(texts_of(["", "世界 ??"]))
    assert np.allclose(unknown, 0.5, atol=0.05)
    assert learn(texts_of(["a", "b"]), ["x", "x"]).probabilities(texts_of(["c"])).tolist() == [[1.0]]
    assert model.probabilities(texts_of([])).shape == (0, 2)

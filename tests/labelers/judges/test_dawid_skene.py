"""Dawid and Skene's EM: planted judges, the paper's own data, and what EM promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labelers.judges.dawid_skene import fit

# Dawid and Skene 1979, table 1: fitness of 45 patients by observer 1 (three times) and observers 2 to 5.
PATIENTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 "
    "1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 "
    "1111111 1111111 2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 "
    "2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222"
)
ACCURACIES = (0.9, 0.8, 0.72, 0.65, 0.58)


def planted(accuracies, items=2000, classes=2, missing=0.0, seed=0):
    """One vote of each judge on each item, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=items)
    counts = np.zeros((items, len(accuracies), classes), dtype=int)
    for j, accuracy in enumerate(accuracies):
        slip = rng.random(items) > accuracy
        said = np.where(slip, (truth + rng.integers(1, classes, size=items)) % classes, truth)
        counts[np.arange(items), j, said] = rng.random(items) >= missing
    return counts, truth


def accuracies_of(fitted):
    """P(a judge says the class), over the classes as they are."""
    return np.einsum("jcc,c->j", fitted.confusion, fitted.prior)


def test_accuracies_are_recovered_within_two_points_of_what_the_judges_did_and_without_bias():
    planted_at, found = (0.95, 0.9, 0.85, 0.8, 0.7), []
    for seed in range(20):
        counts, truth = planted(planted_at, seed=seed)
        did = np.array([(counts[:, j].argmax(axis=1) == truth).mean() for j in range(5)])
        found.append(accuracies_of(fit(counts, classes=2)))
        assert found[-1] == pytest.approx(did, abs=0.02)
    # One world is itself sqrt(.21 / 2000) = .010 away from its plan; the mean of twenty .002.
    assert np.mean(found, axis=0) == pytest.approx(planted_at, abs=0.007)


def test_missing_votes_and_more_classes_do_not_move_the_accuracies():
    planted_at = (0.85, 0.75, 0.7, 0.6, 0.55)
    counts, _ = planted(planted_at, items=4000, classes=3, missing=0.3, seed=3)
    assert accuracies_of(fit(counts, classes=3)) == pytest.approx(planted_at, abs=0.02)


def test_one_good_judge_among_poor_ones_is_followed_where_a_majority_would_outvote_it():
    counts, truth = planted((0.92, 0.6, 0.6, 0.6, 0.6), seed=1)
    majority = counts.sum(axis=1).argmax(axis=1)
    guess = fit(counts, classes=2).posterior.argmax(axis=1)
    assert (guess == truth).mean() > (majority == truth).mean() + 0.1


def test_posteriors_mean_what_they_say():
    counts, truth = planted(ACCURACIES, items=20_000, seed=1)
    fitted = fit(counts, classes=2)
    guess, sure = fitted.posterior.argmax(axis=1), fitted.posterior.max(axis=1)
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.0)):
        at = (sure >= low) & (sure < high)
        assert (guess == truth)[at].mean() == pytest.approx(sure[at].mean(), abs=0.02)


def test_the_papers_patients_have_the_papers_class_shares_and_error_rates():
    counts = np.zeros((45, 5, 4), dtype=int)
    for i, marks in enumerate(PATIENTS.split()):
        for judge, mark in zip((0, 0, 0, 1, 2, 3, 4), marks, strict=True):
            counts[i, judge, int(mark) - 1] += 1
    fitted = fit(counts, classes=4, smoothing=0.0)
    assert fitted.prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert fitted.confusion[0, 0] == pytest.approx([0.89, 0.11, 0.0, 0.0], abs=0.005)
    assert fitted.confusion[0, 1] == pytest.approx([0.07, 0.88, 0.05, 0.0], abs=0.005)


votes = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(2, 4)).flatmap(
    lambda shape: arrays.arrays(int, shape, elements=st.integers(0, 2))
)


@settings(max_examples=60, deadline=None)
@given(votes, st.sampled_from([0.0, 0.01, 1.0]))
def test_the_objective_never_falls(counts, smoothing):
    objective = fit(counts, classes=2, smoothing=smoothing).objective
    assert all(
        after >= before - 1e-9 * (1 + abs(before))
        for before, after in zip(objective, objective[1:], strict=False)
    )


@settings(max_examples=40, deadline=None)
@given(votes)
def test_probabilities_are_probabilities_and_items_may_come_in_any_order(counts):
    fitted, turned = fit(counts, classes=2), fit(counts[::-1], classes=2)
    for p in (fitted.prior, fitted.confusion, fitted.posterior):
        assert np.isfinite(p).all() and (p >= 0).all()
        assert p.sum(axis=-1) == pytest.approx(1.0)
    assert turned.posterior[::-1] == pytest.approx(fitted.posterior, abs=1e-6)


def test_an_item_without_votes_has_the_prior():
    counts, _ = planted(ACCURACIES, items=200)
    counts[7] = 0
    fitted = fit(counts, classes=2)
    assert fitted.posterior[7] == pytest.approx(fitted.prior, abs=1e-3)


def test_a_judge_that_answers_at_random_moves_no_opinion():
    counts, _ = planted((*ACCURACIES[:3], 0.5), items=5000, seed=2)
    without, with_noise = (fit(part, classes=2).posterior for part in (counts[:, :3], counts))
    assert (without.argmax(axis=1) == with_noise.argmax(axis=1)).mean() > 0.98


def test_a_further_symbol_names_no_class_and_can_still_tell_something():
    # Judge 0 says "cannot tell" (symbol 2) of half of class 1 and of nothing else.
    counts, truth = planted((0.9, 0.8, 0.8), items=3000, seed=4)
    counts = np.concatenate([counts, np.zeros((3000, 3, 1), dtype=int)], axis=2)
    mute = (truth == 1) & (np.arange(3000) % 2 == 0)
    counts[mute, 0] = (0, 0, 1)
    fitted = fit(counts, classes=2)
    assert fitted.posterior.shape == (3000, 2)
    assert fitted.confusion[0, 1, 2] == pytest.approx(0.5, abs=0.05)
    assert fitted.posterior[mute, 1].min() > 0.8

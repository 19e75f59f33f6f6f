"""Logistic regression of preferences: closed forms, first-order conditions, honest errors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labelers.judges.logistic import PRIOR_PRECISION, fit


def drawn(weights, rows, seed, per_group=1):
    """Standard normal differences, and preferences drawn from the model; a group shares its differences."""
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.normal(size=(rows // per_group, len(weights))), per_group, axis=0)
    return x, rng.random(len(x)) < 1 / (1 + np.exp(-x @ np.array(weights))), np.arange(len(x)) // per_group


def test_one_binary_difference_has_the_log_odds_of_its_rate():
    # 3,000 of 4,000 prefer the side with the feature: w = log 3, but for a prior of a fraction of a row
    x, y = np.ones((4000, 1)), np.arange(4000) < 3000
    fitted = fit(x, y, np.arange(4000))
    assert fitted.coefficients[0] == pytest.approx(math.log(3), abs=1e-4)
    assert fitted.errors[0] == pytest.approx(math.sqrt(1 / 3000 + 1 / 1000), rel=1e-3)


features = arrays.arrays(float, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(-1, 1))


@settings(max_examples=60, deadline=None)
@given(features, st.randoms(use_true_random=False))
def test_the_slope_of_the_posterior_is_zero_and_every_number_is_finite(x, rng):
    y = np.array([rng.random() < 0.5 for _ in x], dtype=float)
    fitted = fit(x, y, np.arange(len(x)))
    slope = x.T @ (y - 1 / (1 + np.exp(-x @ fitted.coefficients))) - PRIOR_PRECISION * fitted.coefficients
    assert slope == pytest.approx(np.zeros(x.shape[1]), abs=1e-6)
    assert np.isfinite(fitted.errors).all() and (fitted.errors > 0).all()


@settings(max_examples=30, deadline=None)
@given(features, st.lists(st.booleans(), min_size=20, max_size=20))
def test_exchanging_the_sides_of_any_pairs_changes_nothing(x, swaps):
    y = (x.sum(axis=1) > 0).astype(float)
    sign = np.where(swaps[: len(x)], -1.0, 1.0)
    fitted = fit(x, y, np.arange(len(x)))
    other = fit(x * sign[:, None], np.where(sign < 0, 1 - y, y), np.arange(len(x)))
    assert other.coefficients == pytest.approx(fitted.coefficients, abs=1e-6)
    assert other.errors == pytest.approx(fitted.errors, abs=1e-6)


def test_errors_are_the_spread_of_the_estimates():
    fits = [fit(*drawn((0.8, -0.4), 400, seed)) for seed in range(150)]
    estimates = np.array([f.coefficients for f in fits])
    assert estimates.mean(axis=0) == pytest.approx([0.8, -0.4], abs=0.04)
    spread = estimates.std(axis=0)
    assert np.mean([f.errors for f in fits], axis=0) == pytest.approx(spread, rel=0.15)


def test_a_row_repeated_in_its_group_is_no_new_evidence():
    x, y, groups = drawn((0.5,), 300, seed=1)
    once = fit(x, y, groups)
    four_times = fit(np.repeat(x, 4, axis=0), np.repeat(y, 4), np.repeat(groups, 4))
    assert four_times.errors[0] == pytest.approx(once.errors[0], rel=0.05)


def test_a_difference_that_decides_every_case_stays_finite_and_unsure():
    x = np.linspace(-1, 1, 40)[:, None]
    fitted = fit(x, x[:, 0] > 0, np.arange(40))
    assert 5 < fitted.coefficients[0] < 50
    assert fitted.errors[0] > 1

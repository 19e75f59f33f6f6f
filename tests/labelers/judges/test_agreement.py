"""Agreement statistics against published worked examples and against independent formulas."""

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelers.judges.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement

# Fleiss 1971, Psychological Bulletin 76, table 1: 30 patients, 6 psychiatrists each, counts of the diagnoses
# depression, personality disorder, schizophrenia, neurosis, other.
PATIENTS = (
    "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 "
    "00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"
)
FLEISS = [[int(count) for count in patient] for patient in PATIENTS.split()]

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: 4 observers, 12 units.
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def columns(rows):
    return [[None if mark == "." else int(mark) for mark in unit] for unit in zip(*rows, strict=True)]


def table(counts):
    """Two raters' columns that make the contingency table `counts`."""
    pairs = [(i, j) for i, row in enumerate(counts) for j, n in enumerate(row) for _ in range(n)]
    return list(zip(*pairs, strict=True))


def test_cohen_kappa_of_the_textbook():
    # Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, table 18.1:
    # P_o = .89, P_e = .8 * .8 + .1 * .05 + .1 * .15 = .66, kappa = .23 / .34 = .68
    first, second = table([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert cohen_kappa(first, second) == pytest.approx(0.23 / 0.34)
    # P_o = .7, P_e = .5 * .6 + .5 * .4 = .5
    assert cohen_kappa(*table([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_fleiss_kappa_of_the_paper():
    assert np.sum(FLEISS, axis=0).tolist() == [26, 26, 30, 55, 43]  # its margins .144 .144 .167 .306 .239
    assert fleiss_kappa(FLEISS) == pytest.approx(0.430, abs=5e-4)


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorff_alpha_of_the_paper(level, alpha):
    assert krippendorff_alpha(columns(OBSERVERS), level) == pytest.approx(alpha, abs=6e-4)


def test_krippendorff_alpha_of_the_papers_small_examples():
    # Sections A (two observers, binary) and B (two observers, five categories) of the same paper.
    assert krippendorff_alpha(columns(["0100000010", "1110010000"])) == pytest.approx(0.095, abs=5e-4)
    units = list(zip("aabbdcccedda", "babbbccceddd", strict=True))
    assert krippendorff_alpha(units) == pytest.approx(0.692, abs=5e-4)


def by_hand(units, distance):
    """Alpha as one less the ratio of the mean distances within units and between all paired values."""
    units = [[v for v in unit if v is not None] for unit in units]
    units = [unit for unit in units if len(unit) > 1]
    values = [v for unit in units for v in unit]
    n = max(1, len(values))
    within = (
        sum(sum(distance(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    )
    between = sum(distance(a, b) for a, b in permutations(values, 2)) / (n * (n - 1)) if n > 1 else 0
    return 1 - within / between if between else None


ratings = st.lists(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=3, max_size=3), max_size=12)


@settings(max_examples=60, deadline=None)
@given(ratings)
def test_alpha_is_one_less_the_disagreement_within_units_over_that_between_them(units):
    for level, distance in {
        "nominal": lambda a, b: float(a != b),
        "interval": lambda a, b: (a - b) ** 2,
        "ratio": lambda a, b: ((a - b) / (a + b)) ** 2,
    }.items():
        assert krippendorff_alpha(units, level) == pytest.approx(by_hand(units, distance))


@settings(max_examples=60, deadline=None)
@given(ratings, st.randoms(use_true_random=False))
def test_the_order_of_items_and_raters_and_the_names_of_categories_do_not_matter(units, rng):
    shuffled = [rng.sample(unit, 3) for unit in rng.sample(units, len(units))]
    named = [[value and f"<{value}>" for value in unit] for unit in shuffled]
    assert krippendorff_alpha(named) == pytest.approx(krippendorff_alpha(units))
    assert percent_agreement(named) == pytest.approx(percent_agreement(units))


def test_alpha_of_two_complete_raters_tends_to_fleiss_kappa():
    # alpha = 1 - (1 - kappa) (n - 1) / n with n ratings (Krippendorff 2004, section 11.5)
    rng = random.Random(1)
    units = [[rng.randint(0, 2)] * 2 if rng.random() < 0.5 else [rng.randint(0, 2), 1] for _ in range(50)]
    kappa = fleiss_kappa([[unit.count(value) for value in range(3)] for unit in units])
    assert kappa is not None
    assert krippendorff_alpha(units) == pytest.approx(1 - (1 - kappa) * 99 / 100)


def test_agreement_counts_pairs_of_ratings_and_leaves_missing_ones_out():
    assert percent_agreement([["a", "a", "b"], ["a", None, "a"], [None, "b", None]]) == pytest.approx(2 / 4)
    assert cohen_kappa(["a", "b", None, "a"], ["a", "b", "b", None]) == pytest.approx(1.0)


def test_what_chance_alone_explains_is_undefined():
    assert cohen_kappa(["a"] * 5, ["a"] * 5) is None
    assert fleiss_kappa([[4, 0], [4, 0]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", None]]) is None
    assert krippendorff_alpha([[0.1, 0.1, 0.1], [0.1, 0.1, None], [0.7, None, None]], "interval") is None
    assert cohen_kappa([], []) is fleiss_kappa([]) is krippendorff_alpha([]) is percent_agreement([]) is None


def test_tables_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="the same number of ratings, at least 2; found 2 to 3"):
        fleiss_kappa([[1, 1], [2, 1]])
    with pytest.raises(ValueError, match="level 'circular'; one of nominal"):
        krippendorff_alpha([[1, 2]], "circular")

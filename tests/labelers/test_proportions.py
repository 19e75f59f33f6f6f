"""Intervals of shares and of their differences, against published tables."""

import pytest

from labelers.proportions import difference, rate, wilson


def test_wilson_intervals_match_the_textbook():
    # Newcombe 1998, Statistics in Medicine 17, 857, table I: 81/263, 15/148, 0/20, 1/29
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "interval"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 873, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_intervals_of_differences_match_the_textbook(first, second, interval):
    found = difference(rate(*first), rate(*second))
    assert (found["low"], found["high"]) == pytest.approx(interval, abs=5e-5)
    assert found["estimate"] == pytest.approx(first[0] / first[1] - second[0] / second[1])


def test_nothing_counted_is_null_and_never_a_number():
    assert rate(0, 0) == {"rate": None, "n": 0, "low": None, "high": None}
    lone = difference(rate(3, 4), rate(0, 0))
    assert lone == {"estimate": None, "se": None, "n": 4, "low": None, "high": None}

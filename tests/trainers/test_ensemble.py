"""Bootstrap samples by content, and the aggregation of members."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainers.ensemble import aggregate, resampled
from trainers.items import make_items
from trainers.units import Unit


def unit(i: int) -> Unit:
    paths = (np.array([1, 2, i], np.int32), np.array([1, 2, 3, i], np.int32))
    return Unit(
        f"row {i}", f"p{i}", paths, np.arange(2), np.array([2, 3]), make_items([[0, 1], [1, 0]], [1, 0])
    )


def copies(units: list[Unit]) -> dict[str, list[float]]:
    return {u.where: u.items.copies.tolist() for u in units}


def test_a_sample_hangs_on_seed_and_content_alone() -> None:
    units = [unit(i) for i in range(20)]
    found = copies(resampled(units, 3, seed=0))
    assert copies(resampled(units[::-1], 3, seed=0)) == found
    assert copies(resampled(units[5:], 3, seed=0)).items() <= found.items()
    assert copies(resampled(units, 3, seed=1)) != found


def test_items_of_a_unit_stay_together_and_equal_units_are_drawn_apart() -> None:
    found = resampled([unit(1)] * 40, 4, seed=0)
    assert all((u.items.copies == u.items.copies[0]).all() for u in found)
    assert len({tuple(u.items.copies[0]) for u in found}) > 20


def test_heads_draw_independent_poisson_numbers() -> None:
    # Of 4000 draws: mean and variance 1, each with a standard error below 0.03 (the variance's is
    # sqrt(3/4000)), and a share of exp(-1) = 0.368 without the unit.
    drawn = np.array([u.items.copies[0] for u in resampled([unit(i) for i in range(2000)], 2, seed=0)])
    assert abs(drawn.mean() - 1) < 0.08 and abs(drawn.var() - 1) < 0.12
    assert abs((drawn == 0).mean() - math.exp(-1)) < 0.04
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.1


def test_one_head_sees_every_unit_once() -> None:
    assert all((u.items.copies == 1).all() for u in resampled([unit(i) for i in range(5)], 1, seed=0))


MEMBERS = np.array([[1.0, 2.0], [3.0, 2.0], [8.0, 2.0]])  # three members of two rewards


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("mean", [4.0, 2.0]),
        ("min", [1.0, 2.0]),
        ("mean-std", [4 - math.sqrt(26 / 3), 2.0]),  # (9 + 1 + 16) / 3 is the variance of 1, 3, 8
    ],
)
def test_members_become_one_reward(how: str, wanted: list[float]) -> None:
    assert aggregate(MEMBERS, how) == pytest.approx(wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["mean", "min", "mean-std"])
def test_the_origin_and_scale_of_a_member_change_nothing_once_they_are_known(how: str) -> None:
    rng = np.random.default_rng(0)
    members = rng.normal(size=(3, 50))
    shift, scale = np.array([5.0, -100.0, 0.0]), np.array([0.1, 30.0, 1.0])
    moved = members * scale[:, None] + shift[:, None]
    wanted = aggregate(members, how)  # type: ignore[arg-type]
    assert aggregate(moved, how, shift, scale) == pytest.approx(wanted)  # type: ignore[arg-type]


def test_a_member_that_says_one_thing_of_everything_adds_nothing() -> None:
    members = np.array([[7.0, 7.0], [1.0, 3.0]])
    assert aggregate(members, "mean", np.array([7.0, 2.0]), np.array([0.0, 1.0])).tolist() == [-0.5, 0.5]

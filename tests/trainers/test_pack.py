"""Packing keeps every label, every comparison and every budget."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.items import make_items
from trainers.pack import group_by_prompt, make_trees, pack
from trainers.trees import tree_size
from trainers.units import Unit


@st.composite
def groups(draw: st.DrawFn) -> list[list[Unit]]:
    """Units of a few prompts, one or two paths each, with random label positions."""
    units = []
    for p in range(draw(st.integers(1, 4))):
        prompt = [9] * draw(st.integers(1, 6))
        n_paths = draw(st.integers(1, 2))
        for u in range(draw(st.integers(1, 5))):
            leaves = [draw(st.lists(st.integers(0, 3), min_size=1, max_size=6)) for _ in range(n_paths)]
            paths = tuple(np.array([*prompt, *leaf], np.int32) for leaf in leaves)
            at = np.array([draw(st.integers(0, len(path) - 1)) for path in paths])
            items = make_items([range(n_paths)], [u], u + 1, u)
            units.append(Unit(f"row {p}.{u}", f"p{p}", paths, np.arange(n_paths), at, items))
    return group_by_prompt(units)


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(20, 60))
def test_rows_stay_within_budget_and_hold_every_label_once(made: list[list[Unit]], budget: int) -> None:
    rows = pack([tree for group in made for tree in make_trees(group, budget)], budget)
    assert all(len(row) <= budget for row in rows)
    assert sorted(u.where for row in rows for u in row.units) == sorted(u.where for g in made for u in g)
    for row in rows:
        wanted = [int(u.paths[k][at]) for u in row.units for k, at in zip(u.path, u.at, strict=True)]
        assert row.tokens[row.index].tolist() == wanted
        depths = [int(at) for u in row.units for at in u.at]
        assert row.depth[row.index].tolist() == depths
        assert row.items.target.tolist() == [t for u in row.units for t in u.items.target.tolist()]
        assert row.items.margin.tolist() == [m for u in row.units for m in u.items.margin]


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(20, 60))
def test_a_prompt_is_split_only_when_it_must_be(made: list[list[Unit]], budget: int) -> None:
    for group in made:
        trees = make_trees(group, budget)
        whole = tree_size([p for u in group for p in u.paths])
        assert (len(trees) == 1) == (whole <= budget)
        assert sum(len(tree.units) for tree in trees) == len(group)


def test_packing_is_first_fit_decreasing() -> None:
    def tree(n: int):
        path = np.arange(n, dtype=np.int32)
        return make_trees(
            [Unit(str(n), "p", (path,), np.zeros(1, int), np.array([n - 1]), make_items([0], [1]))], 10
        )[0]

    # 7, 5, 4, 3, 1 into bins of 10: 7 opens a bin, 5 another, 4 joins 5, 3 joins 7, 1 fills 5 + 4.
    rows = pack([tree(n) for n in (3, 5, 7, 1, 4)], 10)
    assert [[int(u.where) for u in row.units] for row in rows] == [[7, 3], [5, 4, 1]]

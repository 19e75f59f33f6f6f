"""Packing keeps every label, every comparison and every budget."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import byte_tokenizer

from trainers import TrainConfig, trees
from trainers.data import read_examples
from trainers.items import make_items
from trainers.pack import by_unit, first_fit, group_by_prompt, make_trees, pack
from trainers.tokenize import Codec
from trainers.trees import tree_size
from trainers.units import Unit, make_units


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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10), max_size=30))
def test_first_fit_takes_the_first_row_with_room(sizes: list[int]) -> None:
    room: list[int] = []
    for size, found in zip(sizes, first_fit(sizes, 10), strict=True):
        wanted = next((i for i, left in enumerate(room) if left >= size), len(room))
        room += [10] * (wanted == len(room))
        room[wanted] -= size
        assert found == wanted


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(20, 60))
def test_a_part_ends_where_the_next_unit_would_not_fit(made: list[list[Unit]], budget: int) -> None:
    for group in made:
        parts = [tree.units for tree in make_trees(group, budget)]
        assert [unit.where for part in parts for unit in part] == [unit.where for unit in group]
        for part, following in zip(parts, parts[1:], strict=False):
            assert tree_size([p for u in [*part, following[0]] for p in u.paths]) > budget


def test_splitting_a_prompt_takes_time_in_proportion_to_its_units(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    compare = trees.common_prefix

    def counted(a: np.ndarray, b: np.ndarray) -> int:
        nonlocal calls
        calls += 1
        return compare(a, b)

    monkeypatch.setattr(trees, "common_prefix", counted)
    none = make_items([], [])
    group = [
        Unit(str(i), "p", (np.array([9, 9, i], np.int32),), np.zeros(0, int), np.zeros(0, int), none)
        for i in range(200)
    ]
    assert len(make_trees(group, 160)) == 2
    assert calls <= 5 * len(group)


@st.composite
def rankings(draw: st.DrawFn) -> list[list[Unit]]:
    """Rankings of one prompt, some too large for the budget of 16 tokens, and some pairs that are not."""
    units = []
    for u in range(draw(st.integers(1, 3))):
        n_paths = draw(st.integers(2, 5))
        leaves = [draw(st.lists(st.integers(0, 3), min_size=1, max_size=8)) for _ in range(n_paths)]
        paths = tuple(np.array([9, 9, *leaf, 5], np.int32) for leaf in leaves)
        at = np.array([len(path) - 1 for path in paths])
        items = make_items([range(n_paths)], [range(n_paths)])
        units.append(Unit(f"row {u}", "p", paths, np.arange(n_paths), at, items, n_prompt=2))
    return group_by_prompt(units)


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_a_ranking_above_the_budget_is_cut_by_paths_and_put_together_again(made: list[list[Unit]]) -> None:
    rows = pack([tree for group in made for tree in make_trees(group, 16)], 16)
    assert all(len(row) <= 16 for row in rows)
    for unit in (u for row in rows for u in row.units):
        assert (unit.whole is None) == (len(unit.items) == 1) and unit.n_prompt == 2
    # Each token's output stands for the path up to it; a split unit must get its labels' outputs in order.
    outputs = []
    for row in rows:
        ends = {int(path[-1]): row.tokens[path].tolist() for path, _ in row.paths}
        outputs.append(np.array([hash(tuple(ends[int(at)])) for at in row.index]))
    found = by_unit(rows, outputs)
    assert sorted(u.where for u, _ in found) == sorted(u.where for u in made[0])
    for unit, part in found:
        assert part.tolist() == [hash(tuple(path.tolist())) for path in unit.paths]


def test_alternatives_of_a_step_share_their_beginning(shared_data: Path, tmp_path: Path) -> None:
    """The four usable PRM800K samples as a forest: 15,290 tokens as separate rows, 3,980 packed."""
    pytest.importorskip("polars")
    from curation.formats import convert

    source = shared_data / "format_samples/samples_prm800k.jsonl"
    convert(source, tmp_path / "steps.parquet", "prm800k-positive", "stepwise")
    config = TrainConfig(objective="prm", model="-", data=["-"], output="-")
    examples = read_examples([tmp_path / "steps.parquet"], config)
    units, counts = make_units(examples, Codec(byte_tokenizer(), "x"), config, 4096)
    problems = {json.loads(line)["question"]["problem"] for line in source.read_text("utf-8").splitlines()}
    assert counts == {"rows": 26, "used": 26} and {e.messages[0]["content"] for e in examples} <= problems
    rows = pack([tree for group in group_by_prompt(units) for tree in make_trees(group, 4096)], 4096)
    assert (sum(row.n_path_tokens for row in rows), sum(map(len, rows))) == (15290, 3980)

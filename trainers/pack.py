"""Units → trees → rows of a token budget.

All units of a prompt form one tree. A group above the budget is split by whole units, each part repeating the
path it needs; a single unit above the budget (a ranking of long completions) is split by its paths, and its
items are formed once all rows of the step are scored (`Unit.whole`). Trees are packed into rows by
first-fit-decreasing, which needs at most 11/9 of the optimal number of rows (Johnson 1973)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .items import Items, join_items, make_items
from .trees import Tree, build_tree, tree_size
from .units import Unit


@dataclass(frozen=True)
class LabelledTree:
    """A tree and its units' labels: `index` are tree positions, one per label, unit after unit."""

    tree: Tree
    units: list[Unit]
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.tree)


@dataclass(frozen=True)
class Row:
    """Several trees behind one another: the input of one forward pass.

    `index` (L,) is where each label stands; `items` join labels of the row, units in order. `paths` lists
    each path's row positions and where the tokens that no earlier path has begin."""

    tokens: np.ndarray
    depth: np.ndarray
    end: np.ndarray
    index: np.ndarray
    items: Items
    units: list[Unit]
    paths: list[tuple[np.ndarray, int]]
    n_path_tokens: int  # what the same examples cost as separate rows without padding

    def __len__(self) -> int:
        return len(self.tokens)


def group_by_prompt(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units of one prompt together; units must be sorted by prompt id."""
    return [list(group) for _, group in groupby(units, key=lambda u: u.prompt_id)]


def make_trees(group: Sequence[Unit], budget: int) -> list[LabelledTree]:
    """The group as one tree, or as few as a greedy split by units, and by paths of a too large unit,
    needs."""
    if tree_size([p for u in group for p in u.paths]) <= budget:
        return [_labelled(list(group))]
    parts: list[list[Unit]] = [[]]
    for unit in [part for u in group for part in _fitting(u, budget)]:
        if parts[-1] and tree_size([p for u in [*parts[-1], unit] for p in u.paths]) > budget:
            parts.append([])
        parts[-1].append(unit)
    return [_labelled(part) for part in parts]


def _fitting(unit: Unit, budget: int) -> list[Unit]:
    """The unit, or its parts of one path each where its tree is above the budget."""
    if tree_size(unit.paths) <= budget:
        return [unit]
    held = [np.flatnonzero(unit.path == p) for p in range(len(unit.paths))]
    return [
        Unit(
            unit.where,
            unit.prompt_id,
            (path,),
            np.zeros(len(labels), np.int64),
            unit.at[labels],
            make_items([], []),
            unit,
            labels,
            unit.n_prompt,
        )
        for path, labels in zip(unit.paths, held, strict=True)
    ]


def _labelled(units: list[Unit]) -> LabelledTree:
    tree = build_tree([p for u in units for p in u.paths])
    first = np.cumsum([0, *(len(u.paths) for u in units)])
    index = [
        tree.paths[first[i] + k][u.at[u.path == k]] for i, u in enumerate(units) for k in range(len(u.paths))
    ]
    return LabelledTree(tree, units, np.concatenate(index).astype(np.int64))


def pack(trees: Iterable[LabelledTree], budget: int) -> list[Row]:
    """First-fit-decreasing; equal sizes keep their order. A tree above the budget gets a row of its own."""
    bins: list[list[LabelledTree]] = []
    room: list[int] = []
    for tree in sorted(trees, key=len, reverse=True):
        fit = next((i for i, free in enumerate(room) if free >= len(tree)), None)
        if fit is None:
            bins.append([])
            room.append(budget)
            fit = len(bins) - 1
        bins[fit].append(tree)
        room[fit] -= len(tree)
    return [make_row(trees) for trees in bins]


def make_row(trees: Sequence[LabelledTree]) -> Row:
    start = np.cumsum([0, *(len(t) for t in trees)])
    units = [u for t in trees for u in t.units]
    paths = [
        (at + s, own)
        for t, s in zip(trees, start, strict=False)
        for at, own in zip(t.tree.paths, t.tree.own, strict=True)
    ]
    return Row(
        tokens=np.concatenate([t.tree.tokens for t in trees]).astype(np.int64),
        depth=np.concatenate([t.tree.depth for t in trees]).astype(np.int64),
        end=np.concatenate([t.tree.end + s for t, s in zip(trees, start, strict=False)]).astype(np.int64),
        index=np.concatenate([t.index + s for t, s in zip(trees, start, strict=False)]),
        items=join_items(zip((u.items for u in units), label_starts(units), strict=True)),
        units=units,
        paths=paths,
        n_path_tokens=sum(len(p) for u in units for p in u.paths),
    )


def label_starts(units: Sequence[Unit]) -> list[int]:
    """For each unit, how many labels the units before it have."""
    return np.cumsum([0, *(len(u.at) for u in units)])[:-1].tolist()


def by_unit(rows: Sequence[Row], outputs: Sequence[np.ndarray]) -> list[tuple[Unit, np.ndarray]]:
    """Each unit with the outputs (L, …) of its labels; the parts of a split unit are put together again."""
    found: list[tuple[Unit, np.ndarray]] = []
    split: dict[int, np.ndarray] = {}
    for row, row_outputs in zip(rows, outputs, strict=True):
        for unit, start in zip(row.units, label_starts(row.units), strict=True):
            part = row_outputs[start : start + len(unit.at)]
            if unit.whole is None:
                found.append((unit, part))
                continue
            if id(unit.whole) not in split:
                split[id(unit.whole)] = np.empty((len(unit.whole.at), *part.shape[1:]), part.dtype)
                found.append((unit.whole, split[id(unit.whole)]))
            split[id(unit.whole)][unit.labels] = part
    return found

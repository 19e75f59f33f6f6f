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
from .trees import Tree, TreeSize, build_tree, tree_size
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
    size = TreeSize()
    for unit in [part for u in group for part in _fitting(u, budget)]:
        size.add(unit.paths)
        if parts[-1] and size.tokens > budget:
            parts.append([])
            size = TreeSize()
            size.add(unit.paths)
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
            np.zeros(len(labels), np.int32),
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
    ordered = sorted(trees, key=len, reverse=True)
    found = first_fit([min(len(tree), budget) for tree in ordered], budget)
    bins: list[list[LabelledTree]] = [[] for _ in range(max(found, default=-1) + 1)]
    for tree, i in zip(ordered, found, strict=True):
        bins[i].append(tree)
    return [make_row(trees) for trees in bins]


def first_fit(sizes: Sequence[int], room: int) -> list[int]:
    """For each size in turn, the first row with that much room left, of rows that have `room` each.

    The rows are leaves of a binary tree whose nodes hold the most room below them, so that a search takes
    O(log n) steps: node i has the children 2i and 2i + 1."""
    n = 1 << max(0, len(sizes) - 1).bit_length()
    most = [room] * (2 * n)
    found: list[int] = []
    for size in sizes:
        node = 1
        while node < n:
            node = 2 * node + (most[2 * node] < size)
        found.append(node - n)
        most[node] -= size
        while node > 1:
            node //= 2
            most[node] = max(most[2 * node], most[2 * node + 1])
    return found


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

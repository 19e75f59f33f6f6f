"""Units → trees → rows of a token budget.

All units of a prompt form one tree. A group above the budget is split by whole units (a comparison never
spans two trees, so its gradient is never cut in two), each part repeating the path it needs. Trees are packed
into rows by first-fit-decreasing, which needs at most 11/9 of the optimal number of rows (Johnson 1973)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

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

    `index` has one entry per label, `target`, `weight` and `margin` one per item (an item is a pair in BT,
    else a label). `paths` lists each path's row positions and where the tokens that no earlier path has
    begin."""

    tokens: np.ndarray
    depth: np.ndarray
    end: np.ndarray
    index: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    margin: np.ndarray
    units: list[Unit]
    paths: list[tuple[np.ndarray, int]]
    n_path_tokens: int  # what the same examples cost as separate rows without padding

    def __len__(self) -> int:
        return len(self.tokens)


def group_by_prompt(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units of one prompt together; units must be sorted by prompt id."""
    return [list(group) for _, group in groupby(units, key=lambda u: u.prompt_id)]


def make_trees(group: Sequence[Unit], budget: int) -> list[LabelledTree]:
    """The group as one tree, or as few as a greedy split by whole units needs."""
    parts: list[list[Unit]] = [[]]
    if tree_size([p for u in group for p in u.paths]) <= budget:
        parts = [list(group)]
    else:
        for unit in group:
            if parts[-1] and tree_size([p for u in [*parts[-1], unit] for p in u.paths]) > budget:
                parts.append([])
            parts[-1].append(unit)
    return [_labelled(part) for part in parts]


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
        target=np.concatenate([u.target for u in units]),
        weight=np.concatenate([u.weight for u in units]),
        margin=np.concatenate([np.full(len(u.target), u.margin, np.float32) for u in units]),
        units=units,
        paths=paths,
        n_path_tokens=sum(len(p) for u in units for p in u.paths),
    )

"""Conversations with a common beginning as one prefix tree, laid out for a single forward pass.

Paths are sorted by their ids; each then adds to the tree what lies behind its longest common prefix with the
path before it. That is the trie in depth-first pre-order, so token q may look at token k exactly when

    k <= q < end[k]          (end[k]: one past the last token of k's subtree)

and its position is its depth, as if its path stood alone in the row. Identical tokens are computed once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Ids = np.ndarray


@dataclass(frozen=True)
class Tree:
    """`paths[i][p]` is where token p of the i-th given path stands in the tree; `own[i]` is where the tokens
    that it added begin (depth-first), so `paths[i][own[i]:]` partition the tree over i."""

    tokens: Ids
    depth: Ids
    end: Ids
    paths: list[Ids]
    own: list[int]

    def __len__(self) -> int:
        return len(self.tokens)


def lexicographic(path: Ids) -> bytes:
    """Sort key: big-endian unsigned bytes compare as the ids do."""
    return path.astype(">u4").tobytes()


def common_prefix(a: Ids, b: Ids) -> int:
    """How many tokens `a` and `b` share from the start."""
    n = min(len(a), len(b))
    differs = a[:n] != b[:n]
    return int(differs.argmax()) if differs.any() else n


def tree_size(paths: Sequence[Ids]) -> int:
    """Tokens of the tree of `paths`, without building it."""
    ordered = sorted(paths, key=lexicographic)
    shared = sum(common_prefix(a, b) for a, b in zip(ordered, ordered[1:], strict=False))
    return sum(map(len, ordered)) - shared


class TreeSize:
    """The `tokens` of a tree that grows path by path: a new path adds what lies behind its longest common
    prefix with any other, which is one of its two neighbours in sorted order."""

    def __init__(self) -> None:
        self.tokens = 0
        self._keys: list[bytes] = []
        self._paths: list[Ids] = []

    def add(self, paths: Sequence[Ids]) -> None:
        for path in paths:
            key = lexicographic(path)
            at = bisect_left(self._keys, key)
            beside = self._paths[max(0, at - 1) : at + 1]
            self.tokens += len(path) - max((common_prefix(path, other) for other in beside), default=0)
            self._keys.insert(at, key)
            self._paths.insert(at, path)


def build_tree(paths: Sequence[Ids]) -> Tree:
    """The prefix tree of one or more paths (a forest, laid out alike, where first tokens differ)."""
    tokens: list[Ids] = []
    depth: list[Ids] = []
    end = np.zeros(sum(map(len, paths)), np.int32)
    placed: list[Ids] = [np.zeros(0, np.int32)] * len(paths)
    own = [0] * len(paths)
    size, before, before_at = 0, np.zeros(0, np.int32), np.zeros(0, np.int32)
    for i in sorted(range(len(paths)), key=lambda i: lexicographic(paths[i])):
        path = paths[i]
        shared = common_prefix(before, path)
        grown = size + len(path) - shared
        at = np.concatenate([before_at[:shared], np.arange(size, grown, dtype=np.int32)])
        tokens.append(path[shared:])
        depth.append(np.arange(shared, len(path), dtype=np.int32))
        end[at] = grown  # every ancestor's subtree reaches at least to here
        placed[i], own[i] = at, shared
        size, before, before_at = grown, path, at
    return Tree(np.concatenate(tokens), np.concatenate(depth), end[:size], placed, own)

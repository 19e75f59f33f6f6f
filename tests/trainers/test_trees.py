"""Prefix trees against a set of prefixes, the definition of a trie."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.attention import ancestor_mask
from trainers.trees import build_tree, tree_size

PATHS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=8)


def arrays(paths: list[list[int]]) -> list[np.ndarray]:
    return [np.array(path, np.int32) for path in paths]


@given(PATHS)
def test_a_tree_has_one_token_for_each_distinct_prefix(paths: list[list[int]]) -> None:
    prefixes = {tuple(path[: i + 1]) for path in paths for i in range(len(path))}
    tree = build_tree(arrays(paths))
    assert len(tree) == tree_size(arrays(paths)) == len(prefixes)


@given(PATHS)
def test_every_path_can_be_read_back_with_its_positions(paths: list[list[int]]) -> None:
    tree = build_tree(arrays(paths))
    for path, at in zip(paths, tree.paths, strict=True):
        assert tree.tokens[at].tolist() == path
        assert tree.depth[at].tolist() == list(range(len(path)))


@given(PATHS)
def test_a_token_sees_its_own_prefix_and_nothing_else(paths: list[list[int]]) -> None:
    tree = build_tree(arrays(paths))
    mask = ancestor_mask(torch.from_numpy(tree.end))[0, 0]
    for at in tree.paths:
        for i, q in enumerate(at):
            assert torch.nonzero(mask[q]).flatten().tolist() == at[: i + 1].tolist()


@given(PATHS)
def test_the_tokens_that_paths_own_partition_the_tree(paths: list[list[int]]) -> None:
    tree = build_tree(arrays(paths))
    owned = [k for at, own in zip(tree.paths, tree.own, strict=True) for k in at[own:]]
    assert sorted(owned) == list(range(len(tree)))


def test_a_shared_prompt_is_stored_once() -> None:
    # 5 shared + 2 + 3 own tokens
    assert tree_size(arrays([[9, 9, 9, 9, 9, 1, 1], [9, 9, 9, 9, 9, 2, 2, 2]])) == 10

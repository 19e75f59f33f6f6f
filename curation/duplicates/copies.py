"""Which texts are copies, and which of them stays.

1. Texts with the same words are one text: by a 64-bit hash of them, which any two of ten million different
   texts share with a probability of 3 in a million.
2. Texts that share a band of their sketches are candidates; in a bucket of many, each is compared with the
   `REACH` next in the order of their hashes. A candidate pair counts where its exact Jaccard similarity does.
3. Pairs join into groups. A group is what must not be torn apart; it may be a chain whose ends differ.
4. Inside a group a text goes only for one that stays and is a copy of it by itself: in the order of
   preference, each text that is no copy of those that stay so far stays too.

The result depends on the texts and preferences alone, not on the order of rows (but for rows that are equal
in both). Memory is some 60 bytes a row, whatever the texts are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.sketches import Sketches

REACH = 64
_PAIRS = 1 << 17  # verified at a time
_SHINGLES = 1 << 23  # of the groups in memory at a time; 32 MiB

Rows = NDArray[np.int32]
Places = NDArray[np.int64]


class Copies(NamedTuple):
    """What stands in for each of n texts, all (n,).

    `kept`: the text that stays for this one, itself where it stays. `similarity` with that one: 1 for the
    same words. `exact`: it has the same words. `group`: a hash of its group's words.
    """

    kept: Rows
    similarity: NDArray[np.float32]
    exact: NDArray[np.bool_]
    group: NDArray[np.uint64]

    @property
    def stays(self) -> NDArray[np.bool_]:
        return self.kept == np.arange(len(self.kept))


def find_copies(sketches: Sketches) -> Copies:
    """Which of the sketched texts are copies; there may be up to 2^31 of them."""
    text_of, rows = _distinct(sketches)
    offsets = sketches.shingle_offsets()
    groups = _join_copies(sketches, rows, offsets)
    kept, similarity = _choose(sketches, rows, offsets, groups)
    del offsets
    mine = kept[text_of]
    group = sketches.whole()[rows[groups]]
    return Copies(rows[mine], similarity[text_of], mine == text_of, group[text_of])


def _distinct(sketches: Sketches) -> tuple[Rows, Rows]:
    """(number of the text of each row, row of each text): rows with the same words are one text, at the row
    that is preferred; texts are numbered by the hash of their words."""
    whole = sketches.whole()
    order = np.lexsort((sketches.preference(), whole)).astype(np.int32)  # stable: the first of equal rows
    whole = whole[order]
    new = np.ones(len(order), np.bool_)
    np.not_equal(whole[1:], whole[:-1], out=new[1:])
    text_of = np.empty(len(order), np.int32)
    text_of[order] = np.cumsum(new, dtype=np.int32) - np.int32(1)
    return text_of, order[new]


def _join_copies(sketches: Sketches, rows: Rows, offsets: Places) -> Rows:
    """The smallest text of the group of each text."""
    from curation.duplicates.kernels import candidate_pairs, join_pairs

    parents, pairs = np.arange(len(rows), dtype=np.int32), np.empty((_PAIRS, 2), np.int64)
    for k in range(sketches.bands.number):
        keys, at = _buckets(sketches.band(k)[rows]), 0
        while at < len(keys):
            found, at = candidate_pairs(keys, at, REACH, parents, pairs)
            block = pairs[:found]
            join_pairs(parents, block, _alike(sketches, rows, offsets, block) >= sketches.rule.similarity)
    return _roots(parents)


def _buckets(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Sorted (band hash, text) of all texts that do not have their bucket for themselves."""
    keys = band.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    next_same = np.zeros(len(keys) + 1, np.bool_)
    next_same[1:-1] = keys[1:] >> np.uint64(32) == keys[:-1] >> np.uint64(32)
    return keys[next_same[1:] | next_same[:-1]]


def _alike(sketches: Sketches, rows: Rows, offsets: Places, pairs: Places) -> NDArray[np.float64]:
    from curation.duplicates.kernels import similarities

    texts, places = np.unique(pairs, return_inverse=True)
    return similarities(*sketches.shingles(rows[texts], offsets), places.reshape(pairs.shape))


def _roots(parents: Rows) -> Rows:
    """Groups are trees whose parents are smaller than their children."""
    while not np.array_equal(further := parents[parents], parents):
        parents = further
    return parents


def _choose(
    sketches: Sketches, rows: Rows, offsets: Places, groups: Rows
) -> tuple[Rows, NDArray[np.float32]]:
    """(the text that stays for each text, their similarity)."""
    from curation.duplicates.kernels import nearest_leaders

    kept, similarity = np.arange(len(rows), dtype=np.int32), np.ones(len(rows), np.float32)
    members = np.flatnonzero(_is_shared(groups))
    preference = sketches.preference()[rows[members]]
    members = members[np.lexsort((rows[members], preference, groups[members]))]
    for block, begins in _blocks(members, groups, offsets[rows[members] + 1] - offsets[rows[members]]):
        places = np.arange(len(block))
        found = sketches.shingles(rows[block], offsets)
        chosen, alike = nearest_leaders(*found, places, begins, sketches.rule.similarity, REACH)
        kept[block], similarity[block] = block[chosen], alike
    return kept, similarity


def _is_shared(groups: Rows) -> NDArray[np.bool_]:
    """Groups are named after their smallest text: of those with more, another text names it, too."""
    shared = np.zeros(len(groups), np.bool_)
    shared[groups[groups != np.arange(len(groups))]] = True
    return shared[groups]


def _blocks(members: Places, groups: Rows, sizes: Places) -> Iterator[tuple[Places, Places]]:
    """Whole groups, some at a time: (members, where in them each group begins, and the end)."""
    starts = np.flatnonzero(np.diff(groups[members], prepend=-1))
    ends = np.append(starts[1:], len(members))
    load = np.cumsum(sizes)
    first = 0
    while first < len(starts):
        done = load[starts[first] - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(load[ends - 1], done + _SHINGLES, "right")))
        begin, end = starts[first], ends[last - 1]
        yield members[begin:end], np.append(starts[first:last], end) - begin
        first = last

"""Which texts are copies, and which of them stays.

1. Texts with the same words are one text: by a 64-bit hash of them, which any two of ten million different
   texts share with a probability of 3 in a million. A text without words is nobody's copy.
2. Texts that share a band of their sketches are candidates; in a bucket of many, each is compared with the
   `REACH` next in the order of their hashes. A candidate pair counts where its exact Jaccard similarity does.
3. Pairs join into groups. A group is what must not be torn apart; it may be a chain whose ends differ.
4. Inside a group a text goes only for one that stays, is a copy of it by itself, and has the same numbers and
   operators in the same order: another number makes another problem of the same words. In the order of
   preference, each text that is no copy of those that stay so far stays too. It is compared with those that
   share a band with it, the `LATEST` last of each: copies can be left where more texts share one, or where
   those that stay of one group and the same numbers take more than `_LOAD`.

The result depends on the texts and preferences alone, not on the order of rows (but for rows that are equal
in both). Memory is some 70 bytes a row, whatever the texts are, and for up to three times `_LOAD`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.sketches import Sketches

REACH, LATEST = 64, 8
_PAIRS = 1 << 17  # verified at a time
_LOAD = 1 << 23  # shingles and bands of the texts in memory at a time; 32 MiB

Rows = NDArray[np.int32]
Places = NDArray[np.int64]


class Copies(NamedTuple):
    """What stands in for each of n texts, all (n,).

    `kept`: the text that stays for this one, itself where it stays. `similarity` with that one: 1 for the
    same words. `exact`: it has the same words. `group`: a hash of its group's words. `numbers_differ`: a text
    of its group has other numbers or operators. `wordless`: there is nothing to compare.
    """

    kept: Rows
    similarity: NDArray[np.float32]
    exact: NDArray[np.bool_]
    group: NDArray[np.uint64]
    numbers_differ: NDArray[np.bool_]
    wordless: NDArray[np.bool_]

    @property
    def stays(self) -> NDArray[np.bool_]:
        return self.kept == np.arange(len(self.kept))


def find_copies(sketches: Sketches) -> Copies:
    """Which of the sketched texts are copies; there may be up to 2^31 of them."""
    text_of, rows = _distinct(sketches)
    offsets = sketches.shingle_offsets()
    groups = _join_copies(sketches, rows, offsets)
    kept, similarity, differ = _choose(sketches, rows, offsets, groups)
    del offsets
    mine = kept[text_of]
    group = sketches.whole()[rows[groups]]
    wordless = sketches.numbers() == 0
    return Copies(rows[mine], similarity[text_of], mine == text_of, group[text_of], differ[text_of], wordless)


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

    found = np.empty(len(pairs), np.float64)
    new = np.zeros(pairs.size, np.int64)  # where a text comes first; again at most `REACH` texts later
    texts, place = np.unique(pairs, return_index=True)
    new[place] = _sizes(rows[texts], offsets)
    for first, last in _cuts(new.reshape(-1, 2).sum(axis=1)):
        texts, places = np.unique(pairs[first:last], return_inverse=True)
        shingles = sketches.shingles(rows[texts], offsets)
        found[first:last] = similarities(*shingles, places.reshape(-1, 2))
    return found


def _sizes(rows: Rows, offsets: Places) -> Places:
    return offsets[rows + 1] - offsets[rows]


def _cuts(loads: Places) -> Iterator[tuple[int, int]]:
    """Ranges whose `loads` are at most `_LOAD` together, or of one."""
    total, first = np.cumsum(loads), 0
    while first < len(loads):
        done = total[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + _LOAD, "right")))
        yield first, last
        first = last


def _roots(parents: Rows) -> Rows:
    """Groups are trees whose parents are smaller than their children."""
    while not np.array_equal(further := parents[parents], parents):
        parents = further
    return parents


def _choose(
    sketches: Sketches, rows: Rows, offsets: Places, groups: Rows
) -> tuple[Rows, NDArray[np.float32], NDArray[np.bool_]]:
    """(the text that stays for each text, their similarity, whether numbers differ in its group)."""
    from curation.duplicates.kernels import first_leaders

    kept, similarity = np.arange(len(rows), dtype=np.int32), np.ones(len(rows), np.float32)
    members, parts, differ = _parts(sketches, rows, groups)
    leaders = members[:0]
    for first, last in _cuts(_load(sketches, rows[members], offsets)):
        block = np.concatenate([leaders, members[first:last]])
        mine = np.concatenate([np.full(len(leaders), parts[first]), parts[first:last]])
        chosen, alike = first_leaders(
            *sketches.shingles(rows[block], offsets), sketches.bands_of(rows[block]), mine,
            len(leaders), sketches.rule.similarity, LATEST,
        )  # fmt: skip
        kept[block], similarity[block] = block[chosen], alike
        goes_on = parts[last] if last < len(parts) else -1
        leaders = block[(kept[block] == block) & (mine == goes_on)]
        room = np.cumsum(_load(sketches, rows[leaders], offsets)[::-1])[::-1] <= _LOAD
        leaders = leaders[room]
    return kept, similarity, differ


def _parts(sketches: Sketches, rows: Rows, groups: Rows) -> tuple[Places, Places, NDArray[np.bool_]]:
    """(texts that one of their group and numbers may stand in for, in the order of preference; the number of
    this part of each; of all texts, whether numbers differ in their group)."""
    members = np.flatnonzero(_is_shared(groups))
    mine = rows[members]
    numbers = sketches.numbers()[mine]
    order = np.lexsort((mine, sketches.preference()[mine], numbers, groups[members]))
    members, numbers = members[order], numbers[order]
    new_group = np.diff(groups[members], prepend=-1) != 0
    new_part = new_group.copy()
    new_part[1:] |= numbers[1:] != numbers[:-1]
    parts = np.cumsum(new_part) - 1
    of_group = np.cumsum(new_group) - 1
    differ = np.zeros(len(rows), np.bool_)
    differ[members] = (np.bincount(of_group, new_part) > 1)[of_group]
    shared = (np.bincount(parts) > 1)[parts]
    return members[shared], parts[shared], differ


def _load(sketches: Sketches, rows: Rows, offsets: Places) -> Places:
    """Of each text in `first_leaders`: its shingles, and its bands in three tables."""
    return _sizes(rows, offsets) + 3 * sketches.bands.number


def _is_shared(groups: Rows) -> NDArray[np.bool_]:
    """Groups are named after their smallest text: of those with more, another text names it, too."""
    shared = np.zeros(len(groups), np.bool_)
    shared[groups[groups != np.arange(len(groups))]] = True
    return shared[groups]

"""Bags of weighed words, compiled: which eval texts share enough weight with a text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from curation.words.alphabet import DROPPED, LIMIT
from curation.words.kernels import NUMBER, PRIME, START, decode, larger, mix, split_text

LONGEST = 40  # letters; a longer word is no word of a language and keeps its ending
SLACK = 1e-9  # of bounds, wider than any rounding
_FEWEST = 3  # letters that an ending must leave
_D, _E, _G, _I, _N, _S, _Y = (np.uint8(ord(c)) for c in "deginsy")


@njit(cache=True, nogil=True)
def stem_hash(data: Any, start: int, end: int, tables: Any, whole: Any, letters: Any) -> Any:
    """Hash of the word data[start:end] without its English ending, so that "prices", "priced" and "price" are
    one; `whole` for a word whose folded letters are not all ASCII. `letters` is scratch for LONGEST letters.

    Endings: -ing, -ies, -ed, -es or -s, then a final e or y, then one of two equal last letters.
    """
    kinds, folds, folded, _, _ = tables
    n = 0
    at = np.int64(start)
    while at < end:
        point, size = decode(data, at)
        at += size
        if point >= LIMIT:
            return whole
        if kinds[point] == DROPPED:  # an apostrophe, an accent
            continue
        for k in range(folds[point], folds[point + 1]):
            if n == LONGEST or folded[k] >= 128:
                return whole
            letters[n] = folded[k]
            n += 1
    n -= _ending(letters, n)
    if n > _FEWEST and (letters[n - 1] == _E or letters[n - 1] == _Y):
        n -= 1
    if n > _FEWEST and letters[n - 1] == letters[n - 2]:
        n -= 1
    h = START
    for k in range(n):
        h = (h ^ np.uint64(letters[k])) * PRIME
    return mix(h)


@njit(cache=True, nogil=True)
def _ending(word: Any, n: int) -> int:
    """Letters of the ending to take off."""
    if n >= _FEWEST + 3:
        if word[n - 3] == _I and word[n - 2] == _N and word[n - 1] == _G:
            return 3
        if word[n - 3] == _I and word[n - 2] == _E and word[n - 1] == _S:
            return 3
    if n >= _FEWEST + 2 and word[n - 2] == _E and (word[n - 1] == _D or word[n - 1] == _S):
        return 2
    return 1 if n >= _FEWEST + 1 and word[n - 1] == _S else 0


@njit(cache=True, nogil=True)
def stems(data: Any, offsets: Any, tables: Any) -> tuple[Any, Any]:
    """(stem hashes (m,), range of each text (n + 1,)): the stems of each text, numbers left out."""
    texts = len(offsets) - 1
    ranges = np.zeros(texts + 1, np.int64)
    found = np.empty((offsets[texts] - offsets[0] + texts) // 2 + 1, np.uint64)  # words stand apart
    hashes, starts, ends = _room(offsets)
    letters = np.empty(LONGEST, np.uint8)
    n = 0
    for text in range(texts):
        words = split_text(data, offsets[text], offsets[text + 1], tables, True, hashes, starts, ends, 0)
        for at in range(words):
            if hashes[at] != NUMBER:
                found[n] = stem_hash(data, starts[at], ends[at], tables, hashes[at], letters)
                n += 1
        ranges[text + 1] = n
    return found[:n].copy(), ranges


@njit(cache=True, nogil=True)
def _room(offsets: Any) -> tuple[Any, Any, Any]:
    """Scratch for the words of the longest text."""
    most = 0
    for text in range(len(offsets) - 1):
        most = max(most, offsets[text + 1] - offsets[text])
    return np.empty(most + 1, np.uint64), np.empty(most + 1, np.int64), np.empty(most + 1, np.int64)


@njit(cache=True, nogil=True)
def hash_table(stems: Any, bits: int) -> tuple[Any, Any]:
    """Open addressing over 2^bits places: (keys, numbers of the stems; -1 is an empty place)."""
    keys, numbers = np.zeros(1 << bits, np.uint64), np.full(1 << bits, -1, np.int32)
    for number in range(len(stems)):
        at = _place(keys, numbers, stems[number])
        keys[at], numbers[at] = stems[number], number
    return keys, numbers


@njit(cache=True, nogil=True)
def _place(keys: Any, numbers: Any, stem: Any) -> Any:
    """Where `stem` is, or the empty place where it would be."""
    last = len(keys) - 1
    at = np.int64(stem & np.uint64(last))
    while numbers[at] >= 0 and keys[at] != stem:
        at = (at + 1) & last
    return at


@njit(cache=True, nogil=True)
def propose(data: Any, offsets: Any, tables: Any, index: Any, min_dice: float, most: int) -> Any:
    """Of each text the eval texts with a dice of `min_dice` or more: at most `most`, the nearest first.

    `index` is `ParaphraseIndex.compiled`. Returns (texts, evals, dice, weight in common, weight of
    our text, how many of the text were left out).
    """
    keys, numbers, weights, by_stem, stem_rows, bag, text_rows, totals, unknown = index
    hashes, starts, ends = _room(offsets)
    letters = np.empty(LONGEST, np.uint8)
    seen = np.full(len(weights), -1, np.int64)  # the last text that had the stem
    slots = 1024
    strange, strange_in = np.empty(slots, np.uint64), np.full(slots, -1, np.int64)
    sums, touched = np.zeros(len(totals), np.int64), np.empty(len(totals), np.int64)
    room = 1024
    rows, evals, left = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    dice, shared, ours = np.empty(room, np.float64), np.empty(room, np.int64), np.empty(room, np.int64)
    at_least = min_dice * (1 - SLACK)
    n = 0
    for text in range(len(offsets) - 1):
        words = split_text(data, offsets[text], offsets[text + 1], tables, True, hashes, starts, ends, 0)
        if slots < 2 * words:
            while slots < 2 * words:
                slots *= 2
            strange, strange_in = np.empty(slots, np.uint64), np.full(slots, -1, np.int64)
        known, weight_known, others = 0, np.int64(0), 0
        for at in range(words):
            if hashes[at] == NUMBER:
                continue
            stem = stem_hash(data, starts[at], ends[at], tables, hashes[at], letters)
            number = numbers[_place(keys, numbers, stem)]
            if number < 0:
                slot = np.int64(stem & np.uint64(slots - 1))
                while strange_in[slot] == text and strange[slot] != stem:
                    slot = (slot + 1) & (slots - 1)
                others += strange_in[slot] != text
                strange[slot], strange_in[slot] = stem, text
            elif seen[number] != text:
                seen[number] = text
                if weights[number]:
                    weight_known += weights[number]
                    starts[known] = number
                    known += 1
        own = weight_known + unknown * others

        # Heavy stems first: an eval text that has none of them cannot come near by the light ones, which are
        # in many texts, so those are only looked up for the few texts that can still be near enough.
        own_stems = starts[:known]
        own_stems.sort()
        near, rest = 0, weight_known
        while known and (2 - at_least) * rest >= at_least * own:
            known -= 1
            rest -= weights[own_stems[known]]
            for place in range(stem_rows[own_stems[known]], stem_rows[own_stems[known] + 1]):
                e = by_stem[place]
                if sums[e] == 0:
                    touched[near] = e
                    near += 1
                sums[e] += weights[own_stems[known]]

        first, over = n, 0
        for at in range(near):
            e = np.int64(touched[at])
            common, sums[e] = sums[e], 0
            if 2 * (common + rest) < at_least * (own + totals[e]):
                continue
            common += _weight_in_common(own_stems[:known], bag[text_rows[e] : text_rows[e + 1]], weights)
            share = 2 * common / (own + totals[e])
            if share < min_dice:
                continue
            over += 1
            if n - first < most:
                if n == room:
                    room *= 2
                    rows, evals, left = larger(rows, room), larger(evals, room), larger(left, room)
                    dice, shared, ours = larger(dice, room), larger(shared, room), larger(ours, room)
                n += 1
            elif not _before(share, e, dice[n - 1], evals[n - 1]):
                continue
            place = n - 1
            while place > first and _before(share, e, dice[place - 1], evals[place - 1]):
                dice[place], evals[place], shared[place] = (
                    dice[place - 1],
                    evals[place - 1],
                    shared[place - 1],
                )
                place -= 1
            dice[place], evals[place], shared[place] = share, e, common
        rows[first:n], ours[first:n] = text, own
        left[first:n] = over - (n - first)
    return rows[:n], evals[:n], dice[:n], shared[:n], ours[:n], left[:n]


@njit(cache=True, nogil=True)
def _weight_in_common(ours: Any, theirs: Any, weights: Any) -> Any:
    """Of two sorted runs of stems."""
    total = np.int64(0)
    i = j = 0
    while i < len(ours) and j < len(theirs):
        if ours[i] == theirs[j]:
            total += weights[ours[i]]
        step = ours[i] <= theirs[j]
        j += ours[i] >= theirs[j]
        i += step
    return total


@njit(cache=True, nogil=True)
def _before(share: float, e: int, other_share: float, other: int) -> bool:
    return share > other_share or (share == other_share and e < other)

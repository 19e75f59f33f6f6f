"""MinHash sketches, candidate pairs and Jaccard similarity of texts, compiled.

MinHash and banding: Broder, "On the resemblance and containment of documents" (1997), and Leskovec,
Rajaraman and Ullman, "Mining of massive datasets", section 3.4. A shingle is a run of words, kept as the
upper 32 bits of its hash; permutation k of the shingles is x -> a_k x + b_k modulo 2^32 with odd a_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from curation.words.alphabet import LIMIT
from curation.words.kernels import BASE, PRIME, START, decode, larger, mix, power, split_text

_HIGH = np.uint64(32)


@njit(cache=True, nogil=True)
def sketch_texts(
    data: Any,
    offsets: Any,
    within: Any,
    tables: Any,
    telling: Any,
    n: int,
    factors: Any,
    shifts: Any,
    rows: int,
    number: int,
) -> tuple[Any, Any, Any, Any, Any]:
    """(whole (t,) uint64, numbers (t,) uint64, bands (t, b) uint32, shingles uint32, how many of each text).

    `whole` is a hash of all words, `bands` of `rows` minima each; both are mixed with `within` (t,).
    `numbers` is a hash of the words that begin with a `telling` (LIMIT,) character. Texts with fewer than `n`
    words have no shingles; those without words have `numbers` 0 and a `whole` of their own, from `number`,
    the number of the first text.
    """
    texts = len(offsets) - 1
    n_bands = len(factors) // rows
    whole, bands = np.empty(texts, np.uint64), np.empty((texts, n_bands), np.uint32)
    numbers = np.zeros(texts, np.uint64)
    counts = np.zeros(texts, np.int64)
    longest = 0
    for t in range(texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    words, starts, ends = (
        np.empty(longest, np.uint64),
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
    )
    shingles = np.empty((offsets[texts] - offsets[0]) // 4 + 16, np.uint32)
    minima = np.empty(len(factors), np.uint32)
    oldest, used = power(n), 0
    for t in range(texts):
        begin, end = offsets[t], offsets[t + 1]
        found = split_text(data, begin, end, tables, False, words, starts, ends, 0)
        if found:
            whole[t] = mix(_whole(words, found) ^ within[t])
            numbers[t] = _numbers(data, words, starts, found, telling)
        else:
            whole[t] = mix(START + np.uint64(number + t))
        if used + found > len(shingles):
            shingles = larger(shingles, 2 * len(shingles) + found)
        rolling, mine = np.uint64(0), used
        for at in range(found):
            rolling = rolling * BASE + words[at]
            if at >= n:
                rolling -= words[at - n] * oldest
            if at >= n - 1:
                shingles[used] = mix(rolling) >> _HIGH
                used += 1
        counts[t] = used - mine
        if used == mine:  # nothing else has these bands: texts with this very `whole` are found before
            for band in range(n_bands):
                bands[t, band] = mix(whole[t] + np.uint64(band)) >> _HIGH
        else:
            _minima(shingles[mine:used], factors, shifts, minima)
            _bands(minima, rows, within[t], bands[t])
    return whole, numbers, bands, shingles[:used], counts


@njit(cache=True, nogil=True)
def _whole(words: Any, found: int) -> Any:
    h = START
    for at in range(found):
        h = mix(h * BASE + words[at])
    return h


@njit(cache=True, nogil=True)
def _numbers(data: Any, words: Any, starts: Any, found: int, telling: Any) -> Any:
    h = START
    for at in range(found):
        point, _ = decode(data, starts[at])
        if point < LIMIT and telling[point]:
            h = mix(h * BASE + words[at])
    return h | np.uint64(1)


@njit(cache=True, nogil=True)
def text_hashes(data: Any, offsets: Any) -> Any:
    """A hash of the bytes of each text."""
    found = np.empty(len(offsets) - 1, np.uint64)
    for t in range(len(found)):
        h = START
        for at in range(offsets[t], offsets[t + 1]):
            h = (h ^ np.uint64(data[at])) * PRIME
        found[t] = mix(h)
    return found


@njit(cache=True, nogil=True)
def _minima(shingles: Any, factors: Any, shifts: Any, minima: Any) -> None:
    minima[:] = np.uint32(0xFFFFFFFF)
    for x in shingles:
        for k in range(len(factors)):  # one vector operation for several k
            minima[k] = min(minima[k], np.uint32(factors[k] * x + shifts[k]))


@njit(cache=True, nogil=True)
def _bands(minima: Any, rows: int, within: Any, bands: Any) -> None:
    for band in range(len(bands)):
        h = within
        for k in range(band * rows, (band + 1) * rows):
            h = mix(h * BASE + np.uint64(minima[k]))
        bands[band] = h >> _HIGH


@njit(cache=True, nogil=True)
def root(parents: Any, i: int) -> int:
    """The first member of the group of `i`; shortens the way to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@njit(cache=True, nogil=True)
def join_pairs(parents: Any, pairs: Any, alike: Any) -> None:
    """One group for both sides of each of `pairs` (p, 2) that is `alike` (p,); its root is the smallest."""
    for p in range(len(pairs)):
        if alike[p]:
            a, b = root(parents, pairs[p, 0]), root(parents, pairs[p, 1])
            parents[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True)
def candidate_pairs(keys: Any, start: int, reach: int, parents: Any, pairs: Any) -> tuple[int, int]:
    """Pairs that share a band and have no group in common yet: (pairs found, where to go on; the end: done).

    `keys` (n,) are sorted: band hash in the upper, text number in the lower 32 bits. A text is paired with
    the `reach` next of its bucket.
    """
    found = 0
    for at in range(start, len(keys)):
        if found + reach > len(pairs):
            return found, at
        bucket, mine = keys[at] >> _HIGH, np.int64(keys[at] & np.uint64(0xFFFFFFFF))
        for other in range(at + 1, min(at + reach + 1, len(keys))):
            if keys[other] >> _HIGH != bucket:
                break
            theirs = np.int64(keys[other] & np.uint64(0xFFFFFFFF))
            if root(parents, mine) != root(parents, theirs):
                pairs[found, 0], pairs[found, 1] = mine, theirs
                found += 1
    return found, len(keys)


@njit(cache=True, nogil=True)
def sort_shingles(shingles: Any, offsets: Any) -> Any:
    """Sort the shingles of each text in place, each once; how many are left of each."""
    left = np.zeros(len(offsets) - 1, np.int64)
    for t in range(len(left)):
        mine = shingles[offsets[t] : offsets[t + 1]]
        mine.sort()
        n = 0
        for k in range(len(mine)):
            if k == 0 or mine[k] != mine[k - 1]:
                mine[n] = mine[k]
                n += 1
        left[t] = n
    return left


@njit(cache=True, nogil=True)
def jaccard(shingles: Any, offsets: Any, left: Any, a: int, b: int) -> float:
    """Shared shingles of texts a and b over all of theirs; 0 where both have none."""
    i, j, ends_a, ends_b = offsets[a], offsets[b], offsets[a] + left[a], offsets[b] + left[b]
    shared = 0
    while i < ends_a and j < ends_b:
        x, y = shingles[i], shingles[j]
        shared += x == y
        i += x <= y
        j += y <= x
    union = left[a] + left[b] - shared
    return shared / union if union else 0.0


@njit(cache=True, nogil=True)
def similarities(shingles: Any, offsets: Any, left: Any, pairs: Any) -> Any:
    found = np.empty(len(pairs), np.float64)
    for p in range(len(pairs)):
        found[p] = jaccard(shingles, offsets, left, pairs[p, 0], pairs[p, 1])
    return found


@njit(cache=True, nogil=True)
def first_leaders(
    shingles: Any, offsets: Any, left: Any, bands: Any, parts: Any, known: int, similarity: float, reach: int
) -> tuple[Any, Any]:
    """For each text the leader it is a copy of (itself: it stays) and their similarity.

    Texts (m,) are in the order of preference, and compared within their part only: `parts` (m,). The first
    `known` ones are leaders; each other one becomes a leader where no leader that shares one of its `bands`
    (m, b) is as similar as `similarity`, of the `reach` latest in a band.
    """
    texts, n_bands = bands.shape
    slots = 1
    while slots < texts:
        slots *= 2
    # A hash table for each band: the latest leader of a slot, and before each leader the one before it.
    latest = np.full((n_bands, slots), -1, np.int32)
    before = np.full((texts, n_bands), -1, np.int32)
    compared = np.full(texts, -1, np.int32)  # each leader with which text at last
    leaders, alike = np.arange(texts), np.ones(texts, np.float64)
    for m in range(texts):
        for k in range(n_bands if m >= known else 0):
            leader, steps = latest[k, _slot(parts[m], bands[m, k], slots)], 0
            while leader >= 0 and steps < reach and leaders[m] == m:
                if parts[leader] == parts[m] and bands[leader, k] == bands[m, k]:
                    steps += 1
                    if compared[leader] != m:
                        compared[leader] = m
                        found = jaccard(shingles, offsets, left, leader, m)
                        if found >= similarity:
                            leaders[m], alike[m] = leader, found
                leader = before[leader, k]
        for k in range(n_bands if leaders[m] == m else 0):
            slot = _slot(parts[m], bands[m, k], slots)
            before[m, k], latest[k, slot] = latest[k, slot], m
    return leaders, alike


@njit(cache=True, nogil=True)
def _slot(part: int, band: Any, slots: int) -> Any:
    h = mix(np.uint64(part) * BASE + np.uint64(band))
    return h & np.uint64(slots - 1)

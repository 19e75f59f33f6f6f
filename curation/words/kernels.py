"""Texts to hashed words and n-grams, compiled: one pass over the bytes of many texts.

A word's hash is FNV-1a over its folded code points, closed with the finaliser of MurmurHash3 (64 bits). An
n-gram's is the polynomial of its words' hashes in the odd constant `BASE`, which rolls, closed alike. Both
are functions of the text alone: the same on every machine, whatever stands around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from curation.words.alphabet import DIGIT, DROPPED, LIMIT, SEPARATOR, SINGLE, TAGS

START = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
BASE = np.uint64(0x9E3779B97F4A7C15)
NUMBER = np.uint64(0x5851F42D4C957F2D)  # the one hash of all numbers, where they are masked
_COMMA, _ZERO, _NINE = 44, 48, 57
_TAGS_BEGIN, _TAGS_END = TAGS

Words = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@njit(cache=True, nogil=True)
def mix(h: Any) -> Any:
    """MurmurHash3's finaliser: every bit of a 64-bit hash depends on every bit of `h`."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@njit(cache=True, nogil=True)
def power(n: int) -> Any:
    """BASE to the n-th, modulo 2^64."""
    found = np.uint64(1)
    for _ in range(n):
        found *= BASE
    return found


@njit(cache=True, nogil=True)
def _between_thousands(data: Any, at: int, end: int) -> bool:
    """Is the comma at `at`, behind a digit, followed by exactly three digits?"""
    if at + 3 >= end:
        return False
    for k in range(1, 4):
        if not _ZERO <= data[at + k] <= _NINE:
            return False
    return at + 4 >= end or not _ZERO <= data[at + 4] <= _NINE


@njit(cache=True, nogil=True)
def decode(data: Any, at: Any) -> Any:
    """The code point of the UTF-8 sequence at `at`, and its bytes."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(data[at + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0xF) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | np.int64(data[at + 2]) & 0x3F, 3
    high = (first & 7) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
    return high | (np.int64(data[at + 2]) & 0x3F) << 6 | np.int64(data[at + 3]) & 0x3F, 4


@njit(cache=True, nogil=True)
def _rare_kind(point: Any) -> Any:
    return DROPPED if _TAGS_BEGIN <= point < _TAGS_END else SINGLE


@njit(cache=True, nogil=True)
def split_text(
    data: Any, begin: int, end: int, tables: Any, masked: bool, hashes: Any, starts: Any, ends: Any, n: int
) -> int:
    """Write the words of the UTF-8 text data[begin:end] behind the `n` there are; how many there are now.

    `tables` are those of the alphabet (`Alphabet.tables`). The three output arrays must have room for
    `end - begin` words more.
    """
    kinds, folds, letters, ascii, digits_apart = tables
    inside = np.int64(SEPARATOR)  # or the kind of the word that is being read
    h = START
    first = last = at = np.int64(begin)
    while at < end:
        byte = data[at]
        if byte < 128:
            entry = ascii[byte]
            kind = np.int64(entry >> 8)
            if kind == inside:  # most bytes of most texts
                if kind != SEPARATOR:
                    h = (h ^ np.uint64(entry & 0xFF)) * PRIME
                at += 1
                last = at
                continue
            point, size = np.int64(byte), 1
        else:
            point, size = decode(data, at)
            kind = np.int64(kinds[point]) if point < LIMIT else _rare_kind(point)
        if kind == DROPPED or (
            point == _COMMA and inside == DIGIT and digits_apart and _between_thousands(data, at, end)
        ):
            at += size
            continue
        if kind != inside:
            if inside != SEPARATOR:
                hashes[n] = NUMBER if masked and inside == DIGIT else mix(h)
                starts[n], ends[n] = first, last
                n += 1
            h, first, inside = START, at, kind
        if kind != SEPARATOR:
            if point < 128:
                h = (h ^ np.uint64(ascii[point] & 0xFF)) * PRIME
            elif point < LIMIT:
                for k in range(folds[point], folds[point + 1]):
                    h = (h ^ np.uint64(letters[k])) * PRIME
            else:
                h = (h ^ np.uint64(point)) * PRIME
            last = at + size
            if kind == SINGLE:
                hashes[n] = mix(h)
                starts[n], ends[n] = first, last
                n += 1
                inside = np.int64(SEPARATOR)
        at += size
    if inside != SEPARATOR:
        hashes[n] = NUMBER if masked and inside == DIGIT else mix(h)
        starts[n], ends[n] = first, last
        n += 1
    return n


@njit(cache=True, nogil=True)
def split_texts(data: Any, offsets: Any, tables: Any, masked: bool) -> Words:
    """(hashes, starts, ends) of all words, and the range of words of each text (n + 1,)."""
    texts = len(offsets) - 1
    room = (offsets[texts] - offsets[0]) // 3 + 16
    hashes, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    rows = np.zeros(texts + 1, np.int64)
    n = 0
    for text in range(texts):
        begin, end = offsets[text], offsets[text + 1]
        if n + end - begin > room:
            room = 2 * room + end - begin
            hashes, starts, ends = larger(hashes, room), larger(starts, room), larger(ends, room)
        n = split_text(data, begin, end, tables, masked, hashes, starts, ends, n)
        rows[text + 1] = n
    return hashes[:n], starts[:n], ends[:n], rows


@njit(cache=True, nogil=True)
def larger(array: Any, room: int) -> Any:
    """A copy with `room` places. A loop: Numba takes seconds to compile an assignment of slices."""
    found = np.empty(room, array.dtype)
    for k in range(len(array)):
        found[k] = array[k]
    return found


@njit(cache=True, nogil=True)
def gram_hashes(words: Any, rows: Any, n: int) -> tuple[Any, Any, Any]:
    """(hashes, first word of each, range of n-grams of each text) of all runs of `n` words of a text."""
    texts = len(rows) - 1
    ranges = np.zeros(texts + 1, np.int64)
    for text in range(texts):
        ranges[text + 1] = ranges[text] + max(0, rows[text + 1] - rows[text] - n + 1)
    hashes, firsts = np.empty(ranges[texts], np.uint64), np.empty(ranges[texts], np.int64)
    oldest = power(n)
    for text in range(texts):
        rolling = np.uint64(0)
        for at in range(rows[text], rows[text + 1]):
            rolling = rolling * BASE + words[at]
            first = at - n + 1
            if first > rows[text]:
                rolling -= words[first - 1] * oldest
            if first >= rows[text]:
                place = ranges[text] + first - rows[text]
                hashes[place], firsts[place] = mix(rolling), first
    return hashes, firsts, ranges

"""Matched words of a text: counted, and as runs of words that follow each other.

Words are numbered from 0 in their text; an n-gram has the place of its first word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

UNKNOWN, SKIPPED = -1, -2  # in place of an n-gram


@njit(cache=True, nogil=True)
def counting_words(grams: Any, n_grams: int, n: int) -> int:
    """Words in any n-gram that counts."""
    words = end = 0
    for at in range(n_grams):
        if grams[at] != SKIPPED:
            words += at + n - max(at, end)
            end = at + n
    return words


@njit(cache=True, nogil=True)
def covered_words(places: Any, n_places: int, n: int) -> int:
    """Words in n-grams at these places, in order."""
    words = end = 0
    for k in range(n_places):
        words += places[k] + n - max(places[k], end)
        end = places[k] + n
    return words


@njit(cache=True, nogil=True)
def with_whole(places: Any, n_places: int, first: int, last: int, n: int) -> int:
    """Add the places of the n-grams of a whole text that is the words first to last; how many there are now.
    A text of fewer than n words shares no n-gram, and has the one place."""
    for at in range(first, max(first, last - n) + 1):
        places[n_places] = at
        n_places += 1
    places[:n_places].sort()
    return n_places


@njit(cache=True, nogil=True)
def runs_of_places(places: Any, n_places: int, n: int, runs: Any, k: int) -> Any:
    """Write runs of words in n-grams at these places, (first, one past the last), behind the `k` runs there
    are. `runs`, which is moved where it is full, and how many there are now."""
    before = k
    for place in places[:n_places]:
        if k > before and place <= runs[k - 1, 1]:
            runs[k - 1, 1] = place + n
            continue
        runs = with_room(runs, k)
        runs[k, 0], runs[k, 1] = place, place + n
        k += 1
    return runs, k


@njit(cache=True, nogil=True)
def runs_of_marks(marked: Any, size: int, runs: Any, k: int) -> Any:
    """The same of marked words."""
    word = 0
    while word < size:
        first = word
        while word < size and marked[word]:
            word += 1
        if word > first:
            runs = with_room(runs, k)
            runs[k, 0], runs[k, 1] = first, word
            k += 1
        word += 1
    return runs, k


@njit(cache=True, nogil=True)
def with_room(runs: Any, k: int) -> Any:
    if k < len(runs):
        return runs
    more = np.empty((2 * len(runs), 2), np.int64)
    for at in range(k):
        more[at, 0], more[at, 1] = runs[at, 0], runs[at, 1]
    return more

"""One of our texts beside one eval text, word by word: what matches, and where.

The scan trusts hashes; here the folded letters are compared, so that no collision ends in a report, and the
rule decides again on what is left.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from curation.decontamination.kernels import MASKED, PLAIN, find
from curation.words.alphabet import DROPPED, LIMIT, TAGS
from curation.words.kernels import BASE, NUMBER, decode, mix, power

NONE, EXACT, NGRAM, TRAIN_SIDE = range(4)
UNKNOWN, SKIPPED = -1, -2  # in place of an n-gram
_COMMA = 44
_TAGS_BEGIN, _TAGS_END = TAGS


class Side(NamedTuple):
    """The words of many texts and the bytes they stand in: ours, or the eval sets'."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    words: NDArray[np.uint64]
    numbers: NDArray[np.bool_]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]


@njit(cache=True, nogil=True)
def next_letter(data: Any, at: int, k: int, end: int, alphabet: Any) -> Any:
    """(folded code point, place, number in the fold of the next one) of a word's bytes; -1 at its end."""
    kinds, folds, letters, _, digits_apart = alphabet
    while at < end:
        point, size = decode(data, at)
        if point >= LIMIT:
            if k == 0 and not _TAGS_BEGIN <= point < _TAGS_END:
                return point, at, 1
        elif kinds[point] != DROPPED and not (digits_apart and point == _COMMA):
            if folds[point] + k < folds[point + 1]:
                return np.int64(letters[folds[point] + k]), at, k + 1
        at, k = at + size, 0
    return -1, at, 0


@njit(cache=True, nogil=True)
def same_word(ours: Any, a: int, evals: Any, b: int, masked: bool, alphabet: Any) -> bool:
    if masked and ours.numbers[a] and evals.numbers[b]:
        return True
    if ours.words[a] != evals.words[b]:
        return False
    at, end, k = ours.starts[a], ours.ends[a], 0
    at_eval, end_eval, k_eval = evals.starts[b], evals.ends[b], 0
    while True:
        letter, at, k = next_letter(ours.data, at, k, end, alphabet)
        letter_eval, at_eval, k_eval = next_letter(evals.data, at_eval, k_eval, end_eval, alphabet)
        if letter != letter_eval:
            return False
        if letter < 0:
            return True


@njit(cache=True, nogil=True)
def same_words(ours: Any, a: int, evals: Any, b: int, n: int, masked: bool, alphabet: Any) -> bool:
    for k in range(n):
        if not same_word(ours, a + k, evals, b + k, masked, alphabet):
            return False
    return True


@njit(cache=True, nogil=True)
def grams_of_text(tables: Any, side: Any, text: int, view: int, out: Any) -> int:
    """out[i] = the n-gram that starts at word i, UNKNOWN where no eval text has it, SKIPPED where it is
    boilerplate or a run of numbers; how many there are."""
    n, begin, end = tables.n, side.rows[text], side.rows[text + 1]
    oldest = power(n)
    rolling = np.uint64(0)
    n_numbers = 0
    for at in range(begin, end):
        masks = view == MASKED and side.numbers[at]
        rolling = rolling * BASE + (NUMBER if masks else side.words[at])
        n_numbers += side.numbers[at]
        if at - begin >= n:
            masks = view == MASKED and side.numbers[at - n]
            rolling -= (NUMBER if masks else side.words[at - n]) * oldest
            n_numbers -= side.numbers[at - n]
        if at - begin >= n - 1:
            gram = find(tables, mix(rolling)) if n_numbers < n else SKIPPED
            out[at - begin - n + 1] = SKIPPED if gram >= 0 and tables.capped[gram] else gram
    return max(0, end - begin - n + 1)


class Scratch(NamedTuple):
    """Working space: over the n-grams of the index (G,), and over the words of the longest texts."""

    place: NDArray[np.int32]  # (G,) where an n-gram stands in the eval text
    seen: NDArray[np.int64]  # (G,) the comparison it was last seen in
    counted: NDArray[np.int64]  # (G,) the comparison it was last counted in
    ours: NDArray[np.int32]
    evals: NDArray[np.int32]
    ours_marked: NDArray[np.bool_]
    evals_marked: NDArray[np.bool_]


class Compared(NamedTuple):
    rule: int
    n_matched: int
    coverage_eval: float
    coverage_ours: float


@njit(cache=True, nogil=True)
def compare(
    tables: Any,
    ours: Any,
    text: int,
    evals: Any,
    found: int,
    view: int,
    alphabet: Any,
    scratch: Any,
    stamp: int,
) -> Any:
    """Mark the words that match in `scratch` and decide by the rule."""
    n, masked = tables.n, view == MASKED
    begin, begin_eval = ours.rows[text], evals.rows[found]
    n_ours, n_eval = ours.rows[text + 1] - begin, evals.rows[found + 1] - begin_eval
    grams = grams_of_text(tables, ours, text, view, scratch.ours)
    grams_eval = grams_of_text(tables, evals, found, view, scratch.evals)
    scratch.ours_marked[:n_ours] = False
    scratch.evals_marked[:n_eval] = False
    for at in range(grams_eval):
        gram = scratch.evals[at]
        if gram >= 0 and scratch.seen[gram] != stamp:
            scratch.seen[gram], scratch.place[gram] = stamp, at
    matched, weight = 0, 0.0
    for at in range(grams):
        gram = scratch.ours[at]
        if gram < 0 or scratch.seen[gram] != stamp:
            continue
        there = begin_eval + scratch.place[gram]
        if same_words(ours, begin + at, evals, there, n, masked, alphabet):
            scratch.ours_marked[at : at + n] = True
            if scratch.counted[gram] != stamp:
                scratch.counted[gram] = stamp
                matched += 1
                weight += tables.weights[gram]
    for at in range(grams_eval):
        if scratch.evals[at] >= 0 and scratch.counted[scratch.evals[at]] == stamp:
            scratch.evals_marked[at : at + n] = True
    found_ours, found_eval = scratch.ours_marked[:n_ours].sum(), scratch.evals_marked[:n_eval].sum()
    coverage_ours = found_ours / max(1, counting_words(scratch.ours, grams, n))
    if tables.shares[found] > 0:
        coverage_eval = found_eval / max(1, counting_words(scratch.evals, grams_eval, n))
        enough = tables.needed[found, view - PLAIN] < np.inf and coverage_eval >= tables.shares[found] - 1e-9
    else:
        coverage_eval = weight / max(tables.sizes[found, view - PLAIN], 1e-9)
        enough = weight >= tables.needed[found, view - PLAIN] - 1e-9
    rule = NONE
    if enough and matched:
        rule = NGRAM
    elif min(found_ours, found_eval) >= tables.train_words and coverage_ours >= tables.train_side - 1e-9:
        rule = TRAIN_SIDE
    return Compared(rule, matched, coverage_eval, coverage_ours)


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
def write_runs(marked: Any, size: int, runs: Any, n: int) -> int:
    """Runs of marked words, (first, one past the last), behind the `n` there are; how many there are now."""
    word = 0
    while word < size:
        first = word
        while word < size and marked[word]:
            word += 1
        if word > first:
            runs[n, 0], runs[n, 1] = first, word
            n += 1
        word += 1
    return n


@njit(cache=True, nogil=True)
def align(
    tables: Any, ours: Any, evals: Any, pairs: Any, alphabet: Any, scratch: Any, stamp: int, room: int
) -> Any:
    """Compare the (p, 4) pairs: our text, eval text, and the words of ours, numbered in the text, that may be
    the whole eval text (first, one past the last).

    Per pair: the rule (NONE: no match after all), whether only the masked view matches, the n-grams matched,
    both coverages (p, 2); then the runs of matched words of ours and of the eval text (r, 2), each numbered
    from 0 in its text, and the ranges of both of each pair (p + 1, 2). `scratch` holds only stamps below
    `stamp`; 2 p are used. `room`: bounds the runs of each side.
    """
    count = len(pairs)
    rules, differs = np.zeros(count, np.int8), np.zeros(count, np.bool_)
    matched, coverages = np.zeros(count, np.int32), np.zeros((count, 2))
    runs, eval_runs = np.empty((room, 2), np.int64), np.empty((room, 2), np.int64)
    ranges = np.zeros((count + 1, 2), np.int64)
    for pair in range(count):
        text, found, first, last = pairs[pair]
        begin, n_eval = evals.rows[found], evals.rows[found + 1] - evals.rows[found]
        begin_ours, n_ours = ours.rows[text], ours.rows[text + 1] - ours.rows[text]
        result = compare(tables, ours, text, evals, found, PLAIN, alphabet, scratch, stamp + 2 * pair)
        differ = False
        if last - first == n_eval and same_words(
            ours, begin_ours + first, evals, begin, n_eval, False, alphabet
        ):
            scratch.ours_marked[first:last] = True
            scratch.evals_marked[:n_eval] = True
            result = Compared(EXACT, result.n_matched, 1.0, max(result.coverage_ours, n_eval / n_ours))
        elif result.rule == NONE and tables.masked:
            result = compare(
                tables, ours, text, evals, found, MASKED, alphabet, scratch, stamp + 2 * pair + 1
            )
            differ = True
        ranges[pair + 1] = ranges[pair]
        if result.rule != NONE:
            rules[pair], differs[pair], matched[pair] = result.rule, differ, result.n_matched
            coverages[pair, 0], coverages[pair, 1] = result.coverage_eval, result.coverage_ours
            ranges[pair + 1, 0] = write_runs(scratch.ours_marked, n_ours, runs, ranges[pair, 0])
            ranges[pair + 1, 1] = write_runs(scratch.evals_marked, n_eval, eval_runs, ranges[pair, 1])
    return rules, differs, matched, coverages, runs[: ranges[count, 0]], eval_runs[: ranges[count, 1]], ranges

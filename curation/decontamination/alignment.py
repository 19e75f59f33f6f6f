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
from curation.decontamination.runs import (
    SKIPPED,
    counting_words,
    covered_words,
    runs_of_marks,
    runs_of_places,
    with_whole,
)
from curation.words.alphabet import DROPPED, LIMIT, TAGS
from curation.words.kernels import BASE, NUMBER, decode, mix, power

NONE, EXACT, NGRAM, TRAIN_SIDE = range(4)
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

    heads: NDArray[np.int32]  # (2, G) by view, where an n-gram first stands in our text
    entered: NDArray[np.int64]  # (2, G) the stamp of the text that this holds for
    nexts: NDArray[np.int32]  # (2, words) by view, where the n-gram at a place stands next; -1: nowhere
    seen: NDArray[np.int64]  # (G,) the comparison it was last seen in
    counted: NDArray[np.int64]  # (G,) the comparison it was last counted in
    ours: NDArray[np.int32]
    evals: NDArray[np.int32]
    places: NDArray[np.int32]  # of ours that n-grams of the eval text stand at
    marked: NDArray[np.bool_]  # words of the eval text that match


class Compared(NamedTuple):
    rule: int
    n_matched: int
    coverage_eval: float
    coverage_ours: float


@njit(cache=True, nogil=True)
def enter(tables: Any, ours: Any, text: int, view: int, scratch: Any, stamp: int) -> int:
    """Enter the places of the n-grams of our text in `scratch`, once for all eval texts it is compared with;
    how many of its words count."""
    heads, entered = scratch.heads[view - PLAIN], scratch.entered[view - PLAIN]
    nexts = scratch.nexts[view - PLAIN]
    grams = grams_of_text(tables, ours, text, view, scratch.ours)
    for at in range(grams - 1, -1, -1):
        gram = scratch.ours[at]
        if gram >= 0:
            nexts[at] = heads[gram] if entered[gram] == stamp else -1
            heads[gram], entered[gram] = at, stamp
    return counting_words(scratch.ours, grams, tables.n)


@njit(cache=True, nogil=True)
def compare(
    tables: Any,
    ours: Any,
    begin: int,
    ours_counting: int,
    evals: Any,
    found: int,
    view: int,
    alphabet: Any,
    scratch: Any,
    text_stamp: int,
    stamp: int,
) -> Any:
    """Decide by the rule on our text, which begins at word `begin` and was entered under `text_stamp`; and at
    how many places, which are written to `scratch` in order, it has an n-gram of the eval text."""
    n, masked = tables.n, view == MASKED
    heads, entered = scratch.heads[view - PLAIN], scratch.entered[view - PLAIN]
    nexts = scratch.nexts[view - PLAIN]
    begin_eval, n_eval = evals.rows[found], evals.rows[found + 1] - evals.rows[found]
    grams_eval = grams_of_text(tables, evals, found, view, scratch.evals)
    matched, weight, n_places = 0, 0.0, 0
    for there in range(grams_eval):
        gram = scratch.evals[there]
        if gram < 0 or scratch.seen[gram] == stamp:
            continue
        scratch.seen[gram] = stamp
        at = heads[gram] if entered[gram] == text_stamp else -1
        while at >= 0:
            if same_words(ours, begin + at, evals, begin_eval + there, n, masked, alphabet):
                scratch.places[n_places] = at
                n_places += 1
                if scratch.counted[gram] != stamp:
                    scratch.counted[gram] = stamp
                    matched += 1
                    weight += tables.weights[gram]
            at = nexts[at]
    scratch.places[:n_places].sort()
    scratch.marked[:n_eval] = False
    for there in range(grams_eval):
        if scratch.evals[there] >= 0 and scratch.counted[scratch.evals[there]] == stamp:
            scratch.marked[there : there + n] = True
    found_ours, found_eval = covered_words(scratch.places, n_places, n), scratch.marked[:n_eval].sum()
    coverage_ours = found_ours / max(1, ours_counting)
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
    return Compared(rule, matched, coverage_eval, coverage_ours), n_places


@njit(cache=True, nogil=True)
def align(tables: Any, ours: Any, evals: Any, pairs: Any, alphabet: Any, scratch: Any, stamp: int) -> Any:
    """Compare the (p, 4) pairs: our text, eval text, and the words of ours, numbered in the text, that may be
    the whole eval text (first, one past the last). Pairs of one text follow each other.

    Per pair: the rule (NONE: no match after all), whether only the masked view matches, the n-grams matched,
    both coverages (p, 2); then the runs of matched words of ours and of the eval text (r, 2), each numbered
    from 0 in its text, and the ranges of both of each pair (p + 1, 2). `scratch` holds only stamps below
    `stamp`; 2 p are used.
    """
    count = len(pairs)
    rules, differs = np.zeros(count, np.int8), np.zeros(count, np.bool_)
    matched, coverages = np.zeros(count, np.int32), np.zeros((count, 2))
    runs, eval_runs = np.empty((count + 1, 2), np.int64), np.empty((count + 1, 2), np.int64)
    ranges = np.zeros((count + 1, 2), np.int64)
    n, now, text_stamp, masked_stamp, counting, counting_masked = tables.n, -1, -1, -1, 0, 0
    for pair in range(count):
        text, found, first, last = pairs[pair]
        begin, n_eval = evals.rows[found], evals.rows[found + 1] - evals.rows[found]
        begin_ours, n_ours = ours.rows[text], ours.rows[text + 1] - ours.rows[text]
        if text != now:
            now, text_stamp, masked_stamp = text, stamp + 2 * pair, -1
            counting = enter(tables, ours, text, PLAIN, scratch, text_stamp)
        result, n_places = compare(
            *(tables, ours, begin_ours, counting, evals, found, PLAIN, alphabet, scratch),
            *(text_stamp, stamp + 2 * pair),
        )
        differ = False
        if last - first == n_eval and same_words(
            ours, begin_ours + first, evals, begin, n_eval, False, alphabet
        ):
            n_places = with_whole(scratch.places, n_places, first, last, n)
            scratch.marked[:n_eval] = True
            result = Compared(EXACT, result.n_matched, 1.0, max(result.coverage_ours, n_eval / n_ours))
        elif result.rule == NONE and tables.masked:
            if masked_stamp < 0:
                masked_stamp = stamp + 2 * pair + 1
                counting_masked = enter(tables, ours, text, MASKED, scratch, masked_stamp)
            result, n_places = compare(
                *(tables, ours, begin_ours, counting_masked, evals, found, MASKED, alphabet, scratch),
                *(masked_stamp, stamp + 2 * pair + 1),
            )
            differ = True
        ranges[pair + 1] = ranges[pair]
        if result.rule != NONE:
            rules[pair], differs[pair], matched[pair] = result.rule, differ, result.n_matched
            coverages[pair, 0], coverages[pair, 1] = result.coverage_eval, result.coverage_ours
            width = min(n, n_eval) if result.rule == EXACT else n
            runs, ranges[pair + 1, 0] = runs_of_places(scratch.places, n_places, width, runs, ranges[pair, 0])
            eval_runs, ranges[pair + 1, 1] = runs_of_marks(scratch.marked, n_eval, eval_runs, ranges[pair, 1])
    return rules, differs, matched, coverages, runs[: ranges[count, 0]], eval_runs[: ranges[count, 1]], ranges

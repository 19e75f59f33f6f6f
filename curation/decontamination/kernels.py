"""The compiled scan: one pass over the words of our texts that names the eval texts each may repeat.

It sees a text in two views: the words as they stand (plain), and with every number the same word (masked). An
n-gram without numbers is the same in both. Hashes are trusted here; `alignment` compares the words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from curation.words.alphabet import DIGIT, LIMIT
from curation.words.kernels import BASE, NUMBER, decode, mix, power, split_text

PLAIN, MASKED = 1, 2  # views an n-gram belongs to, as bits
WHOLE_BITS = 20


class Tables(NamedTuple):
    """What the compiled code knows of the eval texts. T texts, G n-grams, E (n-gram, text) pairs."""

    n: int
    masked: bool
    bits: NDArray[np.uint64]  # filter: two bits of a word are set for each n-gram
    shift: int  # of a hash, to its word of `bits`
    keys: NDArray[np.uint64]  # open addressing, 0 = free
    values: NDArray[np.int32]  # n-gram of each key
    weights: NDArray[np.float64]  # (G,)
    views: NDArray[np.uint8]  # (G,) PLAIN | MASKED
    capped: NDArray[np.bool_]  # (G,) boilerplate: counts for nothing
    least: NDArray[np.uint8]  # (G,) n-grams that a text of ours must have for this one to matter
    first: NDArray[np.int64]  # (G + 1,) range of `postings`
    postings: NDArray[np.int32]  # (E,) texts of each n-gram
    needed: NDArray[np.float64]  # (T, 2) weight of plain and masked n-grams that makes a candidate
    sizes: NDArray[np.float64]  # (T, 2) weight of all that counts of a text
    shares: NDArray[np.float64]  # (T,) of the words that must be found; 0 where the rule weighs n-grams
    train_side: float  # share of our n-grams; above 1 where the rule is off
    train_words: int  # words of ours that must be found for it
    wholes: NDArray[np.uint64]  # (T,) sorted hashes of whole texts; none where the rule does not ask
    whole_bits: NDArray[np.uint64]  # one bit for each value of their top bits


@njit(cache=True, nogil=True)
def number_words(data: Any, starts: Any, kinds: Any) -> Any:
    """(w,) which words are numbers: those that begin with a digit."""
    found = np.empty(len(starts), np.bool_)
    mark_numbers(data, starts, len(starts), kinds, found)
    return found


@njit(cache=True, nogil=True)
def mark_numbers(data: Any, starts: Any, n: int, kinds: Any, numbers: Any) -> Any:
    """Write to `numbers` which of the first `n` words are numbers; how many are."""
    found = 0
    for word in range(n):
        point = np.int64(data[starts[word]])
        if point >= 128:
            point, _ = decode(data, starts[word])
        numbers[word] = point < LIMIT and kinds[point] == DIGIT
        found += numbers[word]
    return found


@njit(cache=True, nogil=True)
def whole_hashes(words: Any, rows: Any) -> Any:
    """(n,) hash of all the words of each text."""
    found = np.zeros(len(rows) - 1, np.uint64)
    for text in range(len(found)):
        h = np.uint64(0)
        for word in range(rows[text], rows[text + 1]):
            h = h * BASE + words[word]
        found[text] = mix(h)
    return found


@njit(cache=True, nogil=True)
def word_characters(data: Any, offsets: Any, starts: Any, ends: Any, rows: Any) -> tuple[Any, Any]:
    """(w,) characters of its text before each word, and before its end."""
    firsts, lasts = np.empty(len(starts), np.int32), np.empty(len(starts), np.int32)
    for text in range(len(rows) - 1):
        at, characters = offsets[text], 0
        for word in range(rows[text], rows[text + 1]):
            while at < starts[word]:
                characters += (data[at] & 0xC0) != 0x80
                at += 1
            firsts[word] = characters
            while at < ends[word]:
                characters += (data[at] & 0xC0) != 0x80
                at += 1
            lasts[word] = characters
    return firsts, lasts


@njit(cache=True, nogil=True)
def fill_table(hashes: Any, keys: Any, values: Any, bits: Any, shift: int) -> None:
    """Enter n-gram i under hashes[i]; `keys` has room for twice as many, a power of two."""
    mask = np.uint64(len(keys) - 1)
    for gram in range(len(hashes)):
        key = hashes[gram]
        at = key & mask
        while keys[at] != 0:
            at = (at + np.uint64(1)) & mask
        keys[at], values[at] = key, gram
        bits[key >> np.uint64(shift)] |= _pattern(key)


@njit(cache=True, nogil=True)
def _pattern(key: Any) -> Any:
    """Two bits of the word of `bits` that a key falls in: a Bloom filter that costs one load."""
    return np.uint64(1) << (key & np.uint64(63)) | np.uint64(1) << ((key >> np.uint64(6)) & np.uint64(63))


@njit(cache=True, nogil=True)
def find(tables: Any, key: Any) -> int:
    """The n-gram with hash `key`, or -1."""
    mask = np.uint64(len(tables.keys) - 1)
    at = key & mask
    while tables.keys[at] != 0:
        if tables.keys[at] == key:
            return tables.values[at]
        at = (at + np.uint64(1)) & mask
    return -1


@njit(cache=True, nogil=True)
def whole_text(tables: Any, h: Any) -> int:
    """The eval text whose words have hash `h`, or -1."""
    place = h >> np.uint64(64 - WHOLE_BITS)
    if not (tables.whole_bits[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1):
        return -1
    at = np.searchsorted(tables.wholes, h)
    return at if at < len(tables.wholes) and tables.wholes[at] == h else -1


@njit(cache=True, nogil=True)
def probe(words: Any, numbers: Any, size: int, n: int, masks: bool, bits: Any, shift: Any, out: Any) -> Any:
    """Hashes of the n-grams of the first `size` words that the eval texts may have, written to `out`, plain,
    and masked where that differs; how many, how many n-grams are runs of bare numbers, which unrelated texts
    share, and the hash of the whole. The innermost loop: all else is done to the few that pass the filter.

    `hidden` is what masking adds to the plain hash: the same polynomial of differences, 0 without numbers.
    """
    oldest = power(n)
    plain = hidden = whole = np.uint64(0)
    found = bare = n_numbers = 0
    for at in range(size):
        word = words[at]
        whole = whole * BASE + word
        plain = plain * BASE + word
        if at >= n:
            plain -= words[at - n] * oldest
        if n_numbers or numbers[at]:
            hidden = hidden * BASE + (NUMBER - word if numbers[at] else np.uint64(0))
            n_numbers += numbers[at]
            if at >= n and numbers[at - n]:
                hidden -= (NUMBER - words[at - n]) * oldest
                n_numbers -= 1
        if at < n - 1:
            continue
        if n_numbers == n:
            bare += 1
            continue
        key = mix(plain)
        pattern = _pattern(key)
        if bits[key >> shift] & pattern == pattern:
            out[found] = key
            found += 1
        if masks and n_numbers:
            key = mix(plain + hidden)
            pattern = _pattern(key)
            if bits[key >> shift] & pattern == pattern:
                out[found] = key
                found += 1
    return found, bare, mix(whole)


@njit(cache=True, nogil=True)
def scan(
    tables: Any,
    data: Any,
    offsets: Any,
    alphabet: Any,
    first_row: int,
    stamp: int,
    exact_words: int,
    counts: Any,
    seen: Any,
    touched: Any,
    out_rows: Any,
    out_texts: Any,
    out_words: Any,
) -> tuple[int, int]:
    """Write pairs (text, eval text) that may match, and the words of the text; (first text not scanned for
    want of room, pairs).

    One text at a time, so that its words never leave the processor's cache. `counts` (T, 4) must be zero and
    is left so: weight found in the plain and in the masked view, our n-grams found in each. `touched` (T,)
    and `seen` (G,) are scratch; in `seen` all is below `stamp`.
    """
    n, pairs, longest = tables.n, 0, 0
    for text in range(first_row, len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    words, numbers = np.empty(longest, np.uint64), np.empty(longest, np.bool_)
    starts, ends = np.empty(longest, np.int64), np.empty(longest, np.int64)
    hashes, shift = np.empty(2 * longest, np.uint64), np.uint64(tables.shift)
    for text in range(first_row, len(offsets) - 1):
        size = split_text(data, offsets[text], offsets[text + 1], alphabet, False, words, starts, ends, 0)
        mark_numbers(data, starts, size, alphabet[0], numbers)
        known, bare, whole = probe(words, numbers, size, n, tables.masked, tables.bits, shift, hashes)
        n_touched, ours_plain, ours_masked = 0, size - n + 1 - bare, size - n + 1 - bare
        for k in range(known):
            gram = find(tables, hashes[k])
            if gram < 0 or known < tables.least[gram]:
                continue
            in_plain, in_masked = tables.views[gram] & PLAIN, tables.views[gram] & MASKED
            if tables.capped[gram]:
                ours_plain -= in_plain > 0
                ours_masked -= in_masked > 0
                continue
            weight = 0.0 if seen[gram] == stamp + text else tables.weights[gram]
            seen[gram] = stamp + text
            for place in range(tables.first[gram], tables.first[gram + 1]):
                found = tables.postings[place]
                if counts[found, 2] == 0 and counts[found, 3] == 0:
                    touched[n_touched] = found
                    n_touched += 1
                if in_plain:
                    counts[found, 0] += weight
                    counts[found, 2] += 1
                if in_masked:
                    counts[found, 1] += weight
                    counts[found, 3] += 1
        same = whole_text(tables, whole) if size >= exact_words and size > 0 else -1
        if pairs + n_touched + 1 > len(out_rows):
            for k in range(n_touched):
                counts[touched[k], :] = 0
            return text, pairs
        if same >= 0:
            out_rows[pairs], out_texts[pairs], out_words[pairs] = text, same, size
            pairs += 1
        for k in range(n_touched):
            found = touched[k]
            hit = False
            for view in range(2):
                ours = ours_plain if view == 0 else ours_masked
                hit |= counts[found, view] >= tables.needed[found, view] - 1e-9
                # n-grams that follow each other cover n words and one more each; alone, n words each.
                covered = counts[found, 2 + view] * n
                hit |= covered >= tables.train_words and covered >= tables.train_side * (ours + n - 1)
            counts[found, :] = 0
            if hit and found != same:
                out_rows[pairs], out_texts[pairs], out_words[pairs] = text, found, size
                pairs += 1
    return len(offsets) - 1, pairs

"""The evaluation texts as tables that the compiled scan looks things up in.

Benchmarks repeat questions, so texts are kept once per run of words, and every eval row that has one is known
by it. A text of which too little is left, because it is short or made of boilerplate, is compared whole only;
`indexable` and `too_short` say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.decontamination.catalog import Catalog
from curation.decontamination.rules import Rule
from curation.eval_sets import EvalSet
from curation.words import alphabet as alphabets
from curation.words.alphabet import Alphabet
from curation.words.texts import Grams, Texts, Words, grams_of, split_words, texts_of
from store.errors import InputError

if TYPE_CHECKING:  # compiled code is loaded by the first index, not by the first import
    from curation.decontamination.alignment import Side
    from curation.decontamination.kernels import Tables

ALPHABETS = {"folded": alphabets.folded, "spaced": alphabets.spaced, "unpunctuated": alphabets.unpunctuated}
TEMPLATES_IN = 100  # texts; in smaller sets a share of them says nothing, and a few variants of one text much
TEMPLATE = 5  # texts that may share an n-gram in any set
KEPT = 10  # n-grams that tell one text from another, where boilerplate takes more than half of them


class WordPlaces(NamedTuple):
    """Characters of their text that words begin at and end before (w,); the words of text i from rows[i]."""

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    rows: NDArray[np.int64]


class Index(NamedTuple):
    rule: Rule
    alphabet: Alphabet
    tables: Tables
    side: Side  # the distinct eval texts (T)
    everything: Texts  # the texts of all eval rows (R)
    places: WordPlaces  # of their words
    text_of: NDArray[np.int64]  # (R,) distinct text of each eval row, -1 where it has no words
    refs: NDArray[np.int64]  # the eval rows to name, by distinct text (see `Catalog.named`)
    ref_rows: NDArray[np.int64]  # (T + 1,) range of `refs` of each distinct text
    indexable: NDArray[np.bool_]  # (T,) the n-gram rule can see it
    too_short: NDArray[np.bool_]  # (T,)


def build_index(eval_sets: Sequence[EvalSet], catalog: Catalog, rule: Rule) -> Index:
    """`catalog`: of these sets. InputError for a set that has no words: a set that is not compared protects
    nothing.
    """
    from curation.decontamination.kernels import whole_hashes, word_characters

    alphabet = ALPHABETS[rule.alphabet]()
    everything = texts_of(text.text for e in eval_sets for text in e.texts)
    words = split_words(everything, alphabet)
    n_words = np.diff(words.rows)
    wholes = whole_hashes(words.hashes, words.rows)
    _check(eval_sets, n_words)

    # In the order of their hashes, so that nothing depends on the order of sets or rows.
    order = np.argsort(wholes, kind="stable")
    order = order[n_words[order] > 0]
    new = np.ones(len(order), bool)
    new[1:] = wholes[order[1:]] != wholes[order[:-1]]
    side = side_of(texts_of(everything.text(int(i)) for i in order[new]), alphabet)
    text_of = np.full(len(wholes), -1)
    text_of[order] = np.cumsum(new) - 1
    refs, ref_rows = catalog.named(text_of, int(new.sum()))
    own = np.unique(np.column_stack([text_of[order], catalog.sets[order]]), axis=0)
    tables, indexable, too_short = _tables(side, rule, wholes[order[new]], own)
    starts, ends = word_characters(everything.data, everything.offsets, *words[1:])
    return Index(
        rule=rule,
        alphabet=alphabet,
        tables=tables,
        side=side,
        everything=everything,
        places=WordPlaces(starts, ends, words.rows),
        text_of=text_of,
        refs=refs,
        ref_rows=ref_rows,
        indexable=indexable,
        too_short=too_short,
    )


def side_of(texts: Texts, alphabet: Alphabet) -> Side:
    from curation.decontamination.alignment import Side
    from curation.decontamination.kernels import number_words

    words = split_words(texts, alphabet)
    numbers = number_words(texts.data, words.starts, alphabet.kinds)
    return Side(texts.data, texts.offsets, words.hashes, numbers, words.starts, words.ends, words.rows)


def _check(eval_sets: Sequence[EvalSet], n_words: NDArray[np.int64]) -> None:
    named: set[tuple[str, str | None, str | None]] = set()
    first = 0
    for eval_set in eval_sets:
        last = first + len(eval_set.texts)
        if not n_words[first:last].any():
            raise InputError(
                f"eval set {eval_set.name!r} has no text to compare with; check its file and its columns"
            )
        key = (eval_set.name, eval_set.config, eval_set.split)
        if key in named:
            raise InputError(f"eval set {eval_set.name!r} is named twice; remove one of them")
        named.add(key)
        first = last


def _tables(
    side: Side, rule: Rule, wholes: NDArray[np.uint64], own: NDArray[np.int64]
) -> tuple[Tables, NDArray[np.bool_], NDArray[np.bool_]]:
    from curation.decontamination.kernels import MASKED, PLAIN, WHOLE_BITS, Tables, fill_table

    n_texts, n_words = len(wholes), np.diff(side.rows)
    keys, texts, views = _entries(Words(side.words, side.starts, side.ends, side.rows), side.numbers, rule)
    unique, gram, starts, per_text = _grouped(keys, texts)
    gram_views = views[starts]
    gram_text = texts[per_text]  # (E,) texts of each n-gram, ascending
    gram_of = gram[per_text]
    df = np.bincount(gram_of, minlength=len(unique))
    capped = (df > rule.max_df) & (rule.coverage != "any")
    if rule.template_share is not None:
        capped |= _templates(gram_of, gram_text, own, len(unique), rule.template_share)
    weights = np.log((n_texts + 1) / df) if rule.coverage == "idf" else np.ones(len(unique))

    sizes, before = np.zeros((n_texts, 2)), np.zeros((n_texts, 2))
    kept = np.zeros((n_texts, 2))
    for column, view in enumerate((PLAIN, MASKED)):
        mine = (gram_views[gram_of] & view) > 0
        left = mine & ~capped[gram_of]
        before[:, column] = np.bincount(gram_text[mine], minlength=n_texts)
        kept[:, column] = np.bincount(gram_text[left], minlength=n_texts)
        sizes[:, column] = np.bincount(gram_text[left], weights[gram_of[left]], minlength=n_texts)
    long_enough = n_words >= max(rule.n, rule.min_words)
    usable = (kept > 0) & (kept >= np.minimum(KEPT, np.ceil(before / 2))) & long_enough[:, None]
    shares = np.array([rule.needed(n) for n in n_words])
    needed = _needed(rule, sizes, shares, _repeats(gram, texts, n_texts))
    needed[~usable] = inf

    if rule.coverage == "any":  # attribution only: name the first few texts
        rank = np.arange(len(gram_of)) - np.searchsorted(gram_of, gram_of)
        named = rank < rule.max_df
    else:
        named = ~capped[gram_of]
    counts = np.bincount(gram_of[named], minlength=len(unique))
    first = np.zeros(len(unique) + 1, np.int64)
    np.cumsum(counts, out=first[1:])

    # Up to 2^22 bits, which stay in the processor's cache; more let fewer through and are slower.
    n_bits = 1 << int(np.clip(np.ceil(np.log2(16 * len(unique) + 1)), 12, 22))
    bits = np.zeros(n_bits // 64, np.uint64)
    slots = 1 << int(np.ceil(np.log2(max(16, 2 * len(unique)))))
    table_keys, table_values = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
    shift = 64 - int(np.log2(len(bits)))
    fill_table(unique, table_keys, table_values, bits, shift)
    whole_bits = np.zeros((1 << WHOLE_BITS) // 64, np.uint64)
    places = wholes[: len(wholes) if rule.exact else 0] >> np.uint64(64 - WHOLE_BITS)
    np.bitwise_or.at(whole_bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
    train_side = rule.train_side if rule.train_side is not None else inf
    tables = Tables(
        n=rule.n,
        masked=rule.masked,
        bits=bits,
        shift=shift,
        keys=table_keys,
        values=table_values,
        weights=weights.astype(np.float64),
        views=gram_views,
        capped=capped,
        least=_least(rule, needed, gram_of[named], gram_text[named], len(unique)),
        first=first,
        postings=gram_text[named].astype(np.int32),
        needed=needed,
        sizes=sizes,
        shares=shares if rule.coverage == "words" else np.zeros(n_texts),
        train_side=train_side,
        train_words=rule.train_words,
        wholes=wholes if rule.exact else wholes[:0],
        whole_bits=whole_bits,
    )
    return tables, usable.any(1), ~long_enough


def _entries(
    words: Words, numbers: NDArray[np.bool_], rule: Rule
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]]:
    """(hash, text, views) of every n-gram of every text; runs of bare numbers are left out."""
    from curation.decontamination.kernels import MASKED, PLAIN
    from curation.words.kernels import NUMBER

    plain = grams_of(words, rule.n)
    texts = np.repeat(np.arange(len(words.rows) - 1), np.diff(plain.rows))
    counts = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum(numbers, out=counts[1:])
    n_numbers = counts[plain.firsts + rule.n] - counts[plain.firsts]
    lettered = n_numbers < rule.n
    mixed = lettered & (n_numbers > 0)
    views = np.where(n_numbers > 0, PLAIN, PLAIN | MASKED).astype(np.uint8)
    if not rule.masked:
        return plain.hashes[lettered], texts[lettered], np.full(lettered.sum(), PLAIN, np.uint8)
    masked: Grams = grams_of(words._replace(hashes=np.where(numbers, NUMBER, words.hashes)), rule.n)
    return (
        np.concatenate([plain.hashes[lettered], masked.hashes[mixed]]),
        np.concatenate([texts[lettered], texts[mixed]]),
        np.concatenate([views[lettered], np.full(mixed.sum(), MASKED, np.uint8)]),
    )


def _grouped(
    keys: NDArray[np.uint64], texts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys; per entry its key's number; an entry of each key; one per key and text, in order."""
    unique, starts, gram = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((texts, gram))
    new = np.ones(len(order), bool)
    new[1:] = (gram[order[1:]] != gram[order[:-1]]) | (texts[order[1:]] != texts[order[:-1]])
    return unique, gram, starts, order[new]


def _templates(
    gram_of: NDArray[np.int64],
    gram_text: NDArray[np.int64],
    own: NDArray[np.int64],
    n_grams: int,
    share: float,
) -> NDArray[np.bool_]:
    """(G,) n-grams that more than `share` of the distinct texts of one set have. `own`: (text, set) pairs."""
    found = np.zeros(n_grams, np.bool_)
    for eval_set in np.unique(own[:, 1]):
        mine = np.zeros(int(gram_text.max(initial=-1)) + 1, np.bool_)
        texts = own[own[:, 1] == eval_set, 0]
        if len(texts) < TEMPLATES_IN:
            continue
        mine[texts[texts < len(mine)]] = True
        most = max(TEMPLATE, share * len(texts))
        found |= np.bincount(gram_of[mine[gram_text]], minlength=n_grams) > most
    return found


def _least(
    rule: Rule,
    needed: NDArray[np.float64],
    gram_of: NDArray[np.int64],
    gram_text: NDArray[np.int64],
    n_grams: int,
) -> NDArray[np.uint8]:
    """(G,) n-grams that make a candidate of any of a gram's texts; for most rows of ours it is too many."""
    found = np.full(n_grams, 255.0)
    if rule.train_side is not None:
        found[:] = ceil(rule.train_words / rule.n)
    counted = needed if rule.coverage != "idf" else np.minimum(needed, 1)
    np.minimum.at(found, gram_of, counted.min(1)[gram_text])
    return np.clip(found, 1, 255).astype(np.uint8)


def _repeats(gram: NDArray[np.int64], texts: NDArray[np.int64], n_texts: int) -> NDArray[np.int64]:
    """(T,) how often the commonest n-gram of each text stands in it."""
    _, first, counts = np.unique(gram * n_texts + texts, return_index=True, return_counts=True)
    most = np.ones(n_texts, np.int64)
    np.maximum.at(most, texts[first], counts)
    return most


def _needed(
    rule: Rule, sizes: NDArray[np.float64], shares: NDArray[np.float64], repeats: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(T, 2) weight of found n-grams that makes a candidate; `alignment` decides."""
    if rule.coverage == "any":
        return np.ones_like(sizes)
    if rule.coverage == "idf":
        return sizes * shares[:, None]
    # k n-grams cover at least k + n - 1 words, and at most n words each time they occur.
    words = shares[:, None] * (sizes + rule.n - 1)
    return np.maximum(1, np.ceil(words / (rule.n * repeats[:, None]) - 1e-9))

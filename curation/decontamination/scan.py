"""Which of our texts repeat an evaluation text: index once, scan many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.decontamination.catalog import Catalog
from curation.decontamination.index import Index, build_index
from curation.decontamination.matches import MATCHES, ORDER, Aligner, matches
from curation.decontamination.rules import PRESETS, Rule
from curation.eval_sets import EvalSet
from curation.words.texts import Texts, split_words, texts_of

_BYTES = 1 << 20  # text scanned at a time
_PAIRS = 1 << 16  # pairs that may match, written at a time
_ALIGNED = 4096  # pairs compared at a time


class Parts(NamedTuple):
    """Texts that are also compared whole piece by piece, such as the messages of a conversation.

    Text i is the parts rows[i] to rows[i + 1] joined by newlines.
    """

    texts: Texts
    rows: NDArray[np.int64]


class Scanner:
    """Looks for the texts of `eval_sets` in texts of ours. Not to be shared between threads.

    InputError for an eval set without words and for one that is named twice.
    """

    def __init__(self, eval_sets: Sequence[EvalSet], rule: Rule = PRESETS["default"]) -> None:
        self.eval_sets = list(eval_sets)
        self.rule = rule
        self.catalog = Catalog(self.eval_sets)
        self.index: Index = build_index(self.eval_sets, self.catalog, rule)
        self._aligner = Aligner(self.index)
        texts, grams = len(self.index.indexable), len(self.index.tables.weights)
        self._counts, self._touched = np.zeros((texts, 4)), np.empty(texts, np.int64)
        self._seen, self._stamp = np.full(grams, -1), 0

    @property
    def texts(self) -> Texts:
        """The distinct eval texts."""
        return Texts(self.index.side.data, self.index.side.offsets)

    def scan(
        self, texts: Iterable[str] | Texts, parts: Parts | None = None, exact_words: int = 1
    ) -> pl.DataFrame:
        """One MATCHES row per text and eval row that match, ordered by both; of eval rows with the same
        words, the first of each set (`catalog.NAMED`).

        `exact_words`: a shorter text that is the same as a whole eval text does not count for that: "yes" and
        "42" are answers of many benchmarks.
        """
        texts = texts if isinstance(texts, Texts) else texts_of(texts)
        found = [MATCHES.to_frame()]
        for block in _blocks(self._pairs(texts, parts, exact_words)):
            rows, places = np.unique(block[:, 0], return_inverse=True)
            block = np.column_stack([places, block[:, 1:]])
            frame = matches(self._aligner, self.catalog, _take(texts, rows), block)
            row = pl.Series("row", rows.astype(np.uint32)).gather(frame["row"])
            found.append(frame.with_columns(row))
        return pl.concat(found).sort(ORDER)

    def candidates(self, texts: Iterable[str] | Texts) -> NDArray[np.int64]:
        """Numbers of the texts that may match, by hashes alone: the scan without attribution."""
        texts = texts if isinstance(texts, Texts) else texts_of(texts)
        found = [np.unique(pairs[:, 0]) for pairs in self._pairs(texts, None, 1)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def flagged(self, texts: Iterable[str] | Texts) -> NDArray[np.bool_]:
        """(n,) which texts match any eval text."""
        texts = texts if isinstance(texts, Texts) else texts_of(texts)
        found = np.zeros(len(texts), np.bool_)
        found[self.scan(texts)["row"].to_numpy()] = True
        return found

    def totals(self) -> pl.DataFrame:
        """Per eval set: its rows, those the n-gram rule can see, and those too short for it."""
        index = self.index
        rows, first = [], 0
        for eval_set in self.eval_sets:
            ours = index.text_of[first : first + len(eval_set.texts)]
            first += len(eval_set.texts)
            named = [(text.row, at) for text, at in zip(eval_set.texts, ours, strict=True) if at >= 0]
            seen = {row for row, at in named if index.indexable[at]}
            short = {row for row, _ in named} - {row for row, at in named if not index.too_short[at]}
            rows.append((eval_set.name, eval_set.n_rows, len(seen), len(short)))
        schema = {"eval_set": pl.String, "rows": pl.Int64, "indexable": pl.Int64, "too_short": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _pairs(self, texts: Texts, parts: Parts | None, exact_words: int) -> Iterator[NDArray[np.int64]]:
        """Pairs that may match, see `alignment.align`, of some texts at a time."""
        for first, last in _pieces(texts.offsets):
            piece = Texts(texts.data, texts.offsets[first : last + 1])
            wholes = None if parts is None else _some(parts, first, last)
            yield self._pairs_of_piece(piece, wholes, exact_words) + (first, 0, 0, 0)

    def _pairs_of_piece(self, texts: Texts, parts: Parts | None, exact_words: int) -> NDArray[np.int64]:
        from curation.decontamination.kernels import scan

        index = self.index
        room = _PAIRS + len(self._touched)
        out = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
        found = [np.zeros((0, 3), np.int64)]
        done = 0
        while done < len(texts):
            done, n = scan(
                *(index.tables, *texts, index.alphabet.tables, done, self._stamp, exact_words),
                *(self._counts, self._seen, self._touched, *out),
            )
            self._stamp += len(texts)
            found.append(np.column_stack([column[:n] for column in out]))
        pairs = np.concatenate(found)
        whole = (pairs[:, 2] >= exact_words) & self.rule.exact
        pairs = np.insert(pairs, 2, 0, axis=1)
        pairs[~whole, 3] = -1
        if parts is None or not len(index.tables.wholes):
            return pairs
        pairs = np.concatenate([self._whole_parts(parts, exact_words), pairs])
        _, chosen = np.unique(pairs[:, 0] * len(index.indexable) + pairs[:, 1], return_index=True)
        return pairs[chosen]

    def _whole_parts(self, parts: Parts, exact_words: int) -> NDArray[np.int64]:
        """Pairs (p, 4) whose eval text has the hash of one whole part of ours."""
        from curation.decontamination.kernels import whole_hashes

        words = split_words(parts.texts, self.index.alphabet)
        hashes, wholes = whole_hashes(words.hashes, words.rows), self.index.tables.wholes
        at = np.minimum(np.searchsorted(wholes, hashes), len(wholes) - 1)
        part = np.flatnonzero((wholes[at] == hashes) & (np.diff(words.rows) >= max(1, exact_words)))
        row = np.searchsorted(parts.rows, part, side="right") - 1
        before = words.rows[parts.rows[row]]  # a text has the words of its parts
        return np.column_stack([row, at[part], words.rows[part] - before, words.rows[part + 1] - before])


def _pieces(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of whole texts of about _BYTES, at least one text each."""
    first, n = 0, len(offsets) - 1
    while first < n:
        last = int(np.searchsorted(offsets, offsets[first] + _BYTES, side="right")) - 1
        last = min(n, max(first + 1, last))
        yield first, last
        first = last


def _blocks(pieces: Iterator[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """The same pairs, about _ALIGNED at a time."""
    waiting: list[NDArray[np.int64]] = []
    for pairs in pieces:
        waiting.append(pairs)
        if sum(map(len, waiting)) >= _ALIGNED:
            yield from np.array_split(np.concatenate(waiting), sum(map(len, waiting)) // _ALIGNED)
            waiting = []
    if any(map(len, waiting)):
        yield np.concatenate(waiting)


def _some(parts: Parts, first: int, last: int) -> Parts:
    rows = parts.rows[first : last + 1]
    return Parts(Texts(parts.texts.data, parts.texts.offsets[rows[0] : rows[-1] + 1]), rows - rows[0])


def _take(texts: Texts, rows: NDArray[np.int64]) -> Texts:
    parts = [texts.data[texts.offsets[row] : texts.offsets[row + 1]] for row in rows]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return Texts(np.concatenate([np.zeros(0, np.uint8), *parts]), offsets)

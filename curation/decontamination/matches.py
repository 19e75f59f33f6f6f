"""From pairs that may match to rows that say what matches where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.decontamination.catalog import Catalog
from curation.decontamination.index import Index, side_of
from curation.words.texts import Texts

if TYPE_CHECKING:
    from curation.decontamination.alignment import Side

RULES = ("exact", "ngram", "train_side", "paraphrase")  # strongest first
SPAN = 400  # characters of a matched stretch that are kept for reading

_SPANS = pl.List(pl.Struct({"start": pl.Int64(), "end": pl.Int64()}))
_FOUND: dict[str, Any] = {
    "row": pl.UInt32,  # place of our text among those scanned
    "eval_set": pl.String,
    "eval_config": pl.String,
    "eval_split": pl.String,
    "eval_revision": pl.String,
    "eval_row": pl.String,
    "eval_field": pl.String,
    "rule": pl.Enum(RULES),
    "n_matched": pl.Int64,  # distinct n-grams of the eval text that stand in ours
    "coverage_eval": pl.Float64,  # share of what counts of the eval text
    "coverage_ours": pl.Float64,  # share of our n-grams
    "numbers_differ": pl.Boolean,  # only with numbers masked: a twin
    "spans": _SPANS,  # matched stretches, in characters of our text
    "eval_spans": _SPANS,  # and of the eval text
    "span": pl.String,  # our text from the first to the last of them
    "eval_span": pl.String,
}
MATCHES = pl.Schema(_FOUND)
ORDER = ("row", "eval_set", "eval_config", "eval_split", "eval_row", "eval_field")


class Aligner:
    """Compares pairs of texts by their words; keeps its working space from call to call."""

    def __init__(self, index: Index) -> None:
        grams = len(index.tables.weights)
        self.index = index
        self.heads, self.entered = np.zeros((2, grams), np.int32), np.full((2, grams), -1)
        self.seen, self.counted = np.full(grams, -1), np.full(grams, -1)
        self.longest = int(np.diff(index.side.rows).max(initial=0))
        self.stamp = 0

    def align(self, side: Side, pairs: NDArray[np.int64]) -> Any:
        """See `alignment.align`; `side` holds our texts."""
        from curation.decontamination.alignment import Scratch, align

        index = self.index
        words = int(np.diff(side.rows).max(initial=0))
        ours, evals = np.empty(words + 1, np.int32), np.empty(self.longest + 1, np.int32)
        nexts, places = np.empty((2, words + 1), np.int32), np.empty(2 * words + 1, np.int32)
        marked = np.empty(self.longest + 1, np.bool_)
        scratch = Scratch(
            self.heads, self.entered, nexts, self.seen, self.counted, ours, evals, places, marked
        )
        found = align(index.tables, side, index.side, pairs, index.alphabet.tables, scratch, self.stamp)
        self.stamp += 2 * len(pairs)
        return found


def matches(aligner: Aligner, catalog: Catalog, texts: Texts, pairs: NDArray[np.int64]) -> pl.DataFrame:
    """One MATCHES row per text and eval row that match, of the `pairs` that may (see `alignment.align`).

    Of eval rows with the same words, the first of each set (`catalog.NAMED`).
    """
    from curation.decontamination.kernels import word_characters

    index = aligner.index
    side = side_of(texts, index.alphabet)
    rules, differs, matched, coverages, runs, eval_runs, ranges = aligner.align(side, pairs)
    kept = np.flatnonzero(rules)
    firsts, lasts = word_characters(side.data, side.offsets, side.starts, side.ends, side.rows)
    begins = side.rows[pairs[kept, 0]]
    spans = _spans(begins, ranges[kept, 0], ranges[kept + 1, 0], runs, firsts, lasts)
    shown = [
        _stretch(side, begin + runs[first, 0], begin + runs[last - 1, 1] - 1)
        for begin, first, last in zip(begins, ranges[kept, 0], ranges[kept + 1, 0], strict=True)
    ]

    evals = pairs[kept, 1]
    n_refs = index.ref_rows[evals + 1] - index.ref_rows[evals]
    of = np.repeat(np.arange(len(kept)), n_refs)  # number of the pair of each row
    refs = index.refs[_ranges(index.ref_rows[evals], n_refs)]
    pair = kept[of]
    places = index.places
    eval_spans = _spans(
        places.rows[refs], ranges[pair, 1], ranges[pair + 1, 1], eval_runs, places.starts, places.ends
    )
    outer = zip(refs, eval_spans.list.first().struct[0], eval_spans.list.last().struct[1], strict=True)
    columns = {
        "row": pl.Series(pairs[pair, 0].astype(np.uint32)),
        **catalog.pick(refs),
        "rule": pl.Series([RULES[rule - 1] for rule in rules[pair]], dtype=MATCHES["rule"]),
        "n_matched": pl.Series(matched[pair].astype(np.int64)),
        "coverage_eval": pl.Series(coverages[pair, 0]),
        "coverage_ours": pl.Series(coverages[pair, 1]),
        "numbers_differ": pl.Series(differs[pair]),
        "spans": spans.gather(of),
        "eval_spans": eval_spans,
        "span": pl.Series(shown, dtype=pl.String).gather(of),
        "eval_span": pl.Series([catalog.texts[r][a:b][:SPAN] for r, a, b in outer], dtype=pl.String),
    }
    return pl.DataFrame(columns, schema=MATCHES)


def _ranges(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """firsts[0], firsts[0] + 1, ... (counts[0] of them), firsts[1], ..."""
    before = np.cumsum(counts) - counts
    return np.repeat(firsts - before, counts) + np.arange(counts.sum())


def _spans(
    begins: NDArray[np.int64],
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    runs: NDArray[np.int64],
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
) -> pl.Series:
    """Runs firsts[i] to lasts[i] of words, counted from word begins[i], as lists of character ranges."""
    import pyarrow as pa

    counts = lasts - firsts
    words = runs[_ranges(firsts, counts)] + np.repeat(begins, counts)[:, None]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    places = [starts[words[:, 0]].astype(np.int64), ends[words[:, 1] - 1].astype(np.int64)]
    structs = pa.StructArray.from_arrays([pa.array(place) for place in places], names=["start", "end"])
    found = pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets), structs))
    assert isinstance(found, pl.Series)
    return found


def _stretch(side: Side, first: int, last: int) -> str:
    """The text from word `first` to word `last`, at most SPAN characters (4 bytes at most each)."""
    begin = side.starts[first]
    end = min(side.ends[last], begin + 4 * SPAN)
    return side.data[begin:end].tobytes().decode("utf-8", "replace")[:SPAN]

"""Which eval texts a text may say in other words: candidates for a judge, found without a model.

A text is the bag of its word stems. Numbers are left out, as a copy with other numbers is a copy, and so are
stems of many eval texts, which tell nothing apart. A stem that d of the N eval texts have weighs

    w = ln((N + 1) / d) ^ 1.5            one that no eval text has weighs as one that a single text has

and two texts are as near as their common weight is large (Dice):

    dice = 2 w(ours and theirs) / (w(ours) + w(theirs))

The exponent moves weight from what a subject has in common ("cost", "each") to what one question is about;
it and the stems were chosen on paraphrases of GSM8K test questions against GSM8K train, on which they propose
more paraphrases with fewer other pairs than plain words weighed by ln(N / d). `benchmarks/paraphrases.py`
has the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.words.alphabet import folded
from curation.words.texts import Texts
from store.errors import InputError

MIN_DICE = 0.3
MOST = 3  # eval texts for one of ours; of 239 paraphrases found 236 have the right one nearest

EXPONENT = 1.5
SCALE = 1000  # weights are whole numbers, so a sum does not depend on its order
MIN_DF, DF_SHARE = 400, 50  # a stem of more eval texts than 400, or a 50th of them if that is more, is common

PROPOSALS = pl.Schema(
    {
        "row": pl.UInt32(),  # place of our text among those given
        "eval_text": pl.UInt32(),  # place of the eval text in the index
        "dice": pl.Float64(),
        "coverage_eval": pl.Float64(),  # share of the eval text's weight that is in ours
        "coverage_ours": pl.Float64(),
        "left_out": pl.UInt32(),  # eval texts that are near enough too, but not among the `most` nearest
    }
)


@dataclass(frozen=True)
class ParaphraseIndex:
    """Stems of the eval texts with their weights, and which texts have them."""

    totals: NDArray[np.int64]  # (eval texts,): weight of all stems of a text
    compiled: tuple[Any, ...]  # what `paraphrase_kernels.propose` takes

    @classmethod
    def of(cls, texts: Texts) -> ParaphraseIndex:
        from curation.decontamination.paraphrase_kernels import hash_table

        n = len(texts)
        stems, owners, bag = _bags(texts)
        frequency = np.bincount(bag, minlength=len(stems))
        weights = np.maximum(1, _weight(n, frequency))
        weights[frequency > max(MIN_DF, n // DF_SHARE)] = 0
        lightest_first = np.argsort(weights, kind="stable")
        stems, frequency = stems[lightest_first], frequency[lightest_first]
        weights = weights[lightest_first]
        bag = np.argsort(lightest_first)[bag]
        bag = bag[np.lexsort((bag, owners))].astype(np.uint32)  # of each text the lightest first too

        totals = np.bincount(owners, weights[bag], minlength=n).astype(np.int64)
        by_stem = owners[np.argsort(bag, kind="stable")].astype(np.uint32)
        stem_rows = np.concatenate([[0], np.cumsum(frequency)])
        text_rows = np.searchsorted(owners, np.arange(n + 1))
        table = hash_table(stems, max(4, (2 * len(stems)).bit_length()))
        unknown = int(_weight(n, np.ones(1))[0])
        return cls(totals, (*table, weights, by_stem, stem_rows, bag, text_rows, totals, unknown))


def _bags(texts: Texts) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct stems (s,), and, ordered by text, text and stem (m,) of each stem of each text."""
    from curation.decontamination.paraphrase_kernels import stems

    hashes, rows = stems(texts.data, texts.offsets, folded().tables)
    distinct, numbers = np.unique(hashes, return_inverse=True)
    base = max(1, len(distinct))
    owners, bag = np.divmod(np.unique(np.repeat(np.arange(len(texts)), np.diff(rows)) * base + numbers), base)
    return distinct, owners, bag


def _weight(n: int, frequency: NDArray[Any]) -> NDArray[np.int64]:
    return np.rint(SCALE * np.log((n + 1) / frequency) ** EXPONENT).astype(np.int64)


def propose(
    index: ParaphraseIndex, texts: Texts, min_dice: float = MIN_DICE, most: int = MOST
) -> pl.DataFrame:
    """PROPOSALS of every text: its at most `most` nearest eval texts of `min_dice` or more.

    A text's proposals depend on it and the index alone, so batches may be of any size. InputError for a
    threshold outside (0, 1].
    """
    from curation.decontamination.paraphrase_kernels import propose as compiled

    if not 0 < min_dice <= 1:
        raise InputError(
            f"paraphrases: min_dice={min_dice} must be above 0 and at most 1 (default {MIN_DICE})"
        )
    found = compiled(texts.data, texts.offsets, folded().tables, index.compiled, min_dice, most)
    rows, evals, dice, shared, ours, left_out = found
    columns = (rows, evals, dice, shared / index.totals[evals], shared / ours, left_out)
    return pl.DataFrame(dict(zip(PROPOSALS, columns, strict=True)), schema=PROPOSALS)

"""Paraphrases in tables: pairs for a judge, and what it said of them as rows of a report.

    pairs = paraphrases.pairs(texts)             texts that no other rule has flagged
    judged = judge(pairs)                        adds `verdict`: same, different or unknown
    paraphrases.matches(judged)                  rows of same and unknown

The judge is not to mind numbers, so it cannot tell a twin, the same template with other numbers, from a copy.
What is taken for a twin here is a pair with fewer than half of the eval text's numbers in ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from curation.decontamination.catalog import Catalog
from curation.decontamination.matches import MATCHES, SPAN
from curation.decontamination.paraphrases import MIN_DICE, MOST, PROPOSALS, ParaphraseIndex, propose
from curation.eval_sets import EvalSet
from curation.words.texts import Texts, plain_words, texts_of

PAIRS = pl.Schema(
    PROPOSALS | {"eval_text": pl.String(), "text": pl.String(), "kind": pl.String()}  # kind of the eval set
)
VERDICTS = ("same", "different", "unknown")
JUDGED = pl.Schema(PAIRS | {"verdict": pl.String()})


class Paraphrases:
    """Eval sets to look for in other words."""

    def __init__(self, eval_sets: Sequence[EvalSet]) -> None:
        self._catalog = Catalog(eval_sets)
        texts: dict[str, int] = {}  # number of each distinct text
        text_of = np.array([texts.setdefault(text, len(texts)) for text in self._catalog.texts], np.int64)
        self._texts = list(texts)
        refs, rows = self._catalog.named(text_of, len(texts))
        self._refs = {text: refs[rows[k] : rows[k + 1]] for text, k in texts.items()}
        self._kinds = [eval_set.kind for eval_set in eval_sets]
        self._index = ParaphraseIndex.of(texts_of(self._texts))

    def pairs(self, texts: Texts, min_dice: float = MIN_DICE, most: int = MOST) -> pl.DataFrame:
        """PAIRS to judge: of each proposed eval text one row per kind of set that it is in."""
        found = propose(self._index, texts, min_dice, most)
        rows = [
            {**row, "eval_text": theirs, "text": texts.text(row["row"]), "kind": kind}
            for row in found.iter_rows(named=True)
            for theirs in [self._texts[row["eval_text"]]]
            for kind in sorted({self._kind(ref) for ref in self._refs[theirs]})
        ]
        return pl.DataFrame(rows, schema=PAIRS)

    def matches(self, judged: pl.DataFrame) -> pl.DataFrame:
        """MATCHES rows, and `verdict`, of the JUDGED pairs that are the same or unknown: one per eval row, of
        rows with one text the first of each set (`catalog.NAMED`).

        A pair without a verdict is unknown: nothing is clean for want of one.
        """
        judged = judged.with_columns(pl.col("verdict").fill_null("unknown"))
        assert judged["verdict"].is_in([*VERDICTS]).all(), "a verdict is same, different or unknown"
        rows, refs = [], []
        for row in judged.filter(pl.col("verdict") != "different").iter_rows(named=True):
            places = [ref for ref in self._refs[row["eval_text"]] if self._kind(ref) == row["kind"]]
            refs += places
            rows += [_match(row)] * len(places)
        columns = self._catalog.pick(np.array(refs, np.int64))
        schema = {
            name: kind for name, kind in (MATCHES | {"verdict": pl.String}).items() if name not in columns
        }
        found = pl.DataFrame(rows, schema=schema).with_columns(**columns)
        return found.select(*MATCHES.names(), "verdict")

    def _kind(self, ref: int | np.int64) -> str:
        return self._kinds[self._catalog.sets[ref]]


def _match(row: dict[str, object]) -> dict[str, object]:
    ours, theirs = str(row["text"]), str(row["eval_text"])
    return {
        "row": row["row"],
        "rule": "paraphrase",
        "n_matched": None,
        "coverage_eval": row["coverage_eval"],
        "coverage_ours": row["coverage_ours"],
        "numbers_differ": _numbers_differ(ours, theirs),
        "spans": [{"start": 0, "end": len(ours)}],
        "eval_spans": [{"start": 0, "end": len(theirs)}],
        "span": ours[:SPAN],
        "eval_span": theirs[:SPAN],
        "verdict": row["verdict"],
    }


def _numbers_differ(ours: str, theirs: str) -> bool:
    own, wanted = ({word for word in plain_words(text) if word[0].isdigit()} for text in (ours, theirs))
    return len(wanted & own) < len(wanted) / 2

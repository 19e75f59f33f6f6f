"""The eval rows behind the distinct texts that a scan compares, and which of them a report names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.eval_sets import EvalSet

NAMED = 10  # rows of one eval set that are named for one text: some sets repeat a text thousands of times


class Catalog:
    """The texts of all eval rows (R), and what a report says of their rows, as columns to pick from."""

    def __init__(self, eval_sets: Sequence[EvalSet]) -> None:
        self.sets = np.repeat(np.arange(len(eval_sets)), [len(e.texts) for e in eval_sets])
        self._texts = [text for e in eval_sets for text in e.texts]
        self.texts = [text.text for text in self._texts]
        self.columns = {
            "eval_row": pl.Series([text.row for text in self._texts], dtype=pl.String),
            "eval_field": pl.Series([text.field for text in self._texts], dtype=pl.String),
        }
        self.of_sets = {
            "eval_set": pl.Series([e.name for e in eval_sets], dtype=pl.String),
            "eval_config": pl.Series([e.config for e in eval_sets], dtype=pl.String),
            "eval_split": pl.Series([e.split for e in eval_sets], dtype=pl.String),
            "eval_revision": pl.Series([e.revision for e in eval_sets], dtype=pl.String),
        }

    def pick(self, refs: NDArray[np.int64]) -> dict[str, pl.Series]:
        of_sets = {name: column.gather(self.sets[refs]) for name, column in self.of_sets.items()}
        return of_sets | {name: column.gather(refs) for name, column in self.columns.items()}

    def named(self, text_of: NDArray[np.int64], n_texts: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each distinct text the NAMED lowest row ids of each set that has it: their numbers, and the
        (n_texts + 1,) range of each text. `text_of`: (R,) number of each row's text, -1 for none.

        "2" is lower than "10"; nothing depends on the order of rows.
        """
        keys = [(len(text.row), text.row, text.field) for text in self._texts]
        rank = np.empty(len(keys), np.int64)
        rank[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
        order = np.lexsort((rank, self.sets, text_of))
        order = order[text_of[order] >= 0]
        group = text_of[order] * (len(self.of_sets["eval_set"]) + 1) + self.sets[order]
        refs = order[np.arange(len(order)) - np.searchsorted(group, group) < NAMED]
        return refs, np.searchsorted(text_of[refs], np.arange(n_texts + 1))

    def rows_with_texts_of(
        self, eval_set: int, named: set[tuple[str, str]], text_of: NDArray[np.int64]
    ) -> set[str]:
        """Ids of all rows of a set that have the texts of the (row, field) pairs `named` of it."""
        own = np.flatnonzero(self.sets == eval_set)
        texts = {int(text_of[at]) for at in own if self._texts[at][:2] in named}
        return {self._texts[at].row for at in own if int(text_of[at]) in texts}

"""Beginnings of solutions that several rows share, and the labels of their last step."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.audit.report import Tally, place

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Prefixes:
    """Keeps 12 bytes a labelled step: a hash of prompt and steps so far, with the label in its lowest bit."""

    def __init__(self) -> None:
        self._marked: list[NDArray[np.uint64]] = []
        self._at: list[pl.Series] = []

    def add(self, frame: pl.DataFrame) -> None:
        """`frame`: prompt_key, completions, labels, at."""
        fits = pl.col("completions").list.len() == pl.col("labels").list.len()
        frame = frame.filter(fits.fill_null(False) & (pl.col("completions").list.len() > 0))
        sizes = frame["completions"].list.len().to_numpy().astype(np.int64)
        if not len(sizes):
            return
        steps = frame.select(pl.col("completions").list.explode(empty_as_null=False, keep_nulls=True).hash())
        prefixes = _running(frame["prompt_key"].to_numpy(), steps.to_series().to_numpy(), sizes)
        labels = frame["labels"].list.explode(empty_as_null=False, keep_nulls=True)
        known = labels.is_not_null().to_numpy()
        marks = labels.fill_null(False).to_numpy().astype(np.uint64)
        self._marked.append((prefixes & ~np.uint64(1) | marks)[known])
        rows = np.repeat(np.arange(len(sizes)), sizes)[known]
        self._at.append(frame["at"].gather(rows))

    def close(self, tally: Tally) -> None:
        if not self._marked:
            return
        marked, at = np.concatenate(self._marked), pl.concat(self._at)
        distinct = np.unique(marked)
        prefixes = distinct & ~np.uint64(1)
        both = prefixes[1:][prefixes[1:] == prefixes[:-1]]
        rows: list[tuple[str, str]] = []
        for prefix in both[: tally.room("prefix_labelled_both_ways")]:
            wrong, right = (_first(at, marked, prefix | np.uint64(label)) for label in (0, 1))
            rows.append((right, f"a step is right here and wrong in {wrong}"))
        n_prefixes = len(prefixes) - len(both)
        tally.add("prefix_labelled_both_ways", len(both), n_prefixes, sorted(rows))


def _first(at: pl.Series, marked: NDArray[np.uint64], value: Any) -> str:
    return place(at[int(np.argmax(marked == value))])


def _running(keys: NDArray[np.uint64], steps: NDArray[np.uint64], sizes: NDArray[np.int64]) -> NDArray[Any]:
    """Hash of the prompt and the steps up to each one; `sizes` steps a row."""
    found = np.empty(len(steps), np.uint64)
    begins = np.cumsum(sizes) - sizes
    now, rows = keys.copy(), np.arange(len(sizes))
    for step in range(int(sizes.max())):
        rows = rows[sizes[rows] > step]
        places = begins[rows] + step
        now[rows] = (now[rows] ^ steps[places]) * _ODD
        now[rows] ^= now[rows] >> np.uint64(29)
        found[places] = now[rows]
    return found

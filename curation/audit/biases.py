"""What besides quality tells the labels: the place of the chosen one, and lengths.

A bias is reported where it is both large and beyond chance: `CHANCE` standard deviations of a fair coin.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import polars as pl

from curation.audit.report import Tally

MIN_FOR_POSITION = 20  # pairs before "the chosen one is always the first" is more than chance (2^-20)
CHANCE = 4.0  # standard deviations: 6 in 100,000
SEAT_SHARE = 0.55  # of chosen ones in one seat
LENGTH_SHARE = 0.65  # of pairs whose longer side is chosen; 68 % in FastChat's shipped judgements
_BINS = 64 * 8  # an eighth of a doubling each, up to 2^64 characters


class Position:
    """In which of two seats the chosen one was when it was judged."""

    def __init__(self) -> None:
        self.first = self.second = 0

    def add(self, first: int, second: int) -> None:
        self.first += first
        self.second += second

    def close(self, tally: Tally, facts: dict[str, Any]) -> None:
        n, first = self.first + self.second, self.first
        if not n:
            return
        facts["chosen_first"] = {"share": first / n, "pairs": n}
        which = "earlier" if 2 * first > n else "later"
        if n >= MIN_FOR_POSITION and first in (0, n):
            place = ("whole set", f"the {which} one is chosen in all {n:,} pairs")
            tally.add("chosen_by_position", n, n, [place])
        elif _beyond_chance(first, n) and max(first, n - first) >= SEAT_SHARE * n:
            share = max(first, n - first) / n
            place = ("whole set", f"the {which} one is chosen in {share:.1%} of {n:,} pairs")
            tally.add("position_bias", max(first, n - first), n, [place])


class Lengths:
    """How well length alone tells the labels: the chance that a right (chosen, best) text is longer than a
    wrong (rejected, worst) one; 1/2 is nothing. Of outcomes, over all pairs of a right and a wrong one, from
    histograms of the lengths."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._longer = self._shorter = self._equal = 0
        self._right, self._wrong = (np.zeros(_BINS, np.int64) for _ in range(2))

    def add(self, frame: pl.DataFrame) -> None:
        if self.table == "outcome":
            for label, counts in ((True, self._right), (False, self._wrong)):
                sizes = frame.filter(pl.col("label") == label)["text"].str.len_chars().to_numpy()
                bins = (8 * np.log2(sizes.astype(np.float64) + 1)).astype(np.int64)
                counts += np.bincount(bins, minlength=_BINS)
            return
        if self.table == "preference":
            decided = frame.filter(pl.col("soft").ne_missing(0.5))
            good, bad = (decided[f"{side}_text"].str.len_chars() for side in ("chosen", "rejected"))
        elif self.table == "ranking":
            fits = pl.col("scores").list.len() == pl.col("completions").list.len()
            groups = frame.filter(fits & (pl.col("scores").list.n_unique() > 1))
            lengths = pl.col("completions").list.eval(pl.element().str.len_chars())
            best, worst = pl.col("scores").list.arg_max(), pl.col("scores").list.arg_min()
            ends = groups.select(best=lengths.list.get(best), worst=lengths.list.get(worst))
            good, bad = ends["best"], ends["worst"]
        else:
            return
        self._longer += int((good > bad).sum() or 0)
        self._shorter += int((good < bad).sum() or 0)
        self._equal += int((good == bad).sum() or 0)

    def close(self, tally: Tally, facts: dict[str, Any]) -> None:
        if self.table == "outcome":
            share, n = _auc(self._right, self._wrong), int(min(self._right.sum(), self._wrong.sum()))
        else:
            n = self._longer + self._shorter + self._equal
            share = (self._longer + self._equal / 2) / n if n else None
        if share is None:
            return
        facts["longer_is_better"] = {"share": share, "of": n}
        if max(share, 1 - share) >= LENGTH_SHARE and _beyond_chance(share * n, n):
            which, told = ("longer", share) if share > 0.5 else ("shorter", 1 - share)
            place = ("whole set", f"the {which} text is the better one in {told:.1%} of the comparisons")
            tally.add("length_bias", round(told * n), n, [place])


def seats(frame: pl.DataFrame, sampled: pl.DataFrame) -> tuple[int, int]:
    """(pairs whose chosen completion was sampled earlier, later); `sampled`: completion_id, sample_index."""
    at = dict(sampled.select("completion_id", "sample_index").iter_rows())
    sides = [(at.get(a), at.get(b)) for a, b in frame.select("chosen_id", "rejected_id").iter_rows()]
    known = [a < b for a, b in sides if a is not None and b is not None and a != b]
    return sum(known), len(known) - sum(known)


def _beyond_chance(hits: float, n: int) -> bool:
    return abs(hits - n / 2) > CHANCE * sqrt(n) / 2


def _auc(right: Any, wrong: Any) -> float | None:
    """Chance that a right one is in a higher bin than a wrong one, equal bins counting half."""
    pairs = float(right.sum()) * float(wrong.sum())
    if not pairs:
        return None
    below = np.cumsum(wrong) - wrong
    return float((right * (below + wrong / 2)).sum() / pairs)

"""Preferences that go in a circle: A over B, B over C, C over A. No score agrees with all three.

A pair that is there both ways is a finding of its own and makes no circle here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.audit.report import place


def prompts_in_circles(edges: pl.DataFrame, examples: int) -> tuple[int, list[tuple[str, str]]]:
    """How many prompts have a circle, and the first rows of one circle each. `edges` has a row for each pair:
    key of the prompt, a (chosen) and b (rejected), tie, and `at`."""
    found = 0
    places: list[tuple[str, str]] = []
    for _, group in _suspects(edges).group_by("key", maintain_order=True):
        circle = _circle(group.select("a", "b", "at").rows())
        if circle:
            found += 1
            if len(places) < examples:
                places.append((place(circle[0]), "a circle with " + ", ".join(map(place, circle[1:9]))))
    return found, places


def _suspects(edges: pl.DataFrame) -> pl.DataFrame:
    """Pairs that may lie on a circle: their chosen text lost another one, their rejected text won one. Two
    rounds of this leave little of any set without circles."""
    several = _at_least(3, edges["key"].to_numpy())
    left = edges.select("key", "a", "b", "tie", "at").filter(several)
    left = left.filter(~pl.col("tie") & (pl.col("a") != pl.col("b")))
    for _ in range(2):
        key, a, b = (left[name].to_numpy() for name in ("key", "a", "b"))
        wins, losses = key ^ (a * np.uint64(3)), key ^ (b * np.uint64(3))
        left = left.filter(np.isin(wins, losses) & np.isin(losses, wins))
    return left


def _at_least(n: int, values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values are there `n` times or more."""
    ordered = np.sort(values)
    return np.isin(values, np.unique(ordered[n - 1 :][ordered[n - 1 :] == ordered[: len(ordered) - n + 1]]))


def _circle(pairs: list[tuple[int, int, Any]]) -> list[Any]:
    """The places of the pairs of one circle; empty where there is none."""
    rows = {(a, b): at for a, b, at in pairs}
    beaten: defaultdict[int, list[int]] = defaultdict(list)
    winners: defaultdict[int, set[int]] = defaultdict(set)
    for a, b in rows:
        if (b, a) not in rows:
            beaten[a].append(b)
            winners[b].add(a)
    unbeaten = [a for a in beaten if not winners[a]]
    while unbeaten:
        a = unbeaten.pop()
        for b in beaten.pop(a, ()):
            winners[b].discard(a)
            if not winners[b]:
                unbeaten.append(b)
    left = sorted(text for text, over in winners.items() if over)
    if not left:
        return []
    path: dict[int, int] = {}  # text: its place; every text that is left was beaten by one that is left
    text = left[0]
    while text not in path:
        path[text] = len(path)
        text = min(winners[text])
    circle = [*list(path)[path[text] :], text][::-1]
    return [rows[pair] for pair in zip(circle, circle[1:], strict=False)]

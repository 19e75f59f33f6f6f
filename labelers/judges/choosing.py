"""Which completions a judge is shown together, chosen by content alone: ids and texts, never row numbers.

Order in a table tells nothing, so adding, removing or shuffling rows leaves the choices for other prompts as
they are, and what stands first in a pair or a group says nothing about its quality.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Literal, get_args

import polars as pl

from store.ids import content_id

PairMode = Literal["right-wrong", "random"]

PAIRS = pl.Schema({"prompt_id": pl.String(), "a_id": pl.String(), "b_id": pl.String()})
PAIR = list(PAIRS)
GROUPS = pl.Schema({"prompt_id": pl.String(), "completion_ids": pl.List(pl.String())})


def choose_pairs(
    completions: pl.DataFrame,
    verdicts: pl.DataFrame | None = None,
    per_prompt: int = 4,
    seed: int = 0,
    mode: PairMode = "random",
) -> pl.DataFrame:
    """At most `per_prompt` pairs of different texts of each prompt, chosen by content alone.

    `right-wrong` pairs a correct with an incorrect completion (`verdicts` says which), `random` any two.
    Which of the two is a_id follows from a hash of both: the smaller id would more often be the right one,
    as it is that of the commoner text.
    """
    if mode not in get_args(PairMode) or (mode == "right-wrong" and verdicts is None):
        modes = ", ".join(get_args(PairMode))
        raise ValueError(f"choose_pairs: mode {mode!r}; one of {modes}; right-wrong needs verdicts")
    rows = _distinct(completions)
    if verdicts is not None:
        rows = rows.join(verdicts.select("completion_id", "verdict"), on="completion_id", how="left")
    else:
        rows = rows.with_columns(verdict=pl.lit(None, dtype=pl.String))
    groups: dict[str, list[tuple[str, str | None]]] = {}
    for prompt_id, completion_id, verdict in rows.select("prompt_id", "completion_id", "verdict").iter_rows():
        groups.setdefault(prompt_id, []).append((completion_id, verdict))
    chosen = [
        (prompt_id, *_turned(pair, seed))
        for prompt_id, group in groups.items()
        for pair in _pair_up(sorted(group, key=lambda row: content_id(seed, row[0])), per_prompt, mode)
    ]
    return pl.DataFrame(chosen, schema=PAIRS, orient="row").sort(PAIR)


def _turned(pair: tuple[str, str], seed: int) -> tuple[str, str]:
    a, b = sorted(pair)
    return (a, b) if int(content_id("side", seed, a, b), 16) % 2 else (b, a)


def _pair_up(group: list[tuple[str, str | None]], limit: int, mode: PairMode) -> list[tuple[str, str]]:
    """Pairs of left x right, each time the one whose two completions were used least: so none is used again
    while two others wait. Equal ones come along the diagonals."""
    ids = [completion_id for completion_id, _ in group]
    left = [i for i, verdict in group if verdict == "correct"] if mode == "right-wrong" else ids
    right = [i for i, verdict in group if verdict == "incorrect"] if mode == "right-wrong" else ids
    found: dict[frozenset[str], tuple[str, str]] = {}
    for step, at in product(range(len(right)), range(len(left))):
        pair = (left[at], right[(at + step) % len(right)])
        if pair[0] != pair[1]:
            found.setdefault(frozenset(pair), pair)
    return _least_used(list(found.values()), limit)


def _least_used(waiting: list[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
    if len(waiting) <= limit:
        return waiting
    uses: Counter[str] = Counter()
    taken: list[tuple[str, str]] = []
    while len(taken) < limit:
        a, b = min(waiting, key=lambda pair: uses[pair[0]] + uses[pair[1]])
        waiting.remove((a, b))
        taken.append((a, b))
        uses.update((a, b))
    return taken


def choose_groups(
    completions: pl.DataFrame, size: int = 4, per_prompt: int = 1, seed: int = 0
) -> pl.DataFrame:
    """GROUPS of `size` different texts, at most `per_prompt` of each prompt and no completion in two.

    What is left over of a prompt makes a smaller group, unless it is a single completion.
    """
    by_prompt: dict[str, list[str]] = {}
    for prompt_id, completion_id in _distinct(completions).select("prompt_id", "completion_id").iter_rows():
        by_prompt.setdefault(prompt_id, []).append(completion_id)
    groups: list[tuple[str, list[str]]] = []
    for prompt_id, ids in by_prompt.items():
        shuffled = sorted(ids, key=lambda i: content_id("group", seed, i))
        cut = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
        groups += [(prompt_id, ids) for ids in cut[:per_prompt] if len(ids) > 1]
    table = pl.DataFrame(groups, schema=GROUPS, orient="row")
    return table.sort("prompt_id", pl.col("completion_ids").list.first())


def _distinct(completions: pl.DataFrame) -> pl.DataFrame:
    """One completion of each text of a prompt: by a hash, as the smallest id tells how many there were."""
    mark = pl.col("completion_id").map_elements(lambda i: content_id("of equal texts", i), pl.String)
    by_hash = completions.sort(mark)
    return by_hash.unique(["prompt_id", "text"], keep="first", maintain_order=True)

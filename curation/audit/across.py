"""Checks across rows: repeated rows, the same texts labelled in two ways, ids that stand for two texts.

What is kept of a row are 64-bit hashes of its texts and ids, at most 60 bytes, so ten million rows fit into
memory whatever their texts are. That two different texts of so many have one hash has a chance of 3 in a
million.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.audit.answers import contradictions, number_of
from curation.audit.cycles import prompts_in_circles
from curation.audit.report import Tally, place
from curation.audit.steps import Prefixes

_KEY = pl.coalesce(pl.when(pl.col("prompt_id").is_not_null()).then(pl.col("prompt_id").hash()), "prompt_key")
_IDS = {
    "preference": (("chosen_id", "a"), ("rejected_id", "b")),
    "outcome": (("completion_id", "a"),),
    "stepwise": (("completion_id", "a"),),
}


def _group_hash() -> pl.Expr:
    """Of the texts and their scores, in whatever order."""
    order = pl.col("completions").list.eval(pl.element().arg_sort())
    scores = pl.col("scores").list.gather(order, null_on_oob=True).cast(pl.List(pl.String))
    both = (pl.col("completions").list.gather(order).list.join("\x1e"), scores.list.join(" "))
    return pl.concat_str(both, separator="\x1d", ignore_nulls=True).hash()


_COLUMNS: dict[str, dict[str, pl.Expr]] = {
    "preference": {
        "a": pl.col("chosen_text").hash(),
        "b": pl.col("rejected_text").hash(),
        "tie": pl.col("soft").eq_missing(0.5),
    },
    "ranking": {"a": _group_hash()},
    "outcome": {"a": pl.col("text").hash(), "label": pl.col("label")},
    "stepwise": {
        "a": pl.col("text").hash(),
        "label": pl.col("labels").list.last(),
        "marks": pl.col("labels").cast(pl.List(pl.Int8)).list.eval(pl.element().fill_null(2).cast(pl.String))
        .list.join("").hash(),
    },
    "attributes": {"a": pl.col("text").hash(), "marks": pl.col("marks")},
}  # fmt: skip
_MARK = {"outcome": "label", "stepwise": "marks", "attributes": "marks"}  # column of what a text is labelled
NEIGHBOURS = 8  # ranks
_NUMBERED = ("outcome", "stepwise")  # tables whose label says whether the final answer is right


class Across:
    """Takes the derived columns of a table batch by batch."""

    def __init__(self, table: str, given_ids: bool) -> None:
        """`given_ids`: the ids are of the set's own, and not made of its texts by a reader."""
        self.table, self.given_ids = table, given_ids
        self._columns = {"key": _KEY, "at": pl.col("at"), **_COLUMNS[table]}
        if table in _NUMBERED:
            self._columns["number"] = number_of(pl.col("text"))
        if given_ids:
            self._columns["prompt"] = pl.col("prompt_key")
            for name, _ in _IDS.get(table, ()):  # the hash of null is a number like any other
                self._columns[name] = pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash())
        self._parts: list[pl.DataFrame] = []
        self._prefixes = Prefixes() if table == "stepwise" else None
        self._orders = Orders() if table == "ranking" else None

    def add(self, frame: pl.DataFrame) -> None:
        """`frame` has the column `at`: what names the row in a finding."""
        if self.table == "attributes":  # ratings are its only columns of fractions
            ratings = [name for name, dtype in frame.schema.items() if dtype.is_float()]
            frame = frame.with_columns(marks=pl.struct(ratings).hash() if ratings else pl.lit(0))
        self._parts.append(frame.select(**self._columns))
        if self._orders:
            self._orders.add(frame.select("completions", "scores", "at", key=_KEY))
        if self._prefixes:
            self._prefixes.add(frame.select("prompt_key", "completions", "labels", "at"))

    def close(self, tally: Tally) -> None:
        if not self._parts:
            return
        seen = pl.concat(self._parts, rechunk=True)
        self._parts.clear()
        if seen.is_empty():
            return
        if self.table == "preference":
            _pairs(seen, tally)
            contradicting_pairs(seen, tally)
        else:
            _repeats(seen, _MARK.get(self.table), tally)
        if self._orders:
            contradicting_pairs(self._orders.pairs(), tally)
        if self.table == "outcome":
            _one_label(seen, tally)
        if self.table in _NUMBERED:
            contradictions(seen, tally)
        if self._prefixes:
            self._prefixes.close(tally)
        if self.given_ids:
            named = [("key", "prompt"), *_IDS.get(self.table, ())]
            _reused_ids(seen, named, tally)


class Orders:
    """The scores of ranked groups; keeps 12 bytes a completion."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []

    def add(self, groups: pl.DataFrame) -> None:
        """`groups`: key of the prompt, completions, scores, at."""
        fits = pl.col("completions").list.len() == pl.col("scores").list.len()
        hashes = pl.col("completions").list.eval(pl.element().hash())
        groups = groups.filter(fits).with_columns(pl.col("scores").cast(pl.List(pl.Float32)))
        self._parts.append(groups.select("key", "at", "scores", a=hashes))

    def pairs(self) -> pl.DataFrame:
        """(key, a: better, b: worse, tie, at) in the groups of each prompt that has several: all pairs of up
        to NEIGHBOURS + 1 completions, of more those that are at most so many ranks apart."""
        groups = pl.concat(self._parts, rechunk=True)
        groups = groups.filter(repeated(groups["key"].to_numpy())).with_row_index("group")
        texts = groups.explode("a", "scores", empty_as_null=False, keep_nulls=False).drop_nulls()
        texts = texts.sort("group", "scores", descending=[False, True], maintain_order=True)
        found = [
            texts.select(
                "key",
                "a",
                "at",
                b=pl.col("a").shift(-apart).over("group"),
                gap=pl.col("scores") - pl.col("scores").shift(-apart).over("group"),
            ).filter(pl.col("gap") > 0)
            for apart in range(1, NEIGHBOURS + 1)
        ]
        return pl.concat(found).select("key", "a", "b", "at", tie=pl.lit(False))


def repeated(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values are there more than once. Sorting needs far less memory than grouping does."""
    ordered = np.sort(values)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return np.zeros(len(values), bool)
    at = np.searchsorted(twice, values).clip(max=len(twice) - 1)
    return twice[at] == values


def mixed(*columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash of several, row by row."""
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        found = (found ^ column) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
    return found


def _pairs(seen: pl.DataFrame, tally: Tally) -> None:
    key, a, b = (seen[name].to_numpy() for name in ("key", "a", "b"))
    again = seen.filter(repeated(mixed(key, a, b)) & (a != b))
    extra = again.filter(pl.int_range(pl.len()).over("key", "a", "b") > 0)
    tally.add(
        "duplicate_row", extra.height, seen.height, ((place(at), "the same pair again") for at in extra["at"])
    )


def contradicting_pairs(seen: pl.DataFrame, tally: Tally) -> None:
    """`seen`: key of the prompt, a (better), b (worse), tie, at."""
    key, a, b = (seen[name].to_numpy() for name in ("key", "a", "b"))
    again = seen.filter(repeated(mixed(key, np.minimum(a, b), np.maximum(a, b))) & (a != b))
    groups = (
        again.with_columns(low=pl.min_horizontal("a", "b"), high=pl.max_horizontal("a", "b"))
        .group_by("key", "low", "high", maintain_order=True)
        .agg("at", n_ways=pl.col("a").n_unique(), ties=pl.col("tie").all(), n=pl.len())
    )
    against = groups.filter((pl.col("n_ways") > 1) & ~pl.col("ties"))
    tally.add(
        "labelled_both_ways",
        against.height,
        seen.height,
        ((place(ats[0]), f"{place(ats[1])} prefers the other one of the same two") for ats in against["at"]),
    )
    count, places = prompts_in_circles(seen, tally.room("cycle"))
    tally.add("cycle", count, seen["key"].n_unique(), places)


def _repeats(seen: pl.DataFrame, mark: str | None, tally: Tally) -> None:
    """Texts of a prompt that are there again, with the same label (column `mark`) or another."""
    again = seen.filter(repeated(mixed(seen["key"].to_numpy(), seen["a"].to_numpy())))
    groups = again.group_by("key", "a", maintain_order=True).agg(
        "at", n=pl.len(), n_marks=pl.col(mark).n_unique() if mark else pl.lit(1)
    )
    for check, found in (
        ("labelled_both_ways", groups.filter(pl.col("n_marks") > 1)),
        ("duplicate_row", groups.filter(pl.col("n_marks") == 1)),
    ):
        places = (
            (place(at[-1]), f"the same text {n} times, first in {place(at[0])}")
            for at, n in found.select("at", "n").iter_rows()
        )
        extra = found.height if check == "labelled_both_ways" else int(found["n"].sum()) - found.height
        tally.add(check, extra, seen.height, places)


def _one_label(seen: pl.DataFrame, tally: Tally) -> None:
    labels = seen["label"].drop_nulls()
    if len(labels) > 1 and labels.n_unique() == 1:
        tally.add("one_label_only", len(labels), seen.height, [("whole set", f"every label is {labels[0]}")])
    prompts = seen.group_by("key").agg(pl.len(), n_labels=pl.col("label").drop_nulls().n_unique())
    groups = prompts.filter(pl.col("len") > 1)
    alike = groups.filter(pl.col("n_labels") < 2).height
    tally.add("one_label_prompts", alike, groups.height, [("whole set", f"{alike:,} of {groups.height:,}")])


def _reused_ids(seen: pl.DataFrame, named: list[tuple[str, str]], tally: Tally) -> None:
    for ids, texts in named:
        again = seen.select(ids, texts, "at").drop_nulls(ids)
        again = again.filter(repeated(again[ids].to_numpy()))
        groups = again.group_by(ids, maintain_order=True).agg(
            pl.col("at").first(), differ=pl.col(texts).min() != pl.col(texts).max()
        )
        found = groups.filter("differ")
        what = "prompt_id" if ids == "key" else ids
        places = ((place(at), f"its {what} has another text elsewhere") for at in found["at"])
        tally.add("id_reused", found.height, seen.height, places)

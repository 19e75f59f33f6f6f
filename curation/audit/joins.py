"""Do ids lead to the texts beside them? A join by position is how answers get under the wrong prompt."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from curation.audit.biases import seats
from curation.audit.report import Tally

LEFT: Any = {"how": "left", "maintain_order": "left"}  # so that the first places are the first rows
_SIDES = {
    "preference": ("chosen", "rejected"),
    "outcome": ("completion",),
}


class Sources(NamedTuple):
    """What the sets were made from; None: not at hand."""

    prompts: pl.DataFrame | None = None
    completions: pl.DataFrame | None = None
    labels: pl.DataFrame | None = None  # curation.evidence.LABELS


class Joins:
    """Compares a set with its sources, by id."""

    def __init__(self, table: str, sources: Sources) -> None:
        self.table, self.sources = table, sources
        prompts, completions, labels = sources
        self._prompts = None if prompts is None else prompts.select("prompt_id", asked="messages")
        self._completions = (
            None
            if completions is None
            else completions.select("completion_id", owner="prompt_id", sampled="text")
        )
        self._labels = None if labels is None else labels.select("completion_id", truth="label", known=True)

    def add(self, frame: pl.DataFrame, tally: Tally) -> None:
        if self._prompts is not None:
            self._add_prompts(frame, self._prompts, tally)
        if self._completions is not None and self.table != "attributes":
            self._add_answers(_answers(self.table, frame), self._completions, tally)
        if self._labels is not None and self.table in ("preference", "outcome"):
            self._add_labels(frame, self._labels, tally)

    def seats(self, frame: pl.DataFrame) -> tuple[int, int]:
        sampled = self.sources.completions
        return (0, 0) if sampled is None or self.table != "preference" else seats(frame, sampled)

    def _add_prompts(self, frame: pl.DataFrame, prompts: pl.DataFrame, tally: Tally) -> None:
        asked = frame.select("prompt_id", "prompt", place="prompt_id").join(prompts, "prompt_id", **LEFT)
        strangers = asked.filter(pl.col("asked").is_null()).with_columns(detail=pl.lit("no such prompt"))
        _add(tally, "unknown_prompt", strangers, frame.height)
        known = asked.filter(pl.col("asked").is_not_null())
        differs = pl.Series(
            [a != b for a, b in known.select("prompt", "asked").iter_rows()], dtype=pl.Boolean
        )
        others = known.filter(differs).with_columns(detail=pl.lit("its id is another prompt's"))
        _add(tally, "prompt_text_differs", others, frame.height)

    def _add_answers(self, answers: pl.DataFrame, completions: pl.DataFrame, tally: Tally) -> None:
        known = answers.join(completions, "completion_id", **LEFT)
        strangers = known.filter(pl.col("owner").is_null()).with_columns(detail=pl.lit("no such completion"))
        _add(tally, "unknown_completion", strangers, answers.height)
        said = pl.format("it answers {}, the row says {}", "owner", "prompt_id")
        elsewhere = known.filter(pl.col("owner") != pl.col("prompt_id")).with_columns(detail=said)
        _add(tally, "answer_to_another_prompt", elsewhere, answers.height)
        same = pl.col("sampled") == pl.col("text")
        if self.table in ("outcome", "stepwise"):  # solutions may be cut behind their first error
            same = same | pl.col("sampled").str.starts_with(pl.col("text"))
        differs = known.filter(~same).with_columns(detail=pl.lit("the text is not the sampled one"))
        _add(tally, "completion_text_differs", differs, answers.height)

    def _add_labels(self, frame: pl.DataFrame, labels: pl.DataFrame, tally: Tally) -> None:
        if self.table == "outcome":
            known = frame.join(labels, "completion_id", **LEFT).filter(pl.col("label").is_not_null())
            said = pl.format("the evidence says {}, the set says {}", "truth", "label")
            differs = known.filter(pl.col("truth") != pl.col("label")).with_columns(detail=said)
            _add(tally, "label_differs", differs, frame.height)
            undecided = known.filter(pl.col("known") & pl.col("truth").is_null())
            undecided = undecided.with_columns(detail=pl.lit("the evidence decides nothing"))
            _add(tally, "label_without_evidence", undecided, frame.height)
            return
        for side in ("chosen", "rejected"):
            sides = labels.select(pl.col("completion_id").alias(f"{side}_id"), pl.col("truth").alias(side))
            frame = frame.drop(side).join(sides, f"{side}_id", **LEFT)
        against = frame.filter(~pl.col("chosen") & pl.col("rejected"))
        against = against.with_columns(detail=pl.lit("the chosen one is wrong, the rejected one right"))
        _add(tally, "preference_against_label", against, frame.height)


def _answers(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """place (the completion), prompt_id, completion_id, text: one row for each answer of the set."""
    if table == "ranking":
        fits = pl.col("completions").list.len() == pl.col("completion_ids").list.len()
        texts = frame.filter(fits).select("prompt_id", completion_id="completion_ids", text="completions")
        found = texts.explode("completion_id", "text", empty_as_null=False, keep_nulls=True)
    elif table == "stepwise":
        found = frame.select("prompt_id", "completion_id", "text")
    else:
        found = pl.concat(
            frame.select(
                "prompt_id",
                completion_id=f"{side}_id",
                text=pl.col(side).list.last().struct.field("content"),
            )
            for side in _SIDES[table]
        )
    return found.with_columns(place=pl.col("completion_id"))


def _add(tally: Tally, check: str, bad: pl.DataFrame, out_of: int) -> None:
    shown = bad.head(min(tally.room(check), bad.height)).select("place", "detail")
    places: list[Any] = [(place or "a row without ids", detail) for place, detail in shown.iter_rows()]
    tally.add(check, bad.height, out_of, places)

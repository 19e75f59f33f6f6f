"""Label-integrity checks of finished sets: the ways in which published pipelines have made wrong labels.

Each check names what it found where; it repairs nothing. Builders in `curation.sets` cannot make these
findings, so a finding means a set was edited, converted, or made elsewhere. Checks that compare with the
source tables run where those tables are given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

import polars as pl

Row = dict[str, Any]

MIN_FOR_POSITION = 20  # pairs before "the chosen one is always the first" is more than chance (2^-20)


class Finding(NamedTuple):
    dataset: str
    check: str
    where: str  # ids of the row
    detail: str


class Sources(NamedTuple):
    """What the sets were made from; None: not at hand."""

    prompts: pl.DataFrame | None = None
    completions: pl.DataFrame | None = None
    labels: pl.DataFrame | None = None  # curation.evidence.LABELS


def audit(datasets: Mapping[str, pl.DataFrame], sources: Sources = Sources()) -> list[Finding]:  # noqa: B008
    """Findings of every set in `datasets`, whose names are preference, ranking, outcome, stepwise."""
    known = _Known(sources)
    found: list[Finding] = []
    for name, frame in sorted(datasets.items()):
        checks = _CHECKS[name]
        rows = frame.to_dicts()
        found += [Finding(name, *finding) for check in checks for finding in check(rows, known)]
    return found


def audit_split(train: pl.DataFrame, test: pl.DataFrame) -> list[Finding]:
    """Prompts that are on both sides of a split, by id and by text."""
    shared = set(train["prompt_id"]) & set(test["prompt_id"])
    found = [Finding("split", "prompt_in_both_splits", prompt_id, "same id") for prompt_id in sorted(shared)]
    ours, theirs = (
        {_text(m): p for p, m in f.select("prompt_id", "prompt").iter_rows()} for f in (train, test)
    )
    return found + [
        Finding("split", "prompt_in_both_splits", f"{ours[text]} / {theirs[text]}", "same text")
        for text in sorted(ours.keys() & theirs.keys())
        if ours[text] != theirs[text]
    ]


_Finding = tuple[str, str, str]  # check, where, detail
_Check = Callable[[list[Row], "_Known"], Iterator[_Finding]]


class _Known:
    """The source tables as dictionaries."""

    def __init__(self, sources: Sources) -> None:
        prompts, completions, labels = sources
        self.prompts = None if prompts is None else dict(prompts.select("prompt_id", "messages").iter_rows())
        self.completions = (
            None
            if completions is None
            else {
                r[0]: r
                for r in completions.select("completion_id", "prompt_id", "text", "sample_index").iter_rows()
            }
        )
        self.labels = {} if labels is None else dict(labels.select("completion_id", "label").iter_rows())

    def joins(
        self, prompt_id: str, prompt: list[Row], answers: Mapping[str, str | None]
    ) -> Iterator[_Finding]:
        """Ids lead to the texts beside them; a join by position is how answers get under the wrong prompt."""
        where = ", ".join(answers)
        if self.prompts is not None:
            if prompt_id not in self.prompts:
                yield "unknown_prompt", prompt_id, "no such prompt"
            elif self.prompts[prompt_id] != prompt:
                yield "prompt_text_differs", prompt_id, "its id is another prompt's"
        for completion_id, text in answers.items():
            if self.completions is None:
                return
            if completion_id not in self.completions:
                yield "unknown_completion", completion_id, "no such completion"
                continue
            _, owner, source, _ = self.completions[completion_id]
            if owner != prompt_id:
                yield (
                    "answer_to_another_prompt",
                    completion_id,
                    f"it answers {owner}, the row says {prompt_id}",
                )
            if text is not None and not (
                source == text or (where == completion_id and source.startswith(text))
            ):
                yield "completion_text_differs", completion_id, "the text is not the sampled one"


def _pair_texts(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    for row in rows:
        where = f"{row['chosen_id']} > {row['rejected_id']}"
        if row["chosen_id"] == row["rejected_id"] or _text(row["chosen"]) == _text(row["rejected"]):
            yield "same_text", where, "chosen and rejected are the same"
        if not _text(row["chosen"]) or not _text(row["rejected"]):
            yield "empty_text", where, "one side is empty"
        tie = row["margin"] == 0
        if tie and row["soft"] != 0.5:
            yield "tie_as_preference", where, f"no margin, yet the soft preference is {row['soft']}"
        if not tie and row["soft"] is not None and not 0.5 < row["soft"] <= 1:
            yield "no_preference", where, f"soft preference {row['soft']} does not prefer the chosen one"
        if row["margin"] is not None and not (isfinite(row["margin"]) and row["margin"] >= 0):
            yield "margin_against_choice", where, f"margin {row['margin']}"


def _pair_directions(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    counts = Counter((row["prompt_id"], _text(row["chosen"]), _text(row["rejected"])) for row in rows)
    for (prompt_id, chosen, rejected), n in sorted(counts.items()):
        if n > 1:
            yield "duplicate_row", prompt_id, f"the same pair {n} times"
        if chosen < rejected and (prompt_id, rejected, chosen) in counts:
            yield "labelled_both_ways", prompt_id, "the same two texts prefer each other"


def _pair_evidence(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    for row in rows:
        where = f"{row['chosen_id']} > {row['rejected_id']}"
        if known.labels.get(row["chosen_id"]) is False and known.labels.get(row["rejected_id"]) is True:
            yield "preference_against_label", where, "the chosen one is wrong, the rejected one right"
        answers = {
            row["chosen_id"]: row["chosen"][-1]["content"],
            row["rejected_id"]: row["rejected"][-1]["content"],
        }
        yield from known.joins(row["prompt_id"], row["prompt"], answers)


def _pair_position(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    """A verdict that is never read leaves the same position chosen throughout."""
    if known.completions is None:
        return
    at = {i: known.completions[i][3] for i in known.completions}
    sides = [(at.get(row["chosen_id"]), at.get(row["rejected_id"])) for row in rows]
    firsts = [a < b for a, b in sides if a is not None and b is not None and a != b]
    if len(firsts) >= MIN_FOR_POSITION and len(set(firsts)) == 1:
        which = "earlier" if firsts[0] else "later"
        yield "chosen_by_position", "whole set", f"the {which} sample is chosen in all {len(firsts)} pairs"


def _group_shape(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    for row in rows:
        texts, scores, ids = row["completions"], row["scores"], row["completion_ids"]
        if not len(texts) == len(scores) == len(ids):
            yield (
                "lengths_differ",
                row["prompt_id"],
                f"{len(texts)} texts, {len(scores)} scores, {len(ids)} ids",
            )
            continue
        if len(set(scores)) < 2:
            yield "all_equal", row["prompt_id"], "every score is the same: nothing to learn"
        if any(score is None or not isfinite(score) for score in scores):
            yield "score_missing", row["prompt_id"], "a score is missing or not finite"
        if len({text.strip() for text in texts}) < len(texts):
            yield "same_text", row["prompt_id"], "two completions are the same"
        yield from known.joins(row["prompt_id"], row["prompt"], dict(zip(ids, texts, strict=True)))


def _outcome_labels(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    labels = defaultdict(list)
    for row in rows:
        labels[row["prompt_id"], _text(row["completion"])].append(row["label"])
        if row["label"] is None:
            yield "label_missing", row["completion_id"], "no label"
        truth = known.labels.get(row["completion_id"])
        if truth is not None and row["label"] is not None and truth != row["label"]:
            yield (
                "label_differs",
                row["completion_id"],
                f"the evidence says {truth}, the set says {row['label']}",
            )
        yield from known.joins(
            row["prompt_id"], row["prompt"], {row["completion_id"]: row["completion"][-1]["content"]}
        )
    for (prompt_id, _), given in sorted(labels.items()):
        if len(given) > 1:
            check = "labelled_both_ways" if len(set(given)) > 1 else "duplicate_row"
            yield check, prompt_id, f"one text is there {len(given)} times"


def _step_shape(rows: list[Row], known: _Known) -> Iterator[_Finding]:
    for row in rows:
        steps, labels, where = row["completions"], row["labels"], row["completion_id"]
        if not steps or not len(steps) == len(labels) == len(row["values"]) == len(row["confidences"]):
            yield (
                "lengths_differ",
                where,
                f"{len(steps)} steps, {len(labels)} labels, {len(row['values'])} values",
            )
            continue
        if any(label is None for label in labels):
            yield "label_missing", where, f"step {labels.index(None)} has no label"
        if any(not step.strip() for step in steps):
            yield "empty_text", where, "a step has no text"
        if any(value is not None and not 0 <= value <= 1 for value in row["values"]):
            yield "value_out_of_range", where, "a step value is not a probability"
        if any(label is not None and value in (0, 1) and label != bool(value)
               for label, value in zip(labels, row["values"], strict=True)):  # fmt: skip
            yield (
                "label_against_value",
                where,
                "a step that always (or never) led to the answer is labelled otherwise",
            )
        yield from known.joins(row["prompt_id"], row["prompt"], {where: "".join(steps)})


def _text(messages: list[Row]) -> str:
    return "\n".join(m["content"] for m in messages).strip()


_CHECKS: dict[str, tuple[_Check, ...]] = {
    "preference": (_pair_texts, _pair_directions, _pair_evidence, _pair_position),
    "ranking": (_group_shape,),
    "outcome": (_outcome_labels,),
    "stepwise": (_step_shape,),
}

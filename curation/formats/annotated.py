"""PRM800K (Lightman et al. 2023, arXiv 2305.20050): people's ratings of the candidates for each step.

A solution is a chain of chosen steps; at each step every other candidate makes a row of its own that ends
with it, so all rows of a problem share their beginnings. What a 0, "neutral", means must be chosen:

    positive   right (Qwen's PRM800K model)
    negative   wrong (TRL's example script)
    drop       a candidate rated 0 makes no row, and a chosen one ends its chain
    class      a class of its own: `ratings` of -1, 0 and 1 (for `prm_target: ratings`), null in `labels`

A step that a person wrote counts as 1; a candidate that nobody rated is handled as under drop.

Every row labels all of its steps, so a chosen step is labelled once for each candidate behind it. A trainer
that takes rows for independent samples, as ours and TRL's do, weighs it as often: in the positive form, that
shifts the balance towards right steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from curation.formats.rows import (
    NO_LINES,
    Format,
    Row,
    Unreadable,
    decided,
    one_row,
    plain_prompt,
    stepwise_row,
    to_prompt,
    with_ends,
    without_ends,
)
from store.tables import RATED_STEPWISE, STEPWISE

Neutral = Literal["positive", "negative", "drop", "class"]
Path = list[tuple[str, int]]  # steps with their ratings

UNFINISHED = ("give_up", "bad_problem")
SCREENING = ("quality_control", "initial_screening")
_DISTINCT = "a solution that is there twice comes back once, with two ratings not at all"
_ALTERS: dict[Neutral, str] = {
    "positive": f"a step rated 0 becomes right; {_DISTINCT}",
    "negative": f"a step rated 0 becomes wrong; {_DISTINCT}",
    "drop": f"a solution ends before a step rated 0; {_DISTINCT}",
    "class": _DISTINCT,
}
_LABEL: dict[Neutral, bool | None] = {"positive": True, "negative": False, "class": None}


def read_prm800k(row: Row, neutral: Neutral) -> list[Row]:
    """{question, label}: the solution, and each alternative to one of its steps."""
    # Quality control and screening rows repeat questions whose answers the annotators were tested on.
    for flag in SCREENING:
        if row.get(f"is_{flag}_question"):
            raise Unreadable(flag)
    finish = row["label"]["finish_reason"]
    if finish not in ("found_error", "solution"):
        raise Unreadable(finish if finish in UNFINISHED else "other_finish_reason")
    prompt = to_prompt(row["question"]["problem"])
    rows = []
    for path in _paths(row["label"]["steps"], (-1, 1) if neutral == "drop" else (-1, 0, 1)):
        ratings = [rating for _, rating in path]
        labels = [rating > 0 if rating else _LABEL[neutral] for rating in ratings]
        made = stepwise_row(prompt, with_ends([text for text, _ in path]), labels, "prm800k")
        rows.append(made | {"ratings": ratings} if neutral == "class" else made)
    if not rows:
        raise Unreadable("no_rated_steps")
    return rows


def write_prm800k(row: Row) -> Row:
    """One candidate a step, chosen whatever its rating."""
    steps, ratings = without_ends(row["completions"]), row.get("ratings")
    if ratings is None:
        ratings = [1 if label else -1 for label in decided(row["labels"])]
    if None in ratings:
        raise Unreadable("undecided_step")
    written = [
        {
            "completions": [{"text": text, "rating": rating, "flagged": False}],
            "human_completion": None,
            "chosen_completion": 0,
        }
        for text, rating in zip(steps, ratings, strict=True)
    ]
    question = {"problem": plain_prompt(row["prompt"])}
    return {"question": question, "label": {"steps": written, "finish_reason": "solution"}}


def _paths(steps: list[Row], usable: tuple[int, ...]) -> Iterator[Path]:
    """The chain of chosen steps as far as it is rated, and every other candidate behind the steps before."""
    chain: Path = []
    for step in steps:
        rated = [(one["text"], one["rating"]) for one in step["completions"] or []]
        chosen, human = step["chosen_completion"], step["human_completion"]
        others = [one for i, one in enumerate(rated) if i != chosen and one[1] in usable]
        yield from ([*chain, other] for other in others)
        if chosen is not None and rated[chosen][1] in usable:
            chain.append(rated[chosen])
        elif chosen is None and human:
            chain.append((human["text"], 1))
        else:
            if chain and not others:  # else the chain is the beginning of theirs
                yield chain
            return
    if chain:
        yield chain


def _format(neutral: Neutral) -> Format:
    read: Callable[[Row], list[Row]] = partial(read_prm800k, neutral=neutral)
    schema = RATED_STEPWISE if neutral == "class" else STEPWISE
    return Format(
        "stepwise",
        schema,
        read,
        one_row(write_prm800k),
        columns=("question", "label", *(f"is_{flag}_question" for flag in SCREENING)),
        unread=("labeler", "timestamp", "generation"),
        loses=("values", "confidences"),
        refuses=("undecided_step", "prompt_is_a_conversation", *NO_LINES),
        alters=_ALTERS[neutral],
        distinct=True,
    )


FORMATS = {
    "prm800k-positive": _format("positive"),
    "prm800k-negative": _format("negative"),
    "prm800k-drop": _format("drop"),
    "prm800k-class": _format("class"),
}

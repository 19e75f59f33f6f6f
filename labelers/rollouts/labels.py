"""Step labels from recorded rollouts, and from nothing else: another rule costs no sampling.

ROLLOUTS hold the evidence on every solution (`Evidence`), and a strategy is a function of it. So hard labels
at another threshold, soft labels, fewer rollouts or the change-point decoder on exhaustive counts all come
from what was drawn once. Each strategy reads of it what it can use (`Strategy.read`), and where it would have
drawn more than there is, its labels may stay undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from labelers.rollouts.samples import UNDECIDED
from labelers.rollouts.strategy import UNKNOWN, Draw, Evidence, Strategy
from labelers.segment import NEWLINE, Split, split_steps
from store.tables import STEPS


def relabel(
    rollouts: pl.DataFrame,
    solutions: pl.DataFrame,
    strategy: Strategy,
    *,
    split: Split = NEWLINE,
) -> pl.DataFrame:
    """STEPS of `solutions` as `strategy` reads the recorded rollouts, which were drawn with this `split`.

    ValueError where a solution's rollouts are missing or go on from other steps than the split makes.
    """
    evidence = evidence_of(rollouts, solutions, split)
    columns: dict[str, list[Any]] = {name: [] for name in STEPS}
    for completion_id, prompt_id, _, text, _ in in_order(solutions):
        seen, readable = evidence.get(completion_id, (None, False))
        if seen is None:
            continue
        seen = strategy.read(seen)
        labels = strategy.labels(seen) if readable else [UNKNOWN] * seen.n_steps
        for t, (step, label) in enumerate(zip(split_steps(text, split), labels, strict=True)):
            row = (completion_id, prompt_id, t, step, *_counts(seen, t), *label)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pl.DataFrame(columns, schema=STEPS).sort("completion_id", "step_index")


def evidence_of(
    rollouts: pl.DataFrame, solutions: pl.DataFrame, split: Split = NEWLINE
) -> dict[str, tuple[Evidence, bool]]:
    """completion_id -> what ROLLOUTS tell about it, and whether its reference answer could be read."""
    drawn, rates = _draws(rollouts), _ends(rollouts)
    found = {}
    for completion_id, _, _, text, _ in in_order(solutions):
        lengths = tuple(len(step) for step in split_steps(text, split))
        if lengths:
            last = len(lengths) - 1
            end, solved, sampled = rates.get(completion_id, (None, 0, 0))
            if end != last:  # a rollout would be read as another step's, or as the outcome
                raise ValueError(
                    f"relabel: the rollouts of {completion_id} have their outcome at step {end}, but {split} "
                    f"makes {last} the last step; give the split they were drawn with"
                )
            (outcome,), _, unreadable = drawn[completion_id, last]
            steps = [drawn.get((completion_id, t), ((), 0, False)) for t in range(last)]
            draws, free = tuple(step[0] for step in steps), tuple(step[1] for step in steps)
            seen = Evidence(lengths, outcome, solved, sampled, draws, free)
            found[completion_id] = seen, not unreadable
    return found


def first_errors(steps: pl.DataFrame) -> pl.DataFrame:
    """(completion_id, first_error) of STEPS: index of the first step labelled False, -1 where none is.

    Null where an undecided step comes before any False one: the first error is not known then.
    """
    first = pl.col("step_index").filter(~pl.col("label").fill_null(False)).min()
    undecided = pl.col("label").filter(pl.col("step_index") == first).first().is_null()
    return (
        steps.group_by("completion_id")
        .agg(pl.when(first.is_null()).then(-1).when(~undecided).then(first).alias("first_error"))
        .cast({"first_error": pl.Int32})
        .sort("completion_id")
    )


def rollout_stats(rollouts: pl.DataFrame) -> dict[str, int]:
    """What ROLLOUTS cost: a call counts once, however many solutions share it; free draws are no calls."""
    rows = rollouts.filter(pl.col("source") == "rollout")
    drawn = rows.unique("call_id")
    undecided = (pl.col("finish_reason") == "length") | pl.col("verdict").is_in(UNDECIDED)
    return {
        "rollouts": drawn.height,
        "shared": rows.height - drawn.height,
        "siblings": rollouts.filter(pl.col("source") == "sibling").height,
        "tokens": int(drawn["n_tokens"].sum()),
        "prompt_tokens": int(drawn["n_prompt_tokens"].sum()),
        "correct": int((drawn["verdict"] == "correct").sum()),
        "undecided": drawn.filter(undecided).height,
        "truncated": int((drawn["finish_reason"] == "length").sum()),
        "solutions": rollouts["completion_id"].n_unique(),
        "rows": rollouts.height,
    }


def in_order(solutions: pl.DataFrame) -> Iterator[tuple[str, str, str | None, str, str]]:
    """(completion_id, prompt_id, system prompt, text, finish_reason), similar texts of a prompt together."""
    if solutions["completion_id"].n_unique() != solutions.height:
        raise ValueError("step labels: completion_id must be unique among the solutions")
    columns = ["completion_id", "prompt_id", "system_variant", "text", "finish_reason"]
    return solutions.select(columns).sort("prompt_id", "text", "completion_id").iter_rows()


def _draws(rollouts: pl.DataFrame) -> dict[tuple[str, int], tuple[tuple[Draw, ...], int, bool]]:
    """(completion_id, step) -> its draws in order, how many were free, whether the gold was unreadable."""
    undecided = (pl.col("finish_reason") == "length") | pl.col("verdict").is_in(UNDECIDED)
    draw = pl.when(undecided).then(pl.lit("undecided")).when(pl.col("verdict") == "correct")
    rows = (
        rollouts.with_columns(
            draw=draw.then(pl.lit("right")).otherwise(pl.lit("wrong")), free=pl.col("source") == "sibling"
        )
        .sort("completion_id", "step_index", ~pl.col("free"), "sample_index")
        .group_by("completion_id", "step_index", maintain_order=True)
        .agg("draw", pl.col("free").sum(), (pl.col("verdict") == "gold_unparseable").any())
    )
    return {(name, t): (tuple(draws), free, lost) for name, t, draws, free, lost in rows.iter_rows()}


def _ends(rollouts: pl.DataFrame) -> dict[str, tuple[int, int, int]]:
    """completion_id -> last step, right and decided completions of the prompt."""
    ends = rollouts.filter(pl.col("source") == "outcome")
    columns = ends.select("completion_id", "step_index", "prompt_solved", "prompt_sampled")
    return {name: (last, solved, sampled) for name, last, solved, sampled in columns.iter_rows()}


def _counts(seen: Evidence, t: int) -> tuple[int, int, int]:
    """(draws, right ones, undecided ones) of step t; the last step's one draw is the solution itself."""
    if t == seen.n_steps - 1:
        return 1, int(seen.outcome == "right"), int(seen.outcome == "undecided")
    right, decided = seen.counts(t)
    return len(seen.draws[t]), right, len(seen.draws[t]) - decided

"""Labelled completions to training sets: ranking, outcome, stepwise (preference: `curation.pairs`).

Every builder takes tables, joins them by id, uses completions of training prompts that are not `excluded`
(EXCLUDED: completion_id and reason), and returns (set, Account). The account counts completions: each one
given is used in the set or rejected under one name. Choices among candidates follow a hash of the ids, so
they depend on nothing but the candidates.

At most `per_prompt` completions of a prompt are used, of each label or score in turn. `max_imbalance` is how
often the commoner label may be there for each of the other (`curation.filters.balance`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import polars as pl

from curation.candidates import (
    Row,
    answer,
    by_prompt,
    distinct_texts,
    messages_of,
    once,
    table,
    usable_completions,
    with_values,
    without,
)
from curation.filters.balance import Labelled, surplus
from curation.filters.limits import at_most
from store.accounting import Account
from store.errors import InputError
from store.tables import OUTCOME, RANKING, STEPWISE


def ranking(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    scores: pl.DataFrame,
    *,
    per_prompt: int | None = None,
    excluded: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, Account]:
    """All distinct completions of a prompt with their `scores` (completion_id, score), best first.

    `score` is whatever orders them (a label, a vote share, a rating); a prompt needs two different values.
    """
    account = Account("ranking", completions.height)
    usable = usable_completions(prompts, completions, excluded, account)
    usable = usable.join(
        once(scores).select("completion_id", score=pl.col("score").cast(pl.Float64)), "completion_id", "left"
    )
    usable = without(usable, pl.col("score").is_finite().not_().fill_null(True), "no_score", account)
    usable = distinct_texts(usable, account, "score")
    messages, rows = messages_of(prompts), []
    for prompt_id, group in by_prompt(usable):
        group = _limited(group, per_prompt, lambda row: row["score"], account)
        group = sorted(group, key=lambda row: (-row["score"], row["completion_id"]))
        if group[0]["score"] == group[-1]["score"]:
            account.reject("prompt_all_equal", len(group))
            continue
        account.keep(len(group))
        rows.append(
            {
                "prompt": messages[prompt_id],
                "completions": [row["text"] for row in group],
                "scores": [row["score"] for row in group],
                "prompt_id": prompt_id,
                "completion_ids": [row["completion_id"] for row in group],
            }
        )
    return table(rows, RANKING, "prompt_id"), account.close()


def outcome(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    per_prompt: int | None = None,
    max_imbalance: float | None = None,
    excluded: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, Account]:
    """Every distinct completion with its label."""
    account = Account("outcome", completions.height)
    usable = distinct_texts(
        with_values(usable_completions(prompts, completions, excluded, account), labels, account), account
    )
    kept = [
        row
        for _, group in by_prompt(usable)
        for row in _limited(group, per_prompt, lambda row: row["label"], account)
    ]
    kept = _balanced(kept, lambda row: [row["label"]], max_imbalance, account)
    account.keep(len(kept))
    messages = messages_of(prompts)
    rows = [
        {name: row[name] for name in ("label", "evidence", "prompt_id", "completion_id")}
        | {"prompt": messages[row["prompt_id"]], "completion": answer(row["text"])}
        for row in kept
    ]
    return table(rows, OUTCOME, "prompt_id", "completion_id"), account.close()


def stepwise(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    steps: pl.DataFrame,
    *,
    truncate_after_error: bool = False,
    per_prompt: int | None = None,
    max_imbalance: float | None = None,
    excluded: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, Account]:
    """Solutions with a label on each step (STEPS); the account counts the solutions that have steps.

    `truncate_after_error` ends a solution with its first wrong step, as Qwen's "Lessons of developing process
    reward models" does: what follows a mistake is neither right nor wrong. A solution with an undecided step
    is rejected, unless that step is cut off, and so is a text whose steps were labelled in two ways.
    """
    wanted = set(steps["completion_id"])
    strangers = wanted - set(completions["completion_id"])
    if strangers:
        raise InputError(f"steps of completion {min(strangers)}: no such completion")
    solutions = completions.filter(pl.col("completion_id").is_in(list(wanted)))
    account = Account("stepwise", solutions.height)
    usable = usable_completions(prompts, solutions, excluded, account)
    by_solution = {
        key[0]: part.sort("step_index").to_dicts() for key, part in steps.group_by("completion_id")
    }
    decided: dict[str, list[Row]] = {}
    for row in usable.iter_rows(named=True):
        found = by_solution[row["completion_id"]]
        _check_steps(row, found)
        labels = [step["label"] for step in found]
        if truncate_after_error and False in labels:
            found = found[: labels.index(False) + 1]
        if any(step["label"] is None for step in found):
            account.reject("undecided_step")
        else:
            decided[row["completion_id"]] = found
    marks = {i: "".join("+" if step["label"] else "-" for step in found) for i, found in decided.items()}
    usable = usable.filter(pl.col("completion_id").is_in(list(marks)))
    usable = usable.with_columns(labels=pl.col("completion_id").replace_strict(marks, return_dtype=pl.String))
    usable, messages = distinct_texts(usable, account, "labels"), messages_of(prompts)
    kept = [
        row
        for _, group in by_prompt(usable)
        for row in _limited(group, per_prompt, lambda row: "-" in row["labels"], account)
    ]
    kept = _balanced(kept, lambda row: [mark == "+" for mark in row["labels"]], max_imbalance, account)
    account.keep(len(kept))
    rows = [_steps_row(messages[row["prompt_id"]], row, decided[row["completion_id"]]) for row in kept]
    return table(rows, STEPWISE, "prompt_id", "completion_id"), account.close()


def _limited(
    group: list[Row], per_prompt: int | None, kind_of: Callable[[Row], Any], account: Account
) -> list[Row]:
    kept = set(at_most([row["completion_id"] for row in group], [*map(kind_of, group)], per_prompt))
    account.reject("over_completions_per_prompt", len(group) - len(kept))
    return [row for row in group if row["completion_id"] in kept]


def _balanced(
    rows: list[Row],
    labels_of: Callable[[Row], Iterable[bool]],
    max_imbalance: float | None,
    account: Account,
) -> list[Row]:
    if max_imbalance is None:
        return rows
    labels = {row["completion_id"]: list(labels_of(row)) for row in rows}
    counted = [
        Labelled(row["prompt_id"], i, labels[i].count(True), labels[i].count(False))
        for row in rows
        for i in [row["completion_id"]]
    ]
    dropped = surplus(counted, max_imbalance)
    account.reject("balance", len(dropped))
    return [row for row in rows if row["completion_id"] not in dropped]


def _check_steps(solution: Row, steps: list[Row]) -> None:
    """The steps are numbered 0, 1, 2 and spell the solution; labelers may stop after a wrong one."""
    where = f"completion {solution['completion_id']}"
    if [step["step_index"] for step in steps] != list(range(len(steps))):
        raise InputError(f"{where}: step numbers have gaps or repeats; label it again")
    joined = "".join(step["text"] for step in steps)
    complete = joined == solution["text"] or (
        steps[-1]["label"] is False and solution["text"].startswith(joined)
    )
    if not complete:
        raise InputError(f"{where}: its steps do not spell its text; label it again")


def _steps_row(prompt: list[Row], solution: Row, steps: list[Row]) -> Row:
    return {
        "prompt": prompt,
        "completions": [step["text"] for step in steps],
        "labels": [step["label"] for step in steps],
        "values": [_finite(step["soft"]) for step in steps],
        "confidences": [_finite(step["confidence"]) for step in steps],
        "method": steps[0]["method"],
        "prompt_id": solution["prompt_id"],
        "completion_id": solution["completion_id"],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None

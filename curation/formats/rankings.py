"""Several completions of a prompt in one row: NeMo-RL's ranked completions, and grouped rollouts.

A completion that cannot be used is left out; the others are read."""

from __future__ import annotations

from typing import Any

from curation.formats.rows import (
    Format,
    Parts,
    Row,
    Unreadable,
    answer_text,
    one_row,
    outcome_row,
    plain_prompt,
    ranking_row,
    to_answer,
    to_number,
    to_prompt,
    to_truth,
)
from store.tables import OUTCOME, RANKING

NOT_RANKED = (
    "fewer_than_two_completions",
    "same_completion_twice",
    "score_is_no_number",
    "scores_differ_from_completions",
)


def read_nemo(row: Row) -> Parts:
    """{context, completions: [{rank, completion}]}: the lowest rank is the best, equal ranks are a tie."""
    ranked = [(one["completion"], one["rank"]) for one in row["completions"]]
    return ranking_of(row["context"], ranked, -1.0, "rank_is_no_number")


def write_nemo(row: Row) -> Row:
    """Ranks 0, 1, 2, …; how far apart the scores are is lost."""
    scores = scores_of(row)
    distinct = sorted(set(scores), reverse=True)
    completions = [
        {"rank": distinct.index(score), "completion": [{"role": "assistant", "content": text}]}
        for text, score in zip(row["completions"], scores, strict=True)
    ]
    return {"context": row["prompt"], "completions": completions}


def read_rollouts(row: Row) -> Parts:
    """{prompt, completions, rewards}: each completion is right, reward 1, or wrong, reward 0; one that is
    neither is left out."""
    prompt = to_prompt(row["prompt"])
    parts: list[Row | Unreadable] = []
    for text, reward in _rewarded(row):
        try:
            parts.append(outcome_row(prompt, to_answer(text), to_truth(reward)))
        except Unreadable as reason:
            parts.append(reason)
    return parts


def write_rollouts(rows: list[Row]) -> Row:
    """Rows of a prompt that do not stand together make several groups; sort the table first."""
    if any(row["label"] is None for row in rows):
        raise Unreadable("no_label")
    return {
        "prompt": plain_prompt(rows[0]["prompt"]),
        "completions": [answer_text(row["completion"]) for row in rows],
        "rewards": [int(to_truth(row["label"])) for row in rows],
    }


def read_scored_rollouts(row: Row) -> Parts:
    """The same rows with rewards of any size, which rank the completions."""
    return ranking_of(row["prompt"], _rewarded(row), 1.0, "reward_is_no_number")


def write_scored_rollouts(row: Row) -> Row:
    return {
        "prompt": plain_prompt(row["prompt"]),
        "completions": row["completions"],
        "rewards": scores_of(row),
    }


def ranking_of(prompt: Any, scored: list[tuple[Any, Any]], sign: float, problem: str) -> Parts:
    """The ranking of the completions that can be used, and the problems of the others. A repeated one is
    taken once, and not at all where its scores differ."""
    left_out: list[Row | Unreadable] = []
    scores: dict[str, set[float]] = {}
    for completion, score in scored:
        try:
            scores.setdefault(answer_text(completion), set()).add(sign * to_number(score, problem))
        except Unreadable as reason:
            left_out.append(reason)
    unsure = [text for text, found in scores.items() if len(found) > 1]
    left_out += [Unreadable("same_completion_with_two_scores") for _ in unsure]
    kept = {text: found.pop() + 0.0 for text, found in scores.items() if len(found) == 1}
    if len(kept) < 2 and left_out:
        return left_out
    return [
        ranking_row(to_prompt(prompt), [to_answer(text) for text in kept], list(kept.values())),
        *left_out,
    ]


def scores_of(row: Row) -> list[float]:
    """The scores of a row that can be ranked."""
    if len(row["completions"]) < 2:
        raise Unreadable("fewer_than_two_completions")
    if len(set(row["completions"])) < len(row["completions"]):
        raise Unreadable("same_completion_twice")
    if len(row["scores"]) != len(row["completions"]):
        raise Unreadable("scores_differ_from_completions")
    return [to_number(score, "score_is_no_number") for score in row["scores"]]


def _rewarded(row: Row) -> list[tuple[str, Any]]:
    if not row["completions"] or len(row["completions"]) != len(row["rewards"]):
        raise Unreadable("rewards_differ_from_completions")
    return list(zip(row["completions"], row["rewards"], strict=True))


FORMATS = {
    "nemo-ranked": Format(
        "ranking",
        RANKING,
        read_nemo,
        one_row(write_nemo),
        columns=("context", "completions"),
        unread=("task_name",),
        loses=("scores",),
        refuses=NOT_RANKED,
        alters="scores become ranks: 0 for the best, -1 for the next, …",
    ),
    "rollouts": Format(
        "outcome",
        OUTCOME,
        read_rollouts,
        write_rollouts,
        columns=("prompt", "completions", "rewards"),
        refuses=("no_label", "prompt_is_a_conversation"),
        by_prompt=True,
    ),
    "scored-rollouts": Format(
        "ranking",
        RANKING,
        read_scored_rollouts,
        one_row(write_scored_rollouts),
        columns=("prompt", "completions", "rewards"),
        refuses=(*NOT_RANKED, "prompt_is_a_conversation"),
    ),
}

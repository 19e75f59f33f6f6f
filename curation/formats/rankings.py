"""Several completions of a prompt in one row: NeMo-RL's ranked completions, and grouped rollouts."""

from __future__ import annotations

from typing import Any

from curation.formats.rows import (
    Format,
    Row,
    Unreadable,
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


def read_nemo(row: Row) -> list[Row]:
    """{context, completions: [{rank, completion}]}: the lowest rank is the best, equal ranks are a tie."""
    completions = [to_answer(one["completion"]) for one in row["completions"]]
    scores = [0.0 - to_number(one["rank"], "rank_is_no_number") for one in row["completions"]]
    return [ranking_row(to_prompt(row["context"]), completions, scores)]


def write_nemo(row: Row) -> Row:
    """Ranks 0, 1, 2, …; how far apart the scores are is lost."""
    distinct = sorted(set(row["scores"]), reverse=True)
    completions = [
        {"rank": distinct.index(score), "completion": [{"role": "assistant", "content": text}]}
        for text, score in zip(row["completions"], row["scores"], strict=True)
    ]
    return {"context": row["prompt"], "completions": completions}


def read_rollouts(row: Row) -> list[Row]:
    """{prompt, completions, rewards}: each completion is right, reward 1, or wrong, reward 0."""
    prompt = to_prompt(row["prompt"])
    return [outcome_row(prompt, to_answer(text), to_truth(reward)) for text, reward in _rewarded(row)]


def write_rollouts(rows: list[Row]) -> Row:
    if any(row["label"] is None for row in rows):
        raise Unreadable("no_label")
    return {
        "prompt": plain_prompt(rows[0]["prompt"]),
        "completions": [row["completion"][0]["content"] for row in rows],
        "rewards": [int(to_truth(row["label"])) for row in rows],
    }


def read_scored_rollouts(row: Row) -> list[Row]:
    """The same rows with rewards of any size, which rank the completions; a repeated one is taken once."""
    scores: dict[str, float] = {}
    for text, reward in _rewarded(row):
        score = to_number(reward, "reward_is_no_number")
        if scores.setdefault(text, score) != score:
            raise Unreadable("same_completion_with_two_rewards")
    completions = [to_answer(text) for text in scores]
    return [ranking_row(to_prompt(row["prompt"]), completions, list(scores.values()))]


def write_scored_rollouts(row: Row) -> Row:
    return {
        "prompt": plain_prompt(row["prompt"]),
        "completions": row["completions"],
        "rewards": row["scores"],
    }


def _rewarded(row: Row) -> list[tuple[str, Any]]:
    if not row["completions"] or len(row["completions"]) != len(row["rewards"]):
        raise Unreadable("rewards_differ_from_completions")
    return list(zip(row["completions"], row["rewards"], strict=True))


FORMATS = {
    "nemo-ranked": Format("ranking", RANKING, read_nemo, one_row(write_nemo)),
    "rollouts": Format("outcome", OUTCOME, read_rollouts, write_rollouts, by_prompt=True),
    "scored-rollouts": Format("ranking", RANKING, read_scored_rollouts, one_row(write_scored_rollouts)),
}

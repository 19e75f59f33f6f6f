"""What best-of-n works on: a prompt's samples side by side with their answers, truth and rewards."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from evaluators.aggregation import AGGREGATIONS, aggregate
from store.accounting import Account
from store.errors import InputError


class Candidates(NamedTuple):
    frame: pl.DataFrame  # prompt_id, completion_id, right, answer and the columns named in `rewards`
    rewards: tuple[str, ...]
    account: Account  # completions in and out


def candidates(scores: pl.DataFrame, answers: pl.DataFrame) -> Candidates:
    """SCORES rows of any number of models, and `answers` (completion_id, answer; VOTES will do), by id.

    A model becomes the column of its name, or a column `<model>-<aggregation>` for each aggregation where it
    scored several steps. A completion whose `label` is null is not right; a prompt in which all are null has
    no truth and is left out.
    """
    completions = scores.unique(["completion_id", "label"]).select("prompt_id", "completion_id", "label")
    if completions["completion_id"].is_duplicated().any():
        raise InputError(
            "the score tables disagree on which completions are right; score and verify them again"
        )
    account = Account("best_of_n", completions.height)
    known = completions.filter(pl.col("label").is_not_null().any().over("prompt_id"))
    if known.height < completions.height:
        account.reject("prompt_without_truth", completions.height - known.height)
    frame = known.select("prompt_id", "completion_id", right=pl.col("label").fill_null(False))
    frame = frame.join(
        answers.select("completion_id", "answer").unique("completion_id"), "completion_id", "left"
    )
    rewards: list[str] = []
    for model in sorted(scores["model"].unique()):
        columns = _columns(model, scores.filter(pl.col("model") == model))
        frame = frame.join(columns, "completion_id", "left")
        rewards += [c for c in columns.columns if c != "completion_id"]
    _check_complete(frame, rewards)
    account.keep(frame.height)
    return Candidates(frame.sort("prompt_id", "completion_id"), tuple(rewards), account.close())


def _columns(model: str, rows: pl.DataFrame) -> pl.DataFrame:
    if rows["completion_id"].is_duplicated().any():
        raise InputError(f"model {model!r} scored a completion twice; give one score table per model")
    if rows["step_rewards"].list.len().fill_null(0).le(1).all():
        return rows.select("completion_id", pl.col("reward").alias(model))
    steps = [row or [] for row in rows["step_rewards"].to_list()]
    made = {f"{model}-{how}": [aggregate(row, how) for row in steps] for how in AGGREGATIONS}
    return pl.DataFrame({"completion_id": rows["completion_id"], **made})


def _check_complete(frame: pl.DataFrame, rewards: list[str]) -> None:
    """Every sample has every reward: methods that may skip samples cannot be compared with others."""
    for column in rewards:
        bad = frame.filter(pl.col(column).is_finite().not_().fill_null(True))
        if bad.height:
            first = bad["completion_id"][0]
            raise InputError(f"{bad.height} completions have no finite {column!r} reward, such as {first}")

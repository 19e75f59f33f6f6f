"""Sections about sets: built from labels, trained on, measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flows.recipe.section import Section


class BuildStage(Section):
    """Labels to training sets."""

    sets: list[Literal["preference", "ranking", "outcome", "stepwise"]] = [
        "preference",
        "ranking",
        "outcome",
        "stepwise",
    ]
    pairs_per_prompt: int = Field(4, ge=1, description="preference pairs a prompt at most")
    min_margin: float = Field(
        0.0, ge=0, description="what a pair needs: rating points, share of constraints, log-odds of a judge"
    )
    ties: Literal["drop", "soft"] = Field(
        "drop", description="soft: what is closer than min_margin stays, with soft = 0.5"
    )
    length_ratio: float | None = Field(
        None, ge=1, description="longer over shorter side of a pair, in characters, at most"
    )
    hard_negatives: bool = Field(False, description="prefer the closest pairs: smallest margin, most alike")
    graded_constraints: bool = Field(
        False, description="where constraints alone judge, more of them kept is better, not only all of them"
    )
    heldout_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts in each set's test split")
    truncate_after_error: bool = Field(False, description="drop the steps after a solution's first wrong one")


class TrainStage(Section):
    """Reward models, each from its own set: bt from preference, orm from outcome, prm from stepwise."""

    models: list[Literal["bt", "orm", "prm"]] = ["bt", "orm", "prm"]
    base: str | None = Field(None, description="folder or Hub name; null: the policy")
    lr: float = Field(1e-5, gt=0, description="peak learning rate")
    epochs: int = Field(1, ge=1)
    batch_prompts: int = Field(
        32, ge=1, description="prompts in one optimiser step, each with all its completions"
    )
    row_tokens: int = Field(4096, ge=16, description="token budget of a packed row")
    max_tokens: int | None = Field(None, ge=2, description="longer conversations are dropped and counted")
    dtype: Literal["float32", "bfloat16"] = "float32"


class EvaluateStage(Section):
    """Best-of-n on the test prompts."""

    best_of: list[Annotated[int, Field(ge=1)]] = [1, 2, 4, 8, 16]

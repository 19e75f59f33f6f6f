"""Sections about sets: built from labels, trained on, measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from flows.recipe.section import Section


class CompletionFilters(Section):
    """Which completions the sets are built without. They stay in the tables: votes, pass rates and rollouts
    are estimates over all samples."""

    refusals: Literal["keep", "drop"] = "keep"
    min_words: int | None = Field(None, ge=1, description="words of a completion at least")
    max_words: int | None = Field(None, ge=1, description="words of a completion at most")
    min_pass_rate: float | None = Field(
        None, ge=0, le=1, description="prompts with a smaller share of right completions are too hard"
    )
    max_pass_rate: float | None = Field(
        None, ge=0, le=1, description="prompts with a larger share of right completions are too easy"
    )

    @model_validator(mode="after")
    def _ordered(self) -> CompletionFilters:
        for name, low, high in (
            ("words", self.min_words, self.max_words),
            ("pass_rate", self.min_pass_rate, self.max_pass_rate),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{name} {low} is above max_{name} {high}")
        return self


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
    filters: CompletionFilters = CompletionFilters()
    completions_per_prompt: int | None = Field(
        None, ge=1, description="of ranking, outcome and stepwise sets; right and wrong ones in turn"
    )
    max_imbalance: float | None = Field(
        None,
        ge=1,
        description="outcome, stepwise: labels of the commoner kind for each of the other, at most",
    )


class LoraOptions(Section):
    """Adapters on every linear layer (arXiv 2106.09685) instead of training all weights."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1)


class BtOptions(Section):
    """Of bt alone."""

    data: Literal["preference", "ranking"] = Field(
        "preference", description="chosen pairs, or all completions of a prompt by their scores"
    )
    loss: Literal["pairs", "plackett-luce"] = Field(
        "pairs", description="of a ranking: all its pairs, or the probability of the whole order"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="share of the preferences taken to be the wrong way round"
    )
    margin_scale: float = Field(
        0.0, ge=0, description="what a pair's margin, or a ranking's score difference, is multiplied by"
    )
    ties: Literal["half", "drop"] = Field(
        "half", description="a tie is a preference of one half, or left out"
    )
    centering: float = Field(0.0, ge=0, description="keeps rewards around 0; 0.01 is usual")

    @model_validator(mode="after")
    def _orders_are_plain(self) -> BtOptions:
        if self.loss == "plackett-luce" and (self.label_smoothing or self.margin_scale):
            raise ValueError("label_smoothing and margin_scale have no meaning for an order; use loss: pairs")
        return self


class OrmOptions(Section):
    """Of orm alone."""

    orm_target: Literal["token", "last"] = Field(
        "token", description="label every token of a solution, or its last one"
    )
    lm_coef: float = Field(
        0.0, ge=0, description="weight of the language-modelling loss on right solutions (arXiv 2110.14168)"
    )


class PrmOptions(Section):
    """Of prm alone."""

    prm_target: Literal["hard", "soft"] = Field(
        "hard", description="a step's label, or the share of its rollouts that reached the answer"
    )


class TrainStage(Section):
    """Reward models, each from its own set: bt from preference, orm from outcome, prm from stepwise."""

    models: list[Literal["bt", "orm", "prm"]] = ["bt", "orm", "prm"]
    base: str | None = Field(None, description="folder or Hub name; null: the policy")
    lr: float = Field(1e-5, gt=0, description="peak learning rate")
    epochs: int = Field(1, ge=1)
    batch_prompts: int = Field(
        32, ge=1, description="prompts in one optimiser step, each with all its completions"
    )
    batch_tokens: int | None = Field(
        None, ge=16, description="instead of batch_prompts: packed tokens in one optimiser step"
    )
    row_tokens: int = Field(4096, ge=16, description="token budget of a packed row")
    max_tokens: int | None = Field(None, ge=2, description="longer conversations are dropped and counted")
    dtype: Literal["float32", "bfloat16"] = "float32"
    lora: LoraOptions | None = None
    heads: int = Field(1, ge=1, description="an ensemble of heads, each on its own resampling of the data")
    aggregate: Literal["mean", "min", "mean-std"] = Field("mean", description="how heads become one reward")
    eval_every: int | None = Field(
        None, ge=1, description="steps between held-out evaluations; null: at the end of each epoch"
    )
    early_stop: int | None = Field(
        None, ge=1, description="stop after this many evaluations without a better one"
    )
    checkpointing: Literal["none", "selective", "full"] = Field(
        "none", description="activations that are computed again in the backward pass to save memory"
    )
    compile: bool = Field(False, description="torch.compile of each layer")
    bt: BtOptions = BtOptions()
    orm: OrmOptions = OrmOptions()
    prm: PrmOptions = PrmOptions()

    @model_validator(mode="after")
    def _sensible(self) -> TrainStage:
        """As trainers.TrainConfig would say, but before anything is spent."""
        if self.batch_tokens and self.batch_prompts != type(self).model_fields["batch_prompts"].default:
            raise ValueError("batch_tokens says how large a step is: leave batch_prompts out")
        if self.max_tokens and self.max_tokens > self.row_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} is above row_tokens {self.row_tokens}: raise that"
            )
        if self.heads == 1 and self.aggregate != "mean":
            raise ValueError(f"aggregate {self.aggregate} needs more than one head; set heads, or remove it")
        return self

    def set_of(self, model: str) -> str:
        """The set that a model learns from."""
        return {"bt": self.bt.data, "orm": "outcome", "prm": "stepwise"}[model]

    def settings_of(self, model: str) -> dict[str, Any]:
        """What trainers.TrainConfig takes of this section, for one model."""
        common = self.model_dump(exclude={"models", "base", "bt", "orm", "prm"})
        return common | getattr(self, model).model_dump(exclude={"data"})


class EvaluateStage(Section):
    """Best-of-n on the test prompts."""

    best_of: list[Annotated[int, Field(ge=1)]] = [1, 2, 4, 8, 16]

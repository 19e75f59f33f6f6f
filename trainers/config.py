"""What a training run is asked to do: one pydantic model, every default with its source.

objective    data (store/tables.py)   label                               saved as
bt           preference or ranking    last token of each completion       {Arch}ForSequenceClassification
orm          outcome                  every completion token, or the      {Arch}ForTokenClassification, or
                                      last one                            Sequence for the last token
prm          stepwise                 last token of each step             {Arch}ForTokenClassification
regression   attributes               last token, a value per attribute   {Arch}ForSequenceClassification
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from store.errors import InputError

Objective = Literal["bt", "orm", "prm", "regression"]
# Left out of a run's key, so that an interrupted run may go on with others: where things lie (what the files
# hold is in the key by content), what is written, and what changes only memory and speed.
_NOT_IN_KEY = {"output", "data", "eval_data", "model", "revision"}
_NOT_IN_KEY |= {"checkpoint_every", "log", "log_every", "threads", "device", "checkpointing"}
# Settings of one objective.
_BELONGS_TO: dict[str, Objective] = {
    "loss": "bt",
    "label_smoothing": "bt",
    "margin_scale": "bt",
    "ties": "bt",
    "centering": "bt",
    "orm_target": "orm",
    "lm_coef": "orm",
    "prm_target": "prm",
    "attributes": "regression",
}


class Lora(BaseModel):
    """Low-rank adapters (arXiv 2106.09685) on every linear layer of the backbone; the head is trained
    whole."""

    model_config = ConfigDict(extra="forbid")

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1)


class TrainConfig(BaseModel):
    """Settings of one run. Lengths are tokens; a conversation is prompt, completion and closing tokens."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    objective: Objective
    model: str = Field(description="base language model or existing reward model: folder or Hub name")
    revision: str | None = Field(None, description="Hub commit of the model")
    data: list[Path] = Field(min_length=1, description="training sets: parquet files or folders of them")
    output: Path = Field(description="folder of the trained model; it appears when training is complete")
    eval_data: list[Path] = Field(default=[], description="held-out sets; empty: split off `eval_fraction`")
    eval_fraction: float = Field(
        0.05, ge=0, lt=1, description="share of the prompts held out where eval_data is empty"
    )
    loss: Literal["pairs", "plackett-luce"] = Field(
        "pairs",
        description="bt on rankings: all pairs of a ranking, each 1/C(K,2) (InstructGPT, arXiv 2203.02155), "
        "or the probability of the whole order (Plackett 1975)",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="bt: share of the preferences taken to be the wrong way round"
    )
    margin_scale: float = Field(
        0.0,
        ge=0,
        description="bt: multiplies the `margin` column, or a ranking's score differences; 0 leaves it out",
    )
    ties: Literal["half", "drop"] = Field(
        "half", description="bt: a tie is a preference of one half, or is dropped and counted"
    )
    centering: float = Field(
        0.0,
        ge=0,
        description="bt: coefficient of (r_chosen + r_rejected)², which keeps rewards around 0 "
        "(arXiv 2312.09244); 0.01 is usual",
    )
    orm_target: Literal["token", "last"] = Field(
        "token",
        description="label every completion token (Cobbe et al. 2021, arXiv 2110.14168) or the last one",
    )
    lm_coef: float = Field(
        0.0,
        ge=0,
        description="orm: weight of the language-modelling loss on right completions (Cobbe et al.)",
    )
    prm_target: Literal["hard", "soft", "ratings"] = Field(
        "hard",
        description="step targets: `labels`, Monte Carlo `values`, or `ratings` of -1, 0, 1 (three classes)",
    )
    attributes: list[str] = Field(
        [], description="regression: the columns to predict; an empty cell is a missing value"
    )
    heads: int = Field(
        1,
        ge=1,
        description="heads on the one backbone, each from its own start and its own resampling of the data",
    )
    aggregate: Literal["mean", "min", "mean-std"] = Field(
        "mean", description="how an ensemble's rewards become one (arXiv 2310.02743)"
    )
    lora: Lora | None = Field(None, description="train adapters and the head instead of all weights")
    lr: float = Field(
        1e-5, gt=0, description="peak learning rate; 1e-5 suits models below 2B, 3e-6 an 8B (Tulu 3)"
    )
    epochs: int = Field(1, ge=1, description="more than two seldom help (RewardBench 2, arXiv 2506.01937)")
    batch_prompts: int = Field(
        32, ge=1, description="prompts in one optimiser step, each with all its completions"
    )
    batch_tokens: int | None = Field(
        None,
        ge=16,
        description="instead of batch_prompts: as many prompts a step as fit in this many packed tokens",
    )
    row_tokens: int = Field(4096, ge=16, description="budget of a packed row: one forward and backward pass")
    max_tokens: int | None = Field(
        None, ge=2, description="longer conversations are dropped and counted; None: what model and row allow"
    )
    warmup: float = Field(
        0.03, ge=0, lt=1, description="share of the steps with rising rate (OpenRLHF, RLHFlow)"
    )
    schedule: Literal["cosine", "linear"] = "cosine"
    lr_floor: float = Field(0.1, ge=0, le=1, description="final rate as a share of the peak (OpenRLHF)")
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    seed: int = Field(0, ge=0)
    attention: Literal["auto", "dense", "segments", "flex", "varlen"] = Field(
        "auto", description="auto: segments on a CPU, flex on a GPU"
    )
    checkpointing: Literal["none", "selective", "full"] = Field(
        "none",
        description="activations recomputed in the backward pass: none, all but matrix products, or all",
    )
    compile: bool = Field(False, description="torch.compile of each layer; rows are filled up to row_tokens")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="compute type of the backbone; weights, head and loss are float32 always"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(None, ge=1, description="CPU threads; None: as torch finds it")
    checkpoint_every: int = Field(200, ge=1, description="optimiser steps between resume points")
    eval_every: int | None = Field(
        None, ge=1, description="optimiser steps between held-out evaluations; None: at the end of each epoch"
    )
    early_stop: int | None = Field(
        None, ge=1, description="stop after this many evaluations without a better one"
    )
    log: list[Literal["tensorboard", "wandb"]] = Field(
        [], description="besides the terminal and OUTPUT/log.jsonl"
    )
    log_every: int = Field(10, ge=1, description="optimiser steps between log entries")

    @model_validator(mode="after")
    def _only_what_has_an_effect(self) -> TrainConfig:
        """A setting that would be ignored is refused: its user expects something of it."""
        for name, objective in _BELONGS_TO.items():
            if self.objective != objective and self._is_set(name):
                raise ValueError(f"{name} is for objective {objective!r}, not {self.objective!r}; remove it")
        if self.objective == "regression" and not self.attributes:
            raise ValueError("objective 'regression' needs `attributes`: the columns to predict")
        if len(set(self.attributes)) < len(self.attributes):
            raise ValueError(f"attributes {self.attributes} names one twice; remove it")
        if self.max_tokens and self.max_tokens > self.row_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} is above row_tokens {self.row_tokens}; raise that"
            )
        for name, useless, reason in self._without_effect():
            if useless and self._is_set(name):
                raise ValueError(f"{name}: {reason}, or remove it")
        return self

    def _without_effect(self) -> list[tuple[str, bool, str]]:
        order, nothing_held_out = self.loss == "plackett-luce", not (self.eval_data or self.eval_fraction)
        return [
            ("label_smoothing", order, "has no meaning for an order; use loss: pairs"),
            ("margin_scale", order, "has no meaning for an order; use loss: pairs"),
            ("aggregate", self.heads == 1, "needs more than one head; set heads"),
            ("eval_fraction", bool(self.eval_data), "eval_data says what is held out; leave one of them out"),
            ("eval_every", nothing_held_out, "nothing is held out; give eval_data or eval_fraction"),
            ("early_stop", nothing_held_out, "nothing is held out; give eval_data or eval_fraction"),
            ("batch_prompts", self.batch_tokens is not None, "batch_tokens says how large a step is"),
            ("revision", Path(self.model).is_dir(), "is a commit on the Hub, and model is a folder"),
        ]

    def _is_set(self, name: str) -> bool:
        return getattr(self, name) != type(self).model_fields[name].default

    def key_settings(self) -> dict[str, Any]:
        """The settings that the trained weights depend on."""
        return self.model_dump(mode="json", exclude=_NOT_IN_KEY)


def read_config(path: Path) -> TrainConfig:
    """The TrainConfig of a YAML file."""
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give a YAML file with the fields of trainers.TrainConfig"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from None
    return make_config(raw, str(path))


def make_config(raw: Any, where: str) -> TrainConfig:
    """`raw` checked field by field; the InputError names each bad field and, for unknown ones, the nearest
    valid name."""
    if not isinstance(raw, dict):
        raise InputError(f"{where}: expected a mapping of settings, got {type(raw).__name__}")
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(e["loc"], e["msg"]) for e in error.errors()]
        raise InputError(f"{where}: " + "; ".join(lines)) from None


def _explain(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    name = str(place[0])
    near = difflib.get_close_matches(name, TrainConfig.model_fields, n=1)
    hint = f" (nearest setting: {near[0]})" if name not in TrainConfig.model_fields and near else ""
    return f"{'.'.join(map(str, place))}: {message}{hint}"

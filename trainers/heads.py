"""What the linear head's outputs mean, in training and in the saved checkpoint.

    reward      bt, orm on the last token   one logit, {Arch}ForSequenceClassification
    binary      orm per token, prm          logits of incorrect and correct, {Arch}ForTokenClassification
    classes     prm on ratings              logits of bad, neutral and good, {Arch}ForTokenClassification
    attributes  regression                  one value per attribute, {Arch}ForSequenceClassification

An ensemble of n heads on one backbone is one linear layer with n times the outputs, head after head."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import Tensor

from .config import TrainConfig

Kind = Literal["reward", "binary", "classes", "attributes"]
BINARY, RATINGS = ("incorrect", "correct"), ("bad", "neutral", "good")


@dataclass(frozen=True)
class Head:
    """`labels` name the outputs of one of the `n` heads."""

    kind: Kind
    labels: tuple[str, ...]
    per_token: bool
    n: int = 1

    @property
    def size(self) -> int:
        return self.n * len(self.labels)

    @property
    def names(self) -> list[str]:
        """The checkpoint's id2label, in order."""
        return [f"{label} {i}" if self.n > 1 else label for i in range(self.n) for label in self.labels]

    def outputs(self, logits: Tensor) -> Tensor:
        """(L, size) → (L, n, C): the log-odds of correct for a binary head (C = 1), else the logits."""
        split = logits.view(len(logits), self.n, len(self.labels))
        return split[..., 1:] - split[..., :1] if self.kind == "binary" else split

    def facts(self) -> dict[str, Any]:
        return asdict(self) | {"labels": list(self.labels)}


def make_head(config: TrainConfig) -> Head:
    """The head that a run with these settings trains."""
    if config.objective == "regression":
        return Head("attributes", tuple(config.attributes), False, config.heads)
    if config.objective == "prm" and config.prm_target == "ratings":
        return Head("classes", RATINGS, True, config.heads)
    if config.objective == "prm" or (config.objective == "orm" and config.orm_target == "token"):
        return Head("binary", BINARY, True, config.heads)
    return Head("reward", ("reward",), False, config.heads)


def read_head(facts: dict[str, Any]) -> Head:
    """The inverse of `Head.facts`."""
    return Head(**facts | {"labels": tuple(facts["labels"])})

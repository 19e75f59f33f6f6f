"""Token classifiers for architectures that transformers gives none, such as OLMo and OLMo 2, so that ORMs and
PRMs train on them. They are made like transformers' own: the generic backbone with one linear layer."""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.modeling_layers import GenericForSequenceClassification, GenericForTokenClassification


def ensure_token_class(config: Any) -> None:
    """Register {Arch}ForTokenClassification for `config` where only {Arch}ForSequenceClassification exists
    and is the generic one; else nothing happens. A checkpoint of it needs this call wherever it is loaded."""
    kind = type(config)
    sequence = AutoModelForSequenceClassification._model_mapping.get(kind, None)
    if kind in AutoModelForTokenClassification._model_mapping or sequence is None:
        return
    if not issubclass(sequence, GenericForSequenceClassification):
        return
    pretrained = next(base for base in sequence.__mro__ if base.__name__.endswith("PreTrainedModel"))
    name = sequence.__name__.replace("ForSequenceClassification", "ForTokenClassification")
    made = type(name, (GenericForTokenClassification, pretrained), {"__module__": __name__})
    # Without `exist_ok` transformers ignores, without a word, classes for configurations of its own.
    AutoModelForTokenClassification.register(kind, made, exist_ok=True)

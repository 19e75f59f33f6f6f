"""Writing a trained model: a plain Hugging Face checkpoint, what it was made of, and a card.

    config.json, model.safetensors, tokenizer files, chat_template.jinja   as transformers, vLLM and TRL read
    training.json                                                          the training manifest
    README.md                                                              the model card

Weights are float32, as they were trained; who scores in another type converts at loading."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import transformers

from .card import model_card
from .config import TrainConfig
from .loading import public_name
from .model import EXTRAS, RewardModel
from .quiet import quiet

MANIFEST = "training.json"
CARD = "README.md"
_VERSIONS = ("torch", "transformers", "numpy", "pyarrow", "safetensors")


def make_manifest(config: TrainConfig, key: str, record: dict[str, Any]) -> dict[str, Any]:
    """All that is needed to repeat a training, and what it gave. `key` names settings, data, tokenizer and
    first weights by content; files have their names only, so that no folder of the machine is published."""
    return {
        "key": key,
        "model": public_name(config.model),
        "revision": config.revision,
        "data": [path.name for path in config.data],
        "eval_data": [path.name for path in config.eval_data],
        "settings": config.key_settings(),
        "versions": {name: version(name) for name in _VERSIONS} | {"python": platform.python_version()},
        "record": record,
    }


def save_model(model: RewardModel, folder: Path, manifest: dict[str, Any]) -> None:
    """Write `model` with its manifest and card. The module must be whole: merged, gathered, not compiled."""
    setattr(model.hf.config, EXTRAS, model.extras)
    with quiet():
        model.hf.save_pretrained(folder)
        model.codec.tokenizer.save_pretrained(folder)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    config = model.hf.config.to_dict()
    known = hasattr(transformers, config["architectures"][0])  # else the class is of token_classes.py
    card = model_card(config, manifest, in_transformers=known)
    (folder / CARD).write_text(card, encoding="utf-8")

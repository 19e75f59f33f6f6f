"""`python -m trainers.export MODEL OUTPUT`: a step model as the process reward model that vLLM has built in.

vLLM's Qwen2ForProcessRewardModel, which Qwen's own step models use, has two layers with a ReLU between them
on a Qwen2 backbone. A linear head of two classes fits that form without loss, since x = relu(x) - relu(-x).
With w0 and w1 the rows of our head,

    first layer   rows w0, -w0, w1, -w1, then zeros       (d, d)
    second layer  [1, -1, 0, 0, 0...], [0, 0, 1, -1, 0...] (2, d)

gives w0·h and w1·h: of the terms of each sum only one is not 0. Biases are there, and 0.

vLLM returns the scores at a step tag. Where no token of its own ends each step, take the scores of all tokens
(`PoolerConfig(tok_pooling_type="ALL")`) and read them at the steps' ends, as with the original model."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from store.errors import InputError

from .card import exported_card
from .loading import open_trained
from .model import EXTRAS, RewardModel
from .saving import CARD, MANIFEST

ARCHITECTURE = "Qwen2ForProcessRewardModel"


def export_qwen_prm(folder: Path, output: Path) -> None:
    """Write the step model in `folder` as a Qwen2ForProcessRewardModel into the new folder `output`."""
    if output.exists():
        raise InputError(f"{output}: exists; choose another output")
    model = open_trained(folder, torch.device("cpu"))
    _check(model, folder)
    manifest = (folder / MANIFEST).read_text(encoding="utf-8")
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.codec.tokenizer.save_pretrained(partial)
    config: dict[str, Any] = model.hf.config.to_dict() | {"architectures": [ARCHITECTURE]}
    del config[EXTRAS]  # they say of the head what is no longer so
    (partial / "config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    save_file(two_layers(model), partial / "model.safetensors", metadata={"format": "pt"})
    (partial / MANIFEST).write_text(manifest, encoding="utf-8")
    card = exported_card(ARCHITECTURE, model.extras, json.loads(manifest))
    (partial / CARD).write_text(card, encoding="utf-8")
    os.replace(partial, output)


def _check(model: RewardModel, folder: Path) -> None:
    if model.hf.config.model_type != "qwen2":
        raise InputError(f"{folder}: a {model.hf.config.model_type} backbone; {ARCHITECTURE} has qwen2")
    if model.head.kind != "binary" or model.head.n != 1:
        raise InputError(
            f"{folder}: its head has {model.head.names}; {ARCHITECTURE} has one head of two classes, "
            "as PRMs on labels or soft values have"
        )


def two_layers(model: RewardModel) -> dict[str, Tensor]:
    """The state dict with the head in two layers, float32."""
    state = {name: t.contiguous() for name, t in model.hf.state_dict().items() if name != "score.weight"}
    head = model.hf.score.weight.detach()
    width = head.shape[1]
    first, second = torch.zeros(width, width), torch.zeros(2, width)
    first[:4] = torch.stack([head[0], -head[0], head[1], -head[1]])
    second[0, :2] = second[1, 2:4] = torch.tensor([1.0, -1.0])
    layers = {
        "score.0.weight": first,
        "score.0.bias": torch.zeros(width),
        "score.2.weight": second,
        "score.2.bias": torch.zeros(2),
    }
    return state | layers


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.export", description=f"Write a step model as vLLM's {ARCHITECTURE}."
    )
    parser.add_argument("model", type=Path, help="folder of a trained step model on a Qwen2 backbone")
    parser.add_argument("output", type=Path, help="new folder")
    options = parser.parse_args(arguments)
    try:
        export_qwen_prm(options.model, options.output)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"saved {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

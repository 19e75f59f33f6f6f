"""What is trained, put together from an opened model, and taken apart for the finished folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from store.ids import derived_seed

from .config import TrainConfig
from .distributed import Ranks, shard
from .lora import add_lora, merge, save_adapter
from .memory import prepare_layers
from .model import RewardModel
from .network import Network, open_lm_head
from .saving import make_manifest, save_model


def build(config: TrainConfig, model: RewardModel, among: Ranks) -> tuple[Network, Any]:
    """What is trained, from the opened model; with LoRA, also the peft model around its backbone."""
    adapted = add_lora(model, config.lora, derived_seed("lora", config.seed)) if config.lora else None
    model.row_tokens, model.compiled = config.row_tokens, config.compile
    prepare_layers(model.hf, config)
    network = Network(model, open_lm_head(config, model) if config.lm_coef else None)
    if among.mesh is not None:
        shard(network, among.mesh)
    return network, adapted


def save_trained(
    network: Network,
    adapted: Any,
    config: TrainConfig,
    key: str,
    record: dict[str, Any],
    folder: Path,
    among: Ranks,
) -> None:
    """Written by the main process alone, from whole weights; adapters are saved and then merged."""
    model = network.model
    if among.mesh is not None:
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(network, options=options)  # on every process at once
        if not among.main:
            return
        model, adapted = _gathered(network, config, weights)
    shutil.rmtree(folder, ignore_errors=True)
    if adapted is not None:
        save_adapter(adapted, folder)
        model = replace(model, hf=merge(adapted))
    save_model(model, folder, make_manifest(config, key, record))


def _gathered(network: Network, config: TrainConfig, weights: dict[str, Any]) -> tuple[RewardModel, Any]:
    """The model anew, around whole weights; and the peft model around its module, if any."""
    with torch.device("meta"):
        hf = type(network.hf)(network.hf.config)
        model = replace(network.model, hf=hf)
        adapted = add_lora(model, config.lora, 0) if config.lora else None
    own = {name.removeprefix("hf."): w for name, w in weights.items() if name.startswith("hf.")}
    hf.load_state_dict(own, assign=True)
    return model, adapted

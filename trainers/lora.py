"""Low-rank adapters through peft (LoRA, arXiv 2106.09685), on every linear layer of the backbone.

The head is trained whole and belongs to the adapter, where it is saved with it: an adapter without its head
scores at random. The output folder holds the merged model, and the adapter beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from store.errors import InputError

from .config import Lora
from .model import RewardModel
from .quiet import quiet

ADAPTER = "adapter"  # folder in the output


def add_lora(model: RewardModel, settings: Lora, seed: int) -> Any:
    """Put adapters into `model.hf`, in place; the peft model around it."""
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError:
        raise InputError("lora: peft is not installed; pip install peft, or leave lora out") from None
    names = {n.rpartition(".")[2] for n, m in model.hf.base_model.named_modules() if isinstance(m, nn.Linear)}
    if not names or any(p.ndim > 2 for p in model.hf.base_model.parameters()):
        kind = model.hf.config.model_type
        raise InputError(
            f"lora: {kind} has weights outside linear layers (experts), which it would leave out"
        )
    lora = LoraConfig(
        task_type=TaskType.TOKEN_CLS if model.head.per_token else TaskType.SEQ_CLS,
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # only ever divided by r
        lora_dropout=settings.dropout,
        target_modules=sorted(names),
        modules_to_save=["score"],
    )
    adapted = get_peft_model(model.hf, lora)
    adapted.eval()
    _initialise(adapted, seed)
    return adapted


def _initialise(adapted: Any, seed: int) -> None:
    """As peft does (A uniform as torch's linear layers, B zero), but from the run's own seed."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in adapted.named_parameters():
        if ".lora_A." in name:
            drawn = torch.empty(weight.shape)
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
            weight.data.copy_(drawn)


def set_dropout(adapted: Any, on: bool) -> None:
    """Dropout of the adapters alone: the backbone stays without."""
    for name, module in adapted.named_modules():
        if name.endswith("lora_dropout"):
            module.train(on)


def save_adapter(adapted: Any, folder: Path) -> None:
    with quiet():
        adapted.save_pretrained(folder / ADAPTER)
    (folder / ADAPTER / "README.md").unlink(missing_ok=True)  # peft's empty template; the model has a card


def merge(adapted: Any) -> Any:
    """The plain module with the adapters added to its weights."""
    return adapted.merge_and_unload()

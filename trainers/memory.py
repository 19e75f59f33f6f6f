"""Memory and speed of the decoder layers: activations that are computed again, and compiled code.

    selective   the backward pass repeats what is cheap (norms, activations, rotations); results of matrix
                products and of attention are kept, which are most of the time and less of the memory
    full        the backward pass repeats each layer; only the layers' inputs are kept

Both give the gradients of keeping everything. Of `selective`, FlexAttention outside compiled layers is an
exception: its kernel runs again, since a policy cannot see into code that is compiled by itself. Layers keep
their places and names, so weights are saved and sharded as before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.attention.varlen  # makes its operator known, which is named below
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from store.errors import InputError

from .config import TrainConfig

_aten = torch.ops.aten
_KEPT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.torch_attn._varlen_attn.default,
    torch.ops.higher_order.flex_attention,
}
_RECOMPILE_LIMIT = 32  # eight lengths of rows, with and without gradients, and room for a change of layers


def decoder_layers(hf: Any) -> list[nn.Module]:
    return [module for module in hf.base_model.modules() if isinstance(module, GradientCheckpointingLayer)]


def prepare_layers(hf: Any, config: TrainConfig) -> None:
    """Recompute and compile as the settings say; before weights are sharded."""
    layers = decoder_layers(hf)
    if not layers and (config.compile or config.checkpointing != "none"):
        raise InputError(f"{hf.config.model_type}: no layers to compile or checkpoint were found")
    if config.compile:
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _RECOMPILE_LIMIT)
    for layer in layers:
        forward = layer.forward
        if config.checkpointing != "none":
            forward = partial(_recomputed, forward, config.checkpointing == "selective")
        if config.compile:
            forward = torch.compile(forward, dynamic=False)
        layer.forward = forward


def _recomputed(forward: Callable[..., Any], selective: bool, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    extra = {"context_fn": _selective_contexts} if selective else {}
    return checkpoint(forward, *args, use_reentrant=False, **extra, **kwargs)


def _selective_contexts() -> Any:
    return create_selective_checkpoint_contexts(_policy)


def _policy(context: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if op in _KEPT else CheckpointPolicy.PREFER_RECOMPUTE

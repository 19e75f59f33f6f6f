"""FlexAttention (arXiv 2412.05496): one fused kernel that skips the blocks of the mask in which nobody sees
anybody. Its block table is computed from `end` alone, outside the compiled model.

torch has no backward pass of it on a CPU. So `choose_backend` keeps it for GPUs; tests prove its gradients on
a CPU through torch's mathematical form of the operator, and those of the kernels where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface

from ..pack import Row
from ..upload import upload
from .backend import Backend

_NAME = "tree_flex"
BLOCK = 128  # tokens; the sparse block size that FlexAttention's kernels are tuned for


def make_block_mask(end: np.ndarray, device: torch.device) -> BlockMask:
    """The ancestor mask of a row in blocks of 128 queries by 128 keys: empty, mixed or whole.

    A block of keys in front of a block of queries has an ancestor of one of them exactly when its greatest
    `end` lies behind the first query, and consists of ancestors of all of them when its least `end` lies
    behind the last. So no (T, T) table is ever made."""
    n = -(-len(end) // BLOCK)
    ends = np.zeros((n, BLOCK), np.int64)
    ends.ravel()[: len(end)] = end
    at = np.arange(n)
    first = at[:, None] * BLOCK
    seen = (at <= at[:, None]) & (ends.max(1) > first)
    whole = (at < at[:, None]) & (ends.min(1) >= first + BLOCK)
    mixed, full = _indices(seen & ~whole, device), _indices(whole, device)
    mask_mod = _is_ancestor(upload(end, device))
    return BlockMask.from_kv_blocks(*mixed, *full, BLOCK, mask_mod, (len(end), len(end)))


def _indices(chosen: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """(1, 1, n) how many blocks of keys each block of queries has, and (1, 1, n, n) which; those first."""
    order = np.argsort(~chosen, axis=1, kind="stable")
    number, which = (upload(a.astype(np.int32), device) for a in (chosen.sum(1), order))
    return number[None, None], which[None, None]


def _is_ancestor(end: Tensor) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    def is_ancestor(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query < end[key])

    return is_ancestor


def _inputs(row: Row, device: torch.device) -> dict[str, Any]:
    return {"block_mask": make_block_mask(row.end, device)}


@cache
def _compiled() -> Callable[..., Any]:
    # A kernel for each of a few lengths, in training and in scoring; dynamo would give up after eight.
    torch._dynamo.config.recompile_limit = max(32, torch._dynamo.config.recompile_limit)
    return torch.compile(flex_attention, dynamic=False)


def tree_flex_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    *,
    block_mask: BlockMask,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention function for transformers: (1, heads, T, dim) in, (1, T, heads, dim) out."""
    fused = query.is_cuda and not torch.compiler.is_compiling()  # in a compiled layer it is fused anyway
    out = (_compiled() if fused else flex_attention)(
        query.to(value.dtype),  # rotary embeddings leave float32 behind under autocast
        key.to(value.dtype),
        value,
        block_mask=block_mask,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.transpose(1, 2), None


AttentionInterface.register(_NAME, tree_flex_attention)
AttentionMaskInterface.register(_NAME, lambda *args, **kwargs: None)

FLEX = Backend("flex", _NAME, _inputs, fixed=True)

"""Attention over sequences of unequal length (torch's own FlashAttention): every path's own tokens are one
sequence of queries, the whole path from the root its keys, gathered from the row.

The own tokens are the last of the path, so the kernel's causal mask, which is aligned to the bottom right, is
the ancestor mask. On a CPU, where torch has no such kernel, each sequence goes through sdpa by itself: slow,
and there to prove the index plan."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface

from ..pack import Row
from ..upload import upload
from .backend import Backend

_NAME = "tree_varlen"
# Fewer heads of keys than of queries: torch 2.11 takes them unasked, later ones want to be told.
_GROUPED = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


@dataclass(frozen=True)
class Plan:
    """S sequences: number i has the row's queries `query_start[i]:query_start[i + 1]` and the keys
    `key[key_start[i]:key_start[i + 1]]`, which are row positions. Starts are (S + 1,) int32."""

    key: Tensor
    query_start: Tensor
    key_start: Tensor
    max_queries: int
    max_keys: int


def make_plan(row: Row, device: torch.device) -> Plan:
    """Own tokens of the paths partition the row in order, so queries need no gathering."""
    parts = sorted(((at, own) for at, own in row.paths if own < len(at)), key=lambda part: part[0][part[1]])
    n_queries, n_keys = [len(at) - own for at, own in parts], [len(at) for at, _ in parts]
    key = np.concatenate([at for at, _ in parts]).astype(np.int64)
    query_start, key_start = (np.cumsum([0, *n]).astype(np.int32) for n in (n_queries, n_keys))
    at, queries, keys = (upload(part, device) for part in (key, query_start, key_start))
    return Plan(at, queries, keys, max(n_queries), max(n_keys))


def _inputs(row: Row, device: torch.device) -> dict[str, Any]:
    return {"plan": make_plan(row, device)}


# Sizes differ from row to row: under torch.compile a break in the graph costs less than compiling anew.
@torch.compiler.disable
def tree_varlen_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    *,
    plan: Plan,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention function for transformers: (1, heads, T, dim) in, (1, T, heads, dim) out."""
    q = query[0].transpose(0, 1).to(value.dtype)  # rotary embeddings leave float32 behind under autocast
    k, v = _gather(key.to(value.dtype), plan.key), _gather(value, plan.key)
    if not query.is_cuda:
        return _one_by_one(q, k, v, plan, scaling)[None], None
    out = varlen_attn(
        q,
        k,
        v,
        plan.query_start,
        plan.key_start,
        plan.max_queries,
        plan.max_keys,
        scale=scaling,
        window_size=(-1, 0),
        **_GROUPED,
    )
    return out[None], None


def _gather(x: Tensor, at: Tensor) -> Tensor:
    """(1, heads, T, dim) → (len(at), heads, dim). As an embedding, because the backward pass of that sums the
    gradients of a shared token in float32 and in one order, that of an index in neither."""
    tokens = x[0].transpose(0, 1)
    return F.embedding(at, tokens.flatten(1)).view(-1, *tokens.shape[1:])


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, plan: Plan, scaling: float | None) -> Tensor:
    queries, keys = plan.query_start.tolist(), plan.key_start.tolist()
    outs = []
    for i in range(len(queries) - 1):
        own = slice(queries[i], queries[i + 1])
        path = slice(keys[i], keys[i + 1])
        n, m = own.stop - own.start, path.stop - path.start
        mask = torch.ones(n, m, dtype=torch.bool, device=q.device).tril(m - n)
        qi, ki, vi = (x.transpose(0, 1)[None] for x in (q[own], k[path], v[path]))
        out = F.scaled_dot_product_attention(qi, ki, vi, attn_mask=mask, scale=scaling, enable_gqa=True)
        outs.append(out[0].transpose(0, 1))
    return torch.cat(outs)


AttentionInterface.register(_NAME, tree_varlen_attention)
AttentionMaskInterface.register(_NAME, lambda *args, **kwargs: None)

VARLEN = Backend("varlen", _NAME, _inputs)

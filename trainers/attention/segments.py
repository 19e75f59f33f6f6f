"""Keys and values gathered along each path, queries cut into chunks of one length: one batched sdpa whose
cost grows with path lengths instead of the square of the row, which makes long rows affordable on a CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface

from ..pack import Row
from .backend import Backend

_NAME = "tree_segments"
_CHUNKS = (16, 32, 48, 64, 96, 128, 192, 256)
# Moving one key and value costs about as much as this many queries attending to it (measured).
_GATHER_COST = 24


@dataclass(frozen=True)
class Segments:
    """S chunks of up to C queries over up to K keys. `query` (S*C,) and `key` (S*K,) are row positions,
    padded with 0; `mask` is (S, 1, C, K); `slot` (T,) is where each row token's output stands among the
    S*C."""

    query: Tensor
    key: Tensor
    mask: Tensor
    slot: Tensor
    n_queries: int
    n_keys: int


def make_segments(row: Row) -> Segments:
    """Cut every path's own tokens into chunks; each attends to its path from the root up to itself."""
    lengths = [(own, len(at)) for at, own in row.paths if own < len(at)]
    size = min(_CHUNKS, key=lambda c: _cost(lengths, c))
    chunks = [
        (at, start, min(start + size, len(at)))
        for at, own in row.paths
        for start in range(own, len(at), size)
    ]
    n_keys = max(stop for _, _, stop in chunks)
    query, key = np.zeros((len(chunks), size), np.int64), np.zeros((len(chunks), n_keys), np.int64)
    slot = np.zeros(len(row), np.int64)
    starts = np.array([start for _, start, _ in chunks])
    for i, (at, start, stop) in enumerate(chunks):
        query[i, : stop - start] = at[start:stop]
        key[i, :stop] = at[:stop]
        slot[at[start:stop]] = i * size + np.arange(stop - start)
    # Query j of a chunk is token start + j of its path. Padded queries see key 0, so no softmax is empty.
    mask = np.arange(n_keys) <= (starts[:, None] + np.arange(size))[:, :, None]
    q, k, m, s = (torch.from_numpy(a) for a in (query.ravel(), key.ravel(), mask[:, None], slot))
    return Segments(q, k, m, s, size, n_keys)


def _cost(lengths: list[tuple[int, int]], size: int) -> int:
    n_chunks = sum(-(-(length - own) // size) for own, length in lengths)
    return n_chunks * (size + _GATHER_COST)


def _inputs(row: Row, device: torch.device) -> dict[str, Any]:
    made = make_segments(row)
    moved = {name: getattr(made, name).to(device) for name in ("query", "key", "mask", "slot")}
    return {"segments": replace(made, **moved)}


# Tables differ in size from row to row: under torch.compile a break in the graph costs less than compiling
# anew.
@torch.compiler.disable
def segment_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    *,
    segments: Segments,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention function for transformers: (1, heads, T, dim) in, (1, T, heads, dim) out."""
    q = _gather(query, segments.query, segments.n_queries)
    k, v = (_gather(x, segments.key, segments.n_keys) for x in (key, value))
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=segments.mask, scale=scaling, enable_gqa=grouped)
    flat = out.transpose(1, 2).reshape(-1, *out.shape[1:2], out.shape[3])
    return flat.index_select(0, segments.slot)[None], None


def _gather(x: Tensor, at: Tensor, length: int) -> Tensor:
    """(1, heads, T, dim) → (S, heads, length, dim): rows of tokens, each a contiguous copy."""
    tokens = x[0].transpose(0, 1)
    flat = tokens.reshape(len(tokens), -1).index_select(0, at)
    return flat.view(-1, length, *tokens.shape[1:]).transpose(1, 2)


AttentionInterface.register(_NAME, segment_attention)
AttentionMaskInterface.register(_NAME, lambda *args, **kwargs: None)

SEGMENTS = Backend("segments", _NAME, _inputs)

"""Keys and values gathered along each path, queries cut into chunks of one length; chunks with about equally
many keys go through sdpa together. The cost grows with path lengths instead of the square of the row, which
makes long rows affordable on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface

from ..pack import Row
from ..upload import upload
from .backend import Backend

_NAME = "tree_segments"
_SIZES = (16, 32, 48, 64, 96, 128, 192, 256)
# Measured on one core: moving a key and value costs about as much as this many queries attending to it.
_GATHER_COST = 16
_STEP = 64  # chunks with as many keys, in steps of this, share a group (the best of 32 to 256)


class _Chunk(NamedTuple):
    """Queries `at[start:stop]`, which attend to keys `at[:stop]`."""

    at: np.ndarray
    start: int
    stop: int


@dataclass(frozen=True)
class Group:
    """S chunks of up to C queries over up to K keys. `query` (S*C,) and `key` (S*K,) are row positions,
    padded with 0; `mask` is (S, 1, C, K)."""

    query: Tensor
    key: Tensor
    mask: Tensor
    n_queries: int
    n_keys: int


@dataclass(frozen=True)
class Segments:
    """`slot` (T,) is where each row token's output stands among all groups' S*C, group after group."""

    groups: tuple[Group, ...]
    slot: Tensor


def make_segments(row: Row, device: torch.device) -> Segments:
    """Cut every path's own tokens into chunks; each attends to its path from the root up to itself."""
    size, groups = min(((c, _grouped(row, c)) for c in _SIZES), key=lambda cut: _cost(*cut))
    slot = np.zeros(len(row), np.int64)
    before = 0
    for chunks in groups:
        for chunk in chunks:
            n = chunk.stop - chunk.start
            slot[chunk.at[chunk.start : chunk.stop]] = np.arange(before, before + n)
            before += size
    return Segments(tuple(_tables(chunks, size, device) for chunks in groups), upload(slot, device))


def _grouped(row: Row, size: int) -> list[list[_Chunk]]:
    """Chunks of up to `size` queries, those with about equally many keys together, fewest first."""
    chunks = [
        _Chunk(at, start, min(start + size, len(at)))
        for at, own in row.paths
        for start in range(own, len(at), size)
    ]
    chunks.sort(key=lambda chunk: chunk.stop)
    return [list(group) for _, group in groupby(chunks, key=lambda chunk: -(-chunk.stop // _STEP))]


def _cost(size: int, groups: Sequence[Sequence[_Chunk]]) -> int:
    return sum(len(chunks) * (size + _GATHER_COST) * chunks[-1].stop for chunks in groups)


def _tables(chunks: Sequence[_Chunk], size: int, device: torch.device) -> Group:
    n_keys = chunks[-1].stop
    query, key = np.zeros((len(chunks), size), np.int64), np.zeros((len(chunks), n_keys), np.int64)
    for i, (at, start, stop) in enumerate(chunks):
        query[i, : stop - start] = at[start:stop]
        key[i, :stop] = at[:stop]
    # Query j of a chunk is token start + j of its path. Padded queries see key 0, so no softmax is empty.
    starts = np.array([chunk.start for chunk in chunks])
    mask = np.arange(n_keys) <= (starts[:, None] + np.arange(size))[:, :, None]
    q, k, m = (upload(a, device) for a in (query.ravel(), key.ravel(), mask[:, None]))
    return Group(q, k, m, size, n_keys)


def _inputs(row: Row, device: torch.device) -> dict[str, Any]:
    return {"segments": make_segments(row, device)}


# Sizes differ from row to row: under torch.compile a break in the graph costs less than compiling anew.
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
    grouped_heads = query.shape[1] != key.shape[1]
    outs = []
    for group in segments.groups:
        q = _gather(query, group.query, group.n_queries)
        k, v = (_gather(x, group.key, group.n_keys) for x in (key, value))
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=group.mask, scale=scaling, enable_gqa=grouped_heads
        )
        outs.append(out.transpose(1, 2).reshape(-1, out.shape[1], out.shape[3]))
    return torch.cat(outs).index_select(0, segments.slot)[None], None


def _gather(x: Tensor, at: Tensor, length: int) -> Tensor:
    """(1, heads, T, dim) → (S, heads, length, dim): rows of tokens, each a contiguous copy."""
    tokens = x[0].transpose(0, 1)
    flat = tokens.reshape(len(tokens), -1).index_select(0, at)
    return flat.view(-1, length, *tokens.shape[1:]).transpose(1, 2)


AttentionInterface.register(_NAME, segment_attention)
AttentionMaskInterface.register(_NAME, lambda *args, **kwargs: None)

SEGMENTS = Backend("segments", _NAME, _inputs)

"""One boolean (tokens, tokens) mask for torch's own sdpa: the reference that all others are compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..pack import Row
from ..upload import upload
from .backend import Backend


def ancestor_mask(end: Tensor) -> Tensor:
    """(1, 1, T, T) bool: k is q or an ancestor of q."""
    at = torch.arange(len(end), device=end.device)
    return ((at <= at[:, None]) & (at[:, None] < end))[None, None]


def _inputs(row: Row, device: torch.device) -> dict[str, Any]:
    # transformers passes a 4-D mask through untouched.
    return {"attention_mask": ancestor_mask(upload(row.end, device))}


DENSE = Backend("dense", "sdpa", _inputs)

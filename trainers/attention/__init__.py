"""Attention over packed prefix trees: each backend lets token q see exactly its ancestors and itself.

    dense     one boolean (tokens, tokens) mask for sdpa: the reference
    segments  keys and values gathered along each path, queries in chunks of one length: the choice on a CPU
    flex      FlexAttention over the blocks of the mask that are not empty: the choice on a GPU
    varlen    FlashAttention over sequences of unequal length, keys and values gathered along each path

A backend turns a Row into keyword arguments of the Hugging Face backbone, which hands them to the registered
attention function (a 4-D mask passes through transformers' mask code untouched). Without any, transformers
would take every jump of the position ids for a new document and score silently wrong.

`fill` makes rows equally long where code is compiled for a length."""

from __future__ import annotations

import torch

from store.errors import InputError

from .backend import Backend
from .dense import DENSE, ancestor_mask
from .filling import fill, fixed_length
from .flex import FLEX
from .segments import SEGMENTS
from .varlen import VARLEN

__all__ = ["BACKENDS", "Backend", "ancestor_mask", "choose_backend", "fill", "fixed_length"]

BACKENDS = {backend.name: backend for backend in (DENSE, SEGMENTS, FLEX, VARLEN)}


def choose_backend(name: str, device: torch.device) -> Backend:
    """The backend of that name; auto: segments on a CPU, flex on a GPU."""
    if name == "flex" and device.type == "cpu":
        raise InputError("attention: flex has no backward pass on a CPU; use segments (or auto) there")
    return BACKENDS[("segments" if device.type == "cpu" else "flex") if name == "auto" else name]

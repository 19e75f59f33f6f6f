"""A reward model: a Hugging Face backbone and one bias-free linear head, kept in the class that will be
saved, so nothing is converted. Head and loss are float32 whatever the compute type."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .attention import Backend, fill, fixed_length
from .config import Objective
from .heads import Head
from .pack import Row
from .tokenize import Codec
from .upload import upload

EXTRAS = "rewardsmith"  # our entry in config.json
_SAMPLED = 1024  # values of each tensor that go into the weights' fingerprint
_UNBOUNDED = 1 << 30


@dataclass
class RewardModel:
    """`hf` is the Hugging Face module with `score` as its linear layer; `head` tells what comes out of it.

    Where code is compiled for a length, rows are filled up to a few lengths, the largest being the budget
    `row_tokens`. With `autocast`, float32 weights are converted to `dtype` at each use; sharded ones arrive
    converted."""

    hf: Any
    codec: Codec
    objective: Objective
    head: Head
    backend: Backend
    dtype: torch.dtype
    extras: dict[str, Any]
    row_tokens: int = 4096
    compiled: bool = False
    autocast: bool = True

    @property
    def device(self) -> torch.device:
        return self.hf.score.weight.device

    @property
    def max_positions(self) -> int:
        return int(getattr(self.hf.config.get_text_config(), "max_position_embeddings", None) or _UNBOUNDED)

    def outputs(self, row: Row) -> Tensor:
        """(L, H, C) float32: what each head says at each label of the row (`Head.outputs`)."""
        return self.read(self.hidden(row), row)

    def read(self, hidden: Tensor, row: Row) -> Tensor:
        """`outputs` from what `hidden` gave."""
        labelled = hidden.index_select(0, upload(row.index, self.device))
        return self.head.outputs(self.hf.score(labelled.float()))

    def hidden(self, row: Row) -> Tensor:
        """(tokens, width): the last hidden state of every token, filler behind the row included."""
        if self.compiled or self.backend.fixed:
            row = fill(row, fixed_length(len(row), self.row_tokens))
        tokens, depth = (upload(array, self.device) for array in (row.tokens, row.depth))
        with self.precision():
            extra = self.backend.inputs(row, self.device)
            out = self.hf.base_model(
                input_ids=tokens[None], position_ids=depth[None], use_cache=False, **extra
            )
        return out.last_hidden_state[0]

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Where the backbone computes in `dtype`."""
        if self.autocast and self.dtype != torch.float32:
            return torch.autocast(self.device.type, self.dtype)
        return contextlib.nullcontext()

    def weights_fingerprint(self) -> str:
        """Names the weights by shape and evenly spaced values of every tensor."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.hf.state_dict().items()):
            spaced = tensor.detach().flatten()[:: max(1, tensor.numel() // _SAMPLED)]
            digest.update(f"{name} {tuple(tensor.shape)} ".encode() + spaced.float().cpu().numpy().tobytes())
        return digest.hexdigest()

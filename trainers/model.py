"""A reward model: a Hugging Face backbone and one bias-free linear head, kept in the class that will be
saved, so nothing is converted. Head and loss are float32 whatever the compute type."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .attention import Backend
from .config import Objective
from .heads import Head
from .pack import Row
from .quiet import quiet
from .tokenize import Codec

EXTRAS = "rewardsmith"  # our entry in config.json
_SAMPLED = 1024  # values of each tensor that go into the weights' fingerprint
_UNBOUNDED = 1 << 30


@dataclass
class RewardModel:
    """`hf` is the Hugging Face module with `score` as its linear layer; `head` tells what comes out of it."""

    hf: Any
    codec: Codec
    objective: Objective
    head: Head
    backend: Backend
    dtype: torch.dtype
    extras: dict[str, Any]

    @property
    def device(self) -> torch.device:
        return self.hf.score.weight.device

    @property
    def max_positions(self) -> int:
        return int(getattr(self.hf.config.get_text_config(), "max_position_embeddings", None) or _UNBOUNDED)

    def outputs(self, row: Row) -> Tensor:
        """(L, H, C) float32: what each head says at each label of the row (`Head.outputs`)."""
        hidden = self.hidden(row).index_select(0, torch.from_numpy(row.index).to(self.device))
        return self.head.outputs(F.linear(hidden.float(), self.hf.score.weight.float()))

    def hidden(self, row: Row) -> Tensor:
        """(tokens, width): the last hidden state of every token."""
        tokens, depth = (torch.from_numpy(a).to(self.device) for a in (row.tokens, row.depth))
        reduced = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if reduced else contextlib.nullcontext():
            extra = self.backend.inputs(row, self.device)
            out = self.hf.base_model(
                input_ids=tokens[None], position_ids=depth[None], use_cache=False, **extra
            )
        return out.last_hidden_state[0]

    def weights_fingerprint(self) -> str:
        """Names the weights by shape and first values of every tensor."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.hf.state_dict().items()):
            sample = tensor.detach().flatten()[:_SAMPLED].float().cpu().numpy().tobytes()
            digest.update(f"{name} {tuple(tensor.shape)} ".encode() + sample)
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """A plain Hugging Face checkpoint with its tokenizer."""
        setattr(self.hf.config, EXTRAS, self.extras)
        with quiet():
            self.hf.save_pretrained(folder)
            self.codec.tokenizer.save_pretrained(folder)

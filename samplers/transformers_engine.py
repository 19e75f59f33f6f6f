"""The fallback engine: works wherever torch does, on a CPU or one GPU, in this process.

Requests are taken a few batches at a time, sorted by length, left-padded and decoded with a key-value cache;
equal prompts are read once. Rows leave the batch, and are yielded, as they finish.

A draw depends on its own seed alone, not on its neighbours: token t of a request is

    the first token whose cumulative probability exceeds u_t        u_0, u_1, ... from a generator of its own

so padding and batch size change it only where rounding moves a probability across u_t. Filters come in vLLM's
order: temperature, top-k, top-p. Log-probabilities are the model's own, before any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple

from samplers.chat import ChatTokens
from samplers.decoding import Row, decode
from samplers.engine import REJECTED, Completion, Request, Sampling
from store.errors import InputError

WINDOW = 4  # batches sorted together: more would save padding and delay the first answers


class _Prompt(NamedTuple):
    request: Request
    ids: list[int]


class TransformersEngine:
    """Implements samplers.engine.Engine. `source` and `commit` are what from_pretrained loads."""

    kind = "transformers"

    def __init__(
        self,
        source: str,
        commit: str | None,
        model: str,
        revision: str,
        chat: ChatTokens,
        dtype: str = "auto",
        max_num_seqs: int = 256,
        max_model_len: int | None = None,
    ) -> None:
        self.source, self.commit, self.chat = source, commit, chat
        self.model, self.revision = model, revision
        self.dtype, self.max_num_seqs, self.max_model_len = dtype, max_num_seqs, max_model_len
        self._network: Any = None

    def render(self, request: Request) -> list[int]:
        return self.chat.ids(request.messages, request.prefill)

    def start(self) -> None:
        if self._network is None:
            self._network = _load(self.source, self.commit, self.dtype)
            limit = getattr(self._network.config, "max_position_embeddings", None)
            self.max_model_len = min(filter(None, (self.max_model_len, limit)), default=None)

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        source = iter(requests)
        while window := list(islice(source, WINDOW * self.max_num_seqs)):
            self.start()
            for batch in self._batches(window):
                yield from self._answer(batch)

    def close(self) -> None:
        self._network = None

    def _batches(self, window: list[Request]) -> Iterator[list[_Prompt]]:
        """Rows of a batch share their sampling parameters and have similar lengths."""
        prompts = [_Prompt(request, self.render(request)) for request in window]
        prompts.sort(key=lambda prompt: (repr(prompt.request.sampling), len(prompt.ids)))
        for _, alike in groupby(prompts, key=lambda prompt: prompt.request.sampling):
            while batch := list(islice(alike, self.max_num_seqs)):
                yield batch

    def _answer(self, batch: list[_Prompt]) -> Iterator[tuple[Request, Completion]]:
        limit = self.max_model_len
        fits = [prompt for prompt in batch if limit is None or len(prompt.ids) < limit]
        for request, ids in batch:
            if limit is not None and len(ids) >= limit:
                error = f"the prompt has {len(ids)} tokens and the model reads {limit}"
                yield request, Completion("", "", REJECTED, len(ids), 0, error=error)
        if not fits:
            return
        sampling = fits[0].request.sampling
        rows = [
            Row(ids, request.seed, self._room(ids, sampling), self._choices(request)) for request, ids in fits
        ]
        for i, said in decode(self._network, self.chat, rows, sampling):
            request, ids = fits[i]
            text = (said.text, said.finish_reason, len(ids), said.n_tokens, said.logprobs)
            yield request, Completion("", *text)

    def _choices(self, request: Request) -> tuple[list[int], ...]:
        choice = request.sampling.choice
        return tuple(self.chat.continued(request.messages, request.prefill, text) for text in choice)

    def _room(self, ids: list[int], sampling: Sampling) -> int:
        """New tokens this prompt may get."""
        return min(sampling.max_tokens, (self.max_model_len or 1 << 31) - len(ids))


def _load(source: str, commit: str | None, dtype: str) -> Any:
    """The network on the best device here; a checkpoint's own number format is kept on a GPU only."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    try:
        network, found = AutoModelForCausalLM.from_pretrained(
            source, revision=commit, dtype=dtype, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"transformers cannot load {source}: {' '.join(str(error).split())}") from error
    if missing := sorted(found["missing_keys"]):
        # Transformers only warns, and would sample from random weights.
        raise InputError(f"{source} lacks {len(missing)} tensors of its model, the first is {missing[0]}")
    return network.to(device).eval()

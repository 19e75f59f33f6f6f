"""Batched decoding with one random stream per row; the arithmetic of `samplers.transformers_engine`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from samplers.engine import Sampling, merged_logprobs

if TYPE_CHECKING:
    from torch import Tensor

    from samplers.chat import ChatTokens


class Row(NamedTuple):
    ids: list[int]
    seed: int
    max_tokens: int
    choices: tuple[list[int], ...] = ()  # the only token sequences allowed; (): any


class Said(NamedTuple):
    text: str
    finish_reason: str
    n_tokens: int
    logprobs: tuple[dict[str, float], ...]


def decode(network: Any, chat: ChatTokens, rows: list[Row], sampling: Sampling) -> Iterator[tuple[int, Said]]:
    """(index of the row, what it said) as the rows finish."""
    batch = _Batch(network, chat, rows, sampling)
    batch.read_prompts()
    while True:
        yield from batch.step()
        if not batch.alive:
            return
        batch.forward()


class _Batch:
    """The rows still being written. Tensors have one line per row in `alive`."""

    def __init__(self, network: Any, chat: ChatTokens, rows: list[Row], sampling: Sampling) -> None:
        import torch

        self.network, self.chat, self.rows, self.sampling = network, chat, rows, sampling
        self.alive = list(range(len(rows)))
        self.written: list[list[int]] = [[] for _ in rows]
        self.logprobs: list[list[dict[str, float]]] = [[] for _ in rows]
        self.uniform = torch.stack([_uniforms(row.seed, sampling.max_tokens) for row in rows])
        self.ends = _end_tokens(network, chat.tokenizer)
        # Characters of a stop string are at least a byte each, and a token at least a byte.
        self.tail = 4 * max((len(stop) for stop in sampling.stop), default=0) + 4

    def read_prompts(self) -> None:
        """One forward pass over the distinct prompts, spread over the rows that share them."""
        import torch

        distinct = list(dict.fromkeys(tuple(row.ids) for row in self.rows))
        width = max(map(len, distinct))
        padded = [[0] * (width - len(ids)) + list(ids) for ids in distinct]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in distinct]
        device = self.network.device
        self.mask = torch.tensor(mask, device=device)
        self.cache: Any = None
        self._run(torch.tensor(padded, device=device), (self.mask.cumsum(1) - 1).clamp(min=0))
        place = {ids: i for i, ids in enumerate(distinct)}
        self._select(torch.tensor([place[tuple(row.ids)] for row in self.rows], device=device))

    def step(self) -> list[tuple[int, Said]]:
        """Draw a token for every row; rows that are done leave."""
        import torch

        with torch.inference_mode():
            t = len(self.written[self.alive[0]])
            if self.sampling.choice:
                self._forbid()
            tokens = draw(self.logits, self.uniform[self.alive, t], self.sampling)
            self._note_logprobs(tokens)
        self.next = tokens
        ended = [self._end(i, token) for i, token in zip(self.alive, tokens.tolist(), strict=True)]
        done = [(i, said) for i, said in zip(self.alive, ended, strict=True) if said]
        staying = [line for line, said in enumerate(ended) if said is None]
        if done and staying:
            kept = torch.tensor(staying, device=tokens.device)
            self.next = tokens[kept]
            self._select(kept)
        self.alive = [self.alive[line] for line in staying]
        return done

    def forward(self) -> None:
        """Read the tokens just drawn."""
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], 1)
        self._run(self.next[:, None], self.mask.sum(1, keepdim=True) - 1)

    def _run(self, ids: Tensor, positions: Tensor) -> None:
        import torch

        with torch.inference_mode():
            out = self.network(
                input_ids=ids,
                attention_mask=self.mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self.cache = out.past_key_values
        self.logits = out.logits[:, -1].float()

    def _select(self, lines: Tensor) -> None:
        self.cache.batch_select_indices(lines)
        self.mask, self.logits = self.mask[lines], self.logits[lines]

    def _forbid(self) -> None:
        """What leads out of a row's choices becomes -inf, and so counts for no log-probability either."""
        import torch

        allowed = torch.zeros_like(self.logits, dtype=torch.bool)
        for line, i in enumerate(self.alive):
            allowed[line, list(self._allowed(i))] = True
        self.logits = self.logits.masked_fill(~allowed, float("-inf"))

    def _allowed(self, i: int) -> set[int]:
        """The tokens that continue what row i has written to one of its choices, or end it there."""
        written = self.written[i]
        n = len(written)
        open_choices = [choice for choice in self.rows[i].choices if choice[:n] == written]
        following = {choice[n] for choice in open_choices if len(choice) > n}
        return following | (self.ends if written in open_choices else set())

    def _end(self, i: int, token: int) -> Said | None:
        """Append a token to row i; what the row said if that ends it."""
        written = self.written[i]
        written.append(token)
        if token in self.ends:
            return self._said(i, written[:-1], "stop")
        if self.sampling.stop and self._stops(i):
            return self._said(i, written, "stop")
        if len(written) >= self.rows[i].max_tokens:
            return self._said(i, written, "length")
        return None

    def _said(self, i: int, tokens: list[int], finish_reason: str) -> Said:
        text = self.chat.text(self.rows[i].ids, tokens, self.sampling.stop)
        return Said(text, finish_reason, len(self.written[i]), tuple(self.logprobs[i]))

    def _stops(self, i: int) -> bool:
        """Has row i written a stop string? The tail says whether a look at the whole is worth it."""
        tail = self.chat.tokenizer.decode(self.written[i][-self.tail :], skip_special_tokens=True)
        if not any(stop in tail for stop in self.sampling.stop):
            return False
        text = self.chat.text(self.rows[i].ids, self.written[i])
        return any(stop in text for stop in self.sampling.stop)

    def _note_logprobs(self, tokens: Tensor) -> None:
        if not self.sampling.logprobs:
            return
        logprobs = self.logits.log_softmax(-1)
        best = logprobs.topk(self.sampling.logprobs, -1)
        drawn = logprobs.gather(1, tokens[:, None])
        ids = _with(tokens[:, None], best.indices).tolist()
        values = _with(drawn, best.values).tolist()
        for i, line_ids, line_values in zip(self.alive, ids, values, strict=True):
            texts = [self.chat.tokenizer.decode([token]) for token in line_ids]
            self.logprobs[i].append(merged_logprobs(zip(texts, line_values, strict=True)))


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """One token per line: greedy, or the inverse of the cumulative distribution at `uniform`."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    import torch

    probabilities = filtered(logits / sampling.temperature, sampling.top_k, sampling.top_p).softmax(-1)
    cumulative = probabilities.double().cumsum(-1)
    at = uniform.to(cumulative.device)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, at, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def filtered(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits outside the top k, and then outside the smallest set of probability top_p, become -inf."""
    if 0 < top_k < logits.shape[-1]:
        kth = logits.topk(top_k, -1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    if top_p < 1:
        order = logits.sort(-1, descending=True)
        probabilities = order.values.softmax(-1)
        outside = probabilities.cumsum(-1) - probabilities >= top_p  # the mass before a token
        logits = logits.masked_fill(outside.scatter(1, order.indices, outside), float("-inf"))
    return logits


def _uniforms(seed: int, n: int) -> Tensor:
    import torch

    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _end_tokens(network: Any, tokenizer: Any) -> set[int]:
    ends = network.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


def _with(first: Tensor, rest: Tensor) -> Tensor:
    import torch

    return torch.cat([first, rest], 1)

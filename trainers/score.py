"""Rewards of any completions: the same tokenisation and packing as in training.

All completions of a prompt share one tree, so scoring sixteen candidates reads the prompt once. What the
numbers are:

    bt    reward = raw logit of the last token; step_rewards empty
    orm   reward = P(correct) at the last token; step_rewards = P(correct) at each segment's end when it was
          trained on every token, else empty
    prm   step_rewards = P(correct) at the last token of each step; reward = their minimum (Math-Shepherd)

A conversation above the length limit is cut at its end and marked: its reward stands on the last token that
is left, and steps that were cut off have no entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from store.errors import InputError

from .evaluate import pack_all
from .items import make_items
from .loading import open_trained, pick_device
from .model import RewardModel
from .pack import by_unit
from .tokenize import Encoded, Message
from .units import Unit


@dataclass(frozen=True)
class Item:
    """One completion of a prompt: its whole text, or the steps that concatenate to it."""

    messages: Sequence[Message]
    steps: Sequence[str] | str

    @property
    def segments(self) -> Sequence[str]:
        return [self.steps] if isinstance(self.steps, str) else self.steps


@dataclass(frozen=True)
class Score:
    reward: float
    step_rewards: list[float]
    n_tokens: int  # of the completion, without prompt and closing tokens
    truncated: bool


def score(
    model_dir: Path | str,
    items: Sequence[Item],
    token_budget: int = 4096,
    max_tokens: int | None = None,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16"] = "float32",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """One Score per item, in the order given. `progress(done, total)` counts items."""
    if threads:
        torch.set_num_threads(threads)
    model = open_trained(Path(model_dir), pick_device(device), dtype=dtype)
    return score_with(model, items, token_budget, max_tokens, progress)


@torch.no_grad()
def score_with(
    model: RewardModel,
    items: Sequence[Item],
    token_budget: int = 4096,
    max_tokens: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """`score` with a model that is already open."""
    limit = min(max_tokens or token_budget, token_budget, model.max_positions)
    model.codec.warm([step for item in items for step in item.segments])
    encoded = [_encode(model, item, i) for i, item in enumerate(items)]
    units = [_unit(i, one, limit) for i, one in enumerate(encoded)]
    units.sort(key=lambda u: (u.prompt_id, u.sort_key(), int(u.where)))
    rows, outputs, done = pack_all(units, token_budget), [], 0
    for row in rows:
        done += len(row.units)
        outputs.append(model.outputs(row).cpu().numpy().astype(np.float64))
        if progress:
            progress(done, len(items))
    found = {int(unit.where): part.mean(axis=(1, 2)) for unit, part in by_unit(rows, outputs)}
    return [_score(model, encoded[i], found[i], limit) for i in range(len(items))]


def _encode(model: RewardModel, item: Item, i: int) -> Encoded:
    if not item.segments or not all(item.segments):
        raise InputError(
            f"item {i}: a completion must be one or more non-empty steps; drop empty completions"
        )
    return model.codec.encode(item.messages, item.segments)


def _unit(i: int, one: Encoded, limit: int) -> Unit:
    """Labels at the end of each segment that is left, and at the last token."""
    path = one.ids[:limit]
    at = np.append(one.ends[one.ends < len(path)], len(path) - 1).astype(np.int64)
    prompt = one.ids[: one.n_prompt].tobytes().hex()
    return Unit(str(i), prompt, (path,), np.zeros(len(at), np.int64), at, make_items([], []))


def _score(model: RewardModel, one: Encoded, logits: np.ndarray, limit: int) -> Score:
    n_tokens = max(0, min(int(one.ends[-1]) + 1, limit) - one.n_prompt)
    truncated = len(one.ids) > limit
    if model.objective == "bt":
        return Score(float(logits[-1]), [], n_tokens, truncated)
    shares = 1 / (1 + np.exp(-logits))
    steps = shares[:-1].tolist() if model.head.per_token else []
    reward = min(steps, default=float(shares[-1])) if model.objective == "prm" else float(shares[-1])
    return Score(reward, steps, n_tokens, truncated)

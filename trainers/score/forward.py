"""Completions → the head's outputs at their labels, in packed rows or, as a reference, in padded ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from store.errors import InputError

from ..evaluate import pack_all
from ..items import make_items
from ..model import RewardModel
from ..pack import by_unit
from ..tokenize import Encoded, Message
from ..units import Unit

Progress = Callable[[int, int], None]
_PADDED_BATCH = 8  # conversations


@dataclass(frozen=True)
class Item:
    """One completion of a prompt: its whole text, or the steps that concatenate to it."""

    messages: Sequence[Message]
    steps: Sequence[str] | str

    @property
    def segments(self) -> Sequence[str]:
        return [self.steps] if isinstance(self.steps, str) else self.steps


@dataclass(frozen=True)
class Reading:
    """What one model says about one completion: `outputs` (S + 1, H, C) at the ends of its first S segments,
    as many as the length limit left, and at the last token. `n_tokens` are the completion's, without prompt
    and closing tokens."""

    outputs: np.ndarray
    n_tokens: int
    truncated: bool


@torch.no_grad()
def read(
    model: RewardModel,
    items: Sequence[Item],
    token_budget: int,
    max_tokens: int | None = None,
    progress: Progress | None = None,
    padded: bool = False,
) -> list[Reading]:
    """One Reading per item, in the order given. `padded`: each conversation on its own in a right-padded
    batch under the ordinary causal mask, as Transformers alone would do it: slow, to compare with."""
    limit = _limit(model, token_budget, max_tokens)
    encoded = _encode_all(model, items)
    units = _units(encoded, limit)
    found = (padded_outputs if padded else packed_outputs)(model, units, token_budget, progress)
    for i, item in enumerate(items):
        if not np.isfinite(found[i]).all():
            raise InputError(
                f"the model gives no number for {''.join(item.segments)[:60]!r}: its weights are broken, or "
                f"{model.dtype} overflows; score in float32, or train it again"
            )
    return [_reading(one, found[i], limit) for i, one in enumerate(encoded)]


def make_labelled(
    model: RewardModel, items: Sequence[Item], token_budget: int, max_tokens: int | None
) -> list[Unit]:
    """A unit for each item, its number in `where`; those of a prompt are neighbours."""
    return _units(_encode_all(model, items), _limit(model, token_budget, max_tokens))


def _limit(model: RewardModel, token_budget: int, max_tokens: int | None) -> int:
    limit = min(token_budget if max_tokens is None else max_tokens, token_budget, model.max_positions)
    if limit < 1:
        raise InputError(f"a limit of {limit} tokens leaves nothing to score; give a positive number")
    return limit


def _encode_all(model: RewardModel, items: Sequence[Item]) -> list[Encoded]:
    in_steps = model.objective == "prm"
    model.codec.warm(
        [text for item in items for text in (item.segments if in_steps else ["".join(item.segments)])]
    )
    return [_encode(model, item, i) for i, item in enumerate(items)]


def _units(encoded: Sequence[Encoded], limit: int) -> list[Unit]:
    units = [_unit(i, one, limit) for i, one in enumerate(encoded)]
    return sorted(units, key=lambda u: (u.prompt_id, u.sort_key(), int(u.where)))


def _encode(model: RewardModel, item: Item, i: int) -> Encoded:
    if not item.segments or not all(item.segments):
        raise InputError(
            f"item {i}: a completion must be one or more non-empty steps; drop empty completions"
        )
    # As in training, where only a process reward model's completions are tokenised step by step.
    encode = model.codec.encode if model.objective == "prm" else model.codec.encode_whole
    return encode(item.messages, item.segments)


def _unit(i: int, one: Encoded, limit: int) -> Unit:
    """Labels at the end of each segment that is left, and at the last token."""
    path = one.ids[:limit]
    at = np.append(one.ends[one.ends < len(path)], len(path) - 1).astype(np.int64)
    prompt = one.ids[: one.n_prompt].tobytes().hex()
    return Unit(str(i), prompt, (path,), np.zeros(len(at), np.int64), at, make_items([], []))


def _reading(one: Encoded, outputs: np.ndarray, limit: int) -> Reading:
    n_tokens = max(0, min(int(one.ends[-1]) + 1, limit) - one.n_prompt)
    return Reading(outputs, n_tokens, len(one.ids) > limit)


def packed_outputs(
    model: RewardModel, units: Sequence[Unit], token_budget: int, progress: Progress | None = None
) -> dict[int, np.ndarray]:
    """(L, H, C) of every unit by its number; units of one prompt must be neighbours."""
    rows, outputs, done = pack_all(units, token_budget), [], 0
    for row in rows:
        outputs.append(model.outputs(row).cpu().numpy())
        done += len(row.units)
        if progress:
            progress(done, len(units))
    return {int(unit.where): part for unit, part in by_unit(rows, outputs)}


def padded_outputs(
    model: RewardModel, units: Sequence[Unit], token_budget: int = 0, progress: Progress | None = None
) -> dict[int, np.ndarray]:
    """As `packed_outputs`, from right-padded batches under transformers' own causal mask."""
    found: dict[int, np.ndarray] = {}
    model.hf.set_attn_implementation("sdpa")
    try:
        for start in range(0, len(units), _PADDED_BATCH):
            batch = units[start : start + _PADDED_BATCH]
            hidden = _padded_hidden(model, [unit.paths[0] for unit in batch])
            for unit, states in zip(batch, hidden, strict=True):
                at = torch.from_numpy(unit.at).to(model.device)
                found[int(unit.where)] = model.head.outputs(model.hf.score(states[at].float())).cpu().numpy()
            if progress:
                progress(len(found), len(units))
    finally:
        model.hf.set_attn_implementation(model.backend.implementation)
    return found


def _padded_hidden(model: RewardModel, paths: Sequence[np.ndarray]) -> torch.Tensor:
    """(batch, longest, width)"""
    ids = np.full((len(paths), max(map(len, paths))), model.codec.tokenizer.pad_token_id, np.int64)
    for row, path in zip(ids, paths, strict=True):
        row[: len(path)] = path
    lengths = np.array([len(path) for path in paths])
    mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
    tokens, attention_mask = (torch.from_numpy(a).to(model.device) for a in (ids, mask))
    with model.precision():
        out = model.hf.base_model(input_ids=tokens, attention_mask=attention_mask, use_cache=False)
    return out.last_hidden_state

"""Examples → units: token paths with labelled positions, the only thing packing, loss and evaluation look at.

bt          two paths, one label position on the last token of each, target P(chosen preferred)
orm, last   one path, its last token
orm, token  one path, every token behind the prompt (closing tokens too, so the last token is always trained)
prm         one path, the last token of each step that has a label
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store.errors import InputError

from .config import Objective
from .data import Example
from .tokenize import Codec, Encoded
from .trees import lexicographic

Floats = np.ndarray


@dataclass(frozen=True)
class Unit:
    """Label i sits on token `at[i]` of path `path[i]`. BT has two labels (chosen, rejected) and one
    target."""

    where: str
    prompt_id: str
    paths: tuple[np.ndarray, ...]
    path: np.ndarray
    at: np.ndarray
    target: Floats
    weight: Floats
    margin: float = 0.0

    def sort_key(self) -> tuple[bytes, ...]:
        """By content alone, so that the order of the input rows changes nothing."""
        labels = np.concatenate([self.at, self.target, self.weight, [self.margin]]).astype(">f8")
        return (*map(lexicographic, self.paths), labels.tobytes())


def make_units(
    examples: Sequence[Example], codec: Codec, objective: Objective, max_tokens: int, orm_target: str = "last"
) -> tuple[list[Unit], dict[str, int]]:
    """Units of the usable examples in content order, and how many rows were used or dropped, by reason."""
    codec.warm([segment for e in examples for completion in e.completions for segment in completion])
    units: list[Unit] = []
    counts: Counter[str] = Counter(rows=len(examples))
    for example in examples:
        unit, reason = _unit(example, codec, objective, max_tokens, orm_target)
        counts[reason] += 1
        if unit is not None:
            units.append(unit)
    assert counts["used"] == len(units) and counts.total() == 2 * counts["rows"]
    return sorted(units, key=lambda u: (u.prompt_id, u.sort_key())), dict(counts)


def _unit(
    example: Example, codec: Codec, objective: Objective, max_tokens: int, orm_target: str
) -> tuple[Unit | None, str]:
    encoded = [codec.encode(example.messages, segments) for segments in example.completions]
    for one in encoded:
        if one.ends[0] < one.n_prompt or (np.diff(one.ends) < 1).any():
            raise InputError(f"{example.where}: a step or completion has no tokens at all; remove the row")
    if len(encoded) == 2 and np.array_equal(encoded[0].ids, encoded[1].ids):
        return None, "same_tokens"  # a pair whose sides the tokenizer cannot tell apart
    # Never truncated: a cut solution under its old label is a wrong label (rlhf-book#503).
    if max(len(one.ids) for one in encoded) > max_tokens:
        return None, "too_long"
    at, target, weight = _labels(example, encoded, objective, orm_target)
    if not weight.any():
        return None, "no_label"
    path = np.arange(2) if objective == "bt" else np.zeros(len(at), np.int64)
    paths = tuple(one.ids for one in encoded)
    return Unit(example.where, example.prompt_id, paths, path, at, target, weight, example.margin), "used"


def _labels(
    example: Example, encoded: list[Encoded], objective: Objective, orm_target: str
) -> tuple[np.ndarray, Floats, Floats]:
    """Positions, targets and weights; undecided labels have no position."""
    last = np.array([len(one.ids) - 1 for one in encoded])
    kept = [i for i, t in enumerate(example.targets) if t is not None]
    target = np.array([example.targets[i] for i in kept], np.float32)
    weight = np.array([example.weights[i] for i in kept], np.float32)
    if objective == "prm":
        return encoded[0].ends[kept], target, weight
    if objective == "orm" and orm_target == "token" and kept:
        at = np.arange(encoded[0].n_prompt, len(encoded[0].ids))
        return at, target.repeat(len(at)), weight.repeat(len(at))
    return last, target, weight


def fingerprint(units: Sequence[Unit]) -> str:
    """Names the data as the model sees it."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        for part in (unit.prompt_id.encode(), *unit.sort_key()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()

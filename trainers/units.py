"""Examples → units: token paths, labelled positions on them, and the items that a loss is a sum of.

objective     paths             labelled positions                          items
bt            chosen, rejected  the last token of each                      one comparison
bt, ranking   K completions     the last token of each                      C(K,2) comparisons or one order
orm, last     one               its last token                              one
orm, token    one               every token behind the prompt (closing      one for each
                                tokens too, so the last one is trained)
prm           one               the last token of each step with a label    one for each
regression    one               its last token                              one, with a target per attribute
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from store.errors import InputError

from .config import Objective, TrainConfig
from .data import Example
from .items import Items, make_items
from .tokenize import Codec, Encoded
from .trees import lexicographic


@dataclass(frozen=True)
class Unit:
    """Label l sits on token `at[l]` of path `path[l]`; both are (L,). `items` join labels of this unit.

    A unit too large for one row is cut into parts by paths. A part has labels but no items: they are those of
    `whole`, of which it holds the labels `labels`."""

    where: str
    prompt_id: str
    paths: tuple[np.ndarray, ...]
    path: np.ndarray
    at: np.ndarray
    items: Items
    whole: Unit | None = None
    labels: np.ndarray | None = None

    def sort_key(self) -> tuple[bytes, ...]:
        """By content alone, so that the order of the input rows changes nothing."""
        items = self.items
        parts = (self.at, items.member, items.target, items.weight, items.margin)
        labels = np.concatenate([part.ravel() for part in parts]).astype(">f8")
        return (*map(lexicographic, self.paths), labels.tobytes())


def make_units(
    examples: Sequence[Example], codec: Codec, config: TrainConfig, max_tokens: int
) -> tuple[list[Unit], dict[str, int]]:
    """Units of the usable examples in content order, and how many rows were used or dropped, by reason."""
    codec.warm([segment for e in examples for completion in e.completions for segment in completion])
    units: list[Unit] = []
    counts: Counter[str] = Counter(rows=len(examples))
    for example in examples:
        unit, reason = _unit(example, codec, config, max_tokens)
        counts[reason] += 1
        if unit is not None:
            units.append(unit)
    assert counts["used"] == len(units) and counts.total() == 2 * counts["rows"]
    return sorted(units, key=lambda u: (u.prompt_id, u.sort_key())), dict(counts)


def _unit(example: Example, codec: Codec, config: TrainConfig, max_tokens: int) -> tuple[Unit | None, str]:
    encoded = [codec.encode(example.messages, segments) for segments in example.completions]
    for one in encoded:
        if one.ends[0] < one.n_prompt or (np.diff(one.ends) < 1).any():
            raise InputError(f"{example.where}: a step or completion has no tokens at all; remove the row")
    if len(encoded) == 2 and np.array_equal(encoded[0].ids, encoded[1].ids):
        return None, "same_tokens"  # a pair whose sides the tokenizer cannot tell apart
    # Never truncated: a cut solution under its old label is a wrong label (rlhf-book#503).
    if max(len(one.ids) for one in encoded) > max_tokens:
        return None, "too_long"
    path, at, items = _LABELLERS[config.objective](example, encoded, config)
    if not items.weight.any():
        return None, "no_label"
    return Unit(example.where, example.prompt_id, tuple(one.ids for one in encoded), path, at, items), "used"


Labelled = tuple[np.ndarray, np.ndarray, Items]  # path and position of each label, and the items


def _compared(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    at = np.array([len(one.ids) - 1 for one in encoded])
    items = make_items([[0, 1]], [example.targets[0]], example.weights, example.margin)
    return np.arange(len(encoded)), at, items


def _outcome(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    kept = [t for t in example.targets if t is not None]
    first, last = encoded[0].n_prompt, len(encoded[0].ids) - 1
    at = np.arange(first if config.orm_target == "token" else last, last + 1) if kept else np.zeros(0, int)
    return (
        np.zeros(len(at), np.int64),
        at,
        make_items(np.arange(len(at)), np.repeat(kept, len(at)), example.weights[0]),
    )


def _steps(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    """Undecided steps have no position."""
    kept = [i for i, t in enumerate(example.targets) if t is not None]
    items = make_items(
        np.arange(len(kept)), [example.targets[i] for i in kept], [example.weights[i] for i in kept]
    )
    return np.zeros(len(kept), np.int64), encoded[0].ends[kept], items


_LABELLERS: dict[Objective, Callable[[Example, list[Encoded], TrainConfig], Labelled]] = {
    "bt": _compared,
    "orm": _outcome,
    "prm": _steps,
}


def fingerprint(units: Sequence[Unit]) -> str:
    """Names the data as the model sees it."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        for part in (unit.prompt_id.encode(), *unit.sort_key()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()

"""Examples → units: token paths, labelled positions on them, and the items that a loss is a sum of.

objective     paths             labelled positions                          items
bt            chosen, rejected  the last token of each                      one comparison
bt, ranking   K completions     the last token of each                      C(K,2) comparisons, which weigh
                                                                            one together, or one order
orm, last     one               its last token                              one
orm, token    one               every token behind the prompt (closing      one for each
                                tokens too, so the last one is trained)
prm           one               the last token of each step with a label    one for each
regression    one               its last token                              one, with a target per attribute

Every row counts as an independent sample. Rows that share labelled steps (the candidates of a step tree) each
bring their labels, so a shared step weighs as often as rows go through it, as it does where rows are trained
one by one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from store.errors import InputError

from .config import Objective, TrainConfig
from .data import Example
from .items import Items, make_items
from .tokenize import Codec, Encoded
from .trees import lexicographic


@dataclass(frozen=True)
class Unit:
    """Label l sits on token `at[l]` of path `path[l]`; both are (L,), path after path. `items` join labels of
    this unit. `n_prompt` tokens of every path come before the completion.

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
    n_prompt: int = 0

    def sort_key(self) -> tuple[bytes, ...]:
        """By content alone, so that the order of the input rows changes nothing."""
        items = self.items
        parts = (self.at, items.member, items.target, items.weight, items.margin)
        labels = np.concatenate([part.ravel() for part in parts]).astype(">f8")
        return (*map(lexicographic, self.paths), labels.tobytes())


def make_units(
    examples: Sequence[Example], codec: Codec, config: TrainConfig, max_tokens: int
) -> tuple[list[Unit], dict[str, int]]:
    """Units of the usable examples in content order, and how many rows were used or dropped, by reason. A
    ranking with two usable completions is used; its others are counted as `completions_` and the reason."""
    codec.warm([segment for e in examples for completion in e.completions for segment in completion])
    units: list[Unit] = []
    rows: Counter[str] = Counter()
    completions: Counter[str] = Counter()
    for example in examples:
        unit, reason, left_out = _unit(example, codec, config, max_tokens)
        rows[reason] += 1
        if unit is not None:
            units.append(unit)
            completions.update(f"completions_{problem}" for problem in left_out)
    codec.forget()
    assert rows["used"] == len(units) and rows.total() == len(examples)
    # Sorted prompt by prompt: the keys of all units together would take more memory than the units.
    prompts = groupby(sorted(units, key=lambda u: u.prompt_id), key=lambda u: u.prompt_id)
    ordered = [unit for _, group in prompts for unit in sorted(group, key=Unit.sort_key)]
    return ordered, {"rows": len(examples), **rows, **completions}


def _unit(
    example: Example, codec: Codec, config: TrainConfig, max_tokens: int
) -> tuple[Unit | None, str, list[str]]:
    """The unit or why there is none, and the problems of completions that it does without."""
    encoded = [codec.encode(example.messages, segments) for segments in example.completions]
    for one in encoded:
        if one.ends[0] < one.n_prompt or (np.diff(one.ends) < 1).any():
            raise InputError(f"{example.where}: a step or completion has no tokens at all; remove the row")
    problems = _problems(encoded, max_tokens)
    kept = [i for i, problem in enumerate(problems) if problem is None]
    left_out = sorted((problem for problem in problems if problem), key=["same_tokens", "too_long"].index)
    if len(kept) < min(2, len(encoded)):
        return None, left_out[0], []
    if left_out:
        example = replace(
            example,
            completions=tuple(example.completions[i] for i in kept),
            targets=tuple(example.targets[i] for i in kept),
        )
        encoded = [encoded[i] for i in kept]
    path, at, items = _LABELLERS[config.objective](example, encoded, config)
    if not items.weight.any():
        return None, "tie" if config.objective == "bt" else "no_label", []
    paths = tuple(one.ids for one in encoded)
    unit = Unit(example.where, example.prompt_id, paths, path, at, items, n_prompt=encoded[0].n_prompt)
    return unit, "used", left_out


def _problems(encoded: list[Encoded], max_tokens: int) -> list[str | None]:
    """Why each completion cannot be used, None where it can. Of those that the tokenizer cannot tell apart
    none can: they may have different labels. None is truncated: a cut solution under its old label is a
    wrong label (rlhf-book#503)."""
    alike = Counter(one.ids.tobytes() for one in encoded)
    return [
        "same_tokens" if alike[one.ids.tobytes()] > 1 else "too_long" if len(one.ids) > max_tokens else None
        for one in encoded
    ]


Labelled = tuple[np.ndarray, np.ndarray, Items]  # path and position of each label, and the items


def _compared(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    at = np.array([len(one.ids) - 1 for one in encoded], np.int32)
    targets = np.array(example.targets, float)
    if config.loss == "plackett-luce":
        items = _order(targets if example.is_ranking else np.array([targets[0], 1 - targets[0]]), config)
    elif example.is_ranking:
        items = _pairs(targets, config)
    elif config.ties == "drop" and targets[0] == 0.5:
        items = make_items([], [])
    else:
        items = make_items([[0, 1]], targets, 1.0, example.margin)
    return np.arange(len(encoded), dtype=np.int32), at, items


def _pairs(scores: np.ndarray, config: TrainConfig) -> Items:
    """All comparisons of a ranking. Together they weigh one, as a pair does, so that prompts with many
    completions do not outvote the others (InstructGPT, arXiv 2203.02155, section 3.5)."""
    best_first = np.argsort(-scores, kind="stable")
    better, worse = best_first[np.stack(np.triu_indices(len(scores), 1))]
    ahead = scores[better] - scores[worse]
    kept = (ahead > 0) | (config.ties == "half")
    member, ahead = np.stack([better, worse], axis=1)[kept], ahead[kept]
    weight = 1 / max(1, len(member))
    return make_items(member, np.where(ahead > 0, 1.0, 0.5), weight, config.margin_scale * ahead)


def _order(scores: np.ndarray, config: TrainConfig) -> Items:
    """The whole order as one item. Where ties are dropped, so is a ranking that has one: the order of its
    completions is not known."""
    ranks = np.unique(-scores, return_inverse=True)[1]
    if config.ties == "drop" and ranks.max() < len(ranks) - 1:
        return make_items([], [])
    best_first = np.argsort(ranks, kind="stable")
    return make_items([best_first], [ranks[best_first]])


def _outcome(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    (target,) = example.targets
    first, last = encoded[0].n_prompt, len(encoded[0].ids) - 1
    start = last + 1 if target is None else first if config.orm_target == "token" else last
    at = np.arange(start, last + 1, dtype=np.int32)
    return _first_path(len(at)), at, make_items(np.arange(len(at)), 0.0 if target is None else target)


def _first_path(n: int) -> np.ndarray:
    """The path of `n` labels of a unit that has only one, without a copy for each."""
    return np.broadcast_to(np.int32(0), (n,))


def _steps(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    """Undecided steps have no position. A rating's target is the share of each class: bad, neutral, good."""
    kept = [i for i, t in enumerate(example.targets) if t is not None]
    targets = np.array([example.targets[i] for i in kept])
    if config.prm_target == "ratings":
        targets = (targets[:, None] == np.array([-1, 0, 1])).astype(float)
    items = make_items(np.arange(len(kept)), targets, [example.weights[i] for i in kept])
    return _first_path(len(kept)), encoded[0].ends[kept], items


def _values(example: Example, encoded: list[Encoded], config: TrainConfig) -> Labelled:
    """Missing values are NaN; an item weighs as many as it has."""
    values = np.array(example.targets, float)
    n_present = np.isfinite(values).sum()
    items = make_items([0], [values], n_present) if n_present else make_items([], [])
    return _first_path(len(items)), np.full(len(items), len(encoded[0].ids) - 1, np.int32), items


_LABELLERS: dict[Objective, Callable[[Example, list[Encoded], TrainConfig], Labelled]] = {
    "bt": _compared,
    "orm": _outcome,
    "prm": _steps,
    "regression": _values,
}


def fingerprint(units: Sequence[Unit]) -> str:
    """Names the data as the model sees it."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        for part in (unit.prompt_id.encode(), *unit.sort_key()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()

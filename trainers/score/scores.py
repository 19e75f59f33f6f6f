"""The head's outputs of one or several models → one Score per completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from store.errors import InputError

from ..config import Objective
from ..ensemble import How
from ..ensemble import aggregate as aggregated
from ..heads import Head, read_head
from ..loading import open_trained, pick_device, public_name, read_extras
from ..model import RewardModel
from ..readout import rewards
from .forward import Item, Progress, Reading, read

Scale = tuple[np.ndarray, np.ndarray]  # mean and deviation of each member (E,)


@dataclass(frozen=True)
class Score:
    """`step_rewards` and `attributes` are empty where the model has none; `members` are what each head of
    each model would have given as reward, a single entry without an ensemble."""

    reward: float
    step_rewards: list[float]
    n_tokens: int  # of the completion, without prompt and closing tokens
    truncated: bool
    members: list[float] = field(default_factory=list)
    attributes: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """What must be known of a model to turn its outputs into rewards. `mean` and `std` (H,) are its heads'
    on held-out data; None where the checkpoint does not tell."""

    name: str
    objective: Objective
    head: Head
    aggregate: How
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    @classmethod
    def of(cls, extras: dict[str, Any], name: str) -> Reader:
        mean, std = (extras.get(f"head_{part}") for part in ("mean", "std"))
        return cls(
            name,
            extras["objective"],
            read_head(extras["head"]),
            extras["aggregate"],
            tuple(mean) if mean else None,
            tuple(std) if std else None,
        )


def score(
    model_dir: Path | str | Sequence[Path | str],
    items: Sequence[Item],
    token_budget: int = 4096,
    max_tokens: int | None = None,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16"] = "float32",
    threads: int | None = None,
    progress: Progress | None = None,
    padded: bool = False,
    aggregate: How | None = None,
) -> list[Score]:
    """One Score per item, in the order given. Several folders, or one of `python -m trainers CONFIG --seeds`,
    are an ensemble, of which one member is in memory at a time. `progress(done, total)` counts items over all
    of them; `aggregate` overrides what the first member's settings say."""
    if threads:
        torch.set_num_threads(threads)
    folders = member_folders([model_dir] if isinstance(model_dir, str | Path) else model_dir)
    readers = open_readers(folders)

    def read_with(i: int) -> list[Reading]:
        model = open_trained(Path(folders[i]), pick_device(device), dtype=dtype, row_tokens=token_budget)
        count = _counting(progress, i * len(items), len(folders) * len(items))
        return read(model, items, token_budget, max_tokens, count, padded)

    return join(readers, [read_with(i) for i in range(len(folders))], aggregate)


def member_folders(folders: Sequence[Path | str]) -> list[Path | str]:
    """The models of an ensemble: a folder that is none itself stands for the `seed-*` folders in it."""
    found: list[Path | str] = []
    for folder in folders:
        seeds = sorted(
            (path.parent for path in Path(folder).glob("seed-*/config.json")),
            key=lambda seed: (len(seed.name), seed.name),  # seed-2 before seed-10
        )
        found += seeds if seeds and not (Path(folder) / "config.json").exists() else [folder]
    return found


def member_names(readers: Sequence[Reader]) -> list[str]:
    """Of every head of every model, in the order of `Score.members`."""
    heads = [
        f"{public_name(reader.name)}{f', head {i}' if reader.head.n > 1 else ''}"
        for reader in readers
        for i in range(reader.head.n)
    ]
    return [f"member {i}: {name}" for i, name in enumerate(heads)]


def _counting(progress: Progress | None, before: int, total: int) -> Progress | None:
    return (lambda done, _: progress(before + done, total)) if progress else None


def score_with(
    model: RewardModel,
    items: Sequence[Item],
    token_budget: int = 4096,
    max_tokens: int | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """`score` with a model that is already open."""
    readings = read(model, items, token_budget, max_tokens, progress)
    return join([Reader.of(model.extras, "model")], [readings])


def open_readers(folders: Sequence[Path | str]) -> list[Reader]:
    """Of one model, or of the members of an ensemble: they must speak of the same thing, and Bradley-Terry
    rewards need a common scale besides."""
    readers = [Reader.of(read_extras(folder), str(folder)) for folder in folders]
    said = [f"{r.objective} {list(r.head.labels)} {'at every token' * r.head.per_token}" for r in readers]
    for reader, found in zip(readers, said, strict=True):
        if found != said[0]:
            raise InputError(
                f"{reader.name}: gives {found}, but {readers[0].name} gives {said[0]}; "
                "an ensemble needs models of one kind"
            )
        alone = reader.objective != "bt" or sum(r.head.n for r in readers) == 1
        if not alone and not (reader.mean and reader.std):
            raise InputError(
                f"{reader.name}: config.json has no head_mean and head_std, and so no scale that "
                "other members share; train it again"
            )
    return readers


def join(
    readers: Sequence[Reader], readings: Sequence[Sequence[Reading]], how: How | None = None
) -> list[Score]:
    """Readings of each model, all of the same items → one Score per item."""
    objective, head = readers[0].objective, readers[0].head
    several = sum(r.head.n for r in readers) > 1
    scale = _scale(readers) if objective == "bt" and several else None
    how = how or readers[0].aggregate
    return [_score(objective, head, of_item, how, scale) for of_item in zip(*readings, strict=True)]


def _score(
    objective: Objective, head: Head, readings: Sequence[Reading], how: How, scale: Scale | None
) -> Score:
    seen = (min(r.n_tokens for r in readings), any(r.truncated for r in readings))
    # Members first: (E, L). Models with different tokenizers may keep different numbers of steps.
    n_labels = min(len(r.outputs) for r in readings)
    kept = [np.concatenate([r.outputs[: n_labels - 1], r.outputs[-1:]]) for r in readings]
    each = np.concatenate([rewards(head, objective, outputs).T for outputs in kept])
    members = [_reward(objective, head, labels) for labels in each]
    if head.kind == "attributes":
        values = np.concatenate([outputs[-1] for outputs in kept]).astype(np.float64)  # (E, C)
        joined = aggregated(values, how).tolist()
        return Score(joined[0], [], *seen, members, joined)
    labels = aggregated(each, how, *(scale or ()))
    steps = labels[:-1].tolist() if head.per_token else []
    return Score(_reward(objective, head, labels), steps, *seen, members)


def _reward(objective: Objective, head: Head, labels: np.ndarray) -> float:
    """Of a completion, from its labels (L,): the last token's, or the worst step's."""
    worst = objective == "prm" and len(labels) > 1
    return float(labels[:-1].min() if worst else labels[-1])


def _scale(readers: Sequence[Reader]) -> Scale:
    assert all(r.mean and r.std for r in readers)  # `open_readers`
    return np.concatenate([r.mean for r in readers]), np.concatenate([r.std for r in readers])

"""Resume points: everything the next optimiser step depends on, in a folder that appears by rename.

    OUTPUT.partial/point-STEP   weights, optimiser state and progress after STEP steps
    OUTPUT.partial/best-N       the weights of evaluation N, the best so far

The order of the data is a function of the seed, so the cursor is the number of finished steps. Weights and
states are in torch.distributed.checkpoint's format: each process writes its own shards, and a run may go on
with another number of processes."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from store.errors import InputError

from .config import TrainConfig
from .distributed import Ranks
from .evaluate import Metrics
from .network import Network

_PROGRESS = "progress.json"
_TRAINED = StateDictOptions(ignore_frozen_params=True)


@dataclass
class Progress:
    """`losses` and `grad_norms` have one entry per finished step; `evals` one per evaluation, made after
    `eval_steps`. `best_eval` is the index of the best one, -1 before there is any. `n_tokens` were forwarded;
    as separate rows without padding the same examples have `n_path_tokens`."""

    key: str
    step: int = 0
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    evals: list[Metrics] = field(default_factory=list)
    eval_steps: list[int] = field(default_factory=list)
    best_eval: int = -1
    n_tokens: int = 0
    n_path_tokens: int = 0


def work_folder(config: TrainConfig) -> Path:
    return config.output.with_name(config.output.name + ".partial")


def find_progress(work: Path, key: str, settings: dict[str, Any]) -> Progress:
    """How far an interrupted run of the same key came; a fresh Progress where there is none."""
    saved = _last_progress(work)
    if saved is None:
        return Progress(key)
    if saved["progress"]["key"] != key:
        raise InputError(
            f"{work}: holds an interrupted run with other {differing(saved['settings'], settings)}; "
            "delete the folder or choose another output"
        )
    return Progress(**saved["progress"])


def remove_points(work: Path, key: str) -> None:
    """Delete what a run of this key left."""
    saved = _last_progress(work)
    if saved is not None and saved["progress"]["key"] == key:
        shutil.rmtree(work)


def differing(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What makes two runs different, for an error message."""
    names = sorted(name for name in old | new if old.get(name) != new.get(name))
    return f"settings ({', '.join(names)})" if names else "data, model or tokenizer"


def _last_progress(work: Path) -> dict[str, Any] | None:
    points = sorted(work.glob("point-*[0-9]"))
    return json.loads((points[-1] / _PROGRESS).read_text()) if points else None


def save_point(
    work: Path,
    progress: Progress,
    settings: dict[str, Any],
    network: Network,
    optimizer: torch.optim.Optimizer,
    among: Ranks,
) -> None:
    """Write the point, then delete what it makes superfluous."""
    state = {
        "model": get_model_state_dict(network, options=_TRAINED),
        "optimizer": get_optimizer_state_dict(network, optimizer, options=_TRAINED),
    }
    point = _point(work, progress)
    _write(point, state, among, {"progress": asdict(progress), "settings": settings})
    if among.main:
        for old in {*work.glob("point-*"), *work.glob("best-*")} - {point, _best(work, progress)}:
            shutil.rmtree(old)


def load_point(work: Path, progress: Progress, network: Network, optimizer: torch.optim.Optimizer) -> None:
    """Weights and optimiser state of `progress` put back."""
    model = get_model_state_dict(network, options=_TRAINED)
    states = get_optimizer_state_dict(network, optimizer, options=_TRAINED)
    _read(_point(work, progress), {"model": model, "optimizer": states})
    _set_weights(network, model)
    set_optimizer_state_dict(network, optimizer, states, options=_TRAINED)


def save_best(work: Path, progress: Progress, network: Network, among: Ranks) -> None:
    state = {"model": get_model_state_dict(network, options=_TRAINED)}
    _write(_best(work, progress), state, among)


def load_best(work: Path, progress: Progress, network: Network) -> None:
    model = get_model_state_dict(network, options=_TRAINED)
    _read(_best(work, progress), {"model": model})
    _set_weights(network, model)


def _point(work: Path, progress: Progress) -> Path:
    return work / f"point-{progress.step:09d}"


def _best(work: Path, progress: Progress) -> Path:
    return work / f"best-{progress.best_eval}"


def _set_weights(network: Network, weights: dict[str, Any]) -> None:
    set_model_state_dict(network, weights, options=StateDictOptions(strict=False, ignore_frozen_params=True))


def _write(folder: Path, state: dict[str, Any], among: Ranks, facts: dict[str, Any] | None = None) -> None:
    partial = folder.with_suffix(".tmp")
    if among.main:
        shutil.rmtree(partial, ignore_errors=True)
    among.wait()
    with _unwarned():
        dcp.save(state, checkpoint_id=partial, no_dist=not torch.distributed.is_initialized())
    if among.main:
        if facts is not None:
            _write_text(partial / _PROGRESS, json.dumps(facts))
        shutil.rmtree(folder, ignore_errors=True)  # that of an attempt which was killed before its point
        os.replace(partial, folder)
    among.wait()


def _read(folder: Path, state: dict[str, Any]) -> None:
    with _unwarned():
        dcp.load(state, checkpoint_id=folder, no_dist=not torch.distributed.is_initialized())


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without the remark that a single process saves what a single process has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _write_text(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

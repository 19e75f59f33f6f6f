"""Labelled sets on disk → examples, with the file and row of each, checked before anything is spent.

Reads the `preference`, `outcome` and `stepwise` tables of store/tables.py with pyarrow alone. Optional
columns (prompt_id, margin, soft, values, confidences) may be missing. What contradicts the format stops the
run with file and row; what is merely unusable (no decided label) is dropped later and counted by reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import InputError
from store.ids import content_id

from .config import TrainConfig
from .tokenize import Message

_REQUIRED = {
    "bt": ("prompt", "chosen", "rejected"),
    "orm": ("prompt", "completion", "label"),
    "prm": ("prompt", "completions"),
}
_OPTIONAL = {"bt": ("margin", "soft"), "orm": (), "prm": ("labels", "values", "confidences")}


@dataclass(frozen=True)
class Example:
    """One labelled row. `completions` are lists of segments: chosen and rejected for BT, else the one
    completion.

    `targets` and `weights` have one entry for the comparison (BT), the solution (ORM), or each step (PRM); a
    target is a probability, None where the label is undecided."""

    where: str
    prompt_id: str
    messages: tuple[Message, ...]
    completions: tuple[tuple[str, ...], ...]
    targets: tuple[float | None, ...]
    weights: tuple[float, ...]
    margin: float = 0.0


def read_examples(paths: Iterable[Path], config: TrainConfig) -> list[Example]:
    """Every row of the given files and folders; InputError names the first bad one."""
    examples = [e for file in parquet_files(paths) for e in _read_file(file, config)]
    if not examples:
        raise InputError(
            f"{', '.join(map(str, paths))}: no rows to train on; look at the run's rejection counts"
        )
    return examples


def parquet_files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; give the parquet files of a dataset")
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path}: the folder holds no .parquet file")
        found += files
    return found


def _read_file(file: Path, config: TrainConfig) -> Iterator[Example]:
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not readable as parquet: {error}") from None
    _check_columns(schema, file, config)
    wanted = {"prompt_id", *_REQUIRED[config.objective], *_OPTIONAL[config.objective]}
    table = pq.read_table(file, columns=[name for name in schema.names if name in wanted], partitioning=None)
    make = {"bt": _preference, "orm": _outcome, "prm": _stepwise}[config.objective]
    for i, row in enumerate(table.to_pylist()):
        yield make(row, f"{file.name} row {i}", config)


def _check_columns(schema: pa.Schema, file: Path, config: TrainConfig) -> None:
    needed = [*_REQUIRED[config.objective]]
    if config.objective == "prm":
        needed.append("labels" if config.prm_target == "hard" else "values")
    missing = [name for name in needed if name not in schema.names]
    if missing:
        raise InputError(
            f"{file}: column {missing[0]!r} is missing for objective {config.objective!r}; has {schema.names}"
        )
    label = {"orm": "label", "prm": "labels"}.get(config.objective)
    if label in needed:
        kind = schema.field(label).type
        kind = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        if not (pa.types.is_boolean(kind) or pa.types.is_null(kind)):
            # int(0.7) is 0 and bool(-1) is True: a cast here would be a silent wrong label.
            raise InputError(
                f"{file}: column {label!r} holds {kind}, not booleans; convert it, or use soft `values`"
            )


def _preference(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    chosen, rejected = (_assistant(row[name], f"{where}: {name}") for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise InputError(f"{where}: chosen and rejected are the same text; remove the pair")
    soft = row.get("soft")
    target = 1.0 if soft is None else _share(soft, f"{where}: soft")
    margin = config.margin_scale * (row.get("margin") or 0.0)
    messages = _messages(row["prompt"], where)
    return Example(
        where, _prompt_id(row, messages), messages, ((chosen,), (rejected,)), (target,), (1.0,), margin
    )


def _outcome(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages = _messages(row["prompt"], where)
    text = _assistant(row["completion"], f"{where}: completion")
    target = None if row["label"] is None else float(row["label"])
    return Example(where, _prompt_id(row, messages), messages, ((text,),), (target,), (1.0,))


def _stepwise(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages, steps = _messages(row["prompt"], where), row["completions"] or []
    if not steps or not all(steps):
        raise InputError(f"{where}: completions must be one or more non-empty steps")
    soft = config.prm_target == "soft"
    targets = _parallel(
        row["values" if soft else "labels"], steps, f"{where}: {'values' if soft else 'labels'}"
    )
    weights = _parallel(row.get("confidences") or [None] * len(steps), steps, f"{where}: confidences")
    return Example(
        where,
        _prompt_id(row, messages),
        messages,
        (tuple(steps),),
        tuple(None if t is None else _share(t, f"{where}: step {i}") for i, t in enumerate(targets)),
        tuple(1.0 if w is None else _share(w, f"{where}: confidence {i}") for i, w in enumerate(weights)),
    )


def _parallel(values: list[Any] | None, steps: list[str], where: str) -> list[Any]:
    if values is None or len(values) != len(steps):
        raise InputError(
            f"{where}: {len(values or [])} entries for {len(steps)} steps; there must be one for each"
        )
    return values


def _share(value: float, where: str) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {value!r} is not between 0 and 1")
    return float(value)


def _messages(value: list[Message] | None, where: str) -> tuple[Message, ...]:
    if not value or not all(m.get("role") and m.get("content") is not None for m in value):
        raise InputError(f"{where}: prompt must be a list of messages with role and content")
    return tuple({"role": m["role"], "content": m["content"]} for m in value)


def _assistant(value: list[Message] | None, where: str) -> str:
    if not value or len(value) != 1 or value[0].get("role") != "assistant":
        raise InputError(f"{where}: must be a list of exactly one assistant message")
    if not value[0].get("content"):
        raise InputError(f"{where}: the completion is empty; remove the row")
    return value[0]["content"]


def _prompt_id(row: dict[str, Any], messages: tuple[Message, ...]) -> str:
    return row.get("prompt_id") or content_id(list(messages))

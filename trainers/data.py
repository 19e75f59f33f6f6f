"""Labelled sets on disk → examples, with the file and row of each, checked before anything is spent.

Reads the tables of store/tables.py with pyarrow alone:

    bt          preference (prompt, chosen, rejected; margin?, soft?)
                or ranking (prompt, completions, scores: higher is better, equal is a tie)
    orm         outcome (prompt, completion, label)
    prm         stepwise (prompt, completions = steps; labels, values or ratings; confidences?)
    regression  attributes (prompt, completion, and a numeric column for each attribute)

Columns marked ? and prompt_id may be missing. What contradicts the format stops the run with file and row;
what is merely unusable (no decided label) is dropped later and counted by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import InputError
from store.ids import content_id

from .config import TrainConfig
from .tokenize import Message

_BATCH_ROWS = 1024  # rows held as Python objects at a time
LARGEST = 1e18  # of a margin, score or attribute: its square is far from the end of float32, where losses are


@dataclass(frozen=True)
class Example:
    """One labelled row. `completions` are lists of segments: chosen and rejected of a pair, the K of a
    ranking, else the one completion.

    `targets` has one entry for a pair, each completion of a ranking, the solution (ORM), each step (PRM) or
    each attribute: a probability, a score, a rating of -1, 0 or 1, or an attribute's value; None where there
    is none. `weights` has one for each step, else one."""

    where: str
    prompt_id: str
    messages: tuple[Message, ...]
    completions: tuple[tuple[str, ...], ...]
    targets: tuple[float | None, ...]
    weights: tuple[float, ...] = (1.0,)
    margin: float = 0.0

    @property
    def is_ranking(self) -> bool:
        return len(self.completions) > 1 and len(self.targets) == len(self.completions)


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
        reader = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not readable as parquet: {error}") from None
    with reader:
        schema = reader.schema_arrow
        make, needed, optional = _columns(schema, config)
        wanted = [name for name in schema.names if name in {"prompt_id", *needed, *optional}]
        _check_columns(schema, file, config, needed, wanted)
        for i, row in enumerate(_rows(reader, wanted, file)):
            yield make(row, f"{file} row {i}", config)


def _rows(reader: pq.ParquetFile, columns: list[str], file: Path) -> Iterator[dict[str, Any]]:
    try:
        for batch in reader.iter_batches(_BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a whole parquet file: {error}") from None


Make = Callable[[dict[str, Any], str, TrainConfig], Example]
_STEP_TARGETS = {"hard": "labels", "soft": "values", "ratings": "ratings"}


def _columns(schema: pa.Schema, config: TrainConfig) -> tuple[Make, list[str], list[str]]:
    """How rows are read, the columns they must have, and those they may have."""
    if config.objective == "bt" and "completions" in schema.names and "chosen" not in schema.names:
        return _ranking, ["prompt", "completions", "scores"], []
    if config.objective == "bt":
        return _preference, ["prompt", "chosen", "rejected"], ["margin", "soft"]
    if config.objective == "orm":
        return _outcome, ["prompt", "completion", "label"], []
    if config.objective == "prm":
        return _stepwise, ["prompt", "completions", _STEP_TARGETS[config.prm_target]], ["confidences"]
    return _attributes, ["prompt", "completion", *config.attributes], []


def _check_columns(
    schema: pa.Schema, file: Path, config: TrainConfig, needed: list[str], wanted: list[str]
) -> None:
    missing = [name for name in needed if name not in schema.names]
    if missing:
        raise InputError(
            f"{file}: column {missing[0]!r} is missing for objective {config.objective!r}; has {schema.names}"
        )
    for name in wanted:
        check, expected = _NUMBERS if name in config.attributes else _TYPES[name]
        kind = schema.field(name).type
        if not pa.types.is_null(kind) and not check(kind):
            raise InputError(
                f"{file}: column {name!r} holds {kind}, not {expected}; "
                "`flows convert` makes tables of other formats"
            )


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_message(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {"role", "content"} <= {field.name for field in kind}


def _list_of(check: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    def is_list(kind: pa.DataType) -> bool:
        known = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return known and (pa.types.is_null(kind.value_type) or check(kind.value_type))

    return is_list


# Checked, never cast: int(0.7) is 0 and bool(-1) is True, silent wrong labels both.
_NUMBERS = (_is_number, "numbers")
_MESSAGES = (_list_of(_is_message), "lists of messages with role and content")
_TYPES = {
    "prompt_id": (_is_text, "texts"),
    **dict.fromkeys(("prompt", "chosen", "rejected", "completion"), _MESSAGES),
    "completions": (_list_of(_is_text), "lists of texts"),
    **dict.fromkeys(("margin", "soft"), _NUMBERS),
    "label": (pa.types.is_boolean, "booleans"),
    "labels": (_list_of(pa.types.is_boolean), "lists of booleans"),
    "ratings": (_list_of(pa.types.is_integer), "lists of whole numbers"),
    **dict.fromkeys(("scores", "values", "confidences"), (_list_of(_is_number), "lists of numbers")),
}


def _preference(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    chosen, rejected = (read_answer(row[name], f"{where}: {name}") for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise InputError(f"{where}: chosen and rejected are the same text; remove the pair")
    target = 1.0 if row.get("soft") is None else _share(row["soft"], f"{where}: soft")
    if config.loss == "plackett-luce" and target not in (0.0, 0.5, 1.0):
        raise InputError(f"{where}: soft: {target} is no order of the two; use loss: pairs")
    margin = config.margin_scale * _finite(row.get("margin") or 0.0, f"{where}: margin")
    if margin < 0:
        raise InputError(f"{where}: margin {row['margin']!r} is negative; swap chosen and rejected")
    if margin and target <= 0.5:
        raise InputError(f"{where}: margin {row['margin']!r}, but soft {target} does not prefer chosen")
    messages = read_messages(row["prompt"], where)
    return Example(
        where, read_prompt_id(row, messages), messages, ((chosen,), (rejected,)), (target,), margin=margin
    )


def _ranking(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages, texts = read_messages(row["prompt"], where), row["completions"] or []
    if len(texts) < 2 or not all(texts):
        raise InputError(f"{where}: completions must be two or more non-empty texts")
    if len(set(texts)) < len(texts):
        raise InputError(f"{where}: the same completion stands twice; remove one of them")
    scores = _parallel(row["scores"], texts, f"{where}: scores")
    targets = tuple(_finite(score, f"{where}: score {i}") for i, score in enumerate(scores))
    return Example(
        where,
        read_prompt_id(row, messages),
        messages,
        tuple((text,) for text in texts),
        targets,
    )


def _outcome(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages = read_messages(row["prompt"], where)
    text = read_answer(row["completion"], f"{where}: completion")
    target = None if row["label"] is None else float(row["label"])
    return Example(where, read_prompt_id(row, messages), messages, ((text,),), (target,))


def _stepwise(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages, steps = read_messages(row["prompt"], where), row["completions"] or []
    if not steps or not all(steps):
        raise InputError(f"{where}: completions must be one or more non-empty steps")
    name = _STEP_TARGETS[config.prm_target]
    check = _rating if config.prm_target == "ratings" else _share
    targets = _parallel(row[name], steps, f"{where}: {name}")
    given = row.get("confidences")
    weights = [None] * len(steps) if given is None else _parallel(given, steps, f"{where}: confidences")
    return Example(
        where,
        read_prompt_id(row, messages),
        messages,
        (tuple(steps),),
        tuple(None if t is None else check(t, f"{where}: step {i}") for i, t in enumerate(targets)),
        tuple(1.0 if w is None else _share(w, f"{where}: confidence {i}") for i, w in enumerate(weights)),
    )


def _attributes(row: dict[str, Any], where: str, config: TrainConfig) -> Example:
    messages = read_messages(row["prompt"], where)
    text = read_answer(row["completion"], f"{where}: completion")
    values = {name: row[name] for name in config.attributes}
    targets = tuple(
        None if value is None or isnan(value) else _finite(value, f"{where}: {name}")
        for name, value in values.items()
    )
    return Example(where, read_prompt_id(row, messages), messages, ((text,),), targets)


def _parallel(values: list[Any] | None, texts: list[str], where: str) -> list[Any]:
    if values is None or len(values) != len(texts):
        raise InputError(
            f"{where}: {len(values or [])} entries for {len(texts)} texts; there must be one for each"
        )
    return values


def _finite(value: float | None, where: str) -> float:
    if value is None or not abs(value) <= LARGEST:
        raise InputError(f"{where}: {value!r} is not a finite number of at most {LARGEST:.0e}")
    return float(value)


def _rating(value: int, where: str) -> float:
    if value not in (-1, 0, 1):
        raise InputError(f"{where}: rating {value!r} is not -1, 0 or 1")
    return float(value)


def _share(value: float, where: str) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {value!r} is not between 0 and 1")
    return float(value)


def read_messages(value: list[Message] | None, where: str) -> tuple[Message, ...]:
    """A prompt: role and content of one or more messages."""
    if not value or not all(m and m.get("role") and m.get("content") is not None for m in value):
        raise InputError(f"{where}: prompt must be a list of messages with role and content")
    return tuple({"role": m["role"], "content": m["content"]} for m in value)


def read_answer(value: list[Message] | None, where: str) -> str:
    """The text of a completion: one assistant message that is not empty."""
    if not value or len(value) != 1 or not value[0] or value[0].get("role") != "assistant":
        raise InputError(f"{where}: must be a list of exactly one assistant message")
    if not value[0].get("content"):
        raise InputError(f"{where}: the completion is empty; remove the row")
    return value[0]["content"]


def read_prompt_id(row: dict[str, Any], messages: tuple[Message, ...]) -> str:
    """What groups the rows of a prompt: its id, or the id of its content where the row has none."""
    return row.get("prompt_id") or content_id(list(messages))

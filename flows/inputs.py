"""Rows that a user names: nested fields of local files, and datasets on the Hub."""

from __future__ import annotations

from typing import Any

from flows.recipe import HubPrompts
from store.errors import InputError
from store.ids import content_id


def dotted(row: dict[str, Any], name: str, where: str) -> Any:
    """`row["a"]["b"]` for name "a.b"; InputError naming the row and the fields there are."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            there = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
            raise InputError(f"{where}: there is no field {name!r} (found: {there})")
        value = value[part]
    return value


def hub_rows(source: HubPrompts, instead: str) -> list[dict[str, Any]]:
    """All rows of one split of a Hub dataset; `instead` is the override that names a local file."""
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(
            str(source.dataset), source.config, split=source.split, revision=source.revision
        )
    except Exception as error:  # the hub client raises a dozen unrelated types for "not there"
        raise InputError(
            f"Hub dataset {source.dataset} (config {source.config}, split {source.split}) cannot be loaded: "
            f"{error}. Check the name and the network, or use a local file: {instead}"
        ) from error
    return loaded.to_list()


def recorded_completion(prompt_id: str, model: str, index: int, text: str) -> dict[str, Any]:
    return {
        "completion_id": content_id("recorded", prompt_id, model, text),
        "prompt_id": prompt_id,
        "sampler": "recorded",
        "model": model,
        "revision": None,
        "system_variant": None,
        "sample_index": index,
        "seed": None,
        "text": text,
        "n_prompt_tokens": None,
        "n_tokens": None,
        "finish_reason": "recorded",
    }

"""The tables of `store.tables` as formats of their own; their rows are checked as those of any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl

from curation.formats.rows import (
    Format,
    Row,
    Unreadable,
    check_unicode,
    one_row,
    to_answer,
    to_number,
    to_prompt,
    to_truth,
)
from store.ids import content_id
from store.tables import OUTCOME, PREFERENCE, RANKING, STEPWISE, attributes_table


def _table(table: str, schema: pl.Schema, *needed: str) -> Format:
    """Rows of the table itself, with a prompt and at least the columns that are needed."""

    def read(row: Row) -> list[Row]:
        if any(row[name] in (None, []) for name in needed):
            raise Unreadable("empty_column")
        check_unicode(json.dumps(row, ensure_ascii=False, default=str))
        checked = {name: check(row[name]) for name, check in _CHECKS.items() if name in row}
        for name in ("scores", "labels", "values", "confidences", "ratings", "completion_ids"):
            if row.get(name) is not None and len(row[name]) != len(row["completions"]):
                raise Unreadable(f"{name}_differ_from_completions")
        ids = {"prompt_id": row.get("prompt_id") or content_id(checked["prompt"])}
        kept = row if columns is None else {name: row[name] for name in columns if name in row}
        return [dict.fromkeys(schema) | kept | checked | ids]

    columns = None if table == "attributes" else (*schema, "ratings")  # any other is a scale there
    return Format(table, schema, read, one_row(dict), columns)


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _each(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return _optional(lambda values: [check(value) for value in values])


def _number(problem: str) -> Callable[[Any], float]:
    return lambda value: to_number(value, problem)


def _texts(value: Any) -> list[str]:
    if not all(isinstance(text, str) for text in value):
        raise Unreadable("content_is_no_text")
    if not all(value):
        raise Unreadable("empty_text")
    return list(value)


def _rating(value: Any) -> int:
    if isinstance(value, bool) or value not in (-1, 0, 1):
        raise Unreadable("rating_out_of_range")
    return int(value)


def _text(problem: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Unreadable(problem)
        return value

    return check


_NAMES = ("evidence", "method", "prompt_id", "chosen_id", "rejected_id", "completion_id")
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "prompt": lambda value: to_prompt(value or []),
    **{name: _optional(_text(f"{name}_is_no_text")) for name in _NAMES},
    "completion_ids": _each(_text("completion_id_is_no_text")),
    **dict.fromkeys(("chosen", "rejected", "completion"), to_answer),
    "completions": _texts,
    "margin": _optional(_number("margin_is_no_number")),
    "soft": _optional(_number("soft_is_no_number")),
    "label": _optional(to_truth),
    "labels": _each(_optional(to_truth)),
    "ratings": _each(_optional(_rating)),
    "scores": _each(_number("score_is_no_number")),
    "values": _each(_optional(_number("value_is_no_number"))),
    "confidences": _each(_optional(_number("confidence_is_no_number"))),
}

TABLES = {
    "preference": _table("preference", PREFERENCE, "chosen", "rejected"),
    "ranking": _table("ranking", RANKING, "completions", "scores"),
    "outcome": _table("outcome", OUTCOME, "completion"),
    "stepwise": _table("stepwise", STEPWISE, "completions", "labels"),
    "attributes": _table("attributes", attributes_table([]), "completion"),
}

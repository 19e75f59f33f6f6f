"""Columns of an eval row as texts: nested fields, lists, conversations, and columns that belong together.

A column is a dotted path. `prompt` may hold a text, a list of texts (each is one), or a conversation (each
user message is one: what the model is asked, not what it answered). `turns.content` walks through lists,
`conv.0.user` takes one item. `passage+question` puts several columns into one text, for a question that is
too short to be told from others without its passage; parts that are empty are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation.eval_sets.texts import EvalText
from store.errors import InputError
from store.inputs import did_you_mean

Row = Mapping[str, Any]


def texts_of_row(row: Row, row_id: str, columns: Sequence[str], where: str) -> list[EvalText]:
    """The texts in `columns`; `where` names set and row in an InputError about a missing column."""
    found = []
    for column in columns:
        if "+" in column:
            parts = [text for part in column.split("+") for _, text in _walk(row, part, where)]
            found += [EvalText(row_id, column, "\n".join(parts))] if parts else []
        else:
            found += [EvalText(row_id, path, text) for path, text in _walk(row, column, where)]
    return found


def roots(columns: Sequence[str]) -> list[str]:
    """The columns of a table that the paths start in."""
    return list(dict.fromkeys(part.split(".")[0] for column in columns for part in column.split("+")))


def _walk(row: Row, path: str, where: str) -> Iterator[tuple[str, str]]:
    found = list(_values(row, path.split("."), where))
    for at, text in found:
        if text.strip():
            # One text is named by its column alone, so that a report reads `prompt`, not `prompt.0`.
            yield (path if len(found) == 1 else at), text


def _values(value: Any, path: list[str], where: str, at: str = "") -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, list):
        if path and path[0].isdecimal():
            if int(path[0]) < len(value):
                yield from _values(value[int(path[0])], path[1:], where, _join(at, path[0]))
            return
        for i, item in enumerate(value):
            yield from _values(item, path, where, _join(at, str(i)))
    elif path:
        if not isinstance(value, Mapping) or path[0] not in value:
            raise _no_column(value, path[0], where, at)
        yield from _values(value[path[0]], path[1:], where, _join(at, path[0]))
    elif isinstance(value, Mapping):
        role, content = value.get("role"), value.get("content")
        if role is None or not isinstance(content, str):
            has = ", ".join(map(repr, value))
            raise InputError(f"{where}: {at!r} is an object ({has}); name one of its fields: '{at}.FIELD'")
        if role == "user":
            yield at, content
    else:
        yield at, str(value)


def _join(at: str, part: str) -> str:
    return f"{at}.{part}" if at else part


def _no_column(value: Any, name: str, where: str, at: str) -> InputError:
    inside = f" in {at!r}" if at else ""
    if not isinstance(value, Mapping):
        return InputError(f"{where}: no column {name!r}{inside}, which is not an object but {value!r:.60}")
    has = ", ".join(map(repr, value)) or "none"
    return InputError(f"{where}: no column {name!r}{inside} (it has {has}){did_you_mean(name, value)}")

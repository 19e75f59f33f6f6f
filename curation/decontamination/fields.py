"""Which columns of a data file are compared, as what, and their texts.

By the column's type: a string; a list of strings (steps, completions), which are also compared one by one; a
conversation (`role` and `content`, or `from` and `value`), whose user messages are the prompt and whose
assistant messages are completions. System messages are boilerplate and are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from curation.decontamination.report import Role
from curation.decontamination.scan import Parts
from curation.words.texts import Texts, texts_of_arrow
from store.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

# Names in common use for what is found in sets for reward models.
_PROMPTS = "prompt prompts question problem instruction query input messages conversation conversations"
_ANSWERS = "answer answers reference reference_answer ground_truth gold solution expected_answer"
_COMPLETIONS = "completion completions response responses output generation chosen rejected steps text"
NAMES: dict[str, Role] = {
    **dict.fromkeys(_PROMPTS.split(), "prompt"),
    **dict.fromkeys(_ANSWERS.split(), "answer"),
    **dict.fromkeys(_COMPLETIONS.split(), "completion"),
}
_SPEAKERS = {"user": ("user", "human"), "assistant": ("assistant", "gpt", "model")}


class Field(NamedTuple):
    name: str  # as the report has it
    column: str
    role: Role
    speaker: Literal["user", "assistant"] | None  # of a conversation


def fields_of(schema: pa.Schema, given: Mapping[str, Role] | None, where: str) -> list[Field]:
    """What to compare of a file with these columns; InputError where no prompt is among it.

    `given`: role of each column, in place of those that NAMES knows.
    """
    known = NAMES if given is None else given
    found: list[Field] = []
    for column in schema:
        kind = kind_of(column.type)
        if column.name not in known or kind is None:
            continue
        if kind == "conversation":
            found.append(Field(f"{column.name}/user", column.name, "prompt", "user"))
            found.append(Field(f"{column.name}/assistant", column.name, "completion", "assistant"))
        else:
            found.append(Field(column.name, column.name, known[column.name], None))
    has = ", ".join(f"{column.name!r} ({column.type})" for column in schema) or "none"
    for name in given or ():
        if name not in {field.column for field in found}:
            raise InputError(f"{where}: no column {name!r} with texts (it has {has})")
    if not any(field.role == "prompt" for field in found):
        raise InputError(f"{where}: which column is the prompt? Name it; the file has {has}")
    return found


def kind_of(dtype: pa.DataType) -> Literal["text", "texts", "conversation"] | None:
    """What a column of this Arrow type holds; None: nothing to compare."""
    import pyarrow.types as t

    if t.is_string(dtype) or t.is_large_string(dtype) or t.is_string_view(dtype):
        return "text"
    if not (t.is_list(dtype) or t.is_large_list(dtype)):
        return None
    if kind_of(dtype.value_type) == "text":
        return "texts"
    return "conversation" if t.is_struct(dtype.value_type) and _keys(dtype.value_type) else None


def texts_of_field(column: pa.ChunkedArray, field: Field, where: str) -> tuple[Texts, Parts | None]:
    """The texts of a column's rows, and their parts where a row may have several; null is the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_null(array.type):
        return Texts(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64)), None
    kind = kind_of(array.type)
    if kind == "text" and field.speaker is None:
        return texts_of_arrow(array), None
    if kind is None or (kind == "conversation") != (field.speaker is not None):
        raise InputError(f"{where}: column {field.column!r} is {array.type} here, not so in the rows before")
    counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    values = array.flatten()
    rows = np.zeros(len(array) + 1, np.int64)
    np.cumsum(counts, out=rows[1:])
    if field.speaker is not None:
        keys = _keys(array.type.value_type)
        assert keys is not None
        speaker, content = values.field(keys[0]), values.field(keys[1])
        spoken = pc.is_in(speaker, value_set=pa.array(_SPEAKERS[field.speaker], speaker.type))
        mine = pc.fill_null(spoken, False).to_numpy(zero_copy_only=False)
        values = content.filter(pa.array(mine))
        rows = np.concatenate([[0], np.cumsum(mine)])[rows]
    values = pc.fill_null(values, "").cast(pa.large_string())
    lists = pa.LargeListArray.from_arrays(pa.array(rows), values)
    joined = pc.binary_join(lists, pa.scalar("\n", pa.large_string()))
    parts = Parts(texts_of_arrow(values), rows) if (np.diff(rows) > 1).any() else None
    return texts_of_arrow(joined), parts


def _keys(message: pa.StructType) -> tuple[str, str] | None:
    names = {message.field(i).name: message.field(i).type for i in range(message.num_fields)}
    for keys in (("role", "content"), ("from", "value")):
        if all(key in names and kind_of(names[key]) == "text" for key in keys):
            return keys
    return None

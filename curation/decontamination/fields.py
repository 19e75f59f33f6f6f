"""Which columns of a data file are compared, as what, and their texts.

By the column's type: a string; a list of strings (steps, completions), which are also compared one by one; a
conversation (`role` and `content`, or `from` and `value`), whose user messages are the prompt and whose
assistant messages are completions. Messages of the system and of tools are boilerplate and are not compared.
Whoever else speaks is taken for the user, and named.
"""

from __future__ import annotations

from collections import Counter
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
# In lower case; "prompter" is OpenAssistant's user, "human" and "gpt" are ShareGPT's.
_USERS = frozenset("user human prompter customer instruction".split())
_ASSISTANTS = frozenset("assistant gpt model bot chatgpt ai".split())
_TOOLS = "tool tools function function_call function_response observation ipython environment"
UNSPOKEN = frozenset(["system", "developer", *_TOOLS.split()])
_MOST_SPEAKERS = 20  # that are named of a column; data may have any
OTHERS = "(others)"


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


def holds_text(dtype: pa.DataType) -> bool:
    """Whether text may stand anywhere in a column of this type; null is a JSON column of mixed types."""
    import pyarrow.types as t

    if t.is_dictionary(dtype):
        return holds_text(dtype.value_type)
    inner = any(holds_text(dtype.field(k).type) for k in range(dtype.num_fields))
    return t.is_null(dtype) or kind_of(dtype) is not None or inner


def kind_of(dtype: pa.DataType) -> Literal["text", "texts", "conversation"] | None:
    """What a column of this Arrow type holds; None: nothing to compare."""
    import pyarrow.types as t

    if t.is_dictionary(dtype):
        return "text" if kind_of(dtype.value_type) == "text" else None
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

    array = _one_array(column)
    if pa.types.is_null(array.type):
        return Texts(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64)), None
    kind = kind_of(array.type)
    if kind == "text" and field.speaker is None:
        return texts_of_arrow(array.cast(pa.large_string())), None
    if kind is None or (kind == "conversation") != (field.speaker is not None):
        raise InputError(f"{where}: column {field.column!r} is {array.type} here, not so in the rows before")
    counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    values = array.flatten()
    rows = np.zeros(len(array) + 1, np.int64)
    np.cumsum(counts, out=rows[1:])
    if field.speaker is not None:
        by_assistant = field.speaker == "assistant"
        others = _ASSISTANTS if by_assistant else _ASSISTANTS | UNSPOKEN
        spoken = pc.is_in(_speakers(values), value_set=pa.array(sorted(others), pa.large_string()))
        mine = spoken.to_numpy(zero_copy_only=False) == by_assistant
        keys = _keys(array.type.value_type)
        assert keys is not None
        values = values.field(keys[1]).filter(pa.array(mine))
        rows = np.concatenate([[0], np.cumsum(mine)])[rows]
    values = pc.fill_null(values.cast(pa.large_string()), "")
    lists = pa.LargeListArray.from_arrays(pa.array(rows), values)
    joined = pc.binary_join(lists, pa.scalar("\n", pa.large_string()))
    parts = Parts(texts_of_arrow(values), rows) if (np.diff(rows) > 1).any() else None
    return texts_of_arrow(joined), parts


def other_speakers(column: pa.ChunkedArray) -> Counter[str]:
    """Messages of a conversation's speakers that are neither the user nor the assistant, by their names."""
    array = _one_array(column)
    if kind_of(array.type) != "conversation":
        return Counter()
    found: Counter[str] = Counter()
    for entry in _speakers(array.flatten()).value_counts():
        name = entry["values"].as_py() or ""
        if name not in _USERS | _ASSISTANTS:
            found[name[:40] or "(none)"] += entry["counts"].as_py()
    return found


def add_speakers(total: Counter[str], more: Mapping[str, int]) -> None:
    """Add counts of messages by speaker; of too many speakers the later ones are counted as one."""
    for name, count in more.items():
        known = name in total or name in UNSPOKEN or len(total) < _MOST_SPEAKERS
        total[name if known else OTHERS] += count


def _speakers(messages: pa.StructArray) -> pa.Array:
    """Who says each message, in lower case; "" for nobody."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = _keys(messages.type)
    assert keys is not None
    names = pc.fill_null(messages.field(keys[0]).cast(pa.large_string()), "")
    return pc.utf8_lower(pc.utf8_trim_whitespace(names))


def _one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _keys(message: pa.StructType) -> tuple[str, str] | None:
    names = {message.field(i).name: message.field(i).type for i in range(message.num_fields)}
    for keys in (("role", "content"), ("from", "value")):
        if all(key in names and kind_of(names[key]) == "text" for key in keys):
            return keys
    return None

"""NVIDIA's rows: HelpSteer and HelpSteer2 ratings on five scales, HelpSteer2 and HelpSteer3 preferences,
and the text form of NeMo-Aligner's regression reward model.

HelpSteer writes a conversation into one text, with NeMo-Aligner's turn marks between the turns:

    first question\\n<extra_id_1>Assistant\\nanswer\\n<extra_id_1>User\\nsecond question
"""

from __future__ import annotations

import re
from math import isnan

from curation.formats.rows import (
    Format,
    Messages,
    Row,
    Unreadable,
    answer_text,
    attributes_row,
    is_choice,
    one_row,
    preference_row,
    to_answer,
    to_number,
    to_prompt,
)
from store.tables import PREFERENCE, attributes_table

HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
NEMO = ("quality", "toxicity", "humor", "creativity", *HELPSTEER)  # the order of NeMo-Aligner's labels
MISSING = -100.0  # NeMo-Aligner's mark of a scale that was not rated
LARGEST_RATING, LARGEST_STRENGTH = 4, 3
_USER, _END = "<extra_id_1>User\n", "\n<extra_id_2>"
_TURN = re.compile(r"(?:^|\n)<extra_id_(0>System|1>User|1>Assistant)\n")


def read_helpsteer(row: Row) -> list[Row]:
    """{prompt, response, helpfulness, …}: ratings from 0 to 4."""
    values = {
        name: None if row[name] is None else to_number(row[name], "rating_is_no_number") for name in HELPSTEER
    }
    if not all(value is None or 0 <= value <= LARGEST_RATING for value in values.values()):
        raise Unreadable("rating_out_of_range")
    return [attributes_row(_prompt(row["prompt"]), to_answer(row["response"]), values)]


def write_helpsteer(row: Row) -> Row:
    if not set(HELPSTEER) <= set(row):
        raise Unreadable("attribute_missing")
    values = {name: _value(row, name) for name in HELPSTEER}
    return {"prompt": _prompt_text(row["prompt"]), "response": answer_text(row["completion"]), **values}


def read_nemo(row: Row) -> list[Row]:
    """{text, label}: the last turn of `text` is rated, on nine scales."""
    text, label = row["text"], row["label"]
    if not text.endswith(_END):
        raise Unreadable("text_without_an_end_mark")
    if len(label) != len(NEMO):
        raise Unreadable("not_nine_labels")
    messages = _turns(text.removesuffix(_END))
    numbers = [to_number(value, "label_is_no_number") for value in label]
    values = {name: None if n == MISSING else n for name, n in zip(NEMO, numbers, strict=True)}
    return [attributes_row(to_prompt(messages[:-1]), to_answer(messages[-1:]), values)]


def write_nemo(row: Row) -> Row:
    """Attributes of other names are left out."""
    values = [_value(row, name) for name in NEMO]
    if all(value is None for value in values):
        raise Unreadable("none_of_the_nine_attributes")
    system = [] if row["prompt"][0]["role"] == "system" else [{"role": "system", "content": ""}]
    text = _text([*system, *row["prompt"], *to_answer(row["completion"])])
    return {"text": text + _END, "label": [MISSING if value is None else value for value in values]}


def _value(row: Row, name: str) -> float | None:
    """NaN is a missing value, as in the trainer; written down it would be a label."""
    value = row.get(name)
    return None if value is None or isnan(value) else to_number(value, "value_is_no_number")


def read_helpsteer2_preference(row: Row) -> list[Row]:
    """{prompt, response_1, response_2, preference_strength}: -3, the first is much better, to 3, the
    second."""
    prompt = _prompt(row["prompt"])
    return [_preference(prompt, row["response_1"], row["response_2"], row["preference_strength"])]


def write_helpsteer2_preference(row: Row) -> Row:
    """The better one is always the second."""
    return {
        "prompt": _prompt_text(row["prompt"]),
        "response_1": answer_text(row["rejected"]),
        "response_2": answer_text(row["chosen"]),
        "preference_strength": _strength(row),
    }


def read_helpsteer3(row: Row) -> list[Row]:
    """{context, response1, response2, overall_preference}, the same scale."""
    prompt = to_prompt(row["context"])
    return [_preference(prompt, row["response1"], row["response2"], row["overall_preference"])]


def write_helpsteer3(row: Row) -> Row:
    return {
        "context": row["prompt"],
        "response1": answer_text(row["rejected"]),
        "response2": answer_text(row["chosen"]),
        "overall_preference": _strength(row),
    }


def _preference(prompt: Messages, first: str, second: str, strength: int) -> Row:
    """The strength is the margin; 0 is a tie."""
    if to_number(strength, "strength_is_no_number") not in range(-LARGEST_STRENGTH, LARGEST_STRENGTH + 1):
        raise Unreadable("strength_out_of_range")
    chosen, rejected = (second, first) if strength > 0 else (first, second)
    margin, soft = float(abs(strength)), 1.0 if strength else 0.5
    return preference_row(prompt, to_answer(chosen), to_answer(rejected), margin, soft)


def _strength(row: Row) -> int:
    if not is_choice(row):
        return 0
    if row["margin"] not in range(1, LARGEST_STRENGTH + 1):
        raise Unreadable("margin_is_no_strength")
    return int(row["margin"])


def _prompt(text: str) -> Messages:
    messages = _turns(_USER + text)
    if messages[-1]["role"] != "user":
        raise Unreadable("prompt_does_not_end_with_the_user")
    return to_prompt(messages)


def _prompt_text(messages: Messages) -> str:
    if messages[0]["role"] != "user" or messages[-1]["role"] != "user":
        raise Unreadable("prompt_does_not_begin_and_end_with_the_user")
    return _text(messages).removeprefix(_USER)


def _turns(text: str) -> Messages:
    before, *parts = _TURN.split(text)
    messages = [
        {"role": mark[2:].lower(), "content": content}
        for mark, content in zip(parts[::2], parts[1::2], strict=True)
    ]
    if messages and messages[0] == {"role": "system", "content": ""}:
        messages = messages[1:]
    if before or not messages or any("<extra_id_" in m["content"] for m in messages):
        raise Unreadable("stray_turn_mark")
    return messages


def _text(messages: Messages) -> str:
    if any("<extra_id_" in m["content"] for m in messages):
        raise Unreadable("text_holds_the_marks_of_the_format")
    numbers = {"system": 0, "user": 1, "assistant": 1}
    return "\n".join(
        f"<extra_id_{numbers[m['role']]}>{m['role'].capitalize()}\n{m['content']}" for m in messages
    )


MARKS, ENDS = "text_holds_the_marks_of_the_format", "prompt_does_not_begin_and_end_with_the_user"
STRENGTH = ("margin_is_no_strength", "soft_preference", "rejected_is_preferred")  # a tie has the strength 0

FORMATS = {
    "helpsteer": Format(
        "attributes",
        attributes_table(HELPSTEER),
        read_helpsteer,
        one_row(write_helpsteer),
        columns=("prompt", "response", *HELPSTEER),
        refuses=("attribute_missing", ENDS, MARKS),
    ),
    "helpsteer2-preference": Format(
        "preference",
        PREFERENCE,
        read_helpsteer2_preference,
        one_row(write_helpsteer2_preference),
        columns=("prompt", "response_1", "response_2", "preference_strength"),
        unread=("split", "preference_statement", "preference_elaboration", "all_preferences_unprocessed"),
        refuses=(*STRENGTH, ENDS, MARKS),
        alters="the better response is always the second",
    ),
    "helpsteer3": Format(
        "preference",
        PREFERENCE,
        read_helpsteer3,
        one_row(write_helpsteer3),
        columns=("context", "response1", "response2", "overall_preference"),
        unread=("domain", "language", "individual_preference"),
        refuses=STRENGTH,
        alters="the better response is always the second",
    ),
    "nemo-attributes": Format(
        "attributes",
        attributes_table(NEMO),
        read_nemo,
        one_row(write_nemo),
        columns=("text", "label"),
        refuses=("none_of_the_nine_attributes", MARKS),
    ),
}

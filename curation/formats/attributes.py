"""NVIDIA's rows: HelpSteer and HelpSteer2 ratings on five scales, HelpSteer2 and HelpSteer3 preferences,
and the text form of NeMo-Aligner's regression reward model.

HelpSteer writes a conversation into one text, with NeMo-Aligner's turn marks between the turns:

    first question\\n<extra_id_1>Assistant\\nanswer\\n<extra_id_1>User\\nsecond question
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isnan

from curation.formats.rows import (
    SOFT_UNKNOWN,
    UNSURE,
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
from store.ids import derived_seed
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
    if not _in_range(values.values()):
        raise Unreadable("rating_out_of_range")
    return [attributes_row(_prompt(row["prompt"]), to_answer(row["response"]), values)]


def _in_range(ratings: Iterable[float | None]) -> bool:
    return all(rating is None or 0 <= rating <= LARGEST_RATING for rating in ratings)


def write_helpsteer(row: Row) -> Row:
    if not set(HELPSTEER) <= set(row):
        raise Unreadable("attribute_missing")
    values = {name: _value(row, name) for name in HELPSTEER}
    if not _in_range(values.values()):
        raise Unreadable("rating_out_of_range")
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
    if MISSING in values:
        raise Unreadable("rating_out_of_range")
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
    first, second, strength = _sides(row)
    prompt = _prompt_text(row["prompt"])
    return {"prompt": prompt, "response_1": first, "response_2": second, "preference_strength": strength}


def read_helpsteer3(row: Row) -> list[Row]:
    """{context, response1, response2, overall_preference}, the same scale."""
    prompt = to_prompt(row["context"])
    return [_preference(prompt, row["response1"], row["response2"], row["overall_preference"])]


def write_helpsteer3(row: Row) -> Row:
    first, second, strength = _sides(row)
    context = row["prompt"]
    return {"context": context, "response1": first, "response2": second, "overall_preference": strength}


def _preference(prompt: Messages, first: str, second: str, strength: int) -> Row:
    """The strength is the margin; 0 is a tie."""
    if to_number(strength, "strength_is_no_number") not in range(-LARGEST_STRENGTH, LARGEST_STRENGTH + 1):
        raise Unreadable("strength_out_of_range")
    chosen, rejected = (second, first) if strength > 0 else (first, second)
    margin, soft = float(abs(strength)), 1.0 if strength else 0.5
    return preference_row(prompt, to_answer(chosen), to_answer(rejected), margin, soft)


def _sides(row: Row) -> tuple[str, str, int]:
    """First and second response and the strength. Which one is first is drawn from the content, so that a
    trainer cannot learn the place; the first of a tie stays it."""
    chosen, rejected = answer_text(row["chosen"]), answer_text(row["rejected"])
    if not is_choice(row):
        return chosen, rejected, 0
    if row["margin"] not in range(1, LARGEST_STRENGTH + 1):
        raise Unreadable("margin_is_no_strength")
    strength = int(row["margin"])
    if derived_seed("helpsteer", row["prompt"], chosen, rejected) % 2 == 0:
        return chosen, rejected, -strength
    return rejected, chosen, strength


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
    if any(m["role"] not in numbers for m in messages):
        raise Unreadable("role_without_a_mark")
    return "\n".join(
        f"<extra_id_{numbers[m['role']]}>{m['role'].capitalize()}\n{m['content']}" for m in messages
    )


MARKS = ("text_holds_the_marks_of_the_format", "role_without_a_mark")
ENDS = "prompt_does_not_begin_and_end_with_the_user"
STRENGTH = ("margin_is_no_strength", *UNSURE)  # a tie has the strength 0
SIDES = f"a tie's margin becomes 0; {SOFT_UNKNOWN}"

FORMATS = {
    "helpsteer": Format(
        "attributes",
        attributes_table(HELPSTEER),
        read_helpsteer,
        one_row(write_helpsteer),
        columns=("prompt", "response", *HELPSTEER),
        refuses=("attribute_missing", "rating_out_of_range", ENDS, *MARKS),
    ),
    "helpsteer2-preference": Format(
        "preference",
        PREFERENCE,
        read_helpsteer2_preference,
        one_row(write_helpsteer2_preference),
        columns=("prompt", "response_1", "response_2", "preference_strength"),
        unread=("split", "preference_statement", "preference_elaboration", "all_preferences_unprocessed"),
        refuses=(*STRENGTH, ENDS, *MARKS),
        alters=SIDES,
    ),
    "helpsteer3": Format(
        "preference",
        PREFERENCE,
        read_helpsteer3,
        one_row(write_helpsteer3),
        columns=("context", "response1", "response2", "overall_preference"),
        unread=("domain", "language", "individual_preference"),
        refuses=STRENGTH,
        alters=SIDES,
    ),
    "nemo-attributes": Format(
        "attributes",
        attributes_table(NEMO),
        read_nemo,
        one_row(write_nemo),
        columns=("text", "label"),
        refuses=("none_of_the_nine_attributes", "rating_out_of_range", *MARKS),
        alters="an empty system message is dropped",
    ),
}

"""Checks of rows as they stand in a file, before a reader has made a table row of them.

They see what a reader leaves out or rejects without saying what it means: two prompts in one pair, as many
ratings as answers, ratings that contradict the choice, the seat of the chosen answer, ids that come back.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from sys import float_info
from typing import Any

import numpy as np

from curation.audit.biases import Position
from curation.audit.report import Tally

Row = dict[str, Any]

# Lists that must be as long as each other, under the names that published sets use.
_JUDGED = ("ratings", "scores", "rewards", "rationales")
_BESIDE = {
    "generations": _JUDGED,
    "responses": _JUDGED,
    "completions": (*_JUDGED, "labels"),
    "steps": ("labels", "ratings", "values"),
}
# Ratings of the two sides, in published preference sets (ultrafeedback_binarized, distilabel, Skywork, ...).
_SIDES = tuple(
    name
    for what in ("score", "rating", "reward", "avg_rating", "overall_score")
    for name in ((f"chosen_{what}", f"rejected_{what}"), (f"{what}_chosen", f"{what}_rejected"))
) + (("chosen-rating", "rejected-rating"), ("chosen_model_score", "rejected_model_score"))
_ID_COLUMNS = ("id", "uid", "uuid", "row_id", "example_id", "prompt_id", "unique_id")
_LAST_TURN = "\n\nAssistant:"  # of HH-RLHF's conversations in one text


class RawChecks:
    """Takes the rows of one file in order; `checked_ids`: columns that the checks of the table look at."""

    def __init__(self, tally: Tally, checked_ids: Collection[str] = ()) -> None:
        self.tally = tally
        self._id_columns = [name for name in _ID_COLUMNS if name not in checked_ids]
        self.position = Position()
        self._found: set[str] = set()
        self._ids, self._prompts, self._rows = array("q"), array("q"), array("q")

    def add(self, row: Row, number: int) -> set[str]:
        """The checks that found something in this row."""
        where = f"row {number}"
        seen: set[str] = set()
        for check, detail in (*_pair(row), *_counts(row)):
            self.tally.add(check, 1, 0, [(where, detail)])
            self._found.add(check)
            seen.add(check)
        seat = _seat(row)
        if seat is not None:
            self.position.add(seat == 0, seat == 1)
        return seen

    def keep_ids(self, row: Row, number: int, prompt: list[dict[str, str]]) -> None:
        """Hashes of the ids and of what was asked first; equal only within this process, which is enough.

        An id may name a prompt or a conversation: rows about the same question may share it."""
        first = next((turn["content"] for turn in prompt if turn["role"] == "user"), prompt[0]["content"])
        asked = hash(first.split(_LAST_TURN, 1)[0].strip())
        for name in self._id_columns:
            if isinstance(row.get(name), str | int):
                self._ids.append(hash((name, str(row[name]))))  # the hashes of -1 and -2 are equal
                self._prompts.append(asked)
                self._rows.append(number)

    def close(self, facts: dict[str, Any], rows: int) -> None:
        for check in self._found:  # checks of the table may have counted its rows already
            self.tally.raise_out_of(check, rows)
        self.position.close(self.tally, facts)
        ids, prompts, numbers = (np.array(x, np.int64) for x in (self._ids, self._prompts, self._rows))
        order = np.lexsort((numbers, ids))
        same = ids[order][1:] == ids[order][:-1]
        differs = same & (prompts[order][1:] != prompts[order][:-1])
        numbers = numbers[order]
        again, first = numbers[1:][differs], numbers[:-1][differs]
        order = np.argsort(again)
        places = ((f"row {again[i]}", f"has the id of row {first[i]} and another prompt") for i in order)
        if len(ids):
            self.tally.add("id_reused", len(again), len(ids), places)


Finding = tuple[str, str]  # check, what is wrong


def _pair(row: Row) -> Iterator[Finding]:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if not chosen or not rejected:
        return
    prompt = row.get("prompt")
    prompts = [_asked(side, is_whole=prompt is None) for side in (chosen, rejected)]
    is_whole = None not in prompts
    if is_whole and prompts[0] != prompts[1]:
        yield "prompt_mismatch", _difference(*prompts)
    elif is_whole and isinstance(prompt, str) and isinstance(chosen, list) and not _asks(chosen, prompt):
        yield "prompt_mismatch", "the prompt is not in the conversations"
    if chosen == rejected and (is_whole or prompt is None):
        yield "same_text", "chosen and rejected are the same"
    for names in _SIDES:
        ratings = [_number(row.get(name)) for name in names]
        if ratings[0] is None or ratings[1] is None:
            continue
        said = f"{names[0]} {ratings[0]:g}, {names[1]} {ratings[1]:g}"
        if ratings[0] <= ratings[1]:
            yield "rating_against_choice" if ratings[0] < ratings[1] else "tie_as_preference", said


def _asked(side: Any, is_whole: bool) -> str | None:
    """What comes before the last answer of a whole conversation; None where there is no such part. A text is
    taken for a conversation only where `is_whole`: an answer may hold the marks of turns, too."""
    if isinstance(side, str):
        before, mark, _ = side.rpartition(_LAST_TURN)
        return before if mark and is_whole else None
    if not isinstance(side, list) or not all(isinstance(turn, dict) for turn in side) or len(side) < 2:
        return None
    return repr([(turn.get("role"), turn.get("content")) for turn in side[:-1]])


def _asks(conversation: list[Row], prompt: str) -> bool:
    """Is the prompt in what comes before the last answer, or that in the prompt, as in a filled template?"""
    said = [turn["content"].strip() for turn in conversation[:-1] if isinstance(turn.get("content"), str)]
    return not said or prompt.strip() in "\n".join(said) or said[-1] in prompt


def _difference(a: str | None, b: str | None) -> str:
    a, b = a or "", b or ""
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    begin = max(0, at - 20)
    return f"…{a[begin : at + 20]!r} before chosen, …{b[begin : at + 20]!r} before rejected"


def _counts(row: Row) -> Iterator[Finding]:
    """Each list of answers beside each list of what is said of them."""
    for answers, beside in _BESIDE.items():
        texts = row.get(answers)
        for ratings in beside:
            said = row.get(ratings)
            if isinstance(texts, list) and isinstance(said, list) and len(said) != len(texts):
                yield "lengths_differ", f"{len(texts)} {answers}, {len(said)} {ratings}"


def _seat(row: Row) -> int | None:
    """Which of two responses is the better one: 0, the first, or 1; None where the row does not say."""
    for name in ("preference_strength", "overall_preference"):  # HelpSteer2 and 3: below 0 is the first
        strength = _number(row.get(name))
        if strength:
            return int(strength > 0)
    texts, chosen = row.get("generations") or row.get("responses"), row.get("chosen")
    if isinstance(texts, list) and len(texts) == 2 and chosen:
        last = chosen[-1] if isinstance(chosen, list) else chosen
        best = last.get("content") if isinstance(last, dict) else last
        if texts.count(best) == 1:
            return texts.index(best)
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        return None
    return float(value)

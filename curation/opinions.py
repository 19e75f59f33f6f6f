"""What all judges of two completions say together.

A judge who says nothing (a reply that cannot be read, another verdict in the other order) leaves it to the
others; judges who say different things say nothing together. Completions of the same text are the same
candidate, whichever of them was shown: opinions on either count for both, else one text could be preferred to
another and the other to it.
"""

from __future__ import annotations

from math import fsum
from typing import NamedTuple

import polars as pl

from store.errors import InputError

Said = tuple[str | None, str | None, float | None]  # preference A or B, why there is none, P(a preferred)


_OTHER = {"A": "B", "B": "A", None: None}


class Opinion(NamedTuple):
    """Of two completions in the order of their ids; `refused` says why there is no preference."""

    a_id: str
    b_id: str
    preference: str | None  # A, B or tie
    soft: float | None  # P(a preferred)
    refused: str | None


def combined(
    opinions: pl.DataFrame, owner: dict[str, str], stands_for: dict[str, str]
) -> dict[str, list[Opinion]]:
    """The opinions of each prompt. `opinions` as `pairs.preference_judged` takes them, `owner` the prompt of
    each completion, `stands_for` the first completion of its text for each that may be used."""
    found: dict[tuple[str, str, str], list[Said]] = {}
    columns = opinions.select("prompt_id", "a_id", "b_id", "preference", "rejected", "soft").sort(pl.all())
    for prompt_id, a_id, b_id, preference, rejected, soft in columns.iter_rows():
        for completion_id in (a_id, b_id):
            if owner.get(completion_id) != prompt_id:
                raise InputError(f"judged completion {completion_id} is not among the answers to {prompt_id}")
        if preference not in ("A", "B", None):
            raise InputError(
                f"judgement of {a_id} and {b_id}: preference is {preference!r}, not A, B or null"
            )
        if a_id not in stands_for or b_id not in stands_for:
            continue
        a, b = stands_for[a_id], stands_for[b_id]
        if b < a:
            a, b = b, a
            preference = _OTHER[preference]
            soft = None if soft is None else 1 - soft
        found.setdefault((prompt_id, a, b), []).append((preference, rejected, soft))
    together: dict[str, list[Opinion]] = {}
    for (prompt_id, a, b), said in found.items():
        together.setdefault(prompt_id, []).append(_together(a, b, said))
    return together


def _together(a: str, b: str, said: list[Said]) -> Opinion:
    verdicts = {p or "tie" for p, rejected, _ in said if p or rejected == "tie"}
    if a == b:
        return Opinion(a, b, None, None, "same_text")
    if len(verdicts) > 1:
        return Opinion(a, b, None, None, "judges_disagree")
    if not verdicts:
        return Opinion(a, b, None, None, min(rejected or "no_preference" for _, rejected, _ in said))
    soft = [value for p, _, value in said if p and value is not None]
    return Opinion(a, b, verdicts.pop(), fsum(soft) / len(soft) if soft else None, None)

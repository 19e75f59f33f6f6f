"""What a named model reads of a row: rows that are too long, pairs that become the same tokens, steps whose
end lies inside a token or behind what is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import polars as pl

from curation.audit.report import Tally
from store.errors import InputError

Messages = list[dict[str, str]]


class Tokens(NamedTuple):
    """How a model reads: `encode(messages, segments)` gives the ids of the conversation whose last turn is
    the segments, how many of them are the prompt's, and the place of each segment's last token, and raises
    InputError where the chat template refuses; `begins(text)` gives the characters at which the tokens of a
    text begin. `max_tokens`: it reads the first so many."""

    encode: Callable[[Messages, Sequence[str]], tuple[Sequence[int], int, Sequence[int]]]
    begins: Callable[[str], set[int]]
    max_tokens: int


def check_tokens(table: str, frame: pl.DataFrame, tokens: Tokens, tally: Tally) -> None:
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in _CHECKS[table]}
    has_text = pl.element().struct.field("content").is_not_null()
    asked = frame.filter(pl.col("prompt").list.eval(has_text).list.all() & (pl.col("prompt").list.len() > 0))
    for row in asked.iter_rows(named=True):
        try:
            for check, detail in _ROWS[table](row, tokens):
                found[check].append((row["place"], detail))
        except InputError as refusal:
            found["prompt_refused"].append((row["place"], str(refusal)))
    for check, places in found.items():
        tally.add(check, len(places), frame.height, places)


def _preference(row: dict[str, Any], tokens: Tokens) -> list[tuple[str, str]]:
    limit, prompt = tokens.max_tokens, row["prompt"]
    if not row["chosen"] or not row["rejected"]:
        return []  # a finding of its own
    chosen, n_prompt, _ = tokens.encode(prompt, [row["chosen"][-1]["content"] or ""])
    rejected, _, _ = tokens.encode(prompt, [row["rejected"][-1]["content"] or ""])
    found = _length(max(len(chosen), len(rejected)), n_prompt, limit)
    if list(chosen[:limit]) == list(rejected[:limit]):
        found.append(("same_tokens", f"the first {min(limit, len(chosen)):,} tokens are all that is read"))
    return found


def _ranking(row: dict[str, Any], tokens: Tokens) -> list[tuple[str, str]]:
    encoded = [tokens.encode(row["prompt"], [text]) for text in row["completions"] or () if text]
    if not encoded:
        return []
    kept = {tuple(ids[: tokens.max_tokens]) for ids, _, _ in encoded}
    found = _length(max(len(ids) for ids, _, _ in encoded), encoded[0][1], tokens.max_tokens)
    if len(kept) < len(encoded):
        found.append(("same_tokens", f"{len(encoded)} completions, {len(kept)} different ones as read"))
    return found


def _outcome(row: dict[str, Any], tokens: Tokens) -> list[tuple[str, str]]:
    if not row["completion"]:
        return []
    ids, n_prompt, _ = tokens.encode(row["prompt"], [row["completion"][-1]["content"] or ""])
    return _length(len(ids), n_prompt, tokens.max_tokens)


def _stepwise(row: dict[str, Any], tokens: Tokens) -> list[tuple[str, str]]:
    steps = row["completions"]
    if not steps or not all(steps):
        return []  # a finding of its own
    ids, n_prompt, ends = tokens.encode(row["prompt"], steps)
    found = _length(len(ids), n_prompt, tokens.max_tokens)
    cut = sum(end >= tokens.max_tokens for end in ends)
    if cut:
        found.append(("steps_cut_off", f"{cut} of {len(steps)} steps"))
    begins, at = tokens.begins("".join(steps)), 0
    for number, step in enumerate(steps[:-1], start=1):
        at += len(step)
        if at not in begins:
            found.append(("merged_separator", f"step {number} ends inside a token"))
            break
    return found


def _length(n: int, n_prompt: int, limit: int) -> list[tuple[str, str]]:
    if n_prompt >= limit:
        return [("prompt_over_long", f"the prompt has {n_prompt:,} tokens, {limit:,} are read")]
    return [("over_long", f"{n:,} tokens, {limit:,} are read")] if n > limit else []


_LENGTH = ("over_long", "prompt_over_long", "prompt_refused")
_CHECKS = {
    "preference": (*_LENGTH, "same_tokens"),
    "ranking": (*_LENGTH, "same_tokens"),
    "outcome": _LENGTH,
    "stepwise": (*_LENGTH, "steps_cut_off", "merged_separator"),
    "attributes": _LENGTH,
}
_ROWS: dict[str, Callable[[dict[str, Any], Tokens], list[tuple[str, str]]]] = {
    "preference": _preference,
    "ranking": _ranking,
    "outcome": _outcome,
    "stepwise": _stepwise,
    "attributes": _outcome,
}

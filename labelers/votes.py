"""Majority vote over equivalence classes of answers (self-consistency, Wang et al. 2022, arXiv 2203.11171).

Answers that are the same exact number, or the same normalised string, form one class: 1/2, 0.5 and
\\frac{1}{2} vote together. A completion without a readable answer belongs to no class but counts in K, so

    margin = (n1 - n2) / K        n1, n2: the largest and second largest class, K: completions of the prompt

falls as fewer completions can be read. Everything here is a function of the set of completions, never of
their order: the class that wins a tie is the one with the smallest content id of (prompt, class), which
favours no kind of answer, and a tie has margin 0 and so is never pseudo-gold.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from store.ids import content_id
from store.tables import VOTES
from verifiers.extraction import extract
from verifiers.math import DEFAULT, Policy, canonical


class Ballot(NamedTuple):
    """One completion's vote; `name` (its class) is None when no answer could be read."""

    completion_id: str
    answer: str | None
    name: str | None


def vote(completions: pl.DataFrame, policy: Policy = DEFAULT) -> pl.DataFrame:
    """VOTES: one row per completion, sorted by prompt_id and completion_id."""
    columns = completions.sort("prompt_id", "completion_id").select(
        "prompt_id", "completion_id", "text", "finish_reason"
    )
    prompts: dict[str, list[Ballot]] = defaultdict(list)
    for prompt_id, completion_id, text, finish_reason in columns.iter_rows():
        prompts[prompt_id].append(cast_ballot(completion_id, text, finish_reason == "length", policy))
    rows = [row for prompt_id, ballots in prompts.items() for row in _count(prompt_id, ballots)]
    return pl.DataFrame(rows, schema=VOTES, orient="row")


def cast_ballot(completion_id: str, text: str, truncated: bool, policy: Policy = DEFAULT) -> Ballot:
    answer = extract(text, policy, truncated=truncated).text
    name = None if answer is None else canonical(answer)
    return Ballot(completion_id, answer if name else None, name)


def _count(prompt_id: str, ballots: list[Ballot]) -> Iterator[tuple[object, ...]]:
    sizes = Counter(b.name for b in ballots if b.name is not None)
    winner = min(sizes, key=lambda name: (-sizes[name], content_id(prompt_id, name)), default=None)
    first, second = (sorted(sizes.values(), reverse=True) + [0, 0])[:2]
    margin = (first - second) / len(ballots)
    answers = {name: _representative(ballots, name) for name in sizes}
    for b in ballots:
        answer, size = (answers[b.name], sizes[b.name]) if b.name is not None else (None, 0)
        is_majority = b.name is not None and b.name == winner
        yield b.completion_id, prompt_id, answer, size, len(ballots), is_majority, margin


def _representative(ballots: list[Ballot], name: str) -> str:
    """The spelling most used in the class; then the shortest, then the alphabetically first."""
    spellings = Counter(b.answer for b in ballots if b.name == name and b.answer is not None)
    return min(spellings, key=lambda answer: (-spellings[answer], len(answer), answer))


def pseudo_gold(votes: pl.DataFrame, min_margin: float = 0.0) -> pl.DataFrame:
    """(prompt_id, answer, margin) of prompts whose majority is strict and leads by at least `min_margin`."""
    strict = (pl.col("margin") > 0) & (pl.col("margin") >= min_margin)
    leading = votes.filter(pl.col("is_majority") & strict)
    return leading.select("prompt_id", "answer", "margin").unique("prompt_id").sort("prompt_id")

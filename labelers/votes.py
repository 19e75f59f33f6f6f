"""Majority vote over equivalence classes of answers (self-consistency, Wang et al. 2022, arXiv 2203.11171).

Answers that are the same exact number, or have the same normal form, make one class: 1/2, 0.5 and
\\frac{1}{2} vote together. Then a smaller class joins the largest one whose spelling the verifier finds equal
to its own: (x+1)^2 and x^2+2x+1. Two numbers never join: what they have in common was found before, and
"10%", which may be read as 10 and as 0.1, must not make one class of those.

    margin  = (n1 - n2) / K         n1, n2: the largest and second largest class, K: completions of the prompt
    entropy = - sum p ln p          p: share of each class in K

A completion without a readable answer belongs to no class but counts in K, and in the entropy as a class of
its own: the fewer can be read, the less sure the vote. Everything here is a function of the set of
completions, never of their order: the class that wins a tie is the one with the smallest content id of
(prompt, class), which favours no kind of answer, and a tie has margin 0 and so is never pseudo-gold.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import log
from typing import Any, NamedTuple

import polars as pl

from labelers.proportions import rate
from store.errors import InputError
from store.ids import content_id
from store.tables import VOTES
from verifiers.extraction import extract
from verifiers.math import DEFAULT, Policy, canonical, equivalent, verify

MARGINS = (0.0, 0.25, 0.5, 0.75)  # lower edges of the audit's bins

_NUMBER = re.compile(r"-?[0-9]+(?:/[0-9]+)?")


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


def merged(ballots: Sequence[Ballot]) -> list[Ballot]:
    """The ballots under the names of classes that the verifier tells apart."""
    sizes = Counter(b.name for b in ballots if b.name is not None)
    leaders: dict[str, str] = {}  # name -> spelling
    joins: dict[str | None, str] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        answer = _representative(ballots, name)
        joins[name] = next((n for n, other in leaders.items() if _equal(name, answer, n, other)), name)
        if joins[name] == name:
            leaders[name] = answer
    return [b._replace(name=joins.get(b.name)) for b in ballots]


def largest_two(ballots: Sequence[Ballot]) -> tuple[int, int]:
    """Sizes of the largest and second largest class of merged ballots, 0 where there is none."""
    sizes = Counter(b.name for b in ballots if b.name is not None)
    first, second = (sorted(sizes.values(), reverse=True) + [0, 0])[:2]
    return first, second


def _equal(a: str, spelling_a: str, b: str, spelling_b: str) -> bool:
    both_numbers = _NUMBER.fullmatch(a) and _NUMBER.fullmatch(b)
    return not both_numbers and equivalent(spelling_a, spelling_b)


def _count(prompt_id: str, ballots: list[Ballot]) -> Iterator[tuple[object, ...]]:
    ballots = merged(ballots)
    sizes = Counter(b.name for b in ballots if b.name is not None)
    winner = min(sizes, key=lambda name: (-sizes[name], content_id(prompt_id, name)), default=None)
    first, second = largest_two(ballots)
    margin, entropy = (first - second) / len(ballots), _entropy(list(sizes.values()), len(ballots))
    answers = {name: _representative(ballots, name) for name in sizes}
    for b in ballots:
        answer, size = (answers[b.name], sizes[b.name]) if b.name is not None else (None, 0)
        is_majority = b.name is not None and b.name == winner
        yield b.completion_id, prompt_id, answer, size, len(ballots), is_majority, margin, entropy


def _entropy(sizes: list[int], k: int) -> float:
    """Of the classes and of the singletons that could not be read; summed in one order for equal bits."""
    parts = sorted([*sizes, *[1] * (k - sum(sizes))])
    return sum(n / k * log(k / n) for n in parts)


def _representative(ballots: Sequence[Ballot], name: str) -> str:
    """The spelling most used in the class; then the shortest, then the alphabetically first."""
    spellings = Counter(b.answer for b in ballots if b.name == name and b.answer is not None)
    return min(spellings, key=lambda answer: (-spellings[answer], len(answer), answer))


def pseudo_gold(votes: pl.DataFrame, min_margin: float = 0.0) -> pl.DataFrame:
    """(prompt_id, answer, margin) of prompts whose majority is strict and leads by at least `min_margin`."""
    strict = (pl.col("margin") > 0) & (pl.col("margin") >= min_margin)
    leading = votes.filter(pl.col("is_majority") & strict)
    return leading.select("prompt_id", "answer", "margin").unique("prompt_id").sort("prompt_id")


def audit_pseudo_gold(votes: pl.DataFrame, golds: pl.DataFrame, policy: Policy = DEFAULT) -> dict[str, Any]:
    """How often a majority is wrong, on the prompts that have a reference: {prompts, with_gold, ..., bins}.

    `golds` is (prompt_id, answer), the answer null where there is none. `bins` are the majorities whose
    margin lies in [margin_from, margin_to), the last bin closed; `thresholds` are the pseudo-golds that
    `pseudo_gold(votes, min_margin)` would give. Each has its false positive rate with a 95 % interval, null
    where nothing fell in. A majority that the verifier cannot decide on is counted, and on neither side.
    Raises InputError when a prompt has two references.
    """
    known = golds.drop_nulls("answer").select("prompt_id", gold="answer").unique()
    if known["prompt_id"].is_duplicated().any():
        first = known.filter(known["prompt_id"].is_duplicated()).sort("prompt_id", "gold")
        raise InputError(
            f"prompt {first['prompt_id'][0]!r} has the references {first['gold'][0]!r} and "
            f"{first['gold'][1]!r}; keep one"
        )
    asked = votes.select("prompt_id").unique().join(known, on="prompt_id", how="left")
    majorities = pseudo_gold(votes).join(known, on="prompt_id").sort("prompt_id")
    judged = [(m, verify(gold, answer, policy).status) for _, answer, m, gold in majorities.iter_rows()]
    decided = [(m, status == "incorrect") for m, status in judged if status in ("correct", "incorrect")]
    edges = [*zip(MARGINS, MARGINS[1:], strict=False), (MARGINS[-1], 1.0)]
    with_gold = asked.height - asked["gold"].null_count()
    return {
        "prompts": asked.height,
        "with_gold": with_gold,
        "tied": with_gold - majorities.height,  # no majority: a tie, or no readable answer at all
        "undecided": majorities.height - len(decided),
        "audited": len(decided),
        "bins": [
            {"margin_from": low, "margin_to": high}
            | _false_positives([w for m, w in decided if low <= m < high or m == high == 1])
            for low, high in edges
        ],
        "thresholds": [
            {"min_margin": low} | _false_positives([w for m, w in decided if m >= low]) for low in MARGINS
        ],
    }


def _false_positives(wrong: list[bool]) -> dict[str, Any]:
    found = rate(sum(wrong), len(wrong))
    return {"wrong": sum(wrong), "false_positive_rate": found.pop("rate"), **found}

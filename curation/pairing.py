"""Which comparisons of a prompt's completions become its training pairs.

A comparison that cannot teach what it says is refused, under the first name that applies (after those of the
evidence itself, such as order_flip, judges_disagree or better_in_part):

    same_text          both sides are the same text (published ties: distilabel's dpo.py pairs them)
    contradicts_label  a verifier or a vote decided the other way
    tie                the evidence sees less than `min_margin` between them
    strength_unknown   a margin is asked for and the evidence has none
    length_gap         one side is more than `length_ratio` times as long
    same_tokens        the trainer sees the same tokens: loss ln 2, no gradient (OpenRLHF#1311)

Of the rest at most `pairs_per_prompt` are taken, decided ones before ties, each time the one whose two
completions were used least, so that none is used again while others wait. Among equals the hardest comparison
comes first where hard negatives are wanted, else the closest lengths where lengths are matched, and then a
hash of the ids decides: the choice depends on the candidates alone, never on their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from math import inf, log
from typing import Literal, NamedTuple

from curation.candidates import Row, answer
from store.ids import content_id

ROUNDING = 1e-9  # 0.7 - 0.4 must reach a margin of 0.3


@dataclass(frozen=True)
class PairRule:
    """`min_margin` is in the unit of the evidence: rating points, share of constraints, log-odds of a judge;
    what a verifier, a vote or an order decides has no doubt in it and always reaches it.

    `length_ratio` (at least 1, None: any) is the longer side over the shorter in characters.
    `hard_negatives` prefers the smallest margin, then the rejected text that shares most words with the
    chosen one.
    """

    pairs_per_prompt: int = 4
    min_margin: float = 0.0
    ties: Literal["drop", "soft"] = "drop"
    length_ratio: float | None = None
    hard_negatives: bool = False


class Trainer(NamedTuple):
    """How a trainer reads a conversation: `encode(messages)`, answer included, and the tokens it keeps."""

    encode: Callable[[list[Row]], Sequence[int]]
    max_tokens: int | None = None  # the first so many; None: all


class Comparison(NamedTuple):
    """`chosen` over `rejected`, rows with completion_id, text and the label where one is known. A margin of 0
    is a tie, infinity a decision without doubt, None a preference of unknown strength."""

    chosen: Row
    rejected: Row
    margin: float | None
    soft: float | None
    evidence: str
    refused: str | None = None  # the evidence itself gives no preference, for this reason

    @property
    def ids(self) -> tuple[str, str]:
        return self.chosen["completion_id"], self.rejected["completion_id"]


class Choice(NamedTuple):
    """Every comparison once: taken, or refused with its reason."""

    taken: list[Comparison]
    refused: list[tuple[Comparison, str]]


def choose(
    prompt: list[Row],
    comparisons: list[Comparison],
    rule: PairRule,
    trainer: Trainer | None,
) -> Choice:
    """The training pairs of one prompt."""
    tokens = _Tokens(prompt, trainer) if trainer else None
    good, refused = [], []
    for one in comparisons:
        tie = _is_tie(one, rule)
        reason = one.refused or _refusal(one, rule, tie) or (tokens.refusal(one) if tokens else None)
        if reason:
            refused.append((one, reason))
        else:
            good.append(one._replace(margin=0.0, soft=0.5) if tie else one)
    taken, over = _take(good, rule)
    return Choice(taken, [*((one, "over_pairs_per_prompt") for one in over), *refused])


def _is_tie(one: Comparison, rule: PairRule) -> bool:
    return one.margin is not None and one.margin < max(rule.min_margin - ROUNDING, ROUNDING)


def _refusal(one: Comparison, rule: PairRule, tie: bool) -> str | None:
    if _text(one.chosen) == _text(one.rejected):
        return "same_text"
    labels = one.chosen["label"], one.rejected["label"]
    if labels == (False, True) or (tie and labels == (True, False)):
        return "contradicts_label"
    if tie and rule.ties == "drop":
        return "tie"
    if one.margin is None and rule.min_margin > 0:
        return "strength_unknown"
    if rule.length_ratio and _length_gap(one) > log(rule.length_ratio) + ROUNDING:
        return "length_gap"
    return None


class _Tokens:
    """What the trainer keeps of each completion of a prompt, encoded once."""

    def __init__(self, prompt: list[Row], trainer: Trainer) -> None:
        self.prompt, self.trainer = prompt, trainer
        self.kept: dict[str, list[int]] = {}

    def refusal(self, one: Comparison) -> str | None:
        return "same_tokens" if self._of(one.chosen) == self._of(one.rejected) else None

    def _of(self, row: Row) -> list[int]:
        if row["completion_id"] not in self.kept:
            ids = self.trainer.encode([*self.prompt, *answer(row["text"])])
            self.kept[row["completion_id"]] = list(ids[: self.trainer.max_tokens])
        return self.kept[row["completion_id"]]


def _take(good: list[Comparison], rule: PairRule) -> tuple[list[Comparison], list[Comparison]]:
    waiting = _in_order(good, rule)
    uses: Counter[str] = Counter()
    taken: dict[int, Comparison] = {}
    heap = [(one.margin == 0, 0, place) for place, one in enumerate(waiting)]
    heapify(heap)
    while heap and len(taken) < rule.pairs_per_prompt:
        is_tie, used_then, place = heap[0]
        used = sum(uses[i] for i in waiting[place].ids)
        if used > used_then:  # uses only grow: what is first by old counts and still has them is the first
            heapreplace(heap, (is_tie, used, place))
            continue
        heappop(heap)
        taken[place] = waiting[place]
        uses.update(waiting[place].ids)
    return [*taken.values()], [one for place, one in enumerate(waiting) if place not in taken]


def _in_order(good: list[Comparison], rule: PairRule) -> list[Comparison]:
    words: dict[str, set[str]] = {}
    if rule.hard_negatives:
        words = {row["completion_id"]: set(_text(row).split()) for one in good for row in one[:2]}

    def place(one: Comparison) -> tuple[float, float, str]:
        by_hash = content_id("choice", *one.ids)
        if rule.hard_negatives:
            chosen, rejected = one.ids
            return (
                inf if one.margin is None else one.margin,
                -_shared(words[chosen], words[rejected]),
                by_hash,
            )
        return _length_gap(one) if rule.length_ratio else 0.0, 0.0, by_hash

    return sorted(good, key=place)


def _shared(a: set[str], b: set[str]) -> float:
    """Dice coefficient: 1 for the same words, 0 for none in common."""
    return 2 * len(a & b) / (len(a) + len(b))


def _length_gap(one: Comparison) -> float:
    """|log ratio| of the lengths in characters."""
    return abs(log(len(_text(one.chosen)) / len(_text(one.rejected))))


def _text(row: Row) -> str:
    return str(row["text"]).strip()

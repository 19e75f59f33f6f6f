"""Class balance: as many right as wrong answers, or steps, up to a factor.

Only rows without a label of the rarer class are dropped, one after the other, each time from the prompt where
the commoner class leads by most. So every prompt comes as near to balance as it can: dropped at random, hard
prompts would keep wrong answers only and easy ones right ones, and the prompt alone would tell the label.
A row whose loss would make the commoner class rarer than the factor allows stays: smaller ones go instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from store.ids import content_id


class Labelled(NamedTuple):
    """A row of a set: one answer, or a solution with several labelled steps."""

    prompt_id: str
    row_id: str
    right: int  # labels that say so
    wrong: int


def surplus(rows: Sequence[Labelled], max_imbalance: float) -> set[str]:
    """Ids of the rows to drop, until the commoner class has at most `max_imbalance` times the other's labels.

    It has more where only rows are left that have labels of both or too many to go. Where there is one class
    alone, all rows go; `max_imbalance` is at least 1.
    """
    right, wrong = sum(row.right for row in rows), sum(row.wrong for row in rows)
    if right < wrong:
        rows = [row._replace(right=row.wrong, wrong=row.right) for row in rows]
        right, wrong = wrong, right
    lead: dict[str, int] = defaultdict(int)
    waiting: dict[str, list[Labelled]] = defaultdict(list)
    for row in rows:
        lead[row.prompt_id] += row.right - row.wrong
        if not row.wrong:
            waiting[row.prompt_id].append(row)
    for found in waiting.values():
        found.sort(key=lambda row: content_id("balance", row.row_id))
    heap: list[tuple[int, str, str]] = []

    def offer(prompt_id: str) -> None:
        if waiting[prompt_id]:
            heappush(heap, (-lead[prompt_id], content_id("balance", prompt_id), prompt_id))

    for prompt_id in waiting:
        offer(prompt_id)
    dropped: set[str] = set()
    while heap and right > max_imbalance * wrong:
        prompt_id = heappop(heap)[2]
        row = waiting[prompt_id].pop()
        if (right - row.right) * max_imbalance >= wrong:
            dropped.add(row.row_id)
            right -= row.right
            lead[prompt_id] -= row.right
        offer(prompt_id)
    return dropped

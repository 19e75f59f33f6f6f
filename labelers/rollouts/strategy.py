"""What a probe strategy sees, what it decides, and what it may ask for next.

A strategy is two pure functions of the evidence on one solution: which prefixes to continue next, and which
labels the evidence supports. It never sees an engine, a ledger or another solution's draws, so its labels do
not depend on batching, on the order of answers or on what a resumed run had already paid for, and any
strategy's `labels` can read the evidence that any other one collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Draw = Literal["right", "wrong", "undecided"]  # undecided: cut by the token limit, or unreadable


class Evidence(NamedTuple):
    """What is known about one solution of T steps. Prefix t ends after step t; the last one is the solution."""

    lengths: tuple[int, ...]  # characters of each step: what a rollout from a prefix will cost
    outcome: Draw  # the solution's own answer
    solved: int  # right completions of the prompt by the same policy, this one included
    sampled: int  # decided completions of the prompt
    draws: tuple[tuple[Draw, ...], ...]  # of prefixes 0..T-2, each in the order of its stream

    @property
    def n_steps(self) -> int:
        return len(self.lengths)

    def counts(self, t: int) -> tuple[int, int]:
        """(right, decided) draws from prefix t."""
        right = self.draws[t].count("right")
        return right, right + self.draws[t].count("wrong")


class StepLabel(NamedTuple):
    value: float | None  # estimate of P(the policy gets home from here)
    label: bool | None
    soft: float | None
    confidence: float | None  # probability that the label is right
    method: str


class Strategy(Protocol):
    name: str

    def probes(self, seen: Evidence) -> Sequence[int]:
        """Prefixes to draw one more rollout from, with repeats; empty when the solution is done."""
        ...

    def labels(self, seen: Evidence) -> list[StepLabel]:
        """One label per step."""
        ...

"""What a probe strategy sees, what it decides, and what it may ask for next.

A strategy is a few pure functions of the evidence on one solution: which prefixes to continue next, which of
the draws its labels stand on, and which labels they support. It never sees an engine, a ledger or another
solution's draws, so its labels do not depend on batching, on the order of answers or on what a resumed run
had already paid for, and any strategy can read the evidence that any other one collected.

The one exception is made before anything is labelled: a `Piloted` strategy has options that it estimates from
a pilot. Who labels a run in several calls calibrates it once (`label.calibrate`), so that they all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

Draw = Literal["right", "wrong", "undecided"]  # undecided: cut by the token limit, or unreadable


class Evidence(NamedTuple):
    """What is known about one solution of T steps. Prefix t ends after step t; prefix T-1 is the solution."""

    lengths: tuple[int, ...]  # characters of each step: what a rollout from a prefix will cost
    outcome: Draw  # the solution's own answer
    solved: int  # right completions of the prompt by the same policy, this one included
    sampled: int  # decided completions of the prompt
    draws: tuple[tuple[Draw, ...], ...]  # of prefixes 0..T-2, each in the order of its stream
    free: tuple[int, ...] = ()  # how many of each prefix's draws, from the first on, cost nothing; (): none
    closed: frozenset[int] = frozenset()  # prefixes that get no further draw: too long for the engine

    @property
    def n_steps(self) -> int:
        return len(self.lengths)

    def counts(self, t: int) -> tuple[int, int]:
        """(right, decided) draws from prefix t."""
        right = self.draws[t].count("right")
        return right, right + self.draws[t].count("wrong")

    def head(self, sizes: Sequence[int]) -> Evidence:
        """The first `sizes[t]` draws of every prefix t."""
        return self._replace(draws=tuple(draws[:n] for draws, n in zip(self.draws, sizes, strict=True)))


class StepLabel(NamedTuple):
    value: float | None  # estimate of P(the policy gets home from here)
    label: bool | None
    soft: float | None
    confidence: float | None  # probability that the label is right
    method: str


UNKNOWN = StepLabel(None, None, None, None, "none")


class Strategy(Protocol):
    """A frozen dataclass whose fields are the options of its `name` in `strategies.strategy_for`."""

    @property
    def name(self) -> str: ...

    def probes(self, seen: Evidence) -> Sequence[int]:
        """Prefixes to draw one more rollout from, with repeats; empty when the solution is done.

        The draws are drawn together, and the strategy is asked again when all of them are answered. Nothing
        comes of asking for a closed prefix; when nothing but closed ones is asked for, the solution is done.
        """
        ...

    def read(self, seen: Evidence) -> Evidence:
        """The draws that the labels stand on: what another strategy drew beyond them is left out."""
        ...

    def labels(self, seen: Evidence) -> list[StepLabel]:
        """One label per step, from what `read` has left."""
        ...


@runtime_checkable
class Piloted(Protocol):
    """A strategy with parameters of its own, which it estimates from the first solutions it has labelled."""

    @property
    def calibrate(self) -> bool:
        """Whether that is still to be done."""
        ...

    def calibrated(self, pilot: Sequence[Evidence]) -> Strategy: ...


def outcome_label(seen: Evidence) -> StepLabel:
    """The last step needs no rollout: a finished solution is its own continuation."""
    if seen.outcome == "undecided":
        return StepLabel(None, None, None, None, "outcome")
    value = float(seen.outcome == "right")
    return StepLabel(value, value > 0, value, 1.0, "outcome")


def replay(strategy: Strategy, recorded: Evidence) -> Evidence:
    """What the strategy would have seen, had it drawn from the recorded streams.

    A stream that ends before the strategy has had enough is closed there, as it was when it was recorded.
    """
    shown = list(recorded.free or [0] * len(recorded.draws))
    closed: frozenset[int] = frozenset()
    while True:
        seen, before = recorded.head(shown)._replace(closed=closed), sum(shown)
        for t in strategy.probes(seen):
            if shown[t] < len(recorded.draws[t]):
                shown[t] += 1
            else:
                closed |= {t}
        if sum(shown) == before and closed == seen.closed:
            return seen

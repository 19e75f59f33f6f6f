"""A solution that reads its prefixes' streams as its strategy tells it to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from labelers.rollouts.samples import FreeDraw, pass_rate
from labelers.rollouts.strategy import Evidence, Strategy
from labelers.rollouts.streams import Stream
from samplers.engine import Request, Sampling
from store.tables import ROLLOUTS


@dataclass(slots=True, eq=False)
class Case:
    """Implements `streams.Reader`: `asked[t]` samples of stream t are its own."""

    start: Evidence  # its free draws alone
    streams: Sequence[Stream]  # of the prefixes
    free: Sequence[Sequence[FreeDraw]]
    outcome: FreeDraw
    strategy: Strategy
    asked: list[int] = field(init=False)
    outstanding: int = 0
    closed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.asked = [0] * len(self.streams)

    @classmethod
    def of(
        cls,
        outcome: FreeDraw,
        ends: Sequence[int],
        streams: Sequence[Stream],
        free: Sequence[Sequence[FreeDraw]],
        samples: Sequence[FreeDraw],
        strategy: Strategy,
    ) -> Case:
        """`ends`: where each step ends; `free`: of each prefix; `samples`: of the prompt."""
        lengths = tuple(end - begin for begin, end in zip([0, *ends], ends, strict=False))
        draws = tuple(tuple(sibling.draw for sibling in row) for row in free)
        rate = pass_rate(samples, outcome)
        start = Evidence(lengths, outcome.draw, *rate, draws, tuple(map(len, free)))
        return cls(start, streams, free, outcome, strategy)

    @property
    def completion_id(self) -> str:
        return self.outcome.completion_id

    @property
    def readable(self) -> bool:
        """The reference answer is; else no rollout could be judged."""
        return self.outcome.verdict != "gold_unparseable"

    def indices(self, t: int) -> Iterator[int]:
        return (i for i in range(self.asked[t]) if i in self.streams[t].drawn)

    def evidence(self) -> Evidence:
        draws = (
            (*free, *(stream.draw(i).draw for i in self.indices(t)))
            for t, (free, stream) in enumerate(zip(self.start.draws, self.streams, strict=True))
        )
        return self.start._replace(draws=tuple(draws), closed=frozenset(self.closed))

    def wave(self, sampling: Sampling) -> list[Request]:
        requests: list[Request] = []
        while self.readable and not self.outstanding:
            wanted = [t for t in self.strategy.probes(self.evidence()) if t not in self.closed]
            if not wanted:
                break
            for t in wanted:
                requests += self.streams[t].ask(self.asked[t], self, t, sampling)
                self.asked[t] += 1
        return requests


def rollouts_of(cases: Iterable[Case]) -> pl.DataFrame:
    """ROLLOUTS, each solution's own evidence: free draws first, then the samples it asked for."""
    columns: dict[str, list[Any]] = {name: [] for name in ROLLOUTS}
    for case in sorted(cases, key=lambda case: case.completion_id):
        for row in _rows(case):
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pl.DataFrame(columns, schema=ROLLOUTS)


def _rows(case: Case) -> Iterable[tuple[Any, ...]]:
    name = case.completion_id
    for t, stream in enumerate(case.streams):
        for i, (other, text, finish, verdict) in enumerate(case.free[t]):
            yield name, t, i, "sibling", other, text, 0, 0, finish, verdict, None, None
        for i in case.indices(t):
            said, verdict = stream.drawn[i], stream.draw(i).verdict
            rest = said.n_prompt_tokens, said.n_tokens, said.finish_reason, verdict
            yield name, t, i, "rollout", said.key, said.text, *rest, None, None
    _, text, finish, verdict = case.outcome
    rate = case.start.solved, case.start.sampled
    yield name, len(case.streams), 0, "outcome", name, text, 0, 0, finish, verdict, *rate

"""Rollouts for many labelers at once, each blind to the others.

Sample i of a prefix is drawn with the seed `base(prompt, prefix) + i`, so a prefix is a stream of draws that
can be read to any length. Whoever needs the same prefix shares its stream: a draw that one of them has paid
for is there for all. What each reads is nevertheless exactly what it asked for itself.

All of them stand in one queue. One whose turn comes asks for a wave of draws, and comes back to the queue
when the last of them is answered; meanwhile the engine works for the others, and is full until few are left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from labelers.rollouts.samples import FreeDraw
from samplers.cached import Answer
from samplers.engine import Completion, EngineError, Message, Request, Sampling
from store.ids import derived_seed
from verifiers.math import verify
from verifiers.policy import Policy

MANY = 16  # rejected rollouts; fewer may all be too long for the model


class Reader(Protocol):
    """Somebody who reads streams, a wave at a time."""

    outstanding: int  # draws not yet answered
    closed: set[Any]  # handles of streams that the engine has rejected

    def wave(self, sampling: Sampling) -> Sequence[Request]:
        """Ask (`Stream.ask`) until a draw is outstanding or nothing is wanted; the requests to be made."""
        ...


@dataclass(slots=True, eq=False)
class Stream:
    """One distinct (prompt, text so far) and what was drawn from it."""

    messages: tuple[Message, ...]
    text: str
    gold: str
    seed: int
    asked: int = 0
    drawn: dict[int, Completion] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)
    waiting: dict[int, list[tuple[Reader, Any]]] = field(default_factory=dict)
    verdicts: dict[tuple[str, bool], str] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: tuple[Message, ...], text: str, gold: str, seed: int) -> Stream:
        """The stream of a prefix in a run with this seed, whoever reads it."""
        return cls(messages, text, gold, derived_seed(seed, "rollout", messages, text))

    def ask(self, index: int, reader: Reader, handle: Any, sampling: Sampling) -> list[Request]:
        """Sample `index` for the reader; a request if nobody has asked for it before."""
        if index in self.rejected:
            reader.closed.add(handle)
        if index in self.rejected or index in self.drawn:
            return []
        self.waiting.setdefault(index, []).append((reader, handle))
        reader.outstanding += 1
        if index < self.asked:
            return []
        self.asked = index + 1
        return [Request(self.messages, sampling, self.seed + index, index, self.text, self)]

    def add(self, index: int, said: Completion, reading: Policy) -> list[Reader]:
        """Keep sample `index`; returns the readers that have no draw outstanding any more."""
        key = said.text, said.finish_reason == "length"
        if key not in self.verdicts:
            self.verdicts[key] = verify(self.gold, self.text + key[0], reading, truncated=key[1]).status
        self.drawn[index] = said
        return self._release(index)

    def reject(self, index: int) -> list[Reader]:
        """Sample `index` will never come; those who wait for it ask this stream no more."""
        self.rejected.add(index)
        for reader, handle in self.waiting.get(index, []):
            reader.closed.add(handle)
        return self._release(index)

    def draw(self, index: int) -> FreeDraw:
        said = self.drawn[index]
        verdict = self.verdicts[said.text, said.finish_reason == "length"]
        return FreeDraw(said.key, said.text, said.finish_reason, verdict)

    def _release(self, index: int) -> list[Reader]:
        readers = [reader for reader, _ in self.waiting.pop(index, [])]
        for reader in readers:
            reader.outstanding -= 1
        return [reader for reader in readers if not reader.outstanding]


@dataclass(slots=True)
class Draws:
    """How rollouts are drawn, and how many came of it; one for all the runs of a labeler."""

    source: Callable[..., Iterator[Answer]]  # `sample_through` with ledger and engine given
    sampling: Sampling
    reading: Policy
    answered: int = 0
    rejected: int = 0

    def run(self, readers: Iterable[Reader]) -> None:
        """Draw what the readers want, until none wants more; their streams grow in place.

        That the engine rejects many rollouts and has taken none is an EngineError.
        """
        queue, reasons = deque(readers), list[str]()

        def reject(request: Request, said: Completion) -> None:
            reasons.append(said.error)
            queue.extend(request.tag.reject(request.sample_index))

        # An engine that found the queue empty and did not ask again is given what came into it since.
        while queue:
            for request, said in self.source(_Requests(queue, self.sampling), rejected=reject):
                self.answered += 1
                queue += request.tag.add(request.sample_index, said, self.reading)
        self.rejected += len(reasons)
        if self.rejected >= MANY and not self.answered:
            raise EngineError(f"every one of {self.rejected} rollouts was rejected; the last: {reasons[-1]}")


class _Requests:
    """The next wave of each reader in the queue; dry while all of them wait for answers, and no longer."""

    def __init__(self, queue: deque[Reader], sampling: Sampling) -> None:
        self.queue, self.sampling = queue, sampling
        self.ready: deque[Request] = deque()

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> Request:
        while self.queue and not self.ready:
            self.ready += self.queue.popleft().wave(self.sampling)
        if not self.ready:
            raise StopIteration
        return self.ready.popleft()

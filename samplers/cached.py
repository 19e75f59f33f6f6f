"""Calls through the ledger: what was said before is never asked again, what is said now is kept at once.

`sample_through` is the only way stages talk to an engine. Requests are read lazily, so a hundred thousand
rollouts need no more memory than the engine's own queue. An iterator of requests that has run dry is asked
again after the next answer, for what follows from it. Equal requests are one call. Every finished call is in
the ledger before it is yielded, so whatever stops a run costs at most the calls in flight.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Lock
from typing import Any

from samplers.engine import REJECTED, Completion, Engine, EngineError, Request, call_key
from store.ledger import Ledger

Progress = Callable[[Completion], None]
Answer = tuple[Request, Completion]

log = logging.getLogger(__name__)


class BudgetExhausted(RuntimeError):
    """The calls allowed are spent; everything they brought is in the ledger."""


class Budget:
    """How many calls may be made in all; thread-safe, so that stages and shards can share one."""

    def __init__(self, max_calls: int) -> None:
        self.max_calls = max_calls
        self.spent = 0
        self._lock = Lock()

    def take(self) -> bool:
        """Spend one call; False when none is left."""
        with self._lock:
            if self.spent >= self.max_calls:
                return False
            self.spent += 1
            return True


def sample_through(
    ledger: Ledger,
    engine: Engine,
    requests: Iterable[Request],
    budget: Budget | None = None,
    progress: Progress | None = None,
    rejected: Callable[[Request, Completion], None] | None = None,
) -> Iterator[Answer]:
    """Yield (request, completion) in any order: ledger hits at no cost, the rest as the engine finishes them.

    `progress` is told of every completion, the rejected ones too, which are not yielded and not kept. That
    no request gets anything else is an error, unless `rejected` takes them over. When `budget` runs out, the
    calls in flight are finished and kept, then BudgetExhausted is raised.
    """
    calls = _Calls(ledger, engine, requests, budget)
    for request, said in engine.sample(calls):
        for answer in calls.finish(request, said):
            if progress:
                progress(answer[1])
            if answer[1].finish_reason != REJECTED:
                yield answer
            elif rejected:
                rejected(*answer)
    for answer in calls.take_hits():
        if progress:
            progress(answer[1])
        yield answer
    calls.check(all_rejected_is_an_error=rejected is None)


class _Calls:
    """The bookkeeping of one `sample_through`: iterates over the requests that must be made."""

    def __init__(
        self, ledger: Ledger, engine: Engine, requests: Iterable[Request], budget: Budget | None
    ) -> None:
        self.ledger, self.engine, self.requests, self.budget = ledger, engine, iter(requests), budget
        self.hits: deque[Answer] = deque()
        self.n_hits = 0
        self.waiting: dict[str, list[Request]] = {}
        self.keys: dict[int, str] = {}  # by id() of the request in flight
        self.finished = 0
        self.rejected: list[Completion] = []
        self.exhausted = False

    def __iter__(self) -> _Calls:
        return self

    def __next__(self) -> Request:
        """The next request nobody has answered yet, each key once; hits are put aside."""
        while not self.exhausted:
            request = next(self.requests)
            key = call_key(self.engine, request)
            if key in self.waiting:
                self.waiting[key].append(request)
            elif (record := self.ledger.get(key)) is not None:
                self.hits.append((request, _from_record(key, record)))
                self.n_hits += 1
            elif self.budget is None or self.budget.take():
                self.waiting[key] = [request]
                self.keys[id(request)] = key
                return request
            else:
                self.exhausted = True
        raise StopIteration

    def finish(self, request: Request, said: Completion) -> Iterator[Answer]:
        """Keep what was said; answer everyone who asked for it, and the hits found meanwhile."""
        key = self.keys.pop(id(request))
        said = replace(said, key=key)
        self.finished += 1
        if said.finish_reason == REJECTED:
            self.rejected.append(said)
        elif not self.ledger.append(key, _to_record(said)):
            # Another writer was first, and of two records with one key the first counts for every reader.
            said = _from_record(key, self.ledger.get(key) or _to_record(said))
        asked_first, *others = self.waiting.pop(key)
        yield asked_first, said
        for other in others:
            yield other, replace(said, cached=True)
        yield from self.take_hits()

    def take_hits(self) -> Iterator[Answer]:
        while self.hits:
            yield self.hits.popleft()

    def check(self, all_rejected_is_an_error: bool) -> None:
        """Rejections are a warning, unless nothing else came; an answer that never came is an error.

        What the ledger had counts as an answer: a run that is gone on with is no worse than one in one go.
        """
        if self.rejected:
            reason = f"the first: {self.rejected[0].error}"
            none_taken = len(self.rejected) == self.finished and not self.n_hits
            if all_rejected_is_an_error and none_taken and self.finished > 1:
                raise EngineError(
                    f"{self.engine.model}: every one of {self.finished} requests was rejected; {reason}"
                )
            log.warning("%s: %d requests rejected; %s", self.engine.model, len(self.rejected), reason)
        if self.waiting:
            raise EngineError(f"{self.engine.model}: {len(self.waiting)} requests were never answered")
        if self.exhausted and self.budget:
            raise BudgetExhausted(
                f"the budget of {self.budget.max_calls} calls is spent and more are needed; "
                "everything finished is kept: run again with a larger budget to go on"
            )


def _to_record(said: Completion) -> dict[str, Any]:
    record: dict[str, Any] = {
        "text": said.text,
        "finish_reason": said.finish_reason,
        "n_prompt_tokens": said.n_prompt_tokens,
        "n_tokens": said.n_tokens,
    }
    return record | ({"logprobs": said.logprobs} if said.logprobs else {})


def _from_record(key: str, record: dict[str, Any]) -> Completion:
    return Completion(
        key,
        record["text"],
        record["finish_reason"],
        record["n_prompt_tokens"],
        record["n_tokens"],
        tuple(record.get("logprobs", ())),
        cached=True,
    )

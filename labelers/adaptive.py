"""Sampling that stops where the vote is clear (Adaptive-Consistency, Aggarwal et al. 2023, arXiv 2305.11860).

With n1 completions for the leading answer and n2 for the next, under a uniform prior on how the two share the
votes, the leader is really ahead with probability

    P(Beta(n1 + 1, n2 + 1) > 1/2) = P(Binomial(n1 + n2 + 1, 1/2) <= n1)

which is summed exactly. A prompt is done when that reaches `confidence`, or at n_max samples.

**Same samples, fewer of them.** Sample i is the very call that `samplers.sample` would make, so what comes
back is a prefix of the fixed-n samples of each prompt. While the vote is open, the samples still needed if
all of them fell to the leader are drawn at once: the rule could not have stopped between them, so nothing is
drawn that one-by-one sampling would have saved. All prompts stand in one queue, which a prompt rejoins with
its next samples, so the engine is full until few prompts are left open.

Two answers are one vote where `labelers.votes` counts them as one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cache
from math import comb

import polars as pl

from labelers.votes import Ballot, cast_ballot, largest_two, merged
from samplers.cached import Answer, Budget, Progress, sample_through
from samplers.engine import Completion, Engine, EngineError, Request, Sampling
from samplers.sample import Stream, completion_table, streams
from store.ledger import Ledger
from verifiers.policy import DEFAULT, Policy

CONFIDENCE = 0.95  # section 3 of the paper


@cache
def majority_is_clear(n1: int, n2: int, confidence: float = CONFIDENCE) -> bool:
    """Whether the larger of two classes is ahead for good, as far as two counts can tell."""
    first, second = max(n1, n2), min(n1, n2)
    n = first + second + 1
    return sum(comb(n, k) for k in range(first + 1)) / 2**n >= confidence


@cache
def samples_until_clear(n1: int, n2: int, confidence: float = CONFIDENCE) -> int:
    """The least number of further samples after which the vote can be clear; 0 when it is."""
    more = 0
    while not majority_is_clear(n1 + more, n2, confidence):
        more += 1
    return more


@dataclass(slots=True, eq=False)
class _Vote:
    """The samples of one prompt: `asked` for so far, and the ballots that came back."""

    stream: Stream
    asked: int = 0
    ballots: list[Ballot] = field(default_factory=list)

    def wants(self, n_max: int, first: int, confidence: float) -> int:
        """Samples to draw now; 0 while some are out, and for good once the engine has rejected one."""
        if self.asked > len(self.ballots):
            return 0
        needed = max(first - self.asked, samples_until_clear(*largest_two(merged(self.ballots)), confidence))
        return min(needed, n_max - self.asked)


def sample_until_clear(
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    n_max: int,
    first: int = 4,
    confidence: float = CONFIDENCE,
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    system: str | None = None,
    *,
    reading: Policy = DEFAULT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """COMPLETIONS: of each prompt at least `first` samples, then as many as its vote takes, `n_max` at most.

    For every prompt the first rows of `sample_prompts(..., n=n_max)` with the same seed. Raises EngineError
    when the engine has rejected all requests, and more than one.
    """
    if not (0.5 <= confidence < 1 and first >= 1 and n_max >= 1):
        raise ValueError(
            "sample_until_clear: need .5 <= confidence < 1, first >= 1 and n_max >= 1; "
            f"got {confidence}, {first}, {n_max}"
        )
    votes = {stream.prompt_id: _Vote(stream) for stream in streams(prompts, seed, system)}
    answers: list[Answer] = []
    rejected: list[Completion] = []

    def reject(request: Request, said: Completion) -> None:
        rejected.append(said)

    # An engine that found the queue empty and did not ask again is given what came into it since.
    while queue := deque(v for v in votes.values() if v.wants(n_max, first, confidence)):
        requests = _Requests(queue, n_max, first, confidence, sampling)
        for request, completion in sample_through(ledger, engine, requests, budget, progress, reject):
            answers.append((request, completion))
            vote = votes[request.tag.prompt_id]
            vote.ballots.append(_ballot(completion, reading))
            if vote.wants(n_max, first, confidence):
                queue.append(vote)
    if len(rejected) > 1 and not answers:
        raise EngineError(
            f"every one of {len(rejected)} requests was rejected; the first: {rejected[0].error}"
        )
    return completion_table(engine, answers, system)


@dataclass(slots=True)
class _Requests:
    """The next samples of each prompt in the queue; dry while all of them wait for answers, and no longer."""

    queue: deque[_Vote]
    n_max: int
    first: int
    confidence: float
    sampling: Sampling
    ready: deque[Request] = field(default_factory=deque)

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> Request:
        while self.queue and not self.ready:
            vote = self.queue.popleft()
            begin = vote.asked
            vote.asked += vote.wants(self.n_max, self.first, self.confidence)
            self.ready += (vote.stream.request(i, self.sampling) for i in range(begin, vote.asked))
        if not self.ready:
            raise StopIteration
        return self.ready.popleft()


def _ballot(completion: Completion, reading: Policy) -> Ballot:
    return cast_ballot(completion.key, completion.text, completion.finish_reason == "length", reading)

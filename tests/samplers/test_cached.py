"""Calls through the ledger: nothing is asked twice, nothing is lost, nothing is spent beyond the budget."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from counting_engine import CountingEngine

from samplers.cached import Budget, BudgetExhausted, sample_through
from samplers.engine import Completion, EngineError, Request, Sampling, call_key
from store.ledger import Ledger


def ask(text: str, seed: int = 0, **more: object) -> Request:
    return Request(({"role": "user", "content": text},), Sampling(), seed, seed, **more)  # type: ignore[arg-type]


def many(n: int) -> list[Request]:
    return [ask(f"question {i // 4}", i % 4) for i in range(n)]


def said(ledger: Ledger, engine: CountingEngine, requests: list[Request]) -> dict[str, Completion]:
    return {done.key: replace(done, cached=False) for _, done in sample_through(ledger, engine, requests)}


def test_a_second_pass_asks_nothing_and_says_the_same(ledger: Ledger) -> None:
    first, second = CountingEngine(), CountingEngine()
    before = said(ledger, first, many(20))
    assert said(ledger, second, many(20)) == before
    assert (len(first.asked), len(second.asked)) == (20, 0)
    assert all(done.cached for _, done in sample_through(ledger, second, many(20)))


def test_one_more_prompt_costs_exactly_one_call_wherever_it_stands(ledger: Ledger) -> None:
    said(ledger, CountingEngine(), many(20))
    engine = CountingEngine()
    said(ledger, engine, [*many(20)[:7], ask("new"), *reversed(many(20)[7:])])
    assert [request.messages[0]["content"] for request in engine.asked] == ["new"]


def test_every_part_of_a_request_changes_its_key_but_the_tag() -> None:
    engine, base = CountingEngine(), ask("a")
    others = [
        ask("b"),
        ask("a", prefill="x"),
        replace(base, seed=1),
        replace(base, sample_index=1),
        replace(base, sampling=Sampling(temperature=0.7)),
        replace(base, sampling=Sampling(logprobs=2)),
        replace(base, messages=({"role": "system", "content": "s"}, *base.messages)),
    ]
    keys = [call_key(engine, request) for request in [base, *others]]
    assert len(set(keys)) == len(keys)
    assert call_key(engine, ask("a", tag="mine")) == keys[0]
    renamed = CountingEngine()
    renamed.revision = "2"
    assert call_key(renamed, base) not in keys


def test_equal_requests_are_one_call_and_all_are_answered(ledger: Ledger) -> None:
    engine = CountingEngine()
    requests = [ask("same", tag=i) for i in range(5)] + [ask("other", tag=5)]
    done = list(sample_through(ledger, engine, requests))
    assert sorted(request.tag for request, _ in done) == [0, 1, 2, 3, 4, 5]
    assert len(engine.asked) == 2
    assert sum(not completion.cached for _, completion in done) == 2


def test_a_finished_call_is_in_the_ledger_before_it_is_yielded(ledger: Ledger) -> None:
    for _, done in sample_through(ledger, CountingEngine(), many(8)):
        assert done.key in Ledger(ledger.root)


def test_an_interrupted_run_keeps_what_finished_and_resumes_with_the_rest(tmp_path: Path) -> None:
    broken, whole = Ledger(tmp_path / "a"), Ledger(tmp_path / "b")
    interrupted = CountingEngine(queue=2, fail_after=9)
    with pytest.raises(KeyboardInterrupt):
        said(broken, interrupted, many(20))
    kept = len(broken)
    assert kept == 8  # the tenth request arrived with one in flight; eight had been answered
    resumed = CountingEngine()
    assert said(broken, resumed, many(20)) == said(whole, CountingEngine(), many(20))
    assert len(resumed.asked) == 20 - kept


def test_the_budget_stops_cleanly_and_a_larger_one_goes_on(ledger: Ledger) -> None:
    engine = CountingEngine()
    done = []
    with pytest.raises(BudgetExhausted, match="the budget of 7 calls is spent"):
        for answer in sample_through(ledger, engine, many(20), Budget(7)):
            done.append(answer)
    assert len(done) == len(engine.asked) == len(ledger) == 7
    again = CountingEngine()
    assert len(list(sample_through(ledger, again, many(20), Budget(13)))) == 20
    assert len(again.asked) == 13


def test_a_budget_that_is_just_enough_is_enough(ledger: Ledger) -> None:
    assert len(list(sample_through(ledger, CountingEngine(), many(20), Budget(20)))) == 20
    assert len(list(sample_through(ledger, CountingEngine(), many(20), Budget(0)))) == 20  # all hits


def test_requests_are_read_no_faster_than_the_engine_takes_them(ledger: Ledger) -> None:
    engine = CountingEngine(queue=4)
    endless = (ask(f"question {i}") for i in count())
    stream = sample_through(ledger, engine, endless)
    for _ in range(50):
        next(stream)
    stream.close()
    assert engine.most_in_flight == 4
    assert len(engine.asked) <= 54


def test_a_rejected_request_is_counted_and_given_to_nobody(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    requests = [ask("a"), ask("too long"), ask("b")]
    with caplog.at_level(logging.WARNING):
        done = list(
            sample_through(
                ledger, CountingEngine(), requests, progress=lambda c: seen.append(c.finish_reason)
            )
        )
    assert sorted(request.messages[0]["content"] for request, _ in done) == ["a", "b"]
    assert sorted(seen) == ["rejected", "stop", "stop"]
    assert "1 requests rejected; the first: longer than the context" in caplog.text
    assert len(ledger) == 2  # with a longer context the same request may be answered


def test_a_second_pass_over_rejected_requests_is_no_worse_than_the_first(ledger: Ledger) -> None:
    requests = [*many(20), ask("too long"), ask("too long, too")]
    for asked in (22, 2, 2):
        engine = CountingEngine()
        assert len(list(sample_through(ledger, engine, requests))) == 20
        assert len(engine.asked) == asked


def test_an_engine_that_rejects_everything_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(EngineError, match="every one of 2 requests was rejected; the first: longer than"):
        list(sample_through(ledger, CountingEngine(), [ask("too long"), ask("too long, too")]))


def test_an_engine_that_loses_a_request_is_an_error(ledger: Ledger) -> None:
    class Forgetful(CountingEngine):
        def sample(self, requests):
            return (answer for i, answer in enumerate(super().sample(requests)) if i != 3)

    with pytest.raises(EngineError, match="1 requests were never answered"):
        list(sample_through(ledger, Forgetful(), many(8)))


def test_two_writers_that_race_agree_on_the_first_record(ledger: Ledger) -> None:
    engine = CountingEngine()
    request = ask("a")
    key = call_key(engine, request)
    stream = sample_through(ledger, engine, [request])
    answered = {"text": "earlier", "finish_reason": "stop", "n_prompt_tokens": 1, "n_tokens": 1}
    engine._answer_before = engine._answer  # type: ignore[attr-defined]

    def race(request: Request) -> tuple[Request, Completion]:
        ledger.append(key, answered)
        return engine._answer_before(request)  # type: ignore[attr-defined]

    engine._answer = race  # type: ignore[method-assign]
    assert next(stream)[1].text == "earlier"


def test_log_probabilities_survive_the_ledger(ledger: Ledger) -> None:
    class Sure(CountingEngine):
        def _answer(self, request):
            return request, replace(super()._answer(request)[1], logprobs=({"A": -0.1, "B": -2.5},))

    fresh = [done for _, done in sample_through(ledger, Sure(), [ask("a")])]
    again = [done for _, done in sample_through(ledger, Sure(), [ask("a")])]
    assert fresh[0].logprobs == again[0].logprobs == ({"A": -0.1, "B": -2.5},)


class Waiting(CountingEngine):
    """Takes one request at a time and looks for another after each answer."""

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        source = iter(requests)
        while (request := next(source, None)) is not None:
            self.asked.append(request)
            yield self._answer(request)


class Chain:
    """The next question comes up when the last one is answered."""

    def __init__(self, length: int) -> None:
        self.ready, self.left = [ask("question 0")], length - 1

    def __iter__(self) -> Chain:
        return self

    def __next__(self) -> Request:
        if not self.ready:
            raise StopIteration
        return self.ready.pop()

    def answered(self) -> None:
        if self.left:
            self.ready.append(ask(f"question {self.left}"))
            self.left -= 1


def test_requests_that_follow_from_an_answer_are_taken_up_at_once(ledger: Ledger) -> None:
    engine, chain = Waiting(), Chain(5)
    for _ in sample_through(ledger, engine, chain):
        chain.answered()
    assert len(engine.asked) == 5


def test_rejected_requests_go_to_who_takes_them_over_and_are_then_no_error(ledger: Ledger) -> None:
    refused: list[Request] = []
    requests = [ask(f"too long {i}") for i in range(3)]
    answers = sample_through(ledger, CountingEngine(), requests, rejected=lambda r, _: refused.append(r))
    assert list(answers) == []
    assert {id(request) for request in refused} == {id(request) for request in requests}
    with pytest.raises(EngineError, match="every one of 3"):
        list(sample_through(ledger, CountingEngine(), requests))

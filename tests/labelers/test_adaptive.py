"""Adaptive sampling draws the samples of fixed sampling, and stops where the vote is clear."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from math import comb
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.adaptive import majority_is_clear, sample_until_clear, samples_until_clear
from labelers.votes import cast_ballot, largest_two, merged, vote
from samplers.cached import Budget, BudgetExhausted
from samplers.engine import REJECTED, Completion, EngineError, Request
from samplers.sample import sample_prompts
from store.ids import content_id
from store.ledger import Ledger
from store.tables import PROMPTS
from verifiers.math import equivalent


class Guesser:
    """Answers `pass rate` of its samples right, the others with one of three wrong numbers, as decimals or
    fractions; the newest of `flight` requests first. Prompts are "NAME PASS-RATE"."""

    kind, model, revision = "guesser", "g", "1"

    def __init__(self, flight: int = 5, fail_after: int | None = None) -> None:
        self.flight, self.fail_after = flight, fail_after
        self.calls = 0

    def render(self, request: Request) -> str:
        return request.messages[-1]["content"]

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        source = iter(requests)
        flight = list(islice(source, self.flight))
        while flight:
            if self.calls == self.fail_after:
                raise KeyboardInterrupt
            self.calls += 1
            request = flight.pop()
            yield request, self._answer(request)
            flight += islice(source, 1)

    def _answer(self, request: Request) -> Completion:
        name, rate = self.render(request).split()
        if name == "endless":
            return Completion("", "", REJECTED, 9, 0, error="longer than the context")
        rng = random.Random(f"{name}|{request.seed}")
        value = 0 if rng.random() < float(rate) else rng.choice((1, 2, 3))
        text = rng.choice((f"The answer is {value}.5", f"so \\boxed{{\\frac{{{2 * value + 1}}}{{2}}}}"))
        return Completion("", text, "stop", 3, 4)


def prompts(*texts: str) -> pl.DataFrame:
    rows = [{"prompt_id": content_id(t), "messages": [{"role": "user", "content": t}]} for t in texts]
    return pl.DataFrame(rows, schema=PROMPTS)


MIXED = [f"q{i} {rate}" for i, rate in enumerate((1.0, 0.9, 0.7, 0.5, 0.4, 0.95, 0.8, 0.6))]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]))
def test_clearness_is_the_beta_tail_above_one_half(n1: int, n2: int, confidence: float) -> None:
    a, b = max(n1, n2) + 1, min(n1, n2) + 1
    # The integral of x^(a-1) (1-x)^(b-1) from 1/2 to 1 over Beta(a, b), term by term of (1-x)^(b-1).
    integral = sum(
        Fraction((-1) ** j * comb(b - 1, j), a + j) * (1 - Fraction(1, 2 ** (a + j))) for j in range(b)
    )
    tail = integral * a * comb(a + b - 1, a)
    assert majority_is_clear(n1, n2, confidence) == (tail >= Fraction(confidence))


def test_four_equal_answers_are_clear_and_three_are_not() -> None:
    assert majority_is_clear(4, 0)  # 31/32
    assert not majority_is_clear(3, 0)  # 15/16
    assert not majority_is_clear(5, 1)  # 120/128
    assert majority_is_clear(6, 1)  # 247/256
    assert [samples_until_clear(n, 0) for n in range(6)] == [4, 3, 2, 1, 0, 0]


@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.booleans(), max_size=40))
def test_no_vote_is_clear_before_the_samples_it_needs(n1: int, n2: int, later: list[bool]) -> None:
    """Whoever gets the next samples, the rule cannot stop earlier than a wave ends."""
    needed = samples_until_clear(max(n1, n2), min(n1, n2))
    for for_first in later[: max(0, needed - 1)]:
        n1, n2 = n1 + for_first, n2 + (not for_first)
        assert not majority_is_clear(n1, n2)


def test_each_prompt_gets_a_prefix_of_its_fixed_samples(ledger: Ledger) -> None:
    table = prompts(*MIXED)
    fixed = sample_prompts(Guesser(), ledger, table, n=40, seed=3)
    found = sample_until_clear(Guesser(), ledger, table, n_max=40, seed=3)
    sizes = dict(found.group_by("prompt_id").len().iter_rows())
    expected = fixed.filter(pl.col("sample_index") < pl.col("prompt_id").replace_strict(sizes))
    assert found.equals(expected)
    assert found.height < fixed.height / 2


def test_sampling_stops_exactly_where_one_by_one_sampling_would(ledger: Ledger) -> None:
    table = prompts(*MIXED)
    fixed = sample_prompts(Guesser(), ledger, table, n=40)
    found = dict(
        sample_until_clear(Guesser(), ledger, table, 40, first=1).group_by("prompt_id").len().iter_rows()
    )
    for prompt_id, samples in fixed.group_by("prompt_id"):
        ballots = [cast_ballot("", t, False) for t in samples.sort("sample_index")["text"]]
        clear = [n for n in range(1, 41) if majority_is_clear(*largest_two(merged(ballots[:n])))]
        assert found[prompt_id[0]] == min([*clear, 40])


@pytest.mark.parametrize("flight", [1, 3, 1000])
def test_how_many_requests_are_in_flight_changes_nothing(flight: int, tmp_path: Path) -> None:
    tables = []
    for n in (2, flight):
        with Ledger(tmp_path / str(n)) as ledger:
            tables.append(sample_until_clear(Guesser(flight=n), ledger, prompts(*MIXED), 30))
    assert tables[0].equals(tables[1])


def test_the_majority_is_nearly_always_that_of_all_samples(ledger: Ledger) -> None:
    table = prompts(*(f"p{i} 0.7" for i in range(150)))
    fixed = vote(sample_prompts(Guesser(50), ledger, table, n=40)).filter("is_majority")
    early = vote(sample_until_clear(Guesser(50), ledger, table, n_max=40)).filter("is_majority")
    winners = [dict(v.select("prompt_id", "answer").unique("prompt_id").iter_rows()) for v in (fixed, early)]
    assert sum(equivalent(winners[0][p], answer) for p, answer in winners[1].items()) >= 149


def test_two_spellings_of_one_answer_make_one_vote(ledger: Ledger) -> None:
    assert sample_until_clear(Guesser(), ledger, prompts("sure 1.0"), n_max=40).height == 4  # 0.5 and 1/2


def test_every_prompt_gets_its_first_samples(ledger: Ledger) -> None:
    found = sample_until_clear(Guesser(), ledger, prompts("sure 1.0", "x 1.0"), n_max=40, first=7)
    assert found.group_by("prompt_id").len()["len"].to_list() == [7, 7]
    assert sample_until_clear(Guesser(), ledger, prompts("sure 1.0"), n_max=3, first=7).height == 3


def test_a_prompt_that_the_engine_rejects_is_not_asked_again(ledger: Ledger) -> None:
    engine = Guesser()
    found = sample_until_clear(engine, ledger, prompts("endless 1", "sure 1.0"), n_max=40)
    assert found.height == 4 and engine.calls == 8


class Picky(Guesser):
    """Rejects every sample of a hard prompt after its first four."""

    def _answer(self, request: Request) -> Completion:
        if request.sample_index >= 4 and "hard" in self.render(request):
            return Completion("", "", REJECTED, 0, 0, error="gave up after 6 attempts")
        return super()._answer(request)


@pytest.mark.parametrize("flight", [1, 1000])
def test_later_samples_that_the_engine_rejects_cost_no_answer(flight: int, ledger: Ledger) -> None:
    table = prompts("sure 1.0", "hard 0.3")
    for _ in range(2):  # the second time all answers come from the ledger
        assert sample_until_clear(Picky(flight), ledger, table, n_max=40).height == 8


def test_an_engine_that_rejects_everything_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(EngineError, match="every one of 4 requests was rejected; the first: longer than"):
        sample_until_clear(Guesser(), ledger, prompts("endless 1"), n_max=40)


class Full(Guesser):
    """Answers the oldest request first and asks for more as soon as it has room."""

    passes = 0

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        self.passes += 1
        source = iter(requests)
        waiting = list(islice(source, self.flight))
        while waiting:
            request = waiting.pop(0)
            yield request, self._answer(request)
            waiting += islice(source, self.flight - len(waiting))


def test_an_engine_that_has_found_the_queue_empty_is_given_what_comes_later(ledger: Ledger) -> None:
    engine = Full(flight=1000)
    sample_until_clear(engine, ledger, prompts(*MIXED), n_max=40)
    assert engine.passes == 1


def test_a_run_that_was_interrupted_repeats_no_call(ledger: Ledger) -> None:
    table = prompts(*MIXED)
    broken, whole = Guesser(fail_after=30), Guesser()
    with pytest.raises(KeyboardInterrupt):
        sample_until_clear(broken, ledger, table, 30)
    found = sample_until_clear(whole, ledger, table, 30)
    assert broken.calls + whole.calls == found.height
    again = Guesser()
    assert sample_until_clear(again, ledger, table, 30).equals(found) and again.calls == 0


def test_a_spent_budget_stops_the_sampling_and_keeps_what_it_brought(ledger: Ledger) -> None:
    with pytest.raises(BudgetExhausted):
        sample_until_clear(Guesser(), ledger, prompts(*MIXED), 30, budget=Budget(20))
    engine = Guesser()
    found = sample_until_clear(engine, ledger, prompts(*MIXED), 30)
    assert engine.calls == found.height - 20


@pytest.mark.parametrize(
    ("confidence", "first", "n_max"), [(1.0, 4, 8), (0.4, 4, 8), (0.9, 0, 8), (0.9, 4, 0)]
)
def test_settings_without_a_meaning_are_refused(
    confidence: float, first: int, n_max: int, ledger: Ledger
) -> None:
    with pytest.raises(ValueError, match=r"sample_until_clear: need"):
        sample_until_clear(Guesser(), ledger, prompts("q 1"), n_max, first, confidence)

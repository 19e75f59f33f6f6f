"""Neither the order of answers nor what else is labelled nor an interruption changes what a strategy sees."""

import random
from dataclasses import dataclass, replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, prompt_table, sampled_solutions

from labelers.rollouts import label
from labelers.rollouts.bisect import Bisect
from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.label import label_steps
from labelers.rollouts.labels import relabel
from labelers.rollouts.strategies import strategy_for
from labelers.rollouts.streams import MANY
from labelers.rollouts.witness import Witness
from labelers.segment import split_steps
from samplers.engine import REJECTED, Completion, EngineError
from store.ledger import Ledger

STRATEGIES = [
    Exhaustive(6),
    FirstSuccess(6),
    FirstSuccess(6, 4),
    Witness(6),
    Bisect(6, 2),
    Changepoint(calibrate=False),
]
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def world(repair, seed, problems=4, per_problem=3, truncate=0.1):
    engine = SimulatedPolicy(chains(problems, seed, 3, 6), repair, truncate)
    return engine, sampled_solutions(engine, per_problem, seed), prompt_table(list(engine.problems.values()))


def assert_same(one, other):
    assert_frame_equal(one.rollouts, other.rollouts)
    assert_frame_equal(one.steps, other.steps)
    assert one.facts == other.facts


@each_strategy
@pytest.mark.parametrize("flight", [1, 16])
def test_the_width_of_the_engine_changes_nothing(tmp_path, strategy, flight):
    engine, solutions, prompts = world(0.05, 7)
    found = []
    for engine.flight in (None, flight):
        with Ledger(tmp_path / str(engine.flight)) as ledger:
            found.append(label_steps(engine, ledger, solutions, prompts, strategy))
    assert_same(*found)


@each_strategy
def test_the_order_of_the_solutions_and_the_presence_of_others_change_nothing(tmp_path, strategy):
    engine, solutions, prompts = world(0.05, 9)
    with Ledger(tmp_path / "a") as a, Ledger(tmp_path / "b") as b:
        whole = label_steps(engine, a, solutions, prompts, strategy)
        part = label_steps(engine, b, solutions.reverse().head(5), prompts.reverse(), strategy)
    kept = whole.steps.filter(pl.col("completion_id").is_in(part.steps["completion_id"].unique().to_list()))
    assert_frame_equal(kept, part.steps)


@each_strategy
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, strategy):
    engine, solutions, prompts = world(0.05, 4)
    with Ledger(tmp_path / "whole") as ledger:
        whole = label_steps(engine, ledger, solutions, prompts, strategy)
    calls, engine.calls = engine.calls, 0
    for engine.fail_after in (calls // 3, 2 * calls // 3):
        with Ledger(tmp_path / "broken") as ledger, pytest.raises(KeyboardInterrupt):
            label_steps(engine, ledger, solutions, prompts, strategy)
    engine.fail_after = None
    with Ledger(tmp_path / "broken") as ledger:
        again = label_steps(engine, ledger, solutions, prompts, strategy)
    assert engine.calls == calls
    assert_same(whole, again)


@each_strategy
def test_what_a_strategy_draws_is_what_it_reads_from_all_that_can_be_drawn(tmp_path, strategy):
    engine, solutions, prompts = world(0.05, 12)
    with Ledger(tmp_path / "a") as a, Ledger(tmp_path / "b") as b:
        own = label_steps(engine, a, solutions, prompts, strategy)
        whole = label_steps(engine, b, solutions, prompts, Exhaustive(24))
    assert_frame_equal(relabel(own.rollouts, solutions, strategy), own.steps)
    keys = ["completion_id", "step_index", "source", "sample_index"]
    beside = own.rollouts.join(whole.rollouts, on=keys, how="left", suffix="_whole")
    assert beside["call_id"].equals(beside["call_id_whole"].alias("call_id"))
    if strategy.name != "changepoint":  # which would read all 24
        assert_frame_equal(relabel(whole.rollouts, solutions, strategy), own.steps)


@pytest.mark.parametrize(
    "strategy",
    [FirstSuccess(8), FirstSuccess(8, 3), Changepoint(calibrate=False)],
    ids=lambda strategy: strategy.name,
)
def test_the_engine_stays_full_while_solutions_wait_for_their_answers(ledger, strategy):
    engine, solutions, prompts = world(0.02, 7, problems=50)
    engine.flight, engine.answers = 16, 0
    label_steps(engine, ledger, solutions, prompts, strategy)
    assert sum(engine.busy) > 0.8 * 16 * len(engine.busy)


class ShortSighted(SimulatedPolicy):
    """Rejects long prompts, as an engine must whose context they do not fit."""

    def _answer(self, request):
        answer = super()._answer(request)
        return replace(answer, finish_reason=REJECTED) if len(request.prefill) > 30 else answer


@pytest.mark.parametrize("strategy", STRATEGIES[:3], ids=lambda strategy: strategy.name)
def test_steps_whose_rollouts_the_engine_rejects_are_undecided(ledger, strategy):
    engine, solutions, prompts = world(0.02, 5, truncate=0.0)
    short = ShortSighted(list(engine.problems.values()), 0.02)
    texts = {row["completion_id"]: split_steps(row["text"]) for row in solutions.to_dicts()}
    steps = label_steps(short, ledger, solutions, prompts, strategy).steps
    sampled = steps.filter(pl.col("method") != "outcome")
    ends = [
        len("".join(texts[c][: t + 1])) for c, t in sampled.select("completion_id", "step_index").iter_rows()
    ]
    assert sampled["label"].is_null().to_list() == [end > 30 for end in ends]
    assert steps.height == sum(map(len, texts.values())) and min(ends) <= 30 < max(ends)


@each_strategy
def test_a_rejected_prefix_is_given_up_at_any_width_of_the_engine(tmp_path, strategy):
    engine, solutions, prompts = world(0.02, 5)
    short, found = ShortSighted(list(engine.problems.values()), 0.02), []
    for short.flight in (None, 1, 7):
        with Ledger(tmp_path / str(short.flight)) as ledger:
            found.append(label_steps(short, ledger, solutions, prompts, strategy))
    assert_same(found[0], found[1])
    assert_same(found[0], found[2])
    assert found[0].facts["rejected"] > 0


def test_an_engine_that_takes_no_rollout_at_all_is_an_error(ledger, monkeypatch):
    engine, solutions, prompts = world(0.02, 5)
    monkeypatch.setattr(SimulatedPolicy, "_answer", lambda self, request: Completion("", "", REJECTED, 0, 0))
    with pytest.raises(EngineError, match="every one of [0-9]+ rollouts was rejected"):
        label_steps(engine, ledger, solutions, prompts, Exhaustive(6))


@dataclass(frozen=True)
class Apprentice(Exhaustive):
    """Draws twice from every prefix of the pilot, then as often as the pilot had solutions."""

    n: int = 2

    name, calibrate = "apprentice", True

    def calibrated(self, pilot):
        return Exhaustive(len(pilot))


def test_a_strategy_is_calibrated_on_a_pilot_that_does_not_depend_on_order(tmp_path, monkeypatch):
    monkeypatch.setattr(label, "PILOT", 5)
    engine, solutions, prompts = world(0.02, 3)
    found = []
    for table in (solutions, solutions.reverse()):
        with Ledger(tmp_path / str(len(found))) as ledger:
            found.append(label_steps(engine, ledger, table, prompts, Apprentice()))
    assert_same(*found)
    assert found[0].facts["strategy"] == {"name": "exhaustive", "n": 5, "threshold": 0.0}
    with Ledger(tmp_path / "plain") as ledger:  # the pilot's draws are the first of the streams
        assert_same(found[0], label_steps(engine, ledger, solutions, prompts, Exhaustive(5)))


def test_a_search_finds_shorter_prefixes_where_the_long_ones_are_rejected(ledger):
    engine, solutions, prompts = world(0.02, 5, truncate=0.0)
    short = ShortSighted(list(engine.problems.values()), 0.02)
    found = [label_steps(short, ledger, solutions, prompts, s).facts for s in (Witness(6), Bisect(6))]
    assert all(facts["rejected"] > 0 and facts["rollouts"] > 0 for facts in found)


def test_rejections_after_a_pilot_that_was_answered_are_no_error(ledger, monkeypatch):
    monkeypatch.setattr(label, "PILOT", 5)
    engine, solutions, prompts = world(0.02, 3, problems=12)

    class Closing(SimulatedPolicy):
        def _answer(self, request):
            answer = super()._answer(request)
            return replace(answer, finish_reason=REJECTED) if request.sample_index > 1 else answer

    closing = Closing(list(engine.problems.values()), 0.02)
    facts = label_steps(closing, ledger, solutions, prompts, Apprentice()).facts
    assert facts["rejected"] > MANY and facts["strategy"]["name"] == "exhaustive"


@pytest.mark.parametrize("seed", range(4))
def test_a_calibrated_strategy_labels_the_same_however_it_is_run(tmp_path, monkeypatch, seed):
    """Any width and order of the engine, any order of the tables, killed three times on the way."""
    monkeypatch.setattr(label, "PILOT", 8)
    rng = random.Random(seed)
    strategy = Changepoint(budget=12, wave=1 + seed % 2, audit=seed == 3)
    engine = SimulatedPolicy(chains(8, seed, 4, 7), 0.05, truncate=0.1)
    prompts, samples = prompt_table(list(engine.problems.values())), sampled_solutions(engine, 8, seed)
    solutions = samples.filter(pl.col("sample_index") < 4)

    def run(folder):
        tables = [t.sample(fraction=1.0, shuffle=True, seed=rng.randrange(99)) for t in (solutions, prompts)]
        engine.flight, engine.answers = rng.choice([1, 3, 16, None]), rng.choice([0, -1])
        with Ledger(tmp_path / folder) as ledger:
            return label_steps(
                engine, ledger, *tables, strategy, samples=samples.reverse(), use_siblings=seed > 1
            )

    whole, calls = run("whole"), engine.calls
    engine.calls = 0
    for engine.fail_after in sorted(rng.sample(range(calls), 3)):
        with pytest.raises(KeyboardInterrupt):
            run("broken")
    engine.fail_after = None
    assert_same(whole, run("broken"))
    assert engine.calls == calls and not whole.facts["strategy"]["calibrate"]


def test_shards_that_are_calibrated_together_label_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(label, "PILOT", 9)
    engine, solutions, prompts = world(0.05, 8, problems=8)
    shards = [solutions.filter(pl.col("prompt_id") == one) for one in sorted(set(prompts["prompt_id"]))]
    found = []
    for order in (shards, shards[::-1], [solutions]):
        with Ledger(tmp_path / str(len(found))) as ledger:
            strategy = label.calibrate(engine, ledger, pl.concat(order), prompts, Changepoint())
            again = strategy_for(**label.options_of(strategy))
            parts = [label_steps(engine, ledger, shard, prompts, again).steps for shard in order]
            found.append(pl.concat(parts).sort("completion_id", "step_index"))
    assert_frame_equal(found[0], found[1])
    assert_frame_equal(found[0], found[2])
    assert not strategy.calibrate


def test_calibrating_draws_what_a_call_with_all_solutions_would_and_finds_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(label, "PILOT", 9)
    engine, solutions, prompts = world(0.05, 8)
    with Ledger(tmp_path / "a") as ledger:
        whole = label_steps(engine, ledger, solutions, prompts, Changepoint(), samples=solutions)
    calls, engine.calls = engine.calls, 0
    with Ledger(tmp_path / "b") as ledger:
        found = label.calibrate(engine, ledger, solutions, prompts, Changepoint(), samples=solutions)
        assert label.options_of(found) == whole.facts["strategy"]
        assert 0 < engine.calls <= calls
        spent = engine.calls
        for settled in (found, Exhaustive(3)):
            assert label.calibrate(engine, ledger, solutions, prompts, settled) is settled
        assert engine.calls == spent

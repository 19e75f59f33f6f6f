"""Other completions that begin with the same steps are draws that need not be paid for."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, completion_table, prompt_table, sampled_solutions

from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.label import label_steps
from labelers.rollouts.labels import evidence_of
from labelers.rollouts.witness import Witness
from store.ledger import Ledger

STRATEGIES = [Exhaustive(4), FirstSuccess(4), Witness(4), Changepoint(calibrate=False)]
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def world(seed=0, samples=8):
    engine = SimulatedPolicy(chains(4, seed, 3, 6), repair=0.05, truncate=0.1)
    drawn = sampled_solutions(engine, samples, seed)
    return (
        engine,
        drawn,
        drawn.filter(pl.col("sample_index") < 3),
        prompt_table(list(engine.problems.values())),
    )


def test_siblings_are_the_other_samples_that_begin_with_the_prefix(ledger):
    texts = {"a": "1\n2\n3", "b": "1\n2\n4", "c": "1\n9\n3", "d": "7\n2\n3", "e": "1\n2\n3", "cut": "1\n2\n"}
    rows = [{"completion_id": i, "prompt_id": "p", "text": text} for i, text in texts.items()]
    rows[-1]["finish_reason"] = "length"
    samples = completion_table(rows).with_columns(sample_index=pl.int_range(6, dtype=pl.Int32))
    prompts = prompt_table(chains(1, 0)).with_columns(prompt_id=pl.lit("p"), answer=pl.lit("3"))
    solution = samples.filter(pl.col("completion_id") == "a")
    engine = SimulatedPolicy([])
    found = label_steps(engine, ledger, solution, prompts, Witness(), samples=samples, use_siblings=True)
    free = found.rollouts.filter(pl.col("source") == "sibling")
    assert free.select("step_index", "sample_index", "call_id", "text").rows() == [
        (0, 0, "b", "2\n4"),
        (0, 1, "c", "9\n3"),
        (0, 2, "e", "2\n3"),
        (0, 3, "cut", "2\n"),
        (1, 0, "b", "4"),
        (1, 1, "e", "3"),
        (1, 2, "cut", ""),
    ]
    assert free["verdict"].to_list()[:3] == ["incorrect", "correct", "correct"]
    assert set(free["n_tokens"]) == {0}
    # a, c, d and e are right, b is not, and the cut one decides nothing
    seen = evidence_of(found.rollouts, solution)["a"][0]
    assert seen.draws == (("wrong", "right", "right", "undecided"), ("wrong", "right", "undecided"))
    assert (seen.free, seen.solved, seen.sampled) == ((4, 3), 4, 5)
    assert found.facts["siblings"] == 7 and engine.calls == 0


@each_strategy
def test_the_order_and_the_repetition_of_samples_change_nothing(tmp_path, strategy):
    engine, samples, solutions, prompts = world()
    found = []
    for table in (samples, pl.concat([samples.reverse(), samples])):
        with Ledger(tmp_path / str(len(found))) as ledger:
            found.append(
                label_steps(engine, ledger, solutions, prompts, strategy, samples=table, use_siblings=True)
            )
    assert_frame_equal(found[0].rollouts, found[1].rollouts)
    assert_frame_equal(found[0].steps, found[1].steps)
    assert found[0].facts["siblings"] > 0


@each_strategy
def test_siblings_save_rollouts_and_leave_the_streams_as_they_were(tmp_path, strategy):
    engine, samples, solutions, prompts = world(1, 16)
    found = []
    for free in (False, True):
        with Ledger(tmp_path / str(free)) as ledger:
            found.append(
                label_steps(engine, ledger, solutions, prompts, strategy, samples=samples, use_siblings=free)
            )
    alone, helped = found
    assert alone.facts["siblings"] == 0 and helped.facts["rollouts"] < alone.facts["rollouts"]
    keys = ["completion_id", "step_index", "source", "sample_index"]
    both = alone.rollouts.join(helped.rollouts, on=keys, suffix="_helped")
    assert both.height > 0 and both["call_id"].to_list() == both["call_id_helped"].to_list()


def test_siblings_that_suffice_leave_nothing_to_draw(ledger):
    engine, samples, solutions, prompts = world(2, 200)
    easy = solutions.filter(pl.col("prompt_id") == solutions["prompt_id"][0])
    found = label_steps(engine, ledger, easy, prompts, Exhaustive(2), samples=samples, use_siblings=True)
    sampled = found.steps.filter(pl.col("method") != "outcome")
    counts = found.rollouts.group_by("completion_id", "step_index").len()
    assert set(sampled["n_rollouts"]) == {2}
    assert counts["len"].max() > 50

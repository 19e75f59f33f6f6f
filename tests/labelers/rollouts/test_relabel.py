"""What was drawn once answers other questions without an engine."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, prompt_table, sampled_solutions

from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.label import label_steps
from labelers.rollouts.labels import first_errors, relabel
from labelers.rollouts.strategies import strategy_for
from labelers.segment import Split
from store.ledger import Ledger
from store.tables import STEPS


@pytest.fixture
def recorded(tmp_path):
    """(rollouts, solutions) with eight draws from every prefix, and the steps of four."""
    engine = SimulatedPolicy(chains(3, 6, 3, 6), repair=0.08)
    solutions, prompts = sampled_solutions(engine, 4, 6), prompt_table(list(engine.problems.values()))
    with Ledger(tmp_path / "a") as a, Ledger(tmp_path / "b") as b:
        eight = label_steps(engine, a, solutions, prompts, Exhaustive(8))
        four = label_steps(engine, b, solutions, prompts, Exhaustive(4))
    return eight.rollouts, solutions, four.steps


def test_fewer_rollouts_are_the_first_of_more(recorded):
    rollouts, solutions, four = recorded
    assert_frame_equal(relabel(rollouts, solutions, Exhaustive(4)), four)


def test_another_threshold_moves_the_hard_labels_alone(recorded):
    rollouts, solutions, _ = recorded
    plain, strict = (relabel(rollouts, solutions, Exhaustive(8, threshold)) for threshold in (0.0, 0.25))
    assert strict["label"].to_list() == [value > 0.25 for value in plain["value"]]
    assert strict["soft"].equals(plain["soft"])
    assert set(strict["method"]) == {"outcome", "mc-exhaustive-n8-t0.25"}


def test_a_step_is_not_labelled_wrong_before_all_its_rollouts_were_asked(recorded):
    rollouts, solutions, _ = recorded
    steps = relabel(rollouts, solutions, Exhaustive(16)).filter(pl.col("method") != "outcome")
    assert set(steps["label"]) == {True, None}
    assert steps["label"].is_null().equals((steps["n_correct"] == 0).alias("label"))


def test_the_change_point_decoder_reads_exhaustive_counts(recorded):
    rollouts, solutions, _ = recorded
    steps = relabel(rollouts, solutions, Changepoint())
    drawn = steps.filter(pl.col("method") != "outcome")
    assert set(drawn["n_rollouts"]) == {8}
    assert set(drawn["method"]) == {"changepoint", "witness"} and drawn["label"].null_count() == 0


def test_the_order_of_the_recorded_rows_does_not_matter(recorded):
    rollouts, solutions, _ = recorded
    for strategy in (FirstSuccess(8), Changepoint()):
        shuffled = relabel(rollouts.sample(fraction=1.0, shuffle=True, seed=3), solutions.reverse(), strategy)
        assert_frame_equal(shuffled, relabel(rollouts, solutions, strategy))


def test_a_strategy_is_rebuilt_from_the_facts_of_its_run(tmp_path):
    engine = SimulatedPolicy(chains(3, 6, 3, 6), repair=0.08)
    solutions, prompts = sampled_solutions(engine, 4, 6), prompt_table(list(engine.problems.values()))
    with Ledger(tmp_path) as ledger:
        found = label_steps(engine, ledger, solutions, prompts, Changepoint())
    assert_frame_equal(
        relabel(found.rollouts, solutions, strategy_for(**found.facts["strategy"])), found.steps
    )


def test_the_pass_rates_that_a_labeler_knew_are_recorded(tmp_path):
    engine = SimulatedPolicy(chains(4, 6, 3, 6), repair=0.08)
    samples, prompts = sampled_solutions(engine, 12, 6), prompt_table(list(engine.problems.values()))
    solutions = samples.filter(pl.col("sample_index") < 3)
    strategy = Changepoint(calibrate=False)
    with Ledger(tmp_path) as ledger:
        found = label_steps(engine, ledger, solutions, prompts, strategy, samples=samples)
    assert_frame_equal(relabel(found.rollouts, solutions, strategy), found.steps)
    outcomes = found.rollouts.filter(pl.col("source") == "outcome")
    assert set(outcomes["prompt_sampled"]) == {12} and len(set(outcomes["prompt_solved"])) > 1
    drawn = found.rollouts.filter(pl.col("source") == "rollout")
    assert drawn.height > 0 and drawn["prompt_solved"].is_null().all()


def test_rollouts_of_other_steps_or_of_none_are_refused(recorded):
    rollouts, solutions, _ = recorded
    with pytest.raises(ValueError, match="blank-line.*give the split they were drawn with"):
        relabel(rollouts, solutions, Exhaustive(8), split=Split("blank-line"))
    with pytest.raises(ValueError, match="outcome at step None"):
        relabel(rollouts.head(0), solutions, Exhaustive(8))


def steps_of(**labels):
    rows = [
        {"completion_id": name, "step_index": t, "label": label}
        for name, row in labels.items()
        for t, label in enumerate(row)
    ]
    return pl.DataFrame(rows, schema=STEPS)


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_the_first_error_is_known_only_if_every_step_before_it_is(labels):
    found = first_errors(steps_of(x=labels).sample(fraction=1.0, shuffle=True, seed=1))
    first = next((t for t, label in enumerate(labels) if not label), -1)
    assert found["first_error"].to_list() == [None if first >= 0 and labels[first] is None else first]


def test_each_solution_has_its_own_first_error():
    found = first_errors(steps_of(b=[True, False, True], a=[True, True], c=[None, False], d=[False]))
    assert found.rows() == [("a", -1), ("b", 1), ("c", None), ("d", 0)]
    assert found.schema == {"completion_id": pl.String, "first_error": pl.Int32}

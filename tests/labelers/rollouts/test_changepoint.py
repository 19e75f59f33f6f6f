"""The change-point labeler: its model against brute force, its probes, and its labels against known truth."""

from itertools import pairwise, product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_policy import SimulatedPolicy, chains, prompt_table, sampled_solutions

from evaluators.metrics import processbench
from labelers.rollouts import solvability
from labelers.rollouts.changepoint import Changepoint, as_draws, information
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.label import label_steps
from labelers.rollouts.labels import first_errors
from labelers.rollouts.solvability import LEVELS, Draws, Rates, first_error_weights
from labelers.rollouts.strategies import strategy_for
from labelers.rollouts.strategy import Evidence, replay
from store.ledger import Ledger

WRONG = Evidence((10,) * 4, "wrong", 4, 8, ((), (), ()))


def seen(*draws: str, outcome="wrong", solved=4, sampled=8, free=()) -> Evidence:
    """Evidence in which "rrw" stands for two right draws and a wrong one."""
    words = {"r": "right", "w": "wrong", "u": "undecided"}
    read = tuple(tuple(words[letter] for letter in stream) for stream in draws)
    return Evidence((10,) * (len(draws) + 1), outcome, solved, sampled, read, free)


def first_wrong(labels) -> int:
    return next((t for t, label in enumerate(labels) if label.label is False), -1)


evidences = st.builds(
    lambda streams, outcome: seen(*streams, outcome=outcome),
    st.lists(st.text("rwu", max_size=6), min_size=1, max_size=6),
    st.sampled_from(["right", "wrong"]),
)


def test_the_weights_are_the_sum_over_all_paths_of_a_hidden_track():
    """Two steps, no repair: P(e) by hand, over every pair of error rates, with R on the grid."""
    rates = Rates(repair=0.0, noise=0.0)
    draws = Draws(False, right=(1,), decided=(2,), solved=3, sampled=5)
    grid, spread = solvability.GRID, solvability.SPREAD

    def placed(value):
        value = min(max(value, grid[0]), grid[-1])
        at = min(max(int(np.searchsorted(grid, value)) - 1, 0), len(grid) - 2)
        above = (value - grid[at]) / (grid[at + 1] - grid[at])
        return {at: 1 - above, at + 1: above}

    def one_of_two(mean):  # beta-binomial: one success, then one failure
        a, b = mean * spread, (1 - mean) * spread
        return a * b / ((a + b) * (a + b + 1))

    dead = solvability.LOWEST_OFF
    expected = np.zeros(3)
    for (e1, h1), (e2, h2) in product(zip(LEVELS, rates.hardness, strict=True), repeat=2):
        for i, p1 in placed(1 - e2).items():
            for j, p0 in placed((1 - e1) * grid[i] + e1 * dead).items():
                weight = h1 * h2 * p1 * p0 * grid[j] ** 3 * (1 - grid[j]) ** 2
                expected[0] += weight * e1 * one_of_two(dead)
                expected[1] += weight * (1 - e1) * e2 * one_of_two(grid[i])
    weights = first_error_weights(rates, draws)[0]
    assert weights / weights.sum() == pytest.approx(expected / expected.sum(), rel=1e-9)


@given(evidences)
def test_the_next_draw_is_right_or_wrong(evidence):
    """P(evidence, e) less that with one more right draw is that with one more wrong draw."""
    draws, rates = as_draws(evidence), Rates()
    weights = first_error_weights(rates, draws)
    for t in range(len(draws.right)):
        decided = tuple(n + (s == t) for s, n in enumerate(draws.decided))
        wrong = first_error_weights(rates, draws._replace(decided=decided))[0]
        rest = weights[0] - weights[t + 1]  # the factor that weights are known up to depends on the draws
        assert wrong / wrong.sum() == pytest.approx(rest / rest.sum(), rel=1e-7, abs=1e-12)


@given(evidences)
def test_information_is_never_negative(evidence):
    assert (information(first_error_weights(Rates(), as_draws(evidence))) > -1e-9).all()


@given(evidences)
def test_labels_agree_with_their_probabilities(evidence):
    labels = Changepoint().labels(evidence)[:-1]
    softs = [label.soft for label in labels]
    assert all(later <= sooner + 1e-12 for sooner, later in pairwise(softs))
    assert [label.label for label in labels] == sorted((label.label for label in labels), reverse=True)
    for label in labels:
        assert 0 <= label.value <= 1
        assert label.confidence == pytest.approx(label.soft if label.label else 1 - label.soft)


def test_the_error_is_where_success_ends():
    labels = Changepoint().labels(seen("rrwr", "rrr", "wwwwwww", "wwww"))
    assert first_wrong(labels) == 2
    assert labels[1].soft > 0.9 > 0.1 > labels[2].soft


def test_one_hard_step_ahead_is_not_taken_for_an_error():
    """Low values from the start, high ones after step 2, dead after step 3: the error is at step 3."""
    labels = Changepoint().labels(seen("wwrww", "wwwrw", "rrrrr", "wwwwwww", solved=2))
    assert first_wrong(labels) == 3


def test_a_long_solution_with_many_draws_does_not_vanish():
    right, wrong = "rrw" * 60, "w" * 180
    labels = Changepoint(repair=0.001).labels(seen(*[right] * 60, *[wrong] * 60, solved=900, sampled=2000))
    assert first_wrong(labels) == 60


def test_a_success_counts_for_less_where_wrong_steps_are_repaired():
    evidence = seen("rrr", "rrr", "rwwwwwwww", "wwwwww", "wwwwww")
    strict, lenient = (Changepoint(repair=repair).labels(evidence)[2].soft for repair in (0.001, 0.1))
    assert lenient < strict


def test_a_right_answer_is_not_probed_unless_audited():
    right = seen("", "", "", outcome="right")
    assert not Changepoint().probes(right)
    assert first_wrong(Changepoint().labels(right)) == -1
    assert Changepoint(audit=True, stop=0.999, gain=0).probes(right)


def test_an_undecided_outcome_is_neither_probed_nor_labelled():
    cut = seen("r", "w", outcome="undecided")
    assert not Changepoint().probes(cut)
    assert all(label.label is None and label.soft is None for label in Changepoint().labels(cut))


def test_undecided_draws_count_on_no_side():
    labels = Changepoint().labels
    assert labels(seen("ruur", "wwuw")) == labels(seen("rr", "www"))


@given(st.lists(st.text("rwu", min_size=40, max_size=40), min_size=1, max_size=6), st.integers(0, 30))
@settings(deadline=None)
def test_probing_ends_within_the_budget_and_siblings_are_free(streams, budget):
    recorded = seen(*streams, free=(2,) * len(streams))
    strategy = Changepoint(stop=0.999, gain=0, budget=budget, wave=2)
    drawn = replay(strategy, recorded)
    assert sum(map(len, drawn.draws)) - sum(drawn.free) <= budget
    assert not strategy.probes(drawn)


def test_a_prefix_that_gets_no_more_draws_is_passed_over():
    (best,) = Changepoint(wave=1).probes(WRONG)
    (second,) = Changepoint(wave=1).probes(WRONG._replace(closed=frozenset([best])))
    assert second != best
    assert not Changepoint().probes(WRONG._replace(closed=frozenset(range(3))))


def test_free_draws_that_settle_it_leave_nothing_to_ask():
    assert Changepoint().probes(WRONG)
    assert not Changepoint().probes(seen("rrrrrr", "rrrrrr", "w" * 12, free=(6, 6, 12)))


def test_a_solution_of_one_step_has_its_outcome_for_a_label():
    (label,) = Changepoint().labels(Evidence((5,), "wrong", 1, 2, ()))
    assert (label.label, label.method) == (False, "outcome")
    assert not Changepoint().probes(Evidence((5,), "wrong", 1, 2, ()))


@pytest.mark.parametrize(
    "options", [{"stop": 1.0}, {"budget": -1}, {"wave": 0}, {"repair": 1.0}, {"hardness": (1.0,)}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="changepoint"):
        strategy_for("changepoint", **options)


def world(repair, problems=32, seed=5):
    engine = SimulatedPolicy(chains(problems, seed, 4, 8), repair, wordy=True)
    return engine, sampled_solutions(engine, 5, seed), prompt_table(list(engine.problems.values()))


def labelled(tmp_path, repair, strategy):
    engine, solutions, prompts = world(repair)
    with Ledger(tmp_path / strategy.name) as ledger:
        return label_steps(engine, ledger, solutions, prompts, strategy, samples=solutions)


def true_errors(repair) -> dict[str, int]:
    engine, solutions, prompts = world(repair)
    problems = {
        row["prompt_id"]: engine.problems[row["messages"][0]["content"]] for row in prompts.to_dicts()
    }
    found = {}
    for completion_id, prompt_id, text in solutions.select("completion_id", "prompt_id", "text").iter_rows():
        values = [int(line.split(" = ")[1]) for line in text.splitlines()[:-1]]
        off = [a != b for a, b in zip(values, problems[prompt_id].path[1:], strict=True)]
        found[completion_id] = off.index(True) if any(off) else -1
    return found


def test_it_is_cheaper_and_better_than_exhaustive_where_errors_are_repaired(tmp_path):
    truth = true_errors(0.05)
    every = labelled(tmp_path, 0.05, Exhaustive(8))
    ours = labelled(tmp_path, 0.05, Changepoint())
    scores = []
    for run in (every, ours):
        said = dict(first_errors(run.steps).iter_rows())
        scores.append(processbench(list(truth.values()), [said[c] for c in truth]).f1)
    assert ours.facts["rollouts"] * 5 < every.facts["rollouts"]
    assert scores[1] > scores[0] + 0.05


@pytest.mark.parametrize("repair, low, high", [(0.0, 0.0, 0.005), (0.15, 0.06, 0.2)])
def test_the_repair_rate_is_found_from_the_pilot(tmp_path, repair, low, high):
    assert low <= labelled(tmp_path, repair, Changepoint()).facts["strategy"]["repair"] <= high


def test_calibrating_is_blind_to_the_order_of_the_pilot():
    pilot = [seen("rr", "ww", "ww"), seen("rw", "rr"), seen("", outcome="right"), seen("w", "w", "w")]
    assert Changepoint().calibrated(pilot) == Changepoint().calibrated(pilot[::-1])
    assert Changepoint(calibrate=False).calibrated(pilot) == Changepoint(calibrate=False)
    assert Changepoint().calibrated([]) == Changepoint()


def test_a_foreign_completer_is_recognised_by_its_failures():
    """Its draws fail where the writer's samples succeed."""
    pilot = [seen("rwwww", "rwrww", "wwwww", "wwww", solved=7) for _ in range(30)]
    assert Changepoint(foreign=True).calibrated(pilot).completer > 1
    assert Changepoint().calibrated(pilot).completer == 1


def test_steps_table_carries_values_that_predict(tmp_path):
    steps = labelled(tmp_path, 0.02, Changepoint()).steps.filter(pl.col("method") == "changepoint")
    assert steps["value"].is_between(0, 1).all()
    assert steps.filter("label")["value"].mean() > steps.filter(~pl.col("label"))["value"].mean() + 0.4

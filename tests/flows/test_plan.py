"""The cost that a plan foretells is what the strategies themselves would spend."""

from __future__ import annotations

import polars as pl
import pytest

from flows.plan import Probe, _rate, estimate
from flows.plan_rollouts import Solution, expected_cost
from flows.recipe import validate_recipe
from flows.stage import Usage
from labelers.rollouts.strategies import strategy_for

RIGHT, WRONG = Solution(5, True, 6, 8), Solution(5, False, 2, 8)
TABLE = pl.DataFrame({"prompt_id": ["a", "b", "c"], "split": ["train", "train", "test"]})
PROBE = Probe(30.0, 50.0, [RIGHT, WRONG], 0.0)


def lines(**sections):
    recipe = {
        "name": "planned",
        "engine": {"model": "embedded"},
        "prompts": {"source": "world"},
        "sample": {"n": 4, "n_test": 2},
        "build": {"sets": ["outcome"]},
    }
    found = estimate(validate_recipe(recipe | sections, "test"), TABLE, PROBE)
    return {line.stage: line for line in found}


def test_exhaustive_labels_cost_n_rollouts_at_every_step_but_the_last():
    cost = expected_cost(strategy_for("exhaustive", n=8), [RIGHT, WRONG])
    assert cost.rollouts == 4 * 8
    assert cost.written == pytest.approx(8 * (4 + 3 + 2 + 1) / 5)
    assert cost.read == pytest.approx(8 * (1 + 2 + 3 + 4) / 5)


@pytest.mark.parametrize("name", ["first-success", "witness", "bisect", "changepoint"])
def test_every_other_strategy_is_foretold_to_cost_less(name):
    assert 0 < expected_cost(strategy_for(name), [RIGHT, WRONG] * 8).rollouts < 4 * 8


def test_a_right_solution_costs_the_default_strategy_nothing():
    assert expected_cost(strategy_for("changepoint"), [RIGHT]).rollouts == 0


def test_no_solution_and_solutions_of_one_step_cost_nothing():
    for strategy in map(strategy_for, ("exhaustive", "changepoint", "bisect")):
        assert expected_cost(strategy, []).rollouts == 0
        assert expected_cost(strategy, [Solution(1, False, 0, 4)]).rollouts == 0


def test_calls_are_counted_for_each_judge_and_each_completer():
    other = {"model": "other"}
    judge = {"panel": [{"model": "embedded"}, other, {"model": "third"}], "pairs_per_prompt": 2, "samples": 3}
    found = lines(
        judge=judge | {"temperature": 1.0},
        rollout={"strategy": "exhaustive", "n": 2, "completers": [other], "solutions_per_prompt": 3},
        critique={"samples": 2, "temperature": 1.0},
    )
    assert found["sample"].calls == 2 * 4 + 1 * 2
    assert found["judge (at most)"].calls == 2 * 2 * 3 * 2  # orders, pairs, samples, prompts
    assert found["rollout (about)"].calls == 2 * 3 * 4 * 2  # prompts, solutions, steps, rollouts
    assert found["critique (at most)"].calls == 2 * 3 * 2
    assert found["critique (at most)"].timed and not found["rollout (about)"].timed


def test_a_strategy_with_a_pilot_draws_most_of_a_small_run_there():
    found = lines(rollout={"solutions_per_prompt": 3, "completers": [{"model": "embedded"}, {"model": "b"}]})
    pilot, rest = found["pilot (about)"].calls, found["rollout (about)"].calls
    assert pilot == 2 * 3 * expected_cost(strategy_for("changepoint"), PROBE.solutions).rollouts
    assert 0 < rest < pilot / 5
    assert found["pilot-2 (about)"].calls > 0


def test_a_tree_search_is_bounded_by_its_budget():
    found = lines(rollout={"strategy": "bisect", "tree": {"budget": 40}})
    assert found["search (at most)"].calls == 2 * 40


def test_a_plan_that_the_ledger_answers_takes_the_time_of_the_one_before(tmp_path):
    path, engine = tmp_path / "rate", {"model": "a"}
    assert _rate(path, engine, Usage()) == 0
    assert _rate(path, engine, Usage(calls=2, new_tokens=100, engine_seconds=5.0)) == 0.05
    assert _rate(path, engine, Usage()) == 0.05
    assert _rate(path, {"model": "b"}, Usage()) == 0


def test_rankings_are_asked_in_every_rotation_and_ratings_by_every_criterion():
    ranked = lines(judge={"mode": "ranking", "candidates": 3})
    rated = lines(judge={"mode": "rating", "candidates": 3, "criteria": ["honesty", "helpfulness"]})
    assert ranked["judge (at most)"].calls == 2 * 3
    assert rated["judge (at most)"].calls == 2 * 3 * 2
    assert ranked["judge (at most)"].prompt_tokens == 2 * 3 * (30 + 3 * 50)

"""Math-Shepherd labels against a policy whose solvability is known exactly."""

import math
from functools import cache

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, completion_table, prompt_table, sampled_solutions

from labelers.rollouts.exhaustive import Exhaustive, confidence
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.label import label_steps
from labelers.rollouts.labels import relabel, rollout_stats
from labelers.rollouts.strategies import strategy_for
from labelers.segment import split_steps
from store.errors import InputError
from store.ledger import Ledger
from store.tables import ROLLOUTS, STEPS, VERDICTS

WORLDS = (0.0, 0.02, 0.08)
BY_STEP = ["completion_id", "step_index"]
HARD = [*BY_STEP, "prompt_id", "text", "label", "confidence"]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def mixed(engine, per_problem, seed=0):
    """Solutions of problems that were solved at least once and failed at least once, as labelers get them."""
    solutions = sampled_solutions(engine, per_problem, seed)
    answers = {
        row["prompt_id"]: row["answer"] for row in prompt_table(list(engine.problems.values())).to_dicts()
    }
    right = [
        text.endswith(f"is {answers[p]}.") for p, text in solutions.select("prompt_id", "text").iter_rows()
    ]
    share = pl.col("right").mean().over("prompt_id")
    return solutions.with_columns(right=pl.Series(right)).filter(share.is_between(0.01, 0.99)).drop("right")


def world(repair, seed=0, problems=3, per_problem=3, truncate=0.0, longest=6):
    engine = SimulatedPolicy(chains(problems, seed, 3, longest), repair, truncate)
    return engine, sampled_solutions(engine, per_problem, seed), prompt_table(list(engine.problems.values()))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    repair=st.sampled_from(WORLDS),
    truncate=st.sampled_from([0.0, 0.3]),
    n=st.integers(1, 9),
    wave=st.integers(1, 10),
)
def test_stopping_at_the_first_success_changes_no_hard_label(
    tmp_path_factory, seed, repair, truncate, n, wave
):
    engine, solutions, prompts = world(repair, seed, truncate=truncate)
    runs = []
    for strategy in (Exhaustive(n), FirstSuccess(n), FirstSuccess(n, wave)):
        with Ledger(tmp_path_factory.mktemp("ledger")) as ledger:
            runs.append(label_steps(engine, ledger, solutions, prompts, strategy, seed=seed))
    every, first, waves = runs
    assert_frame_equal(every.steps.select(HARD), first.steps.select(HARD))
    assert_frame_equal(first.steps, waves.steps)
    assert_frame_equal(first.steps, relabel(every.rollouts, solutions, FirstSuccess(n)))
    assert rollout_stats(first.rollouts)["rollouts"] <= rollout_stats(waves.rollouts)["rollouts"]
    assert rollout_stats(waves.rollouts)["rollouts"] <= rollout_stats(every.rollouts)["rollouts"]


@pytest.mark.parametrize("repair", WORLDS)
def test_stopping_at_the_first_success_costs_what_theory_says(tmp_path, repair):
    engine = SimulatedPolicy(chains(20, 11), repair, wordy=True)
    solutions, prompts = mixed(engine, 6), prompt_table(list(engine.problems.values()))
    with Ledger(tmp_path) as ledger:
        first = label_steps(engine, ledger, solutions, prompts, FirstSuccess(8))
    cost = rollout_stats(first.rollouts)["rollouts"]
    assert cost == engine.calls == pytest.approx(expected_cost(engine, solutions, prompts), rel=0.05)


@pytest.mark.parametrize("repair", WORLDS[:2])
def test_stopping_at_the_first_success_saves_two_and_a_half_times_the_rollouts(repair):
    savings = []
    for seed in range(4):
        engine = SimulatedPolicy(chains(60, seed), repair, wordy=True)
        solutions, prompts = mixed(engine, 8, seed), prompt_table(list(engine.problems.values()))
        naive = 8 * len(prefixes(solutions, prompts))
        savings.append(naive / expected_cost(engine, solutions, prompts))
    assert sum(savings) / len(savings) >= 2.5


def expected_cost(engine, solutions, prompts):
    """Mean draws to the first success of every prefix, at most 8, from its exact solvability."""
    steps = prefixes(solutions, prompts)
    values = [engine.problems[text].value(list(prefix), engine.repair) for text, prefix in steps]
    return sum((1 - (1 - p) ** 8) / p if p else 8 for p in values)


def prefixes(solutions, prompts):
    """The distinct (problem, steps so far), whole solutions left out."""
    asked = {row["prompt_id"]: row["messages"][0]["content"] for row in prompts.to_dicts()}
    rows = [(asked[p], split_steps(text)) for p, text in solutions.select("prompt_id", "text").iter_rows()]
    return {(text, tuple(steps[:t])) for text, steps in rows for t in range(1, len(steps))}


def test_labels_equal_the_formula_computed_by_brute_force(ledger):
    engine, solutions, prompts = world(0.02, 3, problems=4, truncate=0.2)
    rollouts, steps, _ = label_steps(engine, ledger, solutions, prompts, Exhaustive(6))
    assert rollouts.schema == ROLLOUTS and steps.schema == STEPS
    answers = dict(prompts.select("prompt_id", "answer").iter_rows())
    drawn = {key: group for key, group in rollouts.group_by(BY_STEP)}
    texts = {row["completion_id"]: split_steps(row["text"]) for row in solutions.to_dicts()}
    assert steps.height == sum(map(len, texts.values()))
    for row in steps.to_dicts():
        own = texts[row["completion_id"]]
        assert row["text"] == own[row["step_index"]]
        group = drawn[row["completion_id"], row["step_index"]].to_dicts()
        whole = ["".join(own[: row["step_index"] + 1]) + r["text"] for r in group]
        cut = [r["finish_reason"] == "length" for r in group]
        ending = f"The answer is {answers[row['prompt_id']]}."
        right = sum(text.endswith(ending) and not c for text, c in zip(whole, cut, strict=True))
        finished = len(group) - sum(cut)
        last = row["step_index"] == len(own) - 1
        assert len(group) == (1 if last else 6)
        assert (row["n_rollouts"], row["n_correct"], row["n_truncated"]) == (len(group), right, sum(cut))
        assert row["label"] == (None if not finished else right > 0)
        assert row["value"] == row["soft"] == (right / finished if finished else None)
        assert row["method"] == ("outcome" if last else "mc-exhaustive-n6")


def test_soft_labels_approach_the_exact_solvability(ledger):
    n = 400
    engine, solutions, prompts = world(0.08, 5, problems=3, per_problem=2, longest=4)
    _, steps, _ = label_steps(engine, ledger, solutions, prompts, Exhaustive(n))
    by_prompt = dict(zip(prompts["prompt_id"], engine.problems.values(), strict=True))
    texts = {row["completion_id"]: split_steps(row["text"]) for row in solutions.to_dicts()}
    for row in steps.to_dicts():
        prefix = texts[row["completion_id"]][: row["step_index"] + 1]
        exact = by_prompt[row["prompt_id"]].value(prefix, engine.repair)
        assert abs(row["soft"] - exact) <= 4.5 * math.sqrt(exact * (1 - exact) / n) + 1e-9


def test_the_first_success_soft_label_is_the_posterior_mean(ledger):
    engine, solutions, prompts = world(0.08, 2)
    _, steps, _ = label_steps(engine, ledger, solutions, prompts, FirstSuccess(8))
    sampled = steps.filter(pl.col("method") != "outcome")
    assert set(sampled["n_correct"]) == {0, 1}
    for row in sampled.to_dicts():
        assert row["n_rollouts"] == 8 or row["n_correct"] == 1
        assert row["value"] == row["n_correct"] / row["n_rollouts"]
        assert row["soft"] == (row["n_correct"] + 1) / (row["n_rollouts"] + 2)


def test_equal_prefixes_of_a_prompt_share_their_rollouts_and_each_solution_keeps_its_rows(ledger):
    engine, solutions, prompts = world(0.02, 1, problems=1, per_problem=6)
    rollouts, steps, _ = label_steps(engine, ledger, solutions, prompts, Exhaustive(4))
    texts = [split_steps(text) for text in solutions["text"]]
    distinct = prefixes(solutions, prompts)
    assert engine.calls == rollout_stats(rollouts)["rollouts"] == 4 * len(distinct)
    assert rollouts.height == sum(4 * (len(steps) - 1) + 1 for steps in texts)
    twin = solutions.with_columns(completion_id=pl.lit("twin-") + pl.col("completion_id"))
    both = label_steps(engine, ledger, pl.concat([solutions, twin]), prompts, Exhaustive(4)).steps
    assert engine.calls == 4 * len(distinct)
    assert both.height == 2 * steps.height


def test_a_step_all_of_whose_rollouts_were_cut_is_undecided(ledger):
    engine, solutions, prompts = world(0.0, 2, truncate=1.0)
    whole = SimulatedPolicy(list(engine.problems.values()))
    steps = label_steps(engine, ledger, sampled_solutions(whole, 2), prompts, Exhaustive(3)).steps
    sampled = steps.filter(pl.col("method") != "outcome")
    assert sampled["n_truncated"].to_list() == [3] * sampled.height
    for column in ("label", "value", "soft", "confidence"):
        assert sampled[column].null_count() == sampled.height
    assert steps.filter(pl.col("method") == "outcome")["label"].null_count() == 0


def test_a_cut_solution_has_an_undecided_last_step(ledger):
    engine, solutions, prompts = world(0.0, 2)
    cut = solutions.with_columns(finish_reason=pl.lit("length"))
    steps = label_steps(engine, ledger, cut, prompts, Exhaustive(2)).steps
    last = steps.filter(pl.col("method") == "outcome")
    assert last["label"].null_count() == last.height == cut.height
    assert steps["label"].null_count() == last.height


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_only_a_finished_readable_rollout_decides(verdict, finish):
    solution = completion_table([{"completion_id": "c", "prompt_id": "p", "text": "one\ntwo"}])
    whole = {"completion_id": "c", "sample_index": 0, "call_id": "c", "text": "", "n_tokens": 0}
    outcome = whole | {"step_index": 1, "source": "outcome", "finish_reason": "stop", "verdict": "incorrect"}
    outcome |= {"prompt_solved": 0, "prompt_sampled": 1}
    drawn = {"step_index": 0, "source": "rollout", "finish_reason": finish, "verdict": verdict}
    rollouts = pl.DataFrame([outcome, whole | drawn], schema=ROLLOUTS)
    expected = (
        {"correct": True, "incorrect": False, "no_answer": False}.get(verdict) if finish == "stop" else None
    )
    steps = relabel(rollouts, solution, Exhaustive(1))
    assert steps["label"].to_list() == [expected, False]
    assert steps["n_truncated"].to_list() == [int(expected is None), 0]


def test_a_reference_that_cannot_be_read_costs_nothing(ledger):
    engine, solutions, prompts = world(0.0, 2)
    rollouts, steps, _ = label_steps(
        engine, ledger, solutions, prompts.with_columns(answer=pl.lit(" ")), Exhaustive(2)
    )
    assert engine.calls == 0
    assert rollouts.height == solutions.height
    assert steps["label"].null_count() == steps.height


def test_solutions_without_a_prompt_or_an_answer_stop_before_anything_is_spent(ledger):
    engine, solutions, prompts = world(0.0, 2)
    with pytest.raises(InputError, match="no answer"):
        label_steps(
            engine,
            ledger,
            solutions,
            prompts.with_columns(answer=pl.lit(None, dtype=pl.String)),
            Exhaustive(2),
        )
    with pytest.raises(InputError, match="not in the prompts"):
        label_steps(engine, ledger, solutions, prompts.head(1), Exhaustive(2))
    assert engine.calls == 0


@pytest.mark.parametrize("name", ["exhaustive", "first-success", "witness", "bisect"])
def test_options_that_make_no_sense_are_refused(name):
    wrong = {"exhaustive": {"threshold": 1.0}}.get(name, {"wave": 0})
    for options in ({"n": 0}, {"patience": 3}, wrong):
        with pytest.raises(ValueError, match=name):
            strategy_for(name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("exhaustive", {"n": True}),
        ("exhaustive", {"n": 2.5}),
        ("exhaustive", {"threshold": "0"}),
        ("witness", {"wave": 1.5}),
        ("bisect", {"n": "8"}),
        ("changepoint", {"budget": 2.5}),
        ("changepoint", {"audit": 1}),
        ("changepoint", {"hardness": ["a"]}),
    ],
)
def test_options_of_another_type_are_refused_before_a_run(name, options):
    with pytest.raises(ValueError, match=f"{name}: {next(iter(options))} is .* must be of type"):
        strategy_for(name, **options)


def test_an_unknown_strategy_is_named_beside_the_known_ones():
    with pytest.raises(ValueError, match="'greedy'.*bisect"):
        strategy_for("greedy")


def test_no_solutions_give_empty_tables(ledger):
    engine, _, prompts = world(0.0)
    rollouts, steps, _ = label_steps(engine, ledger, completion_table([]), prompts, Exhaustive())
    assert (rollouts.schema, rollouts.height) == (ROLLOUTS, 0)
    assert (steps.schema, steps.height) == (STEPS, 0)


def test_rollouts_see_the_system_prompt_of_their_solution(ledger):
    engine, solutions, prompts = world(0.0, 2)
    seen = []
    engine.render = lambda request: seen.append(request.messages) or list(request.messages)
    briefed = solutions.head(1).with_columns(system_variant=pl.lit("Be brief."))
    label_steps(engine, ledger, briefed, prompts, Exhaustive(1))
    assert {messages[0]["content"] for messages in seen} == {"Be brief."}
    seen.clear()
    label_steps(engine, ledger, solutions.head(1), prompts, Exhaustive(1))
    assert {len(messages) for messages in seen} == {1}


@cache
def integral(k, n, low, high, cells=20_000):
    width = (high - low) / cells
    points = (low + (i + 0.5) * width for i in range(cells))
    return sum(v**k * (1 - v) ** (n - k) for v in points) * width


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 8), (1, 8), (3, 8), (8, 8)])
def test_confidence_is_the_posterior_of_a_half_dead_half_uniform_prior(k, n, threshold):
    dead = 1.0 if k == 0 else 0.0
    below = dead + integral(k, n, 0.0, threshold)
    expected = below / (dead + integral(k, n, 0.0, 1.0))
    assert confidence(k, n, threshold, False) == pytest.approx(expected, abs=1e-6)
    assert confidence(k, n, threshold, True) == pytest.approx(1 - expected, abs=1e-6)


def test_the_certainty_of_a_wrong_step_after_eight_failures_is_nine_tenths():
    assert confidence(0, 8, 0.0, False) == pytest.approx(9 / 10)  # 1 / (1 + 1/9)
    assert confidence(1, 8, 0.0, True) == 1

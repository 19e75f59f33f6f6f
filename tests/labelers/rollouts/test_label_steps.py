"""Math-Shepherd labels against a policy whose solvability is known exactly."""

import math
from dataclasses import replace
from functools import cache

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, completion_table, prompt_table, sampled_solutions

from labelers.rollouts.label import label_steps, rollout_stats
from labelers.segment import split_steps
from labelers.rollouts.labels import confidence, relabel
from samplers.engine import REJECTED
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
    for strategy, size in [("exhaustive", 1), ("first-success", 1), ("first-success", wave)]:
        with Ledger(tmp_path_factory.mktemp("ledger")) as ledger:
            runs.append(label_steps(engine, ledger, solutions, prompts, n, strategy, seed=seed, wave=size))
    every, first, waves = runs
    assert_frame_equal(every.steps.select(HARD), first.steps.select(HARD))
    assert_frame_equal(first.steps, waves.steps)
    assert_frame_equal(first.steps, relabel(every.rollouts, solutions, n, "first-success"))
    assert rollout_stats(first.rollouts)["rollouts"] <= rollout_stats(waves.rollouts)["rollouts"]
    assert rollout_stats(waves.rollouts)["rollouts"] <= rollout_stats(every.rollouts)["rollouts"]


@pytest.mark.parametrize("repair", WORLDS)
def test_stopping_at_the_first_success_costs_what_theory_says(tmp_path, repair):
    engine = SimulatedPolicy(chains(20, 11), repair, wordy=True)
    solutions, prompts = mixed(engine, 6), prompt_table(list(engine.problems.values()))
    with Ledger(tmp_path) as ledger:
        first = label_steps(engine, ledger, solutions, prompts, 8, "first-success")
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
    rollouts, steps = label_steps(engine, ledger, solutions, prompts, 6)
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
    _, steps = label_steps(engine, ledger, solutions, prompts, n)
    by_prompt = dict(zip(prompts["prompt_id"], engine.problems.values(), strict=True))
    texts = {row["completion_id"]: split_steps(row["text"]) for row in solutions.to_dicts()}
    for row in steps.to_dicts():
        prefix = texts[row["completion_id"]][: row["step_index"] + 1]
        exact = by_prompt[row["prompt_id"]].value(prefix, engine.repair)
        assert abs(row["soft"] - exact) <= 4.5 * math.sqrt(exact * (1 - exact) / n) + 1e-9


def test_the_first_success_soft_label_is_the_posterior_mean(ledger):
    engine, solutions, prompts = world(0.08, 2)
    _, steps = label_steps(engine, ledger, solutions, prompts, 8, "first-success")
    sampled = steps.filter(pl.col("method") != "outcome")
    assert set(sampled["n_correct"]) == {0, 1}
    for row in sampled.to_dicts():
        assert row["n_rollouts"] == 8 or row["n_correct"] == 1
        assert row["value"] == row["n_correct"] / row["n_rollouts"]
        assert row["soft"] == (row["n_correct"] + 1) / (row["n_rollouts"] + 2)


def test_equal_prefixes_of_a_prompt_share_their_rollouts_and_each_solution_keeps_its_rows(ledger):
    engine, solutions, prompts = world(0.02, 1, problems=1, per_problem=6)
    rollouts, steps = label_steps(engine, ledger, solutions, prompts, 4)
    texts = [split_steps(text) for text in solutions["text"]]
    distinct = prefixes(solutions, prompts)
    assert engine.calls == rollout_stats(rollouts)["rollouts"] == 4 * len(distinct)
    assert rollouts.height == sum(4 * (len(steps) - 1) + 1 for steps in texts)
    twin = solutions.with_columns(completion_id=pl.lit("twin-") + pl.col("completion_id"))
    both = label_steps(engine, ledger, pl.concat([solutions, twin]), prompts, 4).steps
    assert engine.calls == 4 * len(distinct)
    assert both.height == 2 * steps.height


@pytest.mark.parametrize(("wave", "flight"), [(1, 1), (1, 16), (1, 400), (3, 16), (8, 16), (1, None)])
def test_the_engine_stays_full_and_its_width_changes_nothing(tmp_path, wave, flight):
    engine, solutions, prompts = world(0.02, 7, problems=12)
    tables = []
    for width in (None, flight):
        engine.flight, engine.busy = width, []
        with Ledger(tmp_path / str(width is None)) as ledger:
            tables.append(label_steps(engine, ledger, solutions, prompts, 8, "first-success", wave=wave))
    assert_frame_equal(tables[0].rollouts, tables[1].rollouts)
    assert_frame_equal(tables[0].steps, tables[1].steps)
    if flight == 16:
        assert sum(engine.busy) > 0.8 * 16 * len(engine.busy)


@pytest.mark.parametrize("strategy", ["exhaustive", "first-success"])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, strategy):
    engine, solutions, prompts = world(0.02, 4)
    with Ledger(tmp_path / "whole") as ledger:
        whole = label_steps(engine, ledger, solutions, prompts, 6, strategy)
    calls, engine.calls = engine.calls, 0
    for stop in (calls // 3, 2 * calls // 3, None):
        engine.fail_after = stop
        with Ledger(tmp_path / "broken") as ledger:
            if stop is None:
                again = label_steps(engine, ledger, solutions, prompts, 6, strategy)
            else:
                with pytest.raises(KeyboardInterrupt):
                    label_steps(engine, ledger, solutions, prompts, 6, strategy)
    assert engine.calls == calls
    assert_frame_equal(whole.rollouts, again.rollouts)
    assert_frame_equal(whole.steps, again.steps)


def test_the_order_of_the_solutions_and_the_presence_of_others_change_nothing(tmp_path):
    engine, solutions, prompts = world(0.02, 9)
    with Ledger(tmp_path / "a") as a, Ledger(tmp_path / "b") as b:
        whole = label_steps(engine, a, solutions, prompts, 4)
        part = label_steps(engine, b, solutions.reverse().head(4), prompts.reverse(), 4)
    kept = whole.steps.filter(pl.col("completion_id").is_in(part.steps["completion_id"].unique().to_list()))
    assert_frame_equal(kept, part.steps)


def test_relabelling_with_fewer_rollouts_or_another_threshold_needs_no_engine(tmp_path):
    engine, solutions, prompts = world(0.08, 6)
    with Ledger(tmp_path / "a") as a, Ledger(tmp_path / "b") as b:
        eight = label_steps(engine, a, solutions, prompts, 8)
        four = label_steps(engine, b, solutions, prompts, 4)
    assert_frame_equal(relabel(eight.rollouts, solutions, 4), four.steps)
    strict = relabel(eight.rollouts, solutions, 8, threshold=0.25)
    assert strict["label"].to_list() == [value > 0.25 for value in eight.steps["value"]]
    assert set(strict["method"]) == {"outcome", "mc-exhaustive-n8-t0.25"}


def test_a_step_is_not_labelled_wrong_before_all_its_rollouts_were_asked(ledger):
    engine, solutions, prompts = world(0.0, 6)
    rollouts = label_steps(engine, ledger, solutions, prompts, 4).rollouts
    steps = relabel(rollouts, solutions, 8).filter(pl.col("method") != "outcome")
    assert set(steps["label"]) == {True, None}
    assert steps["label"].is_null().equals((steps["n_correct"] == 0).alias("label"))


def test_a_step_all_of_whose_rollouts_were_cut_is_undecided(ledger):
    engine, solutions, prompts = world(0.0, 2, truncate=1.0)
    whole = SimulatedPolicy(list(engine.problems.values()))
    steps = label_steps(engine, ledger, sampled_solutions(whole, 2), prompts, 3).steps
    sampled = steps.filter(pl.col("method") != "outcome")
    assert sampled["n_truncated"].to_list() == [3] * sampled.height
    for column in ("label", "value", "soft", "confidence"):
        assert sampled[column].null_count() == sampled.height
    assert steps.filter(pl.col("method") == "outcome")["label"].null_count() == 0


def test_a_cut_solution_has_an_undecided_last_step(ledger):
    engine, solutions, prompts = world(0.0, 2)
    cut = solutions.with_columns(finish_reason=pl.lit("length"))
    steps = label_steps(engine, ledger, cut, prompts, 2).steps
    last = steps.filter(pl.col("method") == "outcome")
    assert last["label"].null_count() == last.height == cut.height
    assert steps["label"].null_count() == last.height


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_only_a_finished_readable_rollout_decides(verdict, finish):
    solution = completion_table([{"completion_id": "c", "prompt_id": "p", "text": "one\ntwo"}])
    row = {"completion_id": "c", "step_index": 0, "sample_index": 0, "call_id": "k", "text": "x"}
    rollouts = pl.DataFrame(
        [row | {"n_tokens": 1, "finish_reason": finish, "verdict": verdict}], schema=ROLLOUTS
    )
    expected = (
        {"correct": True, "incorrect": False, "no_answer": False}.get(verdict) if finish == "stop" else None
    )
    steps = relabel(rollouts, solution, 1)
    assert steps["label"].to_list() == [expected, None]
    assert steps["n_truncated"].to_list() == [int(expected is None), 0]


def test_a_reference_that_cannot_be_read_costs_nothing(ledger):
    engine, solutions, prompts = world(0.0, 2)
    rollouts, steps = label_steps(engine, ledger, solutions, prompts.with_columns(answer=pl.lit(" ")), 2)
    assert engine.calls == 0
    assert rollouts.height == solutions.height
    assert steps["label"].null_count() == steps.height


def test_solutions_without_a_prompt_or_an_answer_stop_before_anything_is_spent(ledger):
    engine, solutions, prompts = world(0.0, 2)
    with pytest.raises(InputError, match="no answer"):
        label_steps(engine, ledger, solutions, prompts.with_columns(answer=pl.lit(None, dtype=pl.String)), 2)
    with pytest.raises(InputError, match="not in the prompts"):
        label_steps(engine, ledger, solutions, prompts.head(1), 2)
    assert engine.calls == 0


def test_rules_that_make_no_sense_are_refused():
    empty = completion_table([])
    for rule in ({"n": 0}, {"strategy": "greedy"}, {"strategy": "first-success", "threshold": 0.5}):
        with pytest.raises(ValueError, match="step labels"):
            relabel(pl.DataFrame(schema=ROLLOUTS), empty, **rule)


def test_no_solutions_give_empty_tables(ledger):
    engine, _, prompts = world(0.0)
    rollouts, steps = label_steps(engine, ledger, completion_table([]), prompts)
    assert (rollouts.schema, rollouts.height) == (ROLLOUTS, 0)
    assert (steps.schema, steps.height) == (STEPS, 0)


def test_rollouts_see_the_system_prompt_of_their_solution(ledger):
    engine, solutions, prompts = world(0.0, 2)
    seen = []
    engine.render = lambda request: seen.append(request.messages) or list(request.messages)
    briefed = solutions.head(1).with_columns(system_variant=pl.lit("Be brief."))
    label_steps(engine, ledger, briefed, prompts, 1)
    assert {messages[0]["content"] for messages in seen} == {"Be brief."}
    seen.clear()
    label_steps(engine, ledger, solutions.head(1), prompts, 1)
    assert {len(messages) for messages in seen} == {1}


class ShortSighted(SimulatedPolicy):
    """Rejects long prompts, as an engine must whose context they do not fit."""

    def _answer(self, request):
        answer = super()._answer(request)
        return replace(answer, finish_reason=REJECTED) if len(request.prefill) > 30 else answer


@pytest.mark.parametrize("strategy", ["exhaustive", "first-success"])
def test_steps_whose_rollouts_the_engine_rejects_are_undecided(ledger, strategy):
    engine, solutions, prompts = world(0.02, 5)
    short = ShortSighted(list(engine.problems.values()), 0.02)
    texts = {row["completion_id"]: split_steps(row["text"]) for row in solutions.to_dicts()}
    steps = label_steps(short, ledger, solutions, prompts, 5, strategy).steps
    sampled = steps.filter(pl.col("method") != "outcome")
    long = [len("".join(texts[c][: t + 1])) > 30 for c, t in sampled.select(BY_STEP).iter_rows()]
    assert sampled["label"].is_null().to_list() == long
    assert steps.height == sum(map(len, texts.values())) and any(long) and not all(long)
    if strategy == "first-success":
        assert short.calls < 5 * len(prefixes(solutions, prompts))


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

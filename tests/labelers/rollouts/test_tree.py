"""Trees: which rollout is searched next, what a search finds, and what it may cost."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from simulated_policy import SimulatedPolicy, chains, prompt_table, sampled_solutions

from labelers.rollouts.collect import collect_prefixes
from labelers.rollouts.samples import FreeDraw
from labelers.rollouts.tree import Node, TreeSearch
from labelers.segment import NEWLINE, split_steps
from store.errors import InputError
from store.ledger import Ledger
from store.tables import COMPLETIONS, ROLLOUTS, STEPS

SEARCH = TreeSearch(n=4, searches=6, budget=60)


def world(seed=0, problems=6, repair=0.02):
    engine = SimulatedPolicy(chains(problems, seed, 4, 8), repair)
    return engine, prompt_table(list(engine.problems.values()))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def draws(*verdicts, text="1\n2\n3\n4"):
    return [FreeDraw(f"{text}{i}", f"{text}{i}", "stop", verdict) for i, verdict in enumerate(verdicts)]


def test_the_rank_of_a_candidate_is_the_papers_formula():
    search = TreeSearch(alpha=0.5, beta=0.9, length=4, c_puct=0.125)
    node = Node("", draws("correct", "incorrect", "incorrect", "incorrect"), visits=2)
    words = FreeDraw("x", "one two", "stop", "incorrect")
    # MC = 1/4; Q = .5^(3/4) * .9^(2/4) = .594604 * .948683; U = .125 * sqrt(9) / (1 + 2)
    assert search.rank(node, words, 9) == pytest.approx(0.564090 + 0.125, abs=1e-6)


def test_the_likeliest_state_is_searched_first_and_a_visited_one_waits():
    growth = TreeSearch(n=2, searches=3, c_puct=10.0).grow([], NEWLINE)
    assert next(growth) == ""
    prefix = growth.send(draws("correct", "incorrect"))
    assert prefix == "1\n2\n"  # of the steps 1, 2, 3, 41 the second: prefixes 0..2 are open
    prefix = growth.send(draws("correct", "incorrect", text="3\nlonger and longer\n5\n"))
    assert prefix == "1\n2\n3\n"  # the search goes on behind the success
    growth.send(draws("incorrect", "incorrect", text="6"))
    # nothing is left at the root: the wrong rollout of the first node is next
    assert growth.gi_frame.f_locals["tree"].searched[-1].prefix == "1\n2\n"


@given(st.lists(st.sampled_from(["correct", "incorrect", "unparseable"]), min_size=4, max_size=4))
def test_a_node_all_right_or_all_wrong_has_nothing_to_search(verdicts):
    growth = SEARCH.grow(draws(*verdicts), NEWLINE)
    mixed = "correct" in verdicts and "incorrect" in verdicts
    assert (next(growth, None) is not None) == mixed


def test_a_rollout_that_says_nothing_is_not_searched():
    silent = [FreeDraw("a", "1", "stop", "correct"), FreeDraw("b", " \n", "stop", "no_answer")]
    assert next(SEARCH.grow(silent, NEWLINE), None) is None


def test_every_search_ends_between_a_success_and_a_node_without(ledger):
    engine, prompts = world(repair=0.0)
    found = collect_prefixes(engine, ledger, prompts, TreeSearch(n=6, searches=4, budget=1000))
    assert found.solutions.height > 4
    by_prompt = dict(zip(prompts["prompt_id"], engine.problems.values(), strict=True))
    exact = 0
    for labels in found.steps.partition_by("completion_id", maintain_order=True):
        assert labels["label"].to_list() == sorted(labels["label"].to_list(), reverse=True)
        problem = by_prompt[labels["prompt_id"][0]]
        texts = labels["text"].to_list()
        first = labels["label"].to_list().index(False)
        wrong = [problem.value(texts[: t + 1], 0.0) == 0 for t in range(len(texts) - 1)] + [True]
        assert not any(wrong[:first])  # without repair a success is proof
        exact += first == wrong.index(True)
    assert exact >= 0.8 * found.solutions.height


def test_rows_join_and_the_values_are_those_of_the_recorded_draws(ledger):
    engine, prompts = world(3)
    found = collect_prefixes(engine, ledger, prompts, SEARCH)
    assert (found.solutions.schema, found.rollouts.schema, found.steps.schema) == (
        COMPLETIONS,
        ROLLOUTS,
        STEPS,
    )
    assert found.solutions["completion_id"].is_unique().all()
    whole = found.steps.group_by("completion_id", maintain_order=True).agg(pl.col("text").str.join(""))
    joined = whole.join(found.solutions, on="completion_id", suffix="_solution")
    assert joined.height == found.solutions.height
    assert joined["text"].to_list() == joined["text_solution"].to_list()
    counts = found.rollouts.filter(pl.col("source") == "rollout").group_by("completion_id", "step_index")
    shares = counts.agg(value=(pl.col("verdict") == "correct").mean(), n=pl.len())
    nodes = found.steps.filter(pl.col("method") == "mc-tree-n4")
    both = nodes.join(shares, on=["completion_id", "step_index"], suffix="_counted")
    assert both.height == nodes.height > 0
    assert both["value"].to_list() == both["value_counted"].to_list()
    assert set(both["n"]) == {4}


def test_no_problem_costs_more_than_its_budget(ledger):
    engine, prompts = world(5, 8)
    for budget in (4, 13, 40):
        engine.calls = 0
        with Ledger(ledger.root / str(budget)) as own:
            found = collect_prefixes(engine, own, prompts, TreeSearch(n=4, budget=budget))
        assert engine.calls == found.facts["rollouts"] <= 8 * budget
        assert found.steps.group_by("prompt_id").agg(pl.col("completion_id").n_unique()).height <= 8


@pytest.mark.parametrize("with_samples", [False, True])
def test_an_interrupted_search_goes_on_and_order_changes_nothing(tmp_path, with_samples):
    engine, prompts = world(2)
    samples = sampled_solutions(engine, 5) if with_samples else None
    with Ledger(tmp_path / "whole") as ledger:
        whole = collect_prefixes(engine, ledger, prompts, SEARCH, samples=samples)
    calls, engine.calls, engine.flight, engine.fail_after = engine.calls, 0, 5, engine.calls // 2
    with Ledger(tmp_path / "broken") as ledger, pytest.raises(KeyboardInterrupt):
        collect_prefixes(engine, ledger, prompts, SEARCH, samples=samples)
    engine.fail_after = None
    with Ledger(tmp_path / "broken") as ledger:
        again = collect_prefixes(engine, ledger, prompts.reverse(), SEARCH, samples=samples)
    assert engine.calls == calls
    assert_frame_equal(whole.solutions, again.solutions)
    assert_frame_equal(whole.rollouts, again.rollouts)
    assert_frame_equal(whole.steps, again.steps)


def test_samples_are_the_rollouts_of_the_root(ledger):
    engine, prompts = world(2)
    samples = sampled_solutions(engine, 5)
    found = collect_prefixes(engine, ledger, prompts, SEARCH, samples=samples)
    searched = samples.filter(pl.col("completion_id").is_in(found.solutions["completion_id"].to_list()))
    assert searched.height > 0
    kept = found.solutions.join(samples, on="completion_id", how="semi")
    assert_frame_equal(kept, searched, check_row_order=False)
    roots = {steps[0] for steps in map(split_steps, samples["text"])}
    assert {text for text in found.steps.filter(pl.col("step_index") == 0)["text"]} <= roots


def test_a_prompt_without_an_answer_is_refused_and_one_that_cannot_be_read_costs_nothing(ledger):
    engine, prompts = world()
    with pytest.raises(InputError, match="no answer"):
        collect_prefixes(engine, ledger, prompts.with_columns(answer=pl.lit(None, dtype=pl.String)), SEARCH)
    found = collect_prefixes(engine, ledger, prompts.with_columns(answer=pl.lit(" ")), SEARCH)
    assert engine.calls == found.steps.height == found.facts["prompts"] == 0


@pytest.mark.parametrize("wrong", [{"n": 0}, {"budget": 7}, {"searches": 0}, {"length": 0}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="tree search"):
        TreeSearch(**wrong)

"""Strategies as functions of evidence, each against its definition spelled out again."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelers.rollouts.bisect import Bisect
from labelers.rollouts.changepoint import Changepoint
from labelers.rollouts.exhaustive import Exhaustive
from labelers.rollouts.first_success import FirstSuccess
from labelers.rollouts.strategy import Evidence, replay
from labelers.rollouts.witness import Witness

DRAWS = st.sampled_from(["right", "wrong", "wrong", "wrong"])
N = 4
SCANS = [FirstSuccess(N), Witness(N), Bisect(N)]
few = settings(max_examples=40, deadline=None)
EVERY = [Exhaustive(N), *SCANS, FirstSuccess(N, 3), Witness(N, 3), Bisect(N, 3), Changepoint(budget=9)]


def label(strategy):
    return f"{strategy.name}-{getattr(strategy, 'wave', 1)}"


def evidence(draws, outcome="wrong", free=()):
    draws = tuple(map(tuple, draws))
    return Evidence((7,) * (len(draws) + 1), outcome, 3, 8, draws, free)


@st.composite
def recorded(draw, draws=DRAWS, outcomes=("wrong", "right")):
    """The whole streams of one solution, N draws of each prefix and the free ones in front of them."""
    free = draw(st.lists(st.integers(0, 2), max_size=9))
    streams = [draw(st.lists(draws, min_size=N + k, max_size=N + k)) for k in free]
    return evidence(streams, draw(st.sampled_from(outcomes)), tuple(free))


def drawn(seen):
    return sum(map(len, seen.draws)) - sum(seen.free)


def first_error(strategy, seen):
    labels = [label.label for label in strategy.labels(strategy.read(seen))]
    return labels.index(False) if False in labels else -1


@pytest.mark.parametrize("strategy", EVERY, ids=label)
@few
@given(recorded(st.sampled_from(["right", "wrong", "undecided"]), ("wrong", "right", "undecided")))
def test_a_strategy_reads_from_whole_streams_what_it_would_have_drawn_itself(strategy, whole):
    own = strategy.read(replay(strategy, whole))
    assert strategy.read(own) == own
    if strategy.name != "changepoint":  # it reads whatever there is
        assert strategy.read(whole) == own
    assert [label.method for label in strategy.labels(own)][-1] in ("outcome", "none", "after-error")
    assert len(strategy.labels(own)) == whole.n_steps


@pytest.mark.parametrize("strategy", EVERY, ids=label)
@few
@given(recorded())
def test_a_strategy_that_has_what_it_asked_for_comes_to_an_end_within_its_means(strategy, whole):
    seen = replay(strategy, whole)
    assert drawn(seen) <= (9 if strategy.name == "changepoint" else N * (whole.n_steps - 1))
    if strategy.name != "changepoint":
        assert not strategy.probes(seen)
        assert None not in [label.label for label in strategy.labels(strategy.read(seen))]


@few
@given(recorded(outcomes=("wrong",)))
def test_the_scan_finds_the_first_error_of_all_rollouts_unless_it_is_repaired_in_the_free_draws(whole):
    bare = whole._replace(free=(0,) * len(whole.draws)).head([N] * len(whole.draws))
    assert first_error(Witness(N), bare) == first_error(Exhaustive(N), bare)
    proven = [t for t, k in enumerate(whole.free) if "right" in whole.draws[t][:k]]
    assert first_error(Witness(N), whole) > max(proven, default=-1)


@few
@given(recorded(outcomes=("wrong",)))
def test_bisection_ends_between_a_success_and_n_failures(whole):
    bare = whole._replace(free=(0,) * len(whole.draws)).head([N] * len(whole.draws))
    good, bad = 0, len(bare.draws)
    while good < bad:
        middle = (good + bad) // 2
        good, bad = (middle + 1, bad) if "right" in bare.draws[middle] else (good, middle)
    assert first_error(Bisect(N), bare) == good
    seen = replay(Bisect(N), bare)
    probed = [draws for draws in seen.draws if draws]
    assert len(probed) <= math.ceil(math.log2(bare.n_steps)) if bare.n_steps > 1 else not probed
    assert all("right" not in draws[:-1] for draws in seen.draws)


@few
@given(recorded())
def test_each_shortcut_costs_no_more_than_what_it_shortens(whole):
    naive, first, witness = (drawn(replay(s, whole)) for s in (Exhaustive(N), FirstSuccess(N), Witness(N)))
    assert witness <= first <= naive


@pytest.mark.parametrize("strategy", [Witness(N), Bisect(N), Changepoint()], ids=label)
@few
@given(recorded(outcomes=("right",)))
def test_a_right_solution_is_its_own_witness(strategy, whole):
    bare = whole._replace(free=(0,) * len(whole.draws))
    seen = replay(strategy, bare)
    assert drawn(seen) == 0
    assert {label.label for label in strategy.labels(strategy.read(seen))} == {True}


@pytest.mark.parametrize("strategy", [Witness(N), Bisect(N)], ids=label)
@few
@given(
    recorded(st.sampled_from(["right", "wrong", "undecided", "undecided"]), ("wrong", "right", "undecided"))
)
def test_labels_of_a_scan_are_true_then_unknown_then_false(strategy, whole):
    labels = [label.label for label in strategy.labels(strategy.read(whole))]
    order = {True: 0, None: 1, False: 2}
    assert [order[label] for label in labels] == sorted(order[label] for label in labels)


def test_a_prefix_whose_draws_decide_nothing_stays_open():
    cut = ["undecided"] * N
    seen = evidence([["right"], cut, ["wrong"] * N, []])
    labels = Witness(N).labels(Witness(N).read(seen))
    assert [label.label for label in labels] == [True, None, False, False, False]


@pytest.mark.parametrize("closed", [frozenset({1}), frozenset({1, 2})], ids=repr)
def test_a_search_goes_on_beside_a_prefix_that_takes_no_rollouts(closed):
    whole = evidence([["right"], [], [], ["wrong"] * N])._replace(closed=closed)
    assert set(Bisect(N).probes(whole.head([0, 0, 0, 0]))) == {min({2, 3} - closed)}
    assert set(Witness(N).probes(whole.head([1, 0, 0, 0]))) == {min({2, 3} - closed)}
    for strategy in (Bisect(N), Witness(N)):
        labels = [label.label for label in strategy.labels(strategy.read(whole))]
        assert labels == [True, None, None, False, False]
    cut = ["undecided"] * N
    assert Bisect(N).probes(evidence([[], cut, []])) == [0]


@few
@given(recorded(), st.data())
def test_no_search_asks_a_closed_prefix(whole, data):
    closed = data.draw(st.frozensets(st.integers(0, max(0, whole.n_steps - 2))))
    for strategy in SCANS[1:]:
        assert not closed & set(strategy.probes(whole.head(whole.free)._replace(closed=closed)))


def test_steps_say_how_they_were_decided():
    seen = evidence([["wrong"], ["wrong", "right"], ["wrong"] * N, []], free=(1, 2, 0, 0))
    found = Witness(N).labels(Witness(N).read(seen))
    drawn_from = "mc-witness-n4"
    assert [label.method for label in found] == ["witness", drawn_from, drawn_from, "after-error", "outcome"]
    assert [label.value for label in found] == [0.0, 0.5, 0.0, None, 0.0]
    # (1 + 1) / (1 + 2); (1 + 1) / (2 + 2); (0 + 1) / (4 + 2), and what follows is as doubtful
    assert [label.soft for label in found] == pytest.approx([2 / 3, 1 / 2, 1 / 6, 1 / 6, 0])
    assert [label.confidence for label in found] == pytest.approx([1, 1, 5 / 6, 5 / 6, 1])

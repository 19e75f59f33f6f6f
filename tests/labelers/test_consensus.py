"""Solutions are kept where all labelers find the same first error."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.consensus import agree
from store.tables import STEPS

Labels = list[bool | None]


def steps(**solutions: Labels) -> pl.DataFrame:
    rows = [
        {"completion_id": name, "prompt_id": "p", "step_index": t, "text": f"{t}\n", "label": label}
        for name, labels in solutions.items()
        for t, label in enumerate(labels)
    ]
    return pl.DataFrame(rows, schema=STEPS)


def found(**first_errors: int | None) -> pl.DataFrame:
    schema = {"completion_id": pl.String, "first_error": pl.Int32}
    return pl.DataFrame(list(first_errors.items()), schema=schema, orient="row")


def test_only_solutions_with_one_first_error_are_kept() -> None:
    table = steps(
        same=[True, False, False],
        none=[True, True],
        earlier=[False, False],
        missed=[True, True],
        invented=[True, False],
        unread=[True, True],
        absent=[True, True],
        undecided=[True, None, False],
    )
    critique = found(same=1, none=-1, earlier=1, missed=0, invented=-1, unread=None, undecided=2)
    kept, report = agree(table, {"critique": critique})
    assert kept == ["none", "same"]
    assert report["dropped"] == {
        "error or none: critique": 2,
        "other step: critique": 1,
        "undecided": 1,
        "unknown: critique": 2,
    }
    assert (report["solutions"], report["kept"], report["retention"]) == (8, 2, 0.25)


@pytest.mark.parametrize("name", ["critique", "first_error", "completion_id", "reason", "by x"])
def test_a_labeler_may_have_any_name(name: str) -> None:
    kept, report = agree(
        steps(a=[True, False], b=[True, False]), {name: found(a=1, b=0), "x": found(a=1, b=1)}
    )
    assert kept == ["a"]
    assert report["agreement"] == {name: 1 / 2, "x": 1.0}


def test_the_class_balance_before_and_after_is_reported() -> None:
    table = steps(a=[True, False], b=[False, False], c=[True, True], d=[True, True], e=[None, True])
    report = agree(table, {"critique": found(a=1, b=1, c=-1, d=0, e=-1)}).report
    assert report["with_error"] == {"before": 2 / 4, "after": 1 / 2}  # e is undecided; a and c are kept
    assert report["positive_steps"] == {"before": 5 / 8, "after": 3 / 4}
    assert report["agreement"] == {"critique": 2 / 4}


def test_every_labeler_must_agree_and_the_first_that_does_not_is_named() -> None:
    table = steps(a=[True, False], b=[True, False], c=[True, False])
    others = {"strong": found(a=1, b=0, c=1), "critique": found(a=1, b=0, c=0)}
    kept, report = agree(table, others)
    assert kept == ["a"]
    assert report["dropped"] == {"other step: strong": 1, "other step: critique": 1}
    assert report["agreement"] == {"strong": 2 / 3, "critique": 1 / 3}


def test_shares_of_nothing_are_null() -> None:
    report = agree(steps(), {"critique": found()}).report
    assert report["retention"] is None and report["with_error"] == {"before": None, "after": None}
    assert report["agreement"] == {"critique": None}


def test_two_answers_of_one_labeler_on_one_solution_are_refused() -> None:
    twice = pl.concat([found(a=1), found(a=0)])
    with pytest.raises(pl.exceptions.ComputeError):
        agree(steps(a=[True, False]), {"critique": twice})


_LABELS = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=4)
_ERRORS = st.one_of(st.none(), st.integers(-1, 3))


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(_LABELS, _ERRORS, _ERRORS)))
def test_every_solution_is_kept_or_dropped_for_one_reason(cases: dict[str, tuple]) -> None:
    table = steps(**{name: labels for name, (labels, _, _) in cases.items()})
    others = {k: found(**{name: case[k + 1] for name, case in cases.items()}) for k in (0, 1)}
    kept, report = agree(table, {str(k): other for k, other in others.items()})
    assert report["solutions"] == len(cases) == len(kept) + sum(report["dropped"].values())
    for name, (labels, first, second) in cases.items():
        wrong = next((t for t, label in enumerate(labels) if label is not True), -1)
        own = None if wrong >= 0 and labels[wrong] is None else wrong
        assert (name in kept) == (own is not None and own == first == second)

"""Round trips through every row format, on made rows and on published samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import completions, labels, prompts, steps

from curation.formats import (
    from_trl_preference,
    from_trl_stepwise,
    from_trl_unpaired,
    to_trl_preference,
    to_trl_stepwise,
    to_trl_unpaired,
)
from curation.pairs import preference
from curation.sets import outcome, stepwise
from curation.step_formats import (
    from_math_shepherd,
    from_openrlhf,
    from_prm800k,
    from_rlhflow,
    to_math_shepherd,
    to_openrlhf,
    to_rlhflow,
)
from store.errors import InputError

SAID = completions(p=["one\ntwo\nthree", "four"])
STEPS = steps(p0=("+-+", ["one\n", "two\n", "three"]), p1=("-", ["four"]))


@pytest.fixture(scope="module")
def solutions() -> pl.DataFrame:
    return stepwise(prompts("p"), SAID, STEPS)[0]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def content(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.select("prompt", "completions", "labels").to_dicts()


def test_preference_rows_survive_the_round_trip() -> None:
    frame = preference(prompts("p"), SAID, labels(p="+-")).table
    rows = to_trl_preference(frame)
    assert list(rows[0]) == ["prompt", "chosen", "rejected"]
    assert to_trl_preference(from_trl_preference(rows)) == rows
    assert from_trl_preference(rows).equals(from_trl_preference(rows))


def test_margins_are_written_when_every_pair_has_one() -> None:
    frame = preference(prompts("p"), SAID, labels(p="+-")).table
    assert to_trl_preference(frame.with_columns(margin=pl.lit(1.5)))[0]["margin"] == 1.5


def test_ties_are_not_written_where_every_row_is_a_choice() -> None:
    frame = preference(prompts("p"), SAID, labels(p="+-")).table
    tie = frame.with_columns(margin=pl.lit(0.0), soft=pl.lit(0.5))
    assert to_trl_preference(pl.concat([frame, tie])) == to_trl_preference(frame)


def test_all_four_preference_forms_are_read() -> None:
    user, good, bad = (
        {"role": r, "content": c} for r, c in (("user", "Sky?"), ("assistant", "blue"), ("assistant", "red"))
    )
    explicit = {"prompt": [user], "chosen": [good], "rejected": [bad]}
    implicit = {"chosen": [user, good], "rejected": [user, bad]}
    standard = {"prompt": "Sky?", "chosen": "blue", "rejected": "red"}
    frames = [from_trl_preference([row]) for row in (explicit, implicit, standard)]
    assert frames[0].equals(frames[1]) and frames[0].equals(frames[2])
    text = from_trl_preference([{"chosen": "The sky is blue.", "rejected": "The sky is black."}]).to_dicts()[
        0
    ]
    assert [text[c][0]["content"] for c in ("prompt", "chosen", "rejected")] == [
        "The sky is",
        " blue.",
        " black.",
    ]


@pytest.mark.parametrize(
    "row",
    [{"chosen": "a", "rejected": "b"}, {"chosen": "same text", "rejected": "same text"}, {"chosen": "a b"}],
)
def test_a_preference_row_without_a_prompt_or_a_side_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="row 0"):
        from_trl_preference([row])


def test_unpaired_rows_survive_the_round_trip() -> None:
    frame, _ = outcome(prompts("p"), SAID, labels(p="+-"))
    rows = to_trl_unpaired(frame)
    assert to_trl_unpaired(from_trl_unpaired(rows)) == rows and len(rows) == 2


@pytest.mark.parametrize("label", [-100, 0.7, "yes"])
def test_a_placeholder_label_never_becomes_true(label: Any) -> None:
    with pytest.raises(InputError, match="neither true nor false"):
        from_trl_stepwise([{"prompt": "p", "completions": ["a"], "labels": [label]}])


def test_stepwise_rows_survive_the_round_trip(solutions: pl.DataFrame) -> None:
    rows = to_trl_stepwise(solutions)
    assert rows[0] == {"prompt": "p", "completions": ["one", "two", "three"], "labels": [True, False, True]}
    assert content(from_trl_stepwise(rows)) == content(solutions)


def test_numbered_formats_survive_the_round_trip(solutions: pl.DataFrame) -> None:
    numbered = [
        [f"Step {i}: {s}" for i, s in enumerate(row, 1)] for row in solutions["completions"].to_list()
    ]
    expected = content(solutions.with_columns(completions=pl.Series(numbered)))
    for write, read in (
        (lambda f: to_math_shepherd(f, "GSM8K"), from_math_shepherd),
        (to_openrlhf, from_openrlhf),
        (lambda f: to_openrlhf(f, soft=True), from_openrlhf),
        (to_rlhflow, from_rlhflow),
    ):
        frame, account = read(write(solutions))
        soft_is_above = [[v > 0.5 for v in row] for row in solutions["values"].to_list()]
        if frame["values"][0].null_count():
            assert content(frame) == expected
        else:
            assert frame["labels"].to_list() == soft_is_above and frame["values"].equals(solutions["values"])
        assert account.kept == 2 and write(frame) == write(solutions)


def test_published_math_shepherd_rows_survive_the_round_trip(shared_data: Path) -> None:
    rows = lines(shared_data / "format_samples/samples_math-shepherd.jsonl")
    frame, account = from_math_shepherd(rows)
    assert account.kept == len(rows) == 7 and account.rejected == {}
    assert frame["labels"][0].to_list() == [True, True, True, True, False]
    assert frame["prompt"][0][0]["content"].endswith("in a year?")
    assert to_math_shepherd(frame, "GSM8K") == rows
    assert content(from_openrlhf(to_openrlhf(frame))[0]) == content(frame)
    assert content(from_rlhflow(to_rlhflow(frame))[0]) == content(frame)
    assert content(from_trl_stepwise(to_trl_stepwise(frame))) == content(frame)


def test_unreadable_rows_are_rejected_by_name() -> None:
    good = {"input": "Q? Step 1: a ки\nStep 2: b ки", "label": "Q? Step 1: a +\nStep 2: b -"}
    bad = [
        good | {"label": "Q? Step 1: a +\nStep 2: c -"},
        good | {"label": "Q? Step 1: a +\nStep 2: b"},
        {"input": "Q? Step 1: a", "label": "Q? Step 1: a"},
        {"input": "Q? a ки", "label": "Q? a +"},
        {"input": "Q? Step 1: a ки and more", "label": "Q? Step 1: a + and more"},
        {"text": "Q?"},
    ]
    frame, account = from_math_shepherd([good, *bad])
    assert frame.height == 1 and account.rejected == {
        "label_differs_from_input": 2,
        "no_step_tag": 1,
        "no_question_before_step_1": 1,
        "text_after_last_tag": 1,
        "not_in_this_format": 1,
    }
    _, account = from_openrlhf(
        [{"input": good["input"], "value": v} for v in (["+"], [0.5, 1.5], ["+", "-"])]
    )
    assert account.kept == 1 and account.rejected == {"values_differ_from_tags": 1, "value_out_of_range": 1}
    turns = [{"role": "user", "content": "Q? Step 1: a"}, {"role": "assistant", "content": "maybe"}]
    _, account = from_rlhflow([{"conversations": turns}, {"conversations": turns[:1]}])
    assert account.rejected == {"turn_without_a_mark": 1, "turns_do_not_alternate": 1}


def test_text_that_the_format_cannot_hold_is_refused(solutions: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="row 0"):
        to_openrlhf(from_trl_stepwise([{"prompt": "p", "completions": ["a ки b"], "labels": [True]}]))
    with pytest.raises(InputError, match="does not end its line"):
        to_trl_stepwise(solutions.with_columns(completions=pl.lit(["a", "b", "c"])))
    with pytest.raises(InputError, match="one user message"):
        to_rlhflow(solutions.with_columns(prompt=pl.concat_list("prompt", "prompt")))


def rated(
    *candidates: tuple[str, int | None], chosen: int | None = 0, human: str | None = None
) -> dict[str, Any]:
    return {
        "completions": [{"text": text, "rating": rating} for text, rating in candidates],
        "chosen_completion": chosen,
        "human_completion": {"text": human, "rating": None} if human else None,
    }


def annotated(*given: dict[str, Any], finish: str = "solution", **flags: bool) -> dict[str, Any]:
    return {"question": {"problem": "Q?"}, "label": {"steps": list(given), "finish_reason": finish}} | flags


def marked(frame: pl.DataFrame) -> dict[str, list[bool]]:
    return {"".join(r["completions"]).replace("\n", " "): r["labels"] for r in frame.to_dicts()}


def test_prm800k_alternatives_become_rows_that_end_with_them() -> None:
    row = annotated(
        rated(("a", 1), ("A", -1)),
        rated(("b", 0), ("B", -1), ("β", None), chosen=None, human="h"),
        rated(("c", 1)),
    )
    frame, account = from_prm800k([row])
    assert marked(frame) == {
        "A": [False],
        "a b": [True, True],
        "a B": [True, False],
        "a h c": [True, True, True],
    }
    assert account.kept == 1
    assert marked(from_prm800k([row], neutral="negative")[0])["a b"] == [True, False]
    assert "a b" not in marked(from_prm800k([row], neutral="drop")[0])
    assert marked(from_prm800k([row], alternatives=False)[0]) == {"a h c": [True, True, True]}


def test_prm800k_solutions_end_with_their_error() -> None:
    row = annotated(rated(("a", 1)), rated(("wrong", -1), ("alt", 1), chosen=None), finish="found_error")
    assert marked(from_prm800k([row], alternatives=False)[0]) == {"a wrong": [True, False]}


def test_prm800k_test_rows_for_annotators_are_left_out() -> None:
    good = annotated(rated(("a", 1)))
    rows = [
        good,
        good,
        annotated(rated(("a", 1)), is_quality_control_question=True),
        annotated(rated(("a", 1)), is_initial_screening_question=True),
        annotated(rated(("a", 1)), finish="bad_problem"),
        annotated(rated(("a", None), chosen=None), finish="found_error"),
    ]
    frame, account = from_prm800k(rows)
    assert frame.height == account.kept == 1
    assert account.rejected == dict.fromkeys(
        ["duplicate", "quality_control", "initial_screening", "bad_problem", "no_rated_steps"], 1
    )


def test_published_prm800k_rows_are_read(shared_data: Path) -> None:
    frame, account = from_prm800k(lines(shared_data / "format_samples/samples_prm800k.jsonl"))
    assert account.rows_in == 6 and account.kept + sum(account.rejected.values()) == 6
    first = frame.filter(
        pl.col("prompt").list.first().struct.field("content").str.starts_with("Three pencils")
    )
    longest = max(first.to_dicts(), key=lambda row: len(row["completions"]))
    assert longest["completions"][1] == "We have $3p+e=1.24$ and $5p+e=1.82$.\n" and all(longest["labels"])
    assert first.filter(pl.col("labels").list.last().not_()).height == 5  # the five rejected second steps
    assert content(from_trl_stepwise(to_trl_stepwise(frame))) == content(frame)

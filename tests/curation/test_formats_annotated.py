"""PRM800K: which rows the candidates of a step make, and what a neutral rating means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.formats import FORMATS, read_format, write_format


def rated(
    *candidates: tuple[str, int | None], chosen: int | None = 0, human: str | None = None
) -> dict[str, Any]:
    return {
        "completions": [{"text": text, "rating": rating} for text, rating in candidates],
        "chosen_completion": chosen,
        "human_completion": {"text": human, "rating": None} if human else None,
    }


def annotated(*given: dict[str, Any], finish: Any = "solution", **flags: bool) -> dict[str, Any]:
    return {"question": {"problem": "Q?"}, "label": {"steps": list(given), "finish_reason": finish}} | flags


def marked(row: dict[str, Any], neutral: str, column: str = "labels") -> dict[str, list[Any]]:
    rows = read_format(f"prm800k-{neutral}", [row])[0].to_dicts()
    return {"".join(r["completions"]).replace("\n", " "): r[column] for r in rows}


def test_alternatives_become_rows_that_end_with_them() -> None:
    row = annotated(
        rated(("a", 1), ("A", -1)),
        rated(("b", 0), ("B", -1), ("β", None), chosen=None, human="h"),
        rated(("c", 1)),
    )
    assert marked(row, "positive") == {
        "A": [False],
        "a b": [True, True],
        "a B": [True, False],
        "a h c": [True, True, True],
    }
    assert marked(row, "negative")["a b"] == [True, False]
    assert marked(row, "class")["a b"] == [True, None]
    assert marked(row, "class", "ratings") == {"A": [-1], "a b": [1, 0], "a B": [1, -1], "a h c": [1, 1, 1]}
    assert set(marked(row, "drop")) == {"A", "a B", "a h c"}


def test_a_chosen_neutral_step_ends_its_chain_where_neutral_is_dropped() -> None:
    row = annotated(rated(("a", 1)), rated(("b", 0)), rated(("c", -1)))
    assert marked(row, "drop") == {"a": [True]}
    assert marked(row, "class") == {"a b c": [True, None, False]}


def test_solutions_end_with_their_error() -> None:
    row = annotated(rated(("a", 1)), rated(("wrong", -1), ("alt", 1), chosen=None), finish="found_error")
    assert marked(row, "drop") == {"a wrong": [True, False], "a alt": [True, True]}


def test_test_rows_for_annotators_and_repeated_solutions_are_left_out() -> None:
    good = annotated(rated(("a", 1)))
    rows = [
        good,
        good,
        annotated(rated(("a", 1)), is_quality_control_question=True),
        annotated(rated(("a", 1)), is_initial_screening_question=True),
        annotated(rated(("a", 1)), finish="bad_problem"),
        annotated(rated(("a", None), chosen=None), finish="found_error"),
        {"question": "Q?"},
    ]
    frame, account = read_format("prm800k-positive", rows)
    assert frame.height == account.kept == 1
    assert account.rejected == dict.fromkeys(
        [
            "duplicate",
            "quality_control",
            "initial_screening",
            "bad_problem",
            "no_rated_steps",
            "not_in_this_format",
        ],
        1,
    )


def test_a_finish_reason_of_the_file_is_no_reason_of_ours() -> None:
    odd = ["\x1b[31m\ud800 evil", "quality_control", None, ["give_up"], {"a": 1}]
    rows = [annotated(rated(("a", 1)), finish=finish) for finish in odd]
    account = read_format("prm800k-positive", [*rows, annotated(rated(("a", 1)), finish="give_up")])[1]
    assert account.rejected == {"other_finish_reason": len(odd), "give_up": 1}


def test_a_solution_that_is_there_twice_comes_back_once_as_the_formats_tell() -> None:
    frame = read_format("prm800k-positive", [annotated(rated(("a", 1)))])[0]
    written, account = write_format("prm800k-positive", pl.concat([frame, frame]))
    assert account.kept == 2
    assert read_format("prm800k-positive", written)[0].equals(frame)
    assert all("comes back once" in f.alters for name, f in FORMATS.items() if name.startswith("prm800k"))


def test_solutions_with_contradicting_labels_are_left_out_whatever_their_order() -> None:
    rows = [annotated(rated(("a", 1), ("b", -1))), annotated(rated(("a", -1), ("c", -1), ("c", -1)))]
    for order in (rows, rows[::-1]):
        frame, account = read_format("prm800k-positive", order)
        assert sorted(frame["completions"].to_list()) == [["b"], ["c"]]
        assert (account.kept, account.left_out) == (2, {"contradicting_labels": 2, "duplicate": 1})
    frame, account = read_format("prm800k-class", [annotated(rated(("a", 1), ("b", -1), ("b", 0)))])
    assert frame["completions"].to_list() == [["a"]] and account.left_out == {"contradicting_labels": 2}


def test_an_empty_step_is_no_step() -> None:
    row = annotated(rated(("a", 1)), rated(("", 1)), rated(("b", 1)))
    assert read_format("prm800k-positive", [row])[1].rejected == {"empty_step": 1}


def test_ratings_survive_the_round_trip() -> None:
    row = annotated(rated(("a", 1)), rated(("b", 0), ("B", -1)), rated(("c", -1)))
    frame, _ = read_format("prm800k-class", [row])
    written, _ = write_format("prm800k-class", frame)
    assert read_format("prm800k-class", written)[0].equals(frame)


@pytest.mark.parametrize(("neutral", "n_rows"), [("positive", 26), ("drop", 21), ("class", 26)])
def test_published_rows_are_read(shared_data: Path, neutral: str, n_rows: int) -> None:
    text = (shared_data / "format_samples/samples_prm800k.jsonl").read_text(encoding="utf-8")
    frame, account = read_format(f"prm800k-{neutral}", [json.loads(line) for line in text.splitlines()])
    assert (account.rows_in, account.kept) == (6, 4)
    assert account.rejected == {"initial_screening": 1, "give_up": 1}
    assert frame.height == n_rows
    first = frame.filter(
        pl.col("prompt").list.first().struct.field("content").str.starts_with("Three pencils")
    )
    longest = max(first.to_dicts(), key=lambda row: len(row["completions"]))
    assert longest["completions"][1] == "We have $3p+e=1.24$ and $5p+e=1.82$.\n"
    assert False not in longest["labels"]
    assert first.filter(pl.col("labels").list.last().not_()).height == 5  # the five rejected second steps

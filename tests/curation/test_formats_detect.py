"""The format of a file is told from its rows, whatever a few of them hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.formats import FORMATS, TABLES, write_format
from curation.formats.detect import detect_format
from curation.formats.rows import attributes_row, outcome_row, preference_row, ranking_row, stepwise_row

Row = dict[str, Any]
QUESTION = [{"role": "user", "content": "How many?"}]
HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
ALIKE = {  # names whose rows look the same
    "trl-margin": "trl-preference",
    "rlhflow-pairs": "trl-preference",  # without scores
    "openrlhf-steps-soft": "openrlhf-steps",
    "prm800k-negative": "prm800k-positive",
    "prm800k-drop": "prm800k-positive",
    "prm800k-class": "prm800k-positive",
}


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


ROWS = {
    "preference": preference_row(QUESTION, answer("two"), answer("three"), 2.0),
    "ranking": ranking_row(QUESTION, [answer(t) for t in ("two", "three", "four")], [2.5, 1.0, 0.5]),
    "outcome": outcome_row(QUESTION, answer("two"), True),
    "stepwise": stepwise_row(QUESTION, ["a\n", "b"], [True, False], "x", [0.75, 0.0]),
    "attributes": attributes_row(QUESTION, answer("two"), dict.fromkeys(HELPSTEER, 3.0)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_writes_is_recognised(name: str) -> None:
    written, _ = write_format(name, pl.DataFrame([ROWS[FORMATS[name].table]] * 3))
    found = detect_format(written)
    assert found[0] == ALIKE.get(name, name) and name in found


def test_published_rows_are_recognised(shared_data: Path) -> None:
    samples = shared_data / "format_samples"
    for file, name in (
        ("samples_math-shepherd", "math-shepherd"),
        ("samples_math-aps", "math-aps"),
        ("samples_prm800k", "prm800k-positive"),
    ):
        with open(samples / f"{file}.jsonl", encoding="utf-8") as lines:
            assert detect_format(map(json.loads, lines))[0] == name
    rows = json.loads((shared_data / "processbench/gsm8k.json").read_text(encoding="utf-8"))
    assert detect_format(rows) == ["processbench"]


def test_rows_that_are_damaged_do_not_change_the_format() -> None:
    pair = {"prompt": "?", "chosen": "a", "rejected": "b", "subset": "s", "id": 1}
    assert detect_format([pair, pair | {"rejected": "a"}, pair | {"chosen": ""}])[0] == "rewardbench"
    scored = {"chosen": QUESTION + answer("a"), "rejected": QUESTION + answer("b")}
    scored |= {"chosen_score": 2, "rejected_score": 1}
    assert detect_format([scored])[0] == "rlhflow-pairs"
    group = {"prompt": "?", "completions": ["a", "b"], "rewards": [1, 0]}
    assert detect_format([group])[0] == "rollouts"
    assert detect_format([group | {"rewards": [0.5, 2]}])[0] == "scored-rollouts"
    assert detect_format([pair, pair, {"text": "no pair"}, pair, 7])[0] == "rewardbench"


def plain(n: int, **first: Any) -> list[Row]:
    rows = [{"prompt": f"{i}?", "chosen": "a", "rejected": "b"} for i in range(n)]
    return [rows[0] | first, *rows[1:]]


def stepped(n: int, **first: Any) -> list[Row]:
    rows = [{"prompt": f"{i}?", "completions": ["a", "b"], "labels": [True, False]} for i in range(n)]
    return [rows[0] | first, *rows[1:]]


def grouped(n: int, **first: Any) -> list[Row]:
    rows = [{"prompt": f"{i}?", "completions": ["a", "b"], "rewards": [1, 0]} for i in range(n)]
    return [rows[0] | first, *rows[1:]]


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (plain(50, rejected="a"), "trl-preference"),
        (plain(1, rejected="a"), "trl-preference"),
        (plain(50, chosen=""), "trl-preference"),
        (stepped(50, labels=[True, None]), "trl-stepwise"),
        (stepped(50, labels=[True]), "trl-stepwise"),
        (stepped(1, completions=["a", ""]), "trl-stepwise"),
        (grouped(50, rewards=[1, -100]), "rollouts"),
    ],
)
def test_one_damaged_row_does_not_change_the_format(rows: list[Row], name: str) -> None:
    found = detect_format(rows)
    assert found[0] == name and not set(found) & set(TABLES)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("preference", "soft"),
        ("preference", "prompt_id"),
        ("stepwise", "values"),
        ("outcome", "evidence"),
        ("ranking", "scores"),
    ],
)
def test_a_table_is_told_by_a_column_that_only_it_has(name: str, column: str) -> None:
    of = {
        "preference": ("prompt", "chosen", "rejected"),
        "stepwise": ("prompt", "completions", "labels"),
        "outcome": ("prompt", "completion", "label"),
        "ranking": ("prompt", "completions"),
    }[name]
    rows = [{n: ROWS[name][n] for n in (*of, column)}] * 3
    assert detect_format(rows)[0] == name
    assert name not in detect_format([{n: row[n] for n in row if n != column} for row in rows])


def test_conversations_beside_a_prompt_are_no_rlhflow_pairs() -> None:
    rows = [
        {"prompt": f"{i + 1}?", "chosen": talk + answer("a"), "rejected": talk + answer("b")}
        for i in range(50)
        for talk in [[{"role": "user", "content": f"{i}?"}]]
    ]
    assert set(detect_format(rows)) == {"trl-preference", "trl-margin"}
    assert detect_format([{n: row[n] for n in ("chosen", "rejected")} for row in rows])[:1] == [
        "trl-preference"
    ]


def test_a_format_that_can_read_none_of_the_rows_comes_behind_those_that_can() -> None:
    whole = {"prompt": "How many?", "prompt_id": "x", "messages": [], "score_chosen": 8.0}
    whole |= {"chosen": QUESTION + answer("a"), "rejected": QUESTION + answer("b")}  # as in UltraFeedback
    assert detect_format([whole])[0] == "trl-preference"


def test_a_process_chat_is_no_outcome_chat() -> None:
    turns = [{"role": "user", "content": "Q? Step 1: a"}, {"role": "assistant", "content": "+"}]
    assert detect_format([{"conversations": turns}])[0] == "rlhflow-outcome"
    assert detect_format([{"conversations": turns}, {"conversations": turns * 2}])[0] == "rlhflow-steps"


def test_rows_of_no_format_are_not_forced_into_one() -> None:
    assert detect_format([]) == []
    assert detect_format([{"text": "a"}, {"question": "b", "answer": "c"}]) == []
    assert detect_format([{"prompt": "?", "chosen": "a", "rejected": "b"}, {"text": "a"}]) == []
    assert set(detect_format([{"prompt": "?", "completion": "a"}])) <= set(TABLES)  # no label: unlabelled

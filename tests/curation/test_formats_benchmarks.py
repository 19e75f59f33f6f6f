"""Rows of reward-model benchmarks and RLHFlow's chats, in the shapes in which they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.formats import FORMATS, read_format, write_format
from curation.formats.rows import outcome_row, preference_row, ranking_row, stepwise_row

Row = dict[str, Any]


def chat(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def written(name: str, *rows: Row) -> list[Row]:
    return write_format(name, pl.DataFrame(list(rows), schema=FORMATS[name].schema))[0]


def test_a_rewardbench_pair_keeps_its_subset_and_counts_the_models() -> None:
    row = {
        "prompt": "Name a prime.",
        "chosen": "7",
        "chosen_model": "gpt",
        "rejected": "8",
        "rejected_model": "",
        "subset": "math-prm",
        "id": 4,
    }
    frame, account = read_format("rewardbench", [row])
    pair = frame.to_dicts()[0]
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == (
        chat("Name a prime."),
        answer("7"),
        answer("8"),
    )
    assert pair["evidence"] == "math-prm" and account.left_out == {
        "id": 1,
        "chosen_model": 1,
        "rejected_model": 1,
    }
    (again,) = written("rewardbench", pair)
    assert again.pop("id") and again == {n: row[n] for n in ("prompt", "chosen", "rejected", "subset")}


def test_right_completions_of_rewardbench_2_share_the_first_place() -> None:
    row = {
        "id": "tied:3",
        "prompt": "Name a colour.",
        "chosen": ["red", "blue"],
        "rejected": ["seven", "x", "y"],
        "num_correct": 2,
        "total_completions": 5,
        "subset": "Ties",
    }
    (ranking,) = read_format("rewardbench2", [row])[0].to_dicts()
    assert ranking["completions"] == ["red", "blue", "seven", "x", "y"]
    assert ranking["scores"] == [1.0, 1.0, 0.0, 0.0, 0.0]
    (again,) = written("rewardbench2", ranking)
    kind, number = again.pop("id").split(":")
    assert kind == "tied" and 0 <= int(number) < 2**63
    assert again == {n: row[n] for n in row if n != "id"}


def test_a_row_with_one_best_completion_is_no_row_of_ties() -> None:
    ranking = ranking_row(chat("?"), [answer(t) for t in "abc"], [0.5, 2.0, 1.0])
    (row,) = written("rewardbench2", ranking)
    assert (row["chosen"], row["rejected"], row["num_correct"]) == (["b"], ["c", "a"], 1)
    assert row["subset"] != "Ties" and ":" not in row["id"]


def test_steps_behind_the_first_wrong_one_have_no_label() -> None:
    row = {"problem": "1+1?", "steps": ["a", "b", "c", "d"], "label": 1}
    (found,) = read_format("processbench", [row])[0].to_dicts()
    assert found["labels"] == [True, False, None, None]
    (right,) = read_format("processbench", [row | {"label": -1}])[0].to_dicts()
    assert right["labels"] == [True] * 4 and "".join(right["completions"]) == "a\nb\nc\nd"
    repaired = stepwise_row(chat("1+1?"), ["a\n", "b\n", "c"], [True, False, True], "x")
    assert written("processbench", repaired)[0]["label"] == 1


def test_published_processbench_rows_survive_the_round_trip(shared_data: Path) -> None:
    rows = json.loads((shared_data / "processbench/gsm8k.json").read_text(encoding="utf-8"))
    frame, account = read_format("processbench", rows)
    assert (account.kept, account.rejected) == (400, {})
    assert account.left_out == {"id": 400, "generator": 400, "final_answer_correct": 400}
    again, _ = write_format("processbench", frame)
    wanted = ("problem", "steps", "label")
    assert [[row[n] for n in wanted] for row in again] == [[row[n] for n in wanted] for row in rows]
    assert sum(all(labels) for labels in frame["labels"].to_list()) == 193


def test_rlhflow_pairs_are_whole_conversations_with_scores() -> None:
    talk = chat("Hi", "Hello!", "Sky?")
    row = {
        "chosen": talk + answer("blue"),
        "rejected": talk + answer("red"),
        "chosen_score": 8,
        "rejected_score": 6.5,
    }
    (pair,) = read_format("rlhflow-pairs", [row])[0].to_dicts()
    assert (pair["prompt"], pair["chosen"], pair["margin"]) == (talk, answer("blue"), 1.5)
    assert written("rlhflow-pairs", pair) == [{name: row[name] for name in ("chosen", "rejected")}]
    bare = {name: row[name] for name in ("chosen", "rejected")}
    assert read_format("rlhflow-pairs", [bare])[0]["margin"].to_list() == [None]


def test_a_judged_pair_is_read_from_the_text_shown_to_the_judge() -> None:
    # the shape of the example in RLHFlow's description of pair-preference models
    text = "[CONTEXT] \n\n<turn> user\n How far?\n [RESPONSE A] Far. [RESPONSE B] Two miles. \n"
    row = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "B"}]}
    (pair,) = read_format("rlhflow-judged-pairs", [row])[0].to_dicts()
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == (
        chat("How far?"),
        answer("Two miles."),
        answer("Far."),
    )


def test_the_chosen_response_of_judged_pairs_stands_first_in_half_of_them() -> None:
    talk = chat("Hi", "Hello!", "Sky?")
    pairs = [preference_row(talk, answer(f"blue {i}"), answer("red"), None) for i in range(200)]
    rows = written("rlhflow-judged-pairs", *pairs)
    assert 70 < sum(row["messages"][1]["content"] == "A" for row in rows) < 130
    frame, account = read_format("rlhflow-judged-pairs", rows)
    assert account.kept == 200
    assert frame["chosen"].to_list() == [pair["chosen"] for pair in pairs]
    assert (
        "\n\n<turn> user\n Hi\n<turn> assistant\n Hello!\n<turn> user\n Sky?\n [RESPONSE A]"
        in (rows[0]["messages"][0]["content"])
    )


@pytest.mark.parametrize(("mark", "label"), [("+", True), (" -", False)])
def test_an_outcome_is_a_chat_of_one_question_and_one_mark(mark: str, label: bool) -> None:
    row = {"conversations": chat("What is 1+1? Step 1: 1+1=2\nThe answer is: 2", mark)}
    (found,) = read_format("rlhflow-outcome", [row])[0].to_dicts()
    assert found["prompt"] == chat("What is 1+1?") and found["label"] is label
    assert found["completion"] == answer("Step 1: 1+1=2\nThe answer is: 2")
    assert written("rlhflow-outcome", found)[0]["conversations"][0] == row["conversations"][0]
    free = outcome_row(chat("1+1?"), answer("It is 2."), label)
    assert written("rlhflow-outcome", free)[0]["conversations"][0]["content"] == "1+1? Step 1: It is 2."

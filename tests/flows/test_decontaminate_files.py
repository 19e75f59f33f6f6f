"""`flows decontaminate FILES --against SETS`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.decontamination import REPORT
from flows.__main__ import main
from store.shards import read_table

EXAM = [
    "A baker sold 48 loaves in the morning and half as many in the afternoon. How many loaves did she sell?",
    "Which river flows through the old town where the poet wrote her seven letters to the miller's son?",
]
CLEAN = "Three goats and nine hens share a yard. How many legs are in the yard?"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("exam.jsonl", [{"question": text} for text in EXAM])
    write(
        "pairs.jsonl",
        [
            pair(EXAM[0].upper(), "96", "72"),
            pair(CLEAN, "30", "24"),
            pair("Quote me something.", f"Here: {EXAM[1]}", "No."),
        ],
    )
    return tmp_path


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    texts = {"prompt": ("user", prompt), "chosen": ("assistant", chosen), "rejected": ("assistant", rejected)}
    return {name: [{"role": role, "content": text}] for name, (role, text) in texts.items()}


def write(name: str, rows: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def test_a_preference_set_loses_the_rows_of_leaked_prompts_and_keeps_the_others_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["decontaminate", "pairs.jsonl", "--against", "gsm8k=exam.jsonl", "--out", "clean"]) == 0
    assert lines("clean/pairs.jsonl") == lines("pairs.jsonl")[1:]
    report = read_table("clean/contamination.parquet", REPORT)
    assert sorted(report.select("row_id", "field", "action").iter_rows()) == [
        ("pairs.jsonl:0", "prompt/user", "drop"),
        ("pairs.jsonl:2", "chosen/assistant", "warn"),
    ]
    said = capsys.readouterr().out
    assert "decontaminate 3 kept 2 touches_eval_set 1" in said and "verbatim 100%" in said
    summary = json.loads(Path("clean/summary.json").read_text())
    (totals,) = summary["eval_sets"]
    assert (totals["eval_set"], totals["source"], totals["hit"]) == ("gsm8k", "exam.jsonl", 1)
    assert summary["scanned"]["chosen/assistant"] == "completion" and summary["rows"]["out"] == 2
    assert set(summary["files"]) == {"pairs.jsonl"} and summary["rule"]["name"] == "default"
    assert main(["contamination", "clean", "--action", "warn"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "chosen/assistant pairs.jsonl:2" in shown


def test_completions_that_quote_are_dropped_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    against = ["--against", "gsm8k=exam.jsonl"]
    assert main(["decontaminate", "pairs.jsonl", *against, "--completions", "drop", "--out", "clean"]) == 0
    assert lines("clean/pairs.jsonl") == lines("pairs.jsonl")[1:2]


def test_columns_can_be_named_and_text_that_is_not_scanned_is_said(tmp_path: Path) -> None:
    frame = pl.DataFrame({"ask": [EXAM[1], CLEAN], "note": ["a b", "c d"]})
    frame.write_parquet("own.parquet")
    own = "{name: mine, path: exam.jsonl, columns: question}"
    command = ["decontaminate", "own.parquet", "--against", own, "--prompt", "ask", "--out", "clean"]
    assert main([*command, "--workers", "2"]) == 0
    assert pl.read_parquet("clean/own.parquet").equals(frame.tail(1))
    summary = json.loads(Path("clean/summary.json").read_text())
    assert summary["scanned"] == {"ask": "prompt"} and summary["not_scanned"] == {"own.parquet": ["note"]}


def test_other_speakers_are_compared_as_users_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"messages": [{"role": "prompter\x1b[31m", "content": text}]} for text in (EXAM[0], CLEAN)]
    write("talk.jsonl", rows)
    assert main(["decontaminate", "talk.jsonl", "--against", "gsm8k=exam.jsonl", "--out", "clean"]) == 0
    said = capsys.readouterr().out
    assert "kept 1" in said and "\x1b" not in said
    assert "talk.jsonl: messages taken for a user's: messages/prompter" in said
    assert list(json.loads(Path("clean/summary.json").read_text())["speakers_taken_for_users"]) == [
        "talk.jsonl"
    ]


def test_a_set_that_is_not_there_stops_or_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--against", "gsm8k=exam.jsonl", "math-500=gone.jsonl"]
    assert main(["decontaminate", "pairs.jsonl", *sets, "--out", "clean"]) == 2
    assert "math-500" in capsys.readouterr().err and not Path("clean").exists()
    assert main(["decontaminate", "pairs.jsonl", *sets, "--missing", "skip", "--out", "clean"]) == 0
    assert "NOT COMPARED math-500" in capsys.readouterr().out
    (one,) = json.loads(Path("clean/summary.json").read_text())["not_compared"]
    assert one["name"] == "math-500"
    gone = ["--against", "math-500=gone.jsonl", "--missing", "skip"]
    assert main(["decontaminate", "pairs.jsonl", *gone]) == 2
    said = capsys.readouterr().err
    assert "nothing can be compared" in said and "eval set 'math-500': gone.jsonl: no such file" in said


@pytest.mark.parametrize("files", [["gone.jsonl"], ["pairs.jsonl", "--prompt", "promt"]])
def test_files_and_columns_are_checked_before_any_set_is_read(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decontaminate", *files, "--against", "gsm8k=no_set.jsonl"]) == 2
    assert "no_set.jsonl" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("preset", "title", "left", "rest"),
    [
        ("default", "only whole", 1, "only found as whole copies"),
        ("tulu3", "not compared", 2, "not compared"),
    ],
)
def test_a_set_that_n_grams_hardly_see_is_said_aloud(
    preset: str, title: str, left: int, rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("short.jsonl", [{"question": text} for text in ("Who won?", "What is six?", *EXAM[:1])])
    write("own.jsonl", [{"prompt": "who won"}, {"prompt": CLEAN}])
    against = ["--against", "gsm8k=short.jsonl", "--preset", preset, "--out", "clean"]
    assert main(["decontaminate", "own.jsonl", *against]) == 0
    assert len(lines("clean/own.jsonl")) == left
    said = " ".join(capsys.readouterr().out.split())
    assert f"seen by n-grams {title} hit twins dropped here gsm8k 3 1 2 " in said
    assert "HARDLY COMPARED gsm8k: n-grams see 1 of 3 rows" in said and rest in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pairs.jsonl"], "--against"),
        (["--against", "gsm8k=exam.jsonl"], "FILES"),
        (["pairs.jsonl", "--against", "gsm8"], "did you mean 'gsm8k'"),
        (["pairs.jsonl", "--against", "{name: mine, colums: q}"], "(colums: Extra inputs are not permitted)"),
        (["pairs.jsonl", "--against", "{name: [}"], "write it as in a recipe"),
        (["pairs.jsonl", "--against", "gsm8k="], "which file? Write NAME=FILE"),
        (["pairs.jsonl", "--against", "gsm8=exam.jsonl"], "did you mean 'gsm8k'"),
        (["pairs.jsonl", "--against", "exam.jsonl"], "{name: exam, path: exam.jsonl, columns: [COLUMN]}"),
        (["gone.jsonl", "--against", "gsm8k=exam.jsonl"], "gone.jsonl"),
        (["pairs.jsonl", "--against", "gsm8k=exam.jsonl", "--prompt", "promt"], "promt"),
        (["pairs.jsonl", "--against", "gsm8k=exam.jsonl", "--out", "."], "would be overwritten"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["decontaminate", *args]) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_the_sets_that_can_be_named_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decontaminate", "--list"]) == 0
    said = capsys.readouterr().out
    assert "openai/gsm8k, test: question" in said and "suite reward-models: rewardbench, " in said


def test_the_same_files_give_the_same_bytes_with_any_number_of_workers() -> None:
    made = []
    for workers in ("1", "2"):
        against = ["--against", "gsm8k=exam.jsonl", "--out", workers, "--workers", workers]
        assert main(["decontaminate", "pairs.jsonl", *against]) == 0
        made.append({path.name: path.read_bytes() for path in Path(workers).iterdir()})
    assert made[0] == made[1] and len(made[0]) == 3

"""`flows contamination`: both texts side by side, what matched marked, and model text that does nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from curation.decontamination import REPORT
from flows.__main__ import main
from store.shards import write_table

OURS, THEIRS = "How many \x1b[31mloaves\u202e did she sell?", "how many loaves did she sell"


def match(eval_row: str, **changed: object) -> dict[str, object]:
    return {
        "row_id": f"p{eval_row}",
        "prompt_id": f"p{eval_row}",
        "field": "prompt",
        "eval_set": "exam",
        "eval_config": None,
        "eval_split": None,
        "eval_revision": None,
        "eval_row": eval_row,
        "eval_field": "question",
        "rule": "ngram",
        "rule_hash": "0123456789ab",
        "n_matched": 2,
        "coverage_eval": 0.92,
        "coverage_ours": 0.81,
        "numbers_differ": False,
        "spans": [{"start": 100, "end": 103}, {"start": 114, "end": 130}],
        "eval_spans": [{"start": 0, "end": 28}],
        "span": OURS,
        "eval_span": THEIRS,
        "action": "drop",
    } | changed


@pytest.fixture
def report(tmp_path: Path) -> Path:
    rows = [
        match("0"),
        match("1", numbers_differ=True, action="warn", coverage_eval=0.5),
        match(
            "2",
            rule="paraphrase",
            action="unknown",
            coverage_eval=None,
            coverage_ours=None,
            spans=[],
            eval_spans=[],
        ),
        match("3", eval_set="quiz", field="completion", row_id="c3", action="warn"),
    ]
    write_table(pl.DataFrame(rows, schema=REPORT), tmp_path / "contamination.parquet", REPORT)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["contamination", *args]) == 0
    return capsys.readouterr().out


def test_the_texts_stand_side_by_side_with_what_decided(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(capsys, str(report))
    flat = " ".join(said.split())
    assert "drop prompt p0 ngram: 92% of the evaluation text, 81% of ours" in flat
    assert "ngram, other numbers" in flat and "unknown prompt p2 paraphrase " in flat
    assert "exam, row 0" in flat and "quiz, row 3" in flat
    line = next(line for line in said.splitlines() if "How many" in line)
    assert "how many loaves" in line, "ours and theirs are in one line"
    assert said.index("drop  prompt") < said.index("warn  prompt") < said.index("unknown  prompt")


def test_model_text_cannot_colour_or_reorder_the_terminal(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(capsys, str(report))
    assert "\x1b" not in said and "\u202e" not in said and "\ufffd[31mloaves\ufffd did" in said


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (("--eval-set", "quiz"), {"c3"}),
        (("--action", "warn"), {"p1", "c3"}),
        (("--row", "p2"), {"p2"}),
        (("--row", "p3"), {"c3"}),  # by the prompt that it answers
        (("-n", "1"), {"p0"}),
    ],
)
def test_matches_are_chosen_by_set_action_and_row(
    report: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], left: set[str]
) -> None:
    said = shown(capsys, str(report), *args)
    listed = {row for row in ("p0", "p1", "p2", "c3") if f" {row}  " in said}
    assert listed == left
    assert ("1 of 4 matches" in said) == ("-n" in args)


def test_rows_of_files_are_named_in_full_and_content_ids_by_their_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long, hexadecimal = "a_rather_long_training_name.jsonl:1314", "0123456789abcdef" * 2
    rows = [match("high_school_mathematics/test/1234", row_id=long), match("1", row_id=hexadecimal)]
    write_table(pl.DataFrame(rows, schema=REPORT), tmp_path / "contamination.parquet", REPORT)
    said = shown(capsys, str(tmp_path))
    assert f"prompt {long}  ngram" in said and "prompt 0123456789abcdef  ngram" in said
    assert "high_school_mathematics/test/1234" in said


@pytest.mark.parametrize("n", ["0", "-3", "many"])
def test_a_number_of_matches_is_a_count(report: Path, capsys: pytest.CaptureFixture[str], n: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["contamination", str(report), f"-n={n}"])
    assert f"must be a whole number of 1 or more, not '{n}'" in capsys.readouterr().err


def test_nothing_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(REPORT.to_frame(), tmp_path / "contamination.parquet", REPORT)
    assert shown(capsys, str(tmp_path / "contamination.parquet")).strip() == "no match"


def test_what_is_not_there_is_named_with_what_is(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contamination", str(report), "--eval-set", "exan"]) == 2
    assert "did you mean 'exam'" in capsys.readouterr().err
    assert main(["contamination", str(tmp_path / "nowhere")]) == 2
    assert "there is no run" in capsys.readouterr().err

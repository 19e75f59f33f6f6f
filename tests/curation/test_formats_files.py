"""`flows convert`: large files as streams, results whole or not at all, tables that the trainer reads."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from curation.formats import FORMATS, TABLES, convert, files, read_format
from curation.formats.files import write_rows
from flows.__main__ import main
from store import inputs
from store.errors import InputError
from store.inputs import stream_rows

PAIR = {"prompt": "Sky?", "chosen": "blue", "rejected": "red", "margin": 1.5}
RANKED = {
    "context": [{"role": "user", "content": "Sky?"}],
    "completions": [
        {"rank": rank, "completion": [{"role": "assistant", "content": text}]}
        for rank, text in ((1, "red"), (0, "blue"), (1, "green"))
    ],
}
ROLLOUTS = {"prompt": "1+1?", "completions": ["2", "3"], "rewards": [1, 0]}
STEPS = {"input": "1+1+1? Step 1: 2. ки\nStep 2: 4. ки", "value": [0.9, 0.2]}
RATED = {
    "question": {"problem": "1+1+1?"},
    "label": {
        "finish_reason": "solution",
        "steps": [
            {
                "completions": [{"text": f"s{i}", "rating": r}],
                "human_completion": None,
                "chosen_completion": 0,
            }
            for i, r in enumerate((1, 0, -1))
        ],
    },
}
HELPSTEER = {"prompt": "Sky?", "response": "blue", "helpfulness": 4, "correctness": 4} | {
    "coherence": 4,
    "complexity": 1,
    "verbosity": None,
}


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "read_as", "objective", "settings", "targets"),
    [
        (PAIR, "trl-preference", "bt", {"margin_scale": 2.0}, [(1.0,)]),
        (RANKED, "nemo-ranked", "bt", {"loss": "plackett-luce"}, [(0.0, -1.0, -1.0)]),
        (ROLLOUTS, "rollouts", "orm", {}, [(1.0,), (0.0,)]),
        (STEPS, "openrlhf-steps", "prm", {"prm_target": "soft"}, [(0.9, 0.2)]),
        (STEPS, "openrlhf-steps", "prm", {}, [(1.0, 0.0)]),
        (RATED, "prm800k-class", "prm", {"prm_target": "ratings"}, [(1.0, 0.0, -1.0)]),
        (RATED, "prm800k-class", "prm", {}, [(1.0, None, 0.0)]),
        (
            HELPSTEER,
            "helpsteer",
            "regression",
            {"attributes": ["verbosity", "helpfulness"]},
            [(None, 4.0)],
        ),
    ],
)
def test_a_converted_table_is_what_the_trainer_reads(
    tmp_path: Path, row: Any, read_as: str, objective: str, settings: dict[str, Any], targets: list[Any]
) -> None:
    from trainers import TrainConfig
    from trainers.data import read_examples

    table = tmp_path / "out" / "train.parquet"
    convert(jsonl(tmp_path / "in.jsonl", row), table, read_as, FORMATS[read_as].table)
    config = TrainConfig(objective=objective, model="-", data=["-"], output="-", **settings)
    assert [e.targets for e in read_examples([table], config)] == targets


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".jsonl.gz"])
def test_every_kind_of_file_gives_the_same_rows(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BATCH_ROWS", 3)  # several row groups
    monkeypatch.setattr(inputs, "BATCH_ROWS", 2)
    rows = [PAIR | {"chosen": f"blue {i}"} for i in range(10)]
    table, again = tmp_path / f"table{ending}", tmp_path / "again.jsonl"
    read, written = convert(jsonl(tmp_path / "in.jsonl", *rows), table, "trl-preference", "preference")
    assert (read.kept, written.kept) == (10, 10)
    convert(table, again, "preference", "trl-margin")
    assert [(r["chosen"][0]["content"], r["margin"]) for r in stream_rows(again)] == [
        (f"blue {i}", 1.5) for i in range(10)
    ]
    if ending == ".parquet":
        assert pl.read_parquet_schema(table) == dict(FORMATS["preference"].schema)


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".jsonl.gz"])
def test_the_same_rows_give_the_same_bytes_whatever_the_file_is_called(tmp_path: Path, ending: str) -> None:
    rows = [{**PAIR, "prompt": f"Sky {i}?"} for i in range(5)]
    source = jsonl(tmp_path / "in.jsonl", *rows)
    paths = [tmp_path / f"{name}{ending}" for name in ("a", "b")]
    for path in paths:
        convert(source, path, "trl-preference", "preference")
        os.utime(source, (0, 0))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if ending == ".jsonl.gz":
        assert paths[0].read_bytes()[4:8] == bytes(4)  # no time in the header


def test_a_row_group_of_long_texts_is_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BATCH_ROWS", 2)
    monkeypatch.setattr(files, "GROUP_BYTES", 10_000)
    source = jsonl(tmp_path / "in.jsonl", *(PAIR | {"prompt": f"{i}" * 6000} for i in range(8)))
    convert(source, tmp_path / "out.parquet", "trl-preference", "preference")
    assert pq.read_metadata(tmp_path / "out.parquet").num_row_groups == 4
    convert(source, tmp_path / "again.jsonl", "trl-preference", "preference")
    assert pl.read_parquet(tmp_path / "out.parquet").to_dicts() == list(stream_rows(tmp_path / "again.jsonl"))


def test_few_rows_are_held_at_a_time_for_they_may_be_long(tmp_path: Path) -> None:
    alive = most = 0

    class Counted(dict[str, Any]):
        def __init__(self, row: dict[str, Any]) -> None:
            nonlocal alive, most
            super().__init__(row)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    (row,) = read_format("trl-preference", [PAIR])[0].to_dicts()
    write_rows(tmp_path / "out.parquet", (Counted(row) for _ in range(2000)), FORMATS["preference"].schema)
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 2000 and most <= 2 * files.BATCH_ROWS <= 512


def test_rows_are_read_and_written_while_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(PAIR) + "\nnot JSON\n", encoding="utf-8")
    rows = stream_rows(path)
    assert next(rows) == PAIR  # the broken line has not been looked at
    with pytest.raises(InputError, match=r"in.jsonl:2: not valid JSON, column 1"):
        next(rows)


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_a_file_that_breaks_half_way_leaves_nothing_behind(tmp_path: Path, ending: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text((json.dumps(PAIR) + "\n") * 20 + "not JSON\n", encoding="utf-8")
    with pytest.raises(InputError, match="in.jsonl:21"):
        convert(source, tmp_path / f"out{ending}", "trl-preference", "preference")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_torn_and_foreign_files_are_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress((json.dumps(PAIR) + "\n").encode() * 100)[:-20])
    with pytest.raises(InputError, match="torn.jsonl.gz: not a whole gzip file"):
        list(stream_rows(torn))
    (tmp_path / "latin.jsonl").write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(InputError, match="latin.jsonl:1: not UTF-8 text"):
        list(stream_rows(tmp_path / "latin.jsonl"))
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="text.parquet: not a whole Parquet file"):
        list(stream_rows(tmp_path / "text.parquet"))
    header = gzip.compress(b"")[:10]
    (tmp_path / "damaged.jsonl.gz").write_bytes(header + b"\xff" * 50)
    with pytest.raises(InputError, match="damaged.jsonl.gz: not a whole gzip file"):
        list(stream_rows(tmp_path / "damaged.jsonl.gz"))
    pages = tmp_path / "pages.parquet"
    pl.DataFrame({"a": [f"{i}" for i in range(2000)]}).write_parquet(pages, compression="uncompressed")
    data = bytearray(pages.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    pages.write_bytes(data)
    with pytest.raises(InputError, match="pages.parquet: not a whole Parquet file"):
        list(stream_rows(pages))
    (tmp_path / "deep.jsonl").write_text("[" * 200_000)
    with pytest.raises(InputError, match="deep.jsonl:1: JSON nested too deeply"):
        list(stream_rows(tmp_path / "deep.jsonl"))
    (tmp_path / "cells.txt").write_text("prompt,chosen,rejected\n?,a,b\n")
    with pytest.raises(InputError, match="cells.txt: cannot tell the format from the name"):
        convert(tmp_path / "cells.txt", tmp_path / "out.jsonl", "trl-preference", "preference")
    with pytest.raises(InputError, match="no such file"):
        stream_rows(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("name", ["PAIRS.JSONL", "pairs.csv"])
def test_whatever_the_audit_reads_can_be_converted(tmp_path: Path, name: str) -> None:
    text = "prompt,chosen,rejected\n?,a,b\n" if name.endswith("csv") else json.dumps(PAIR)
    (tmp_path / name).write_text(text)
    read, _ = convert(tmp_path / name, tmp_path / "out.jsonl", "trl-preference", "preference")
    assert read.kept == 1


def test_hostile_rows_end_in_counts_and_not_in_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = {"prompt": "?", "chosen": "a", "rejected": "b", "subset": "s"}
    source = jsonl(tmp_path / "in.jsonl", bench, bench | {"subset": "\ud800"})
    command = ["convert", str(source), str(tmp_path / "out.jsonl"), "--from", "rewardbench"]
    assert main([*command, "--to", "preference"]) == 0
    assert "text_is_no_unicode 1" in capsys.readouterr().out
    odd = RATED | {"label": RATED["label"] | {"finish_reason": "\x1b[31m\ud800 evil"}}
    source = jsonl(tmp_path / "rated.jsonl", RATED, odd)
    command = ["convert", str(source), str(tmp_path / "rated_out.jsonl"), "--from", "prm800k-class"]
    assert main([*command, "--to", "stepwise"]) == 0
    assert "other_finish_reason 1" in capsys.readouterr().out
    (tmp_path / "long.jsonl").write_text('{"prompt": ' + "9" * 5000 + "}\n")
    command = ["convert", str(tmp_path / "long.jsonl"), str(tmp_path / "x.jsonl"), "--from", "rewardbench"]
    assert main([*command, "--to", "preference"]) == 2
    assert "long.jsonl:1: not valid JSON (a number of too many digits)" in capsys.readouterr().err


def test_a_line_separator_inside_a_text_does_not_end_the_row(tmp_path: Path) -> None:
    row = PAIR | {"chosen": "blue\u2028sky\x85"}
    write_rows(tmp_path / "out.jsonl", [row], FORMATS["preference"].schema)
    assert list(stream_rows(tmp_path / "out.jsonl")) == [row]


def test_conversions_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", PAIR)
    with pytest.raises(InputError, match="trl-preference holds preference rows; they can be written as"):
        convert(source, tmp_path / "out.parquet", "trl-preference", "stepwise")
    with pytest.raises(InputError, match=r"out.parquet: the name must end in .jsonl, .jsonl.gz"):
        convert(source, tmp_path / "out.parquet", "trl-preference", "trl-margin")
    with pytest.raises(InputError, match="in.jsonl: exists; remove it"):
        convert(source, source, "trl-preference", "preference")
    with pytest.raises(InputError, match="no row is left; read rollouts 1 kept 0 not_in_this_format 1"):
        convert(source, tmp_path / "out.parquet", "rollouts", "outcome")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_the_command_counts_rows_in_and_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = jsonl(
        tmp_path / "in.jsonl", ROLLOUTS, ROLLOUTS | {"rewards": []}, ROLLOUTS | {"rewards": [1, -100]}
    )
    target = str(tmp_path / "out.parquet")
    assert main(["convert", str(source), target, "--from", "rollouts", "--to", "outcome"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "read rollouts 3 kept 2 rewards_differ_from_completions 1; "
        "first in row 2 (rewards_differ_from_completions); "
        "left out of kept rows label_neither_true_nor_false 1",
        "write outcome 3 kept 3",
        f"wrote {target}",
    ]
    assert main(["convert", str(source), target, "--from", "rollout", "--to", "outcome"]) == 2
    assert "no format 'rollout'; there are trl-preference" in capsys.readouterr().err


def test_every_table_can_be_read_from_some_format_and_written_to_it() -> None:
    assert {form.table for name, form in FORMATS.items() if name not in TABLES} == set(TABLES)


def test_the_command_lists_what_each_format_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["convert", "--list"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert all(f"\n  {name}\n" in said for name in FORMATS if name not in TABLES)
    block = said.split("\n  trl-preference\n")[1].split("\n  trl-margin\n")[0]
    assert "not written:  margin" in block and "tie" in block


def test_the_format_of_a_file_is_found_by_its_rows(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", *[STEPS] * 3)
    assert main(["convert", str(source), str(tmp_path / "out.jsonl"), "--to", "stepwise"]) == 0
    [row, *_] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert row["values"] == [0.9, 0.2]


@pytest.mark.parametrize(("row", "said"), [(RATED, "prm800k-class; name"), ({"a": 1}, "no format has rows")])
def test_rows_of_no_or_several_formats_are_not_guessed(
    tmp_path: Path, capsys: Any, row: Any, said: str
) -> None:
    source = jsonl(tmp_path / "in.jsonl", row)
    assert main(["convert", str(source), str(tmp_path / "out.jsonl"), "--to", "stepwise"]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out.jsonl").exists()

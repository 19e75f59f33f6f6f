"""`python -m trainers.score`: every labelled set becomes a score table, and a kill costs one chunk."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from saved_models import CPU, save_random
from tiny_models import CHATML, assistant, byte_tokenizer, user, write_rows

from curation.formats.rows import completion_id
from store.errors import InputError
from store.ids import content_id
from store.shards import read_table
from store.tables import SCORES
from trainers import Item, score
from trainers.loading import open_trained
from trainers.score.__main__ import main
from trainers.score.table import Readings, read_candidates
from trainers.tokenize import Codec

PROMPT = user("What is 1+2?")


@pytest.fixture(scope="module")
def models(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tmp = tmp_path_factory.mktemp("models")
    found = {
        name: save_random(tmp / name, bases["qwen2"], name) for name in ("bt", "orm", "prm", "regression")
    }
    return found | {"bt-1": save_random(tmp / "bt-1", bases["qwen2"], "bt", seed=1)}


def run(*arguments: Any) -> None:
    assert main([str(a) for a in arguments]) == 0


def outcomes(n: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": user(f"What is {i % 40}+2?"),
            "completion": assistant(f"It is {i}."),
            "label": None if i % 3 == 0 else i % 3 == 1,
            "prompt_id": f"p{i % 40:02d}",
            "completion_id": f"c{i:04d}",
        }
        for i in range(n)
    ]


def test_a_score_table_holds_what_score_says(tmp_path: Path, models: dict[str, Path]) -> None:
    rows = outcomes(12)
    data = write_rows(tmp_path / "test.parquet", rows)
    run(models["orm"], data, "--output", tmp_path / "scores.parquet", "--subset", "sums")
    table = read_table(tmp_path / "scores.parquet", SCORES)
    found = {row["completion_id"]: row for row in table.iter_rows(named=True)}
    for row, one in zip(
        rows,
        score(models["orm"], [Item(r["prompt"], r["completion"][0]["content"]) for r in rows]),
        strict=True,
    ):
        said = found[row["completion_id"]]
        assert said["reward"] == pytest.approx(one.reward, abs=1e-6)
        assert said["step_rewards"] is None  # of steps only a process reward model speaks
        assert (said["prompt_id"], said["label"]) == (row["prompt_id"], row["label"])
        assert (said["n_tokens"], said["truncated"]) == (one.n_tokens, False)
    names = table.select("model", "dataset", "subset").unique().rows()
    assert names == [("orm", "test", "sums")]
    assert len(table["revision"].unique()) == 1 and len(table["revision"][0]) == 12
    assert not (tmp_path / "scores.parquet.partial").exists()


def test_every_set_gives_each_completion_once(tmp_path: Path) -> None:
    pair = {"prompt": PROMPT, "chosen": assistant("3"), "rejected": assistant("4")}
    pairs = [{**pair, "chosen_id": "a", "rejected_id": "b"}, {**pair, "chosen_id": "a", "rejected_id": "b"}]
    ranking = {"prompt": PROMPT, "completions": ["3", "4", "5"], "scores": [2.0, 1.0, 0.0]}
    steps = {"prompt": PROMPT, "completions": ["1+2\n", "=3"], "labels": [True, True]}
    sets = {"pairs": pairs, "ranking": [ranking], "steps": [steps]}
    for name, rows in sets.items():
        data = write_rows(tmp_path / f"{name}.parquet", rows)
        sets[name] = read_candidates([data], in_steps=name == "steps")
        assert all(len(one.steps) == 1 for one in read_candidates([data], in_steps=False))
    assert [(c.completion_id, c.steps) for c in sets["pairs"]] == [("a", ("3",)), ("b", ("4",))]
    assert sorted(c.steps[0] for c in sets["ranking"]) == ["3", "4", "5"]
    assert [c.steps for c in sets["steps"]] == [("1+2\n", "=3")]
    # Without ids: those that `flows convert` gives.
    prompt_id = content_id(PROMPT)
    assert sets["steps"][0].completion_id == completion_id(prompt_id, assistant("1+2\n=3"))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a\nb", ("a\n", "b")),
        ("a\n\n\nb\n", ("a\n\n\n", "b\n")),
        ("\n\na", ("\n\na",)),
        ("a", ("a",)),
    ],
)
def test_whole_texts_are_split_without_losing_a_character(tmp_path: Path, text: str, steps: Any) -> None:
    row = {"prompt": PROMPT, "completion": assistant(text), "label": True}
    (one,) = read_candidates([write_rows(tmp_path / "x.parquet", [row])], in_steps=True, split="\n")
    assert one.steps == steps and "".join(one.steps) == text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "?"}], "to be scored it needs `prompt` and `completion`"),
        (
            [{"prompt": PROMPT, "completion": assistant("")}],
            "x.parquet row 0: completion: the completion is empty",
        ),
        ([{"prompt": PROMPT, "completions": ["a", ""]}], "x.parquet row 0: .*non-empty steps"),
        (
            [{"prompt": PROMPT, "completions": ["a", "b"], "scores": [1.0, 0.0], "completion_ids": ["a"]}],
            "x.parquet row 0: 1 completion_ids for 2 completions",
        ),
        (
            [{"prompt": PROMPT, "completion": assistant(text), "completion_id": "a"} for text in "xy"],
            "x.parquet row 1: completion a has another text",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_candidates([write_rows(tmp_path / "x.parquet", rows)], in_steps=False)


def test_a_step_model_wants_steps(
    tmp_path: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "x.parquet", [{"prompt": PROMPT, "completion": assistant("1+2\n=3")}])
    arguments = [str(models["prm"]), str(data), "--output", str(tmp_path / "s.parquet")]
    assert main(arguments) == 2
    assert "holds whole texts, and a PRM scores steps; use --split" in capsys.readouterr().err
    run(*arguments, "--split", "\n")
    assert len(read_table(tmp_path / "s.parquet", SCORES)["step_rewards"][0]) == 2


def test_attributes_and_members_have_a_file_beside_the_table(tmp_path: Path, models: dict[str, Path]) -> None:
    data = write_rows(tmp_path / "x.parquet", outcomes(4))
    run(models["regression"], data, "--output", tmp_path / "a.parquet")
    values = pl.read_parquet(tmp_path / "a.outputs.parquet").pivot("output", values="value")
    assert values.columns == ["completion_id", "helpfulness", "verbosity"]
    assert values["helpfulness"].to_list() == read_table(tmp_path / "a.parquet", SCORES)["reward"].to_list()

    run(models["bt"], models["bt-1"], data, "--output", tmp_path / "e.parquet")
    members = pl.read_parquet(tmp_path / "e.outputs.parquet").pivot("output", values="value")
    assert members.columns == ["completion_id", "member 0: bt", "member 1: bt-1"]
    joined = (members["member 0: bt"] + members["member 1: bt-1"] / 2) / 2  # deviations 1 and 2, means 0
    assert joined.to_list() == pytest.approx(read_table(tmp_path / "e.parquet", SCORES)["reward"].to_list())

    # The same table from one model: what members said is no longer true of it.
    run(models["bt"], data, "--output", tmp_path / "e.parquet")
    assert not (tmp_path / "e.outputs.parquet").exists()


def test_solutions_of_a_single_step_are_no_whole_texts(tmp_path: Path, models: dict[str, Path]) -> None:
    row = {"prompt": PROMPT, "completions": ["only one step"], "labels": [True]}
    run(models["prm"], write_rows(tmp_path / "x.parquet", [row]), "--output", tmp_path / "s.parquet")
    table = read_table(tmp_path / "s.parquet", SCORES)
    assert table["step_rewards"].to_list() == [[table["reward"][0]]]


def test_only_a_step_model_takes_split(
    tmp_path: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "x.parquet", outcomes(2))
    arguments = [str(models["bt"]), str(data), "--output", str(tmp_path / "s.parquet")]
    assert main([*arguments, "--split", "="]) == 2
    assert "is no PRM and reads whole texts" in capsys.readouterr().err


def test_an_output_that_would_do_harm_is_refused_first(
    tmp_path: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sets").mkdir()
    data = write_rows(tmp_path / "sets" / "x.outputs.parquet", outcomes(2))
    before = data.read_bytes()
    for output, source, message in [
        (data, data, "is among the data"),
        (tmp_path / "sets" / "x.parquet", data, "is among the data"),  # members would be written over it
        (tmp_path / "sets" / "s.parquet", tmp_path / "sets", "is among the data"),
        (tmp_path, data, "is a folder"),
    ]:
        assert main([str(models["bt"]), str(source), "--output", str(output)]) == 2
        assert message in capsys.readouterr().err
    assert data.read_bytes() == before and list(tmp_path.rglob("*.parquet")) == [data]


@pytest.mark.parametrize("option", ["--max-tokens", "--token-budget", "--threads", "--probe"])
@pytest.mark.parametrize("value", ["0", "-3", "few"])
def test_numbers_that_make_no_sense_are_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["model", "data.parquet", "--output", "s.parquet", option, value])
    assert stopped.value.code == 2 and option in capsys.readouterr().err


def test_a_model_has_its_folders_name_wherever_one_stands(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_rows(tmp_path / "x.parquet", outcomes(2))
    monkeypatch.chdir(models["bt"])
    run(".", data, "--output", tmp_path / "s.parquet")
    assert read_table(tmp_path / "s.parquet", SCORES)["model"].unique().to_list() == ["bt"]


def test_what_is_kept_of_a_killed_command_is_not_taken_for_another_tokenisation(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    rows = write_rows(tmp_path / "x.parquet", outcomes(2))
    said = Readings(tmp_path / "s.parquet", read_candidates([rows], in_steps=False))
    model = open_trained(models["bt"], CPU)
    before = said.of(model)
    edited = byte_tokenizer()
    edited.chat_template = "{% if messages[0].role == 'user' %}Hello{% endif %}" + CHATML
    after = said.of(replace(model, codec=Codec(edited, "x")))
    assert len(list(said.folder.iterdir())) == 2
    assert all((a.outputs != b.outputs).any() for a, b in zip(before, after, strict=True))


def test_the_probe_prints_what_it_measured(
    tmp_path: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "x.parquet", outcomes(8))
    run(models["bt"], data, "--probe", 8)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all("largest difference" in line for line in lines)


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path, models: dict[str, Path]) -> None:
    rows = outcomes(20)
    for name, given in (("one", rows), ("two", rows[::-1])):
        data = write_rows(tmp_path / f"{name}.parquet", given)
        run(models["bt"], data, "--output", tmp_path / f"{name}-scores.parquet", "--dataset", "sums")
    tables = [(tmp_path / f"{name}-scores.parquet").read_bytes() for name in ("one", "two")]
    assert tables[0] == tables[1]


def test_a_killed_command_goes_on_where_it_stopped(tmp_path: Path, models: dict[str, Path]) -> None:
    data = write_rows(tmp_path / "x.parquet", outcomes(900))
    run(models["bt"], data, "--output", tmp_path / "whole.parquet")

    output, partial = tmp_path / "scores.parquet", tmp_path / "scores.parquet.partial"
    command = [sys.executable, "-m", "trainers.score", str(models["bt"]), str(data), "--output", str(output)]
    running = subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.DEVNULL)
    while running.poll() is None and not list(partial.glob("*.parquet")):
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not output.exists()
    # What was finished is poisoned, to see that it is read and not computed again.
    done = list(partial.glob("*.parquet"))
    assert 1 <= len(done) < 4
    for file in done:
        pl.read_parquet(file).with_columns(truncated=pl.lit(True)).write_parquet(file)
    run(models["bt"], data, "--output", output)
    table, whole = (read_table(file, SCORES) for file in (output, tmp_path / "whole.parquet"))
    assert table.drop("truncated").equals(whole.drop("truncated"))
    assert 256 <= table["truncated"].sum() < 900

"""`flows audit` on a run and on files: what it says, writes and returns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import completions, prompts
from tiny_chat import chat_tokenizer

from curation.audit.splits import near_copies
from flows import build
from flows.__main__ import main
from flows.prompt_tables import CLEAN
from flows.recipe import validate_recipe
from flows.sample import COMPLETIONS_DIR
from flows.verify import VERDICTS_DIR
from store.files import write_text
from store.manifest import Manifest
from store.shards import write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, MESSAGES, OUTCOME, PROMPTS

RECIPE = {
    "name": "small",
    "engine": {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]},
    "prompts": {"source": "file", "path": "rows.jsonl"},
    "sample": {},
    "build": {"sets": ["outcome", "preference"], "heldout_fraction": 0.5},
}
NAMES = ["how many eggs", "which train is faster", "sum of two numbers", "name a colour", "cost of a pen"]
OUTCOMES = "datasets/outcome/train.parquet"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run of five prompts with a right and a wrong completion each, as far as its sets."""
    folder = tmp_path / "runs" / "small"
    asked = prompts(*NAMES)
    said = completions(**{name: [f"yes, {name}", f"no, not {name}"] for name in NAMES})
    verdicts = [(row[0], row[1], "math", "correct" if row[6] == 0 else "incorrect", None, "string")
                for row in said.rows()]  # fmt: skip
    write_table(asked, folder / CLEAN, PROMPTS)
    write_table(said, folder / COMPLETIONS_DIR / "0000.parquet", COMPLETIONS)
    table = pl.DataFrame(verdicts, COMPLETION_VERDICTS, orient="row")
    write_table(table, folder / VERDICTS_DIR / "0000.parquet", COMPLETION_VERDICTS)
    write_text(folder / "recipe.yaml", json.dumps(RECIPE))
    recipe, manifest = validate_recipe(RECIPE, "test"), Manifest.open(folder)
    for stage in build.stages(folder, recipe):
        made = build.work(folder, recipe, stage)
        manifest.start(stage.name, stage.settings, {})
        manifest.finish(stage.name, made.rows, [made.account])
    return folder


def test_a_run_is_clean_until_a_label_is_turned(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run_dir)]) == 0
    assert "errors 0" in capsys.readouterr().out
    path = run_dir / OUTCOMES
    turned = pl.read_parquet(path).with_columns(label=~pl.col("label"))
    write_table(turned, path, OUTCOME)
    assert main(["audit", str(run_dir), "--json", str(run_dir / "audit.json")]) == 1
    said = capsys.readouterr().out
    assert f"{OUTCOMES}: has another content" in said and "the evidence says" in said
    report = json.loads((run_dir / "audit.json").read_text())
    found = {one["check"]: one for part in report["reports"] for one in part["findings"]}
    assert report["errors"] == 2 and found["file_changed"]["first"][0]["where"] == OUTCOMES
    assert found["label_differs"]["count"] == turned.height


def test_rows_that_a_stage_lost_are_found(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """L15: a shard size rounded down drops the last prompts, and nothing says so."""
    path = run_dir / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["stages"]["build/outcome"]["accounts"][0]["in"] += 3
    path.write_text(json.dumps(manifest))
    assert main(["audit", str(run_dir)]) == 1
    assert "build/outcome: accounts do not add up, 3 rows vanished" in capsys.readouterr().out


def test_a_prompt_that_was_copied_to_the_other_side_is_found(run_dir: Path) -> None:
    test = run_dir / "datasets/outcome/test.parquet"
    both = pl.concat([pl.read_parquet(test), pl.read_parquet(run_dir / OUTCOMES).head(1)])
    write_table(both, test, OUTCOME)
    out = run_dir / "audit.json"
    assert main(["audit", str(run_dir), "--json", str(out)]) == 1
    found = {one["check"] for part in json.loads(out.read_text())["reports"] for one in part["findings"]}
    assert {"prompt_in_both_splits", "duplicate_row"} <= found


def test_near_copies_of_a_prompt_across_the_split_are_found(run_dir: Path) -> None:
    train, test = (
        pl.read_parquet(run_dir / f"datasets/outcome/{side}.parquet") for side in ("train", "test")
    )
    assert near_copies(train, test) == []
    text = "A shop sells twelve red pens and nine blue pens for three dollars each; how much is that {}?"
    one, other = (
        side.head(1).with_columns(prompt=pl.lit([{"role": "user", "content": text.format(word)}], MESSAGES))
        for side, word in ((train, "in all"), (test, "in total"))
    )
    (found,) = near_copies(one, other)
    assert found == (other["prompt_id"][0], f"a near copy of {one['prompt_id'][0]} in train")


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_folder_of_files_is_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = {"prompt": "Why?", "chosen": "a\x1b[31m\u2028", "rejected": "b"}
    written(tmp_path / "train.jsonl", [pair])
    written(tmp_path / "test.jsonl", [pair | {"chosen": "c"}])
    assert main(["audit", str(tmp_path), "--from", "trl-preference"]) == 1
    said = capsys.readouterr().out
    assert "prompt_in_both_splits" in said and "control_characters" in said
    assert "\x1b" not in said and "\u2028" not in said  # text of a set does nothing to the terminal


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "nothing to audit"),
        (["nowhere"], "nowhere: no such file"),
        (["{tmp}/bad.jsonl"], "bad.jsonl:1: not valid JSON"),
        (["{tmp}/good.jsonl", "--from", "nothing"], "no format 'nothing'"),
        (["{tmp}/good.jsonl", "--max-tokens", "5"], "name it with --model"),
        (["{tmp}/good.jsonl", "--model", "{tmp}/none"], "none: no such folder"),
        (["{tmp}/empty"], "no run .* and no data files"),
        (["{tmp}/good.jsonl", "--model", "m", "--max-tokens", "0"], "--max-tokens 0: must be"),
        (["{tmp}/bad.jsonl", "--json", "{tmp}/good.jsonl/out.json"], "--json .*no file can be written"),
    ],
)
def test_bad_input_ends_with_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    (tmp_path / "bad.jsonl").write_text("{")
    (tmp_path / "empty").mkdir()
    written(tmp_path / "good.jsonl", [{"prompt": "p", "chosen": "a", "rejected": "b"}])
    assert main(["audit", *(arg.replace("{tmp}", str(tmp_path)) for arg in args)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error


def test_the_checks_are_listed_with_their_weight(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--checks"]) == 0
    said = capsys.readouterr().out
    errors, warnings = said.index("errors\n"), said.index("warnings\n")
    assert errors < said.index("labelled_both_ways (pairs)") < warnings < said.index("cycle (prompts)")


def test_a_named_model_reads_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 12 tokens, the prompt takes most: the two sides are the same as far as they are read."""
    chat_tokenizer(merges=False).save_pretrained(tmp_path / "model")
    same = "a common beginning, "
    path = written(tmp_path / "s.jsonl", [{"prompt": "Why", "chosen": same + "yes", "rejected": same + "no"}])
    command = ["audit", path, "--model", str(tmp_path / "model")]
    assert main([*command, "--max-tokens", "30"]) == 1
    assert "same_tokens" in capsys.readouterr().out
    assert main([*command, "--max-tokens", "200"]) == 0


def test_descriptions_in_a_folder_are_no_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "a.JSONL", [{"prompt": "Why?", "chosen": "a", "rejected": "b"}])
    (tmp_path / "dataset_info.json").write_text('{"splits": {}}')
    assert main(["audit", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "dataset_info.json: not audited" in said and "1 rows read as trl-preference" in said


def test_what_went_wrong_in_the_audit_is_no_error_of_the_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr("curation.audit.files._audit_file", broken)
    path = written(tmp_path / "a.jsonl", [{"prompt": "Why?", "chosen": "a", "rejected": "b"}])
    assert main(["audit", path]) == 4
    assert "a defect of ours" in capsys.readouterr().err

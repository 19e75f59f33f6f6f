"""Copies of prompts leave a run before anything is spent on them; the commands for files do the same."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from flows import deduplicate, prompts
from flows.__main__ import main
from flows.deduplicate import DUPLICATE_PROMPTS, DUPLICATES
from flows.prompt_tables import prompts_in, prompts_out
from flows.recipe import validate_recipe
from flows.stage import perform_here, run_stages
from store.files import file_hash
from store.inputs import read_rows
from store.manifest import Manifest
from store.shards import read_table, write_table
from store.tables import PROMPTS

LONG = "A farmer has nine hens and each of them lays two eggs on every day of the week but Sunday"


def recipe_for(path: Path, **changes):
    data = {
        "name": "copies",
        "prompts": {"source": "file", "path": str(path), "test_fraction": 0.5},
        "recorded": {"completions": {"policy": "said"}},
        "deduplicate": {},
        "build": {"sets": ["outcome"]},
    }
    return validate_recipe(data | changes, "test")


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def a_prompt(text: str, split: str = "train", system: str | None = None) -> dict:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    return {"prompt_id": f"{split}-{system}-{text}", "split": split, "messages": messages, "source": "x"}


def run_stage(folder: Path, rows: list[dict]):
    """The stage on a table of these prompts."""
    recipe = recipe_for(write_rows(folder / "rows.jsonl", [{"prompt": "x", "said": "y"}]))
    table = pl.DataFrame([dict.fromkeys(PROMPTS) | row for row in rows], schema=PROMPTS)
    write_table(table, folder / prompts_in(recipe, "deduplicate"), PROMPTS)
    manifest = Manifest.open(folder)
    run_stages(folder, recipe, [deduplicate.stage(recipe)], manifest, perform_here)
    return read_table(folder / prompts_out(recipe, "deduplicate"), PROMPTS), manifest.stage("deduplicate")


def test_of_copies_the_smallest_id_stays_and_all_is_accounted_for(tmp_path):
    rows = [
        a_prompt(text) for text in (LONG, LONG.upper(), f"{LONG}.", f"{LONG} again", "How far?", "How far")
    ]
    left, record = run_stage(tmp_path, rows)
    assert left["prompt_id"].to_list() == [f"train-None-{LONG.upper()}", "train-None-How far"]
    account = {"stage": "deduplicate", "in": 6, "out": 2, "rejected": {"near_copy": 1, "same_words": 3}}
    assert record.accounts == [account]
    assert (record.notes["groups"], record.notes["largest"]) == (2, 4)
    first = record.notes["examples"][0]
    assert first == {
        "kept": LONG.upper(),
        "dropped": f"{LONG} again",
        "similarity": 0.941,
        "exact": False,
    }  # 16 of 17
    copies = read_table(tmp_path / DUPLICATE_PROMPTS, DUPLICATES)
    assert set(copies["kept"]) == set(left["prompt_id"])
    assert not set(copies["prompt_id"]) & set(left["prompt_id"])


def test_prompts_under_other_system_messages_and_of_the_other_split_are_no_copies(tmp_path):
    rows = [a_prompt(LONG), a_prompt(LONG, system="Be kind."), a_prompt(LONG, split="test")]
    assert run_stage(tmp_path, rows)[0].height == 3


def test_the_same_prompts_in_another_order_give_the_same_bytes(tmp_path):
    rows = [a_prompt(text) for text in (LONG, f"{LONG} now", f"{LONG} then", "How far?")]
    hashes = []
    for name, given in (("a", rows), ("b", rows[::-1])):
        (tmp_path / name).mkdir()
        left, _ = run_stage(tmp_path / name, given)
        hashes.append((set(left["prompt_id"]), file_hash(tmp_path / name / DUPLICATE_PROMPTS)))
    assert hashes[0] == hashes[1]


def test_near_copies_of_a_test_prompt_are_held_out_with_it(tmp_path):
    """A prompt of a file and its near copies are on one side of the run's own split."""
    words = [f"w{k % 7}x{k}" for k in range(900)]
    asked = [" ".join(words[k : k + 30]) for k in range(0, 900, 30)]
    rows = [{"prompt": text, "said": "y"} for pair in ((a, f"{a} please") for a in asked) for text in pair]
    recipe = recipe_for(write_rows(tmp_path / "rows.jsonl", rows))
    manifest = Manifest.open(tmp_path / "run")
    run_stages(tmp_path / "run", recipe, [prompts.stage(recipe)], manifest, perform_here)
    table = read_table(tmp_path / "run" / "tables/prompts.parquet", PROMPTS)
    sides: dict[str, set[str]] = {}
    for messages, split in table.select("messages", "split").iter_rows():
        sides.setdefault(messages[0]["content"].removesuffix(" please"), set()).add(split)
    assert len(sides) == 30 and all(len(both) == 1 for both in sides.values())
    assert set.union(*sides.values()) == {"train", "test"}


def test_the_commands_for_files(tmp_path, capsys):
    rows = [{"prompt": text, "n": k} for k, text in enumerate([LONG, f"{LONG} again", "How far?", "Why?"])]
    path, out = write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out"
    assert main(["deduplicate", str(path), "--column", "prompt", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("deduplicate 4 kept 3 near_copy 1\n")
    assert len(read_rows(out / "rows.jsonl")) == 3

    sides = tmp_path / "sides"
    asked = ["split", str(path), "--column", "prompt", "--out", str(sides), "--test", "0.5", "--seed", "3"]
    assert main(asked) == 0
    assert "groups 3, largest 2 rows" in capsys.readouterr().out
    n = [row["n"] for side in ("train", "test") for row in lines(sides / side / "rows.jsonl")]
    assert sorted(n) == [0, 1, 2, 3]

    assert main([*asked[:-4], "--test", "1"]) == 2
    assert "--test is a share" in capsys.readouterr().err
    assert main(["deduplicate", str(path), "--column", "q", "--out", str(tmp_path / "no")]) == 2
    assert "no column 'q'" in capsys.readouterr().err


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]

"""Whole files: every kind of column, one output however the work is cut, rows of a prompt share its fate."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.decontamination import REPORT, FilesResult, Settings, decontaminate_files
from curation.eval_sets import EvalSet, EvalText
from store.errors import InputError
from store.shards import read_table

LEAK = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take in all?"
)
SHORT = "Name a prime."
EVALS = [
    EvalSet("e", "here", None, None, None, "math", [EvalText("0", "q", LEAK), EvalText("1", "q", SHORT)], 2)
]
CLEAN = [f"What is {i} plus {i + 1}, and is it even when you add {i} to it once more?" for i in range(40)]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def run(tmp_path: Path, *files: Path, out: str = "out", **options: Any) -> FilesResult:
    fields = options.pop("fields", None)
    return decontaminate_files(files, EVALS, Settings(), fields, tmp_path / out, **options)


def found(result: FilesResult) -> list[tuple[str, str, str, str]]:
    columns = ("row_id", "field", "eval_row", "action")
    return read_table(result.report, REPORT).select(columns).cast(pl.String).rows()  # type: ignore[return-value]


def conversation(user: str, assistant: str) -> list[dict[str, str]]:
    system = {"role": "system", "content": LEAK}  # not compared
    return [system, {"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


def test_strings_lists_and_conversations_are_compared_as_what_they_are(tmp_path: Path) -> None:
    rows = [
        {"question": LEAK, "answer": "7", "steps": ["one", "two"], "note": "x", "n": 1},
        {"question": CLEAN[0], "answer": LEAK, "steps": ["so:", LEAK, "done"], "note": LEAK, "n": 2},
        {"question": "name a PRIME", "answer": None, "steps": None, "note": "", "n": 3},
        {"question": CLEAN[1], "answer": SHORT, "steps": [SHORT, ""], "note": "", "n": 4},
    ]
    a = lines(tmp_path / "a.jsonl", rows)
    pairs = [(CLEAN[2], LEAK), (LEAK, "no"), (CLEAN[3], "yes")]
    b = tmp_path / "b.parquet"
    pl.DataFrame({"chosen": [conversation(*pair) for pair in pairs], "margin": [1, 2, 3]}).write_parquet(b)
    result = run(tmp_path, a, b)
    assert found(result) == [
        ("a.jsonl:0", "question", "0", "drop"),
        ("a.jsonl:1", "answer", "0", "warn"),
        ("a.jsonl:1", "steps", "0", "warn"),
        ("a.jsonl:2", "question", "1", "drop"),
        ("b.parquet:0", "chosen/assistant", "0", "warn"),
        ("b.parquet:1", "chosen/user", "0", "drop"),
    ]
    assert result.not_scanned == {"a.jsonl": ["note"], "b.parquet": ["chosen/system"]}
    assert result.account.to_dict() == {
        "stage": "decontaminate",
        "in": 7,
        "out": 4,
        "rejected": {"touches_eval_set": 3},
    }
    kept = (tmp_path / "out/a.jsonl").read_text().splitlines()
    assert kept == [json.dumps(rows[1]), json.dumps(rows[3])]
    assert pl.read_parquet(tmp_path / "out/b.parquet")["margin"].to_list() == [1, 3]
    (totals,) = result.totals.to_dicts()
    assert (totals["hit"], totals["prompts_dropped"], totals["completions_warned"]) == (2, 3, 2)


def test_offsets_count_in_the_joined_text(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", [{"prompt": "x", "steps": ["é first", LEAK, "end"]}])
    (row,) = read_table(run(tmp_path, file).report, REPORT).to_dicts()
    text = "\n".join(["é first", LEAK, "end"])
    assert row["rule"] == "exact" and row["span"] == LEAK.rstrip("?")
    assert text[row["spans"][0]["start"] : row["spans"][0]["end"]] == row["span"]


def test_all_rows_of_a_dropped_prompt_go_in_its_file_alone(tmp_path: Path) -> None:
    rows = [{"prompt_id": i, "prompt": text} for i, text in [("1", LEAK), ("2", "x"), ("1", "about it")]]
    a = lines(tmp_path / "a.jsonl.gz", rows)
    b = lines(tmp_path / "b.jsonl", [{"prompt_id": 1, "prompt": "of another set"}])
    result = run(tmp_path, a, b)
    assert result.account.rejected == {"touches_eval_set": 1, "prompt_touches_eval_set": 1}
    left = gzip.decompress((tmp_path / "out/a.jsonl.gz").read_bytes()).decode().splitlines()
    assert [json.loads(line)["prompt_id"] for line in left] == ["2"]
    assert (tmp_path / "out/b.jsonl").read_text() == b.read_text()


@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("from", "value")])
def test_whoever_speaks_is_scanned_and_unknown_speakers_are_named(
    tmp_path: Path, who: str, what: str
) -> None:
    said = ["user", " USER", "Human", "prompter", "Wizard", None, "Assistant", "Bot", "System", "tool"]
    rows = [{"messages": [{who: "user", what: "hello"}, {who: speaker, what: LEAK}]} for speaker in said]
    result = run(tmp_path, lines(tmp_path / "a.jsonl", rows), batch_rows=3)
    by_user = [(f"a.jsonl:{i}", "messages/user", "0", "drop") for i in range(6)]
    by_assistant = [(f"a.jsonl:{i}", "messages/assistant", "0", "warn") for i in (6, 7)]
    assert found(result) == by_user + by_assistant
    assert result.speakers == {"a.jsonl": {"messages/(none)": 1, "messages/wizard": 1}}
    assert result.not_scanned == {"a.jsonl": ["messages/system", "messages/tool"]}


def test_no_more_than_a_few_speakers_are_named(tmp_path: Path) -> None:
    turns = [{"role": f"s{i}" * 50, "content": "hello"} for i in range(100)]
    result = run(tmp_path, lines(tmp_path / "a.jsonl", [{"messages": turns}] * 2))
    assert len(result.speakers["a.jsonl"]) == 21 and sum(result.speakers["a.jsonl"].values()) == 200
    assert result.speakers["a.jsonl"]["messages/(others)"] == 160


def test_categories_are_texts_and_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    parts = [[{"role": "user", "content": [{"type": "text", "text": LEAK}]}]]
    table = pl.DataFrame({"prompt": [LEAK], "messages": parts, "size": [3], "tags": [{"a": [1], "b": "x"}]})
    table.cast({"prompt": pl.Categorical}).write_parquet(tmp_path / "a.parquet")
    mixed = lines(tmp_path / "b.jsonl", [{"prompt": "x", "chosen": LEAK}, {"prompt": "y", "chosen": [LEAK]}])
    result = run(tmp_path, tmp_path / "a.parquet", mixed)
    assert found(result) == [("a.parquet:0", "prompt", "0", "drop")]
    assert result.not_scanned == {"a.parquet": ["messages", "tags"], "b.jsonl": ["chosen"]}


def test_the_output_is_the_same_however_the_work_is_cut(tmp_path: Path) -> None:
    texts = [LEAK if i % 7 == 3 else CLEAN[i] for i in range(40)]
    a = lines(
        tmp_path / "a.jsonl",
        [{"prompt": text, "response": LEAK if i % 5 == 0 else "no"} for i, text in enumerate(texts)],
    )
    b = tmp_path / "b.parquet"
    pl.DataFrame({"question": texts[::-1]}).write_parquet(b, row_group_size=4)
    cuts = {"one": {}, "two": {"batch_rows": 3}, "three": {"workers": 2, "batch_rows": 11}}
    for out, options in cuts.items():
        assert run(tmp_path, a, b, out=out, **options).account.kept == 68
    for name in ("a.jsonl", "b.parquet", "contamination.parquet"):
        assert len({(tmp_path / out / name).read_bytes() for out in cuts}) == 1


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        ({"body": "x"}, None, "which column is the prompt"),
        ({"prompt": "x"}, {"promt": "prompt"}, "no column 'promt' with texts"),
        ({"prompt": 3}, {"prompt": "prompt"}, "no column 'prompt' with texts"),
    ],
)
def test_columns_are_checked_first(tmp_path: Path, row: dict[str, Any], fields: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path, lines(tmp_path / "a.jsonl", [row]), fields=fields)
    assert not (tmp_path / "out/contamination.parquet").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", [{"prompt": "x"}])
    with pytest.raises(InputError, match="would be overwritten"):
        run(tmp_path, file, out=".")
    (tmp_path / "sub").mkdir()
    other = lines(tmp_path / "sub/a.jsonl", [{"prompt": "x"}])
    with pytest.raises(InputError, match="would overwrite each other"):
        run(tmp_path, file, other)


def test_a_bad_line_leaves_no_report_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"prompt": "x"}) + "\n" for _ in range(1200)) + "{broken\n")
    with pytest.raises(InputError, match="a.jsonl:1201"):
        run(tmp_path, file)
    assert not list((tmp_path / "out").glob("*"))

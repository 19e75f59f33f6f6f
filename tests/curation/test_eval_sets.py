"""Eval sets: what a declaration says, which texts a row has, and that nothing goes uncompared in silence."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from fake_hub import FakeHub, Repo

from curation.eval_sets import KINDS, benchmarks, declared, eval_set_from_prompts, load, suites
from curation.eval_sets.extract import texts_of_row
from store.errors import InputError
from store.tables import PROMPTS

ROWS = [
    {"id": "a", "question": "How many ducks are in the pond?", "passage": "Ten swam, four flew off.", "n": 6},
    {"id": "b", "question": "Who won?", "passage": None, "n": 1},
    {"id": "c", "question": None, "passage": "  ", "n": 0},
]


def texts(row: dict[str, Any], *columns: str) -> list[tuple[str, str]]:
    return [(text.field, text.text) for text in texts_of_row(row, "0", columns, "here")]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# Declarations


def test_every_benchmark_says_what_it_is_and_where_its_columns_were_seen() -> None:
    seen = {"card", "file", "tulu3", "decon", "code"}
    assert {b.kind for b in benchmarks().values()} == set(KINDS)
    assert [b.name for b in benchmarks().values() if not b.checked or set(b.checked.split()) - seen] == []


def test_every_suite_names_benchmarks_that_there_are() -> None:
    for name, members in suites().items():
        assert set(members) <= set(benchmarks()), name
        assert [d.name for d in declared([name])] == list(members)


def test_no_suite_hides_a_benchmark_of_its_name() -> None:
    assert not set(suites()) & set(benchmarks())


def test_the_default_suite_has_what_reward_models_are_measured_on() -> None:
    expected = {"rewardbench", "rewardbench-2", "processbench", "prmbench", "prm800k-test", "math-500"}
    assert expected | {"gsm8k", "ifeval", "ifbench", "mt-bench", "alpacaeval"} <= set(suites()["default"])


def test_a_benchmark_in_two_suites_is_one_set() -> None:
    names = [d.name for d in declared(["instruction", "ifeval", {"name": "ifbench"}])]
    assert names == list(suites()["instruction"])


def test_a_local_copy_keeps_columns_and_kind_of_the_benchmark() -> None:
    (copy,) = declared([{"name": "gsm8k", "path": "here.jsonl"}])
    assert (copy.columns, copy.kind, copy.dataset, copy.configs) == (("question",), "math", None, ())


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (["gsmk8"], "no eval set or suite 'gsmk8'; did you mean 'gsm8k'?"),
        ([{"path": "x.jsonl", "columns": "q"}], "give it a name"),
        ([{"name": "mine", "columns": "q"}], "exactly one of path"),
        ([{"name": "mine", "path": "x.jsonl", "dataset": "a/b", "columns": "q"}], "exactly one of path"),
        ([{"name": "mine", "path": "x.jsonl"}], "name the column"),
        (
            [{"name": "mine", "path": "x.jsonl", "column": "q"}],
            "no setting 'column'; did you mean 'columns'?",
        ),
        ([{"name": "mine", "path": "x.jsonl", "columns": "q", "kind": "maths"}], "'maths' is none of math"),
        (["gsm8k", {"name": "gsm8k", "path": "x.jsonl"}], "'gsm8k' is selected twice"),
    ],
)
def test_a_wrong_selection_says_how_to_mend_it(selection: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        declared(selection)


# Texts of a row


def test_each_column_is_a_text_and_empty_ones_are_none() -> None:
    assert texts({"a": "one", "b": "two", "c": None, "d": " "}, "a", "b", "c", "d") == [
        ("a", "one"),
        ("b", "two"),
    ]


def test_joined_columns_are_one_text_without_their_empty_parts() -> None:
    assert texts({"p": "Passage.", "q": "Who?"}, "p+q") == [("p+q", "Passage.\nWho?")]
    assert texts({"p": None, "q": "Who?"}, "p+q") == [("p+q", "Who?")]
    assert texts({"q": "Which?", "choices": {"text": ["red", "blue"]}}, "q+choices.text") == [
        ("q+choices.text", "Which?\nred\nblue")
    ]
    assert texts({"p": None, "q": ""}, "p+q") == []


def test_a_list_of_texts_is_several_texts_named_by_their_place() -> None:
    assert texts({"prompt": ["First turn", "Second turn"]}, "prompt") == [
        ("prompt.0", "First turn"),
        ("prompt.1", "Second turn"),
    ]
    assert texts({"prompt": ["Only turn"]}, "prompt") == [("prompt", "Only turn")]


def test_of_a_conversation_the_user_messages_are_compared() -> None:
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Why?"},
    ]
    assert texts({"chat": talk}, "chat") == [("chat.1", "Hello?"), ("chat.3", "Why?")]


def test_a_path_reaches_into_objects_and_lists() -> None:
    row = {"turns": [{"content": "one"}, {"content": "two"}], "conv": [{"user": "u0"}, {"user": "u1"}]}
    assert texts(row, "turns.content") == [("turns.0.content", "one"), ("turns.1.content", "two")]
    assert texts(row, "conv.1.user") == [("conv.1.user", "u1")]
    assert texts(row, "conv.7.user") == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("prompts", r"here: no column 'prompts' \(it has 'prompt', 'meta'\); did you mean 'prompt'\?"),
        ("meta.tpoic", r"no column 'tpoic' in 'meta' \(it has 'topic'\)"),
        ("prompt.text", "no column 'text' in 'prompt', which is not an object"),
        ("meta", "'meta' is an object .* name one of its fields"),
    ],
)
def test_a_wrong_column_is_an_error_that_names_the_columns(column: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        texts({"prompt": "x", "meta": {"topic": "y"}}, column)


# Loading


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz", "set.json", "set.parquet", "set.csv"])
def test_every_kind_of_file_gives_the_same_set(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [{key: row[key] for key in ("id", "question", "passage")} for row in ROWS]
    if name.endswith(".parquet"):
        pl.DataFrame(rows).write_parquet(path)
    elif name.endswith(".csv"):
        pl.DataFrame(rows).write_csv(path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    elif name.endswith(".json"):
        path.write_text(json.dumps(rows))
    else:
        write(path, rows)
    (found,) = load([{"name": "mine", "path": str(path), "columns": "question", "id": "id"}]).sets
    assert [(t.row, t.text) for t in found.texts] == [("a", ROWS[0]["question"]), ("b", "Who won?")]
    assert (found.n_rows, found.source, found.kind, found.revision) == (3, name, "chat", None)


def test_a_folder_of_parquet_files_loads_as_a_dataset_of_the_hub_does(tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "data"
    folder.mkdir(parents=True)
    pl.DataFrame(ROWS).write_parquet(folder / "test-00000-of-00001.parquet")
    pl.DataFrame(ROWS[:1]).write_parquet(folder / "train-00000-of-00001.parquet")
    own = {"name": "mine", "dataset": str(tmp_path / "repo"), "columns": ["passage+question"]}

    (test,) = load([own]).sets
    assert [t.row for t in test.texts] == ["0", "1"]
    assert test.texts[0].text == "Ten swam, four flew off.\nHow many ducks are in the pond?"
    assert (test.n_rows, test.split) == (3, "test")

    (both,) = load([own | {"splits": ["train", "test"], "id": "id", "limit": 1}]).sets
    assert [t.row for t in both.texts] == ["train/a", "test/a"]
    assert both.split == "train+test"

    with pytest.raises(InputError, match=r"no column 'qestion' .*'question'.* did you mean 'question'\?"):
        load([own | {"columns": "qestion"}], missing="skip")


def test_named_data_files_are_read_where_a_repository_has_no_splits(tmp_path: Path) -> None:
    for config in ("easy", "hard"):
        (tmp_path / config / "test").mkdir(parents=True)
        write(tmp_path / config / "test" / "0.jsonl", [{"q": f"{config} question"}])
    own = {"name": "mine", "dataset": str(tmp_path), "columns": "q", "configs": ["easy", "hard"]}
    (found,) = load([own | {"files": "{config}/{split}/*.jsonl"}]).sets
    assert [(t.row, t.text) for t in found.texts] == [
        ("easy/0", "easy question"),
        ("hard/0", "hard question"),
    ]
    assert found.config == "easy+hard"


LOAD = """
import json, sys
from curation.eval_sets import load
for s in load(json.loads(sys.argv[1])).sets:
    print(json.dumps([s.name, s.config, s.revision, s.fingerprint, [tuple(t) for t in s.texts]]))
"""


def test_repositories_of_the_hub_are_read_as_declared_and_their_commit_is_recorded(tmp_path: Path) -> None:
    def parquet(question: str) -> bytes:
        file = io.BytesIO()
        pl.DataFrame({"id": [7], "question": [question]}).write_parquet(file)
        return file.getvalue()

    plain = {"README.md": b"# plain", "data/test-00000-of-00001.parquet": parquet("Plain?")}
    beside = {"script.py": b"", "alpaca_eval.json": json.dumps([{"question": "Beside a script?"}]).encode()}
    converted = {f"{c}/test/0000.parquet": parquet(f"Converted, {c}?") for c in ("one", "two")}
    parquet_branch = {"main": 0, "refs/convert/parquet": 1}
    selection = [
        {"name": "plain", "dataset": "tester/plain", "columns": "question", "id": "id"},
        {"name": "beside", "dataset": "tester/beside", "columns": "question", "files": "alpaca_eval.json"},
        {
            "name": "converted",
            "dataset": "tester/script",
            "columns": "question",
            "configs": ["one", "two"],
            "revision": "refs/convert/parquet",
            "files": "{config}/{split}/*.parquet",
        },
    ]
    with FakeHub() as hub:
        hub.repos["datasets", "tester/plain"] = Repo(False, [plain])
        hub.repos["datasets", "tester/beside"] = Repo(False, [beside])
        hub.repos["datasets", "tester/script"] = Repo(
            False, [{"script.py": b""}, converted], [], parquet_branch
        )
        env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", LOAD, json.dumps(selection)],
            env=env,
            cwd=root,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    found = {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}
    assert found["plain"][3] == [["7", "question", "Plain?"]]
    assert found["beside"][3] == [["0", "question", "Beside a script?"]]
    assert found["converted"][3] == [
        ["one/0", "question", "Converted, one?"],
        ["two/0", "question", "Converted, two?"],
    ]
    assert found["plain"][1] == found["beside"][1] == f"{0:040x}"
    assert found["converted"][:2] == ["one+two", f"{1:040x}"]


def test_a_set_that_cannot_be_loaded_stops_or_is_listed_as_not_compared(tmp_path: Path) -> None:
    here = write(tmp_path / "here.jsonl", [{"q": "What is the time?"}])
    selection = [
        {"name": "gone", "path": str(tmp_path / "gone.jsonl"), "columns": "q"},
        {"name": "far", "dataset": "nobody/nothing", "columns": "q"},
        {"name": "here", "path": str(here), "columns": "q"},
    ]
    with pytest.raises(InputError, match=r"'gone'.*no such file"):
        load(selection)
    with pytest.raises(InputError, match=r"'far': nobody/nothing .* or give a local copy: {name: far, path"):
        load(selection[1:])
    found = load(selection, missing="skip")
    assert [s.name for s in found.sets] == ["here"]
    assert [(n.name, n.source) for n in found.not_compared] == [
        ("gone", "gone.jsonl"),
        ("far", "nobody/nothing"),
    ]


def test_columns_without_any_text_are_an_error_whatever_missing_says(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.jsonl", [{"q": None}, {"q": " "}])
    with pytest.raises(InputError, match=r"column\(s\) q hold no text in 2 rows"):
        load([{"name": "mine", "path": str(path), "columns": "q"}], missing="skip")


def test_the_fingerprint_is_of_the_words_and_not_of_their_order_case_or_place(tmp_path: Path) -> None:
    rows = [{"q": f"Question {i}: what's {i} times two?"} for i in range(20)]
    shuffled = [{"q": row["q"].upper().replace("?", " ...")} for row in rows]
    Random(0).shuffle(shuffled)
    prints = []
    for name, content in [("a", rows), ("b", shuffled), ("c", rows[:-1]), ("d", rows + rows[-1:])]:
        path = write(tmp_path / f"{name}.jsonl", content)
        prints.append(load([{"name": name, "path": str(path), "columns": "q"}]).sets[0].fingerprint)
    assert prints[0] == prints[1]
    assert len({*prints[1:]}) == 3
    assert len(prints[0]) == 64


def test_the_held_out_prompts_of_a_run_are_an_eval_set() -> None:
    turns = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"}]
    turns.append({"role": "user", "content": "Two?"})
    rows = [
        {"prompt_id": "p2", "messages": turns, "split": "test"},
        {"prompt_id": "p1", "messages": turns[:1], "split": "train"},
    ]
    prompts = pl.DataFrame(rows).select(
        pl.col(name).cast(dtype) if name in rows[0] else pl.lit(None, dtype).alias(name)
        for name, dtype in PROMPTS.items()
    )
    found = eval_set_from_prompts("own", prompts)
    assert [tuple(t) for t in found.texts] == [
        ("p2", "messages.0.content", "One?"),
        ("p2", "messages.2.content", "Two?"),
    ]
    assert (found.n_rows, found.split) == (1, "test")


def test_benchmarks_in_their_published_files_are_read_by_their_declarations(shared_data: Path) -> None:
    files = {
        "gsm8k": ("gsm8k/test.jsonl", 1319),
        "math-500": ("math500/test.jsonl", 500),
        "processbench": ("processbench/gsm8k.json", 400),
        "humaneval": ("humaneval/HumanEval.jsonl.gz", 164),
        "ifeval": ("ifeval/input_data.jsonl", 540),
        "ifbench": ("ifbench/IFBench_test.jsonl", 300),
    }
    found = load([{"name": name, "path": str(shared_data / path)} for name, (path, _) in files.items()])
    assert {s.name: s.n_rows for s in found.sets} == {name: rows for name, (_, rows) in files.items()}
    assert all(len(s.texts) == s.n_rows for s in found.sets)
    assert {t.field for t in found.sets[2].texts} == {"problem"}
    assert found.sets[4].texts[0].row == "1000"


UNREACHABLE = """
import json, time
import datasets.config
time.sleep = lambda seconds: None  # between the tries of the client
from curation.eval_sets import load
names = ["far", "farther", "farthest"]
found = load([{"name": name, "dataset": f"nobody/{name}", "columns": "q"} for name in names], "skip")
print(json.dumps([[one.name, one.reason] for one in found.not_compared] + [datasets.config.HF_HUB_OFFLINE]))
"""


def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path: Path) -> None:
    """Nothing listens on port 9; the client tries again and again before it says so."""
    env = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", UNREACHABLE]
    done = subprocess.run(command, env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *not_compared, offline = json.loads(done.stdout)
    assert [name for name, _ in not_compared] == ["far", "farther", "farthest"] and offline is False
    assert ["OfflineModeIsEnabled" in reason for _, reason in not_compared] == [False, True, True]

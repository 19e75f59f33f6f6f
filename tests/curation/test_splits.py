"""No near copy of a test prompt is on the train side, whatever the seed, the fraction and the order."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.duplicates.files import DUPLICATES, deduplicate_files
from curation.duplicates.rule import Rule
from curation.splits import dominated, prompt_groups, split_by_group, split_files
from store.errors import InputError
from store.ids import content_id
from store.inputs import read_rows
from store.shards import read_table

WORDS = "river lamp stone bread cloud horse wheel paper glass ship tower field bell rope coat".split()


def prompts(n: int = 120) -> pl.DataFrame:
    """Each question twice, the second time with one word more, under one of two system messages."""
    draw, rows = random.Random(4), []
    for k in range(n):
        words = [draw.choice(WORDS) + str(draw.randrange(99)) for _ in range(30)]
        for text in (" ".join(words), " ".join([*words[:9], "really", *words[9:]])):
            rows.append([{"role": "system", "content": f"kind {k % 2}"}, {"role": "user", "content": text}])
    return pl.DataFrame({"prompt_id": [content_id("prompt", row) for row in rows], "messages": rows})


def sides(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.select("prompt_id", "group").iter_rows())


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_on_one_side(seed):
    table = prompts()
    groups = prompt_groups(table)
    assert groups["group"].n_unique() == 120
    frame = pl.concat([table, table, table]).with_row_index()
    train, test = split_by_group(frame, groups, 0.3, seed)
    assert train.height + test.height == frame.height
    assert train["index"].is_sorted() and test["index"].is_sorted()
    left, right = (set(part.join(groups, "prompt_id")["group"]) for part in (train, test))
    assert not left & right
    assert 0.15 < len(right) / 120 < 0.45


def test_other_prompts_and_their_order_move_nothing():
    table = prompts()
    groups = prompt_groups(table)
    some = table[: 2 * 40].reverse()
    mine = prompt_groups(some)
    assert sides(mine) == {i: group for i, group in sides(groups).items() if i in set(some["prompt_id"])}
    small, large = (split_by_group(f, g, 0.3)[1]["prompt_id"] for f, g in ((some, mine), (table, groups)))
    assert set(small) == set(large) & set(some["prompt_id"])


def test_a_larger_test_side_keeps_the_smaller_one():
    table = prompts()
    groups = prompt_groups(table)
    few, many = (set(split_by_group(table, groups, share)[1]["prompt_id"]) for share in (0.1, 0.5))
    assert few < many


def test_a_prompt_without_a_group_is_refused():
    table = prompts(3)
    with pytest.raises(InputError, match=f"prompt {table['prompt_id'][0]} is in no group"):
        split_by_group(table, prompt_groups(table[2:]), 0.5)


def test_nothing_is_held_out_of_an_empty_set():
    train, test = split_by_group(prompts(1)[:0], prompt_groups(prompts(1)), 0.5)
    assert train.height == test.height == 0


def written(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_files_are_split_by_group(tmp_path):
    rows = [{"messages": row, "k": k} for k, row in enumerate(prompts(60)["messages"].to_list())]
    a = written(tmp_path / "a.jsonl", rows[::2])  # its near copies are all in the other file
    pl.DataFrame(rows[1::2]).write_parquet(tmp_path / "b.parquet")
    sizes = split_files([a, tmp_path / "b.parquet"], tmp_path / "out", ["messages"], 0.4, seed=1)
    found = {
        side: {
            row["k"] // 2 for name in ("a.jsonl", "b.parquet") for row in read(tmp_path / "out" / side / name)
        }
        for side in ("train", "test")
    }
    assert not found["train"] & found["test"] and found["train"] | found["test"] == set(range(60))
    assert sizes == {
        "train": 2 * len(found["train"]),
        "test": 2 * len(found["test"]),
        "groups": 60,
        "largest": 2,
    }
    assert 10 < len(found["test"]) < 38


def read(path: Path) -> list[dict]:
    return read_rows(path)


def test_files_without_copies(tmp_path):
    base = "the quick brown fox jumps over the lazy dog and runs far away from here"
    rows = [
        {"prompt": base, "chosen": "a"},
        {"prompt": base, "chosen": "b"},  # the same prompt, another pair
        {"prompt": base.upper() + ".", "chosen": "c"},  # the same words
        {"prompt": base + " today", "chosen": "d"},  # nearly
        {"prompt": "something else entirely", "chosen": "e"},
        {"prompt": None, "chosen": "f"},
    ]
    path = written(tmp_path / "rows.jsonl", rows)
    account, facts = deduplicate_files([path], tmp_path / "rows", ["prompt"], Rule())
    report = read_table(tmp_path / "rows" / "duplicates.parquet", DUPLICATES)
    assert (account.rows_in, account.kept, sum(account.rejected.values())) == (6, 3, 3)
    left = [row["chosen"] for row in read(tmp_path / "rows" / "rows.jsonl")]
    assert len(left) == 3 and left[1:] == ["e", "f"]
    assert facts == {"groups": 3, "largest": 4, "numbers_differ": 0, "nothing_to_compare": 1}
    (kept,) = report["kept_row"].unique()  # of the four it is one that a hash of the texts chooses
    assert report["row"].to_list() == [row for row in range(4) if row != kept]
    words = [0 if row == 3 else 1 for row in range(4)]
    assert report["exact"].to_list() == [words[row] == words[kept] for row in report["row"]]
    assert report["similarity"].to_list() == pytest.approx([1 if e else 11 / 12 for e in report["exact"]])

    deduplicate_files([path], tmp_path / "whole", ["prompt"], Rule(), together=True)
    kept = [row["chosen"] for row in read(tmp_path / "whole" / "rows.jsonl")]
    assert kept in (["a", "b", "e", "f"], ["c", "e", "f"], ["d", "e", "f"])

    account, _ = deduplicate_files([path], tmp_path / "within", ["prompt"], Rule(), within=["chosen"])
    assert account.kept == 6
    summary = json.loads((tmp_path / "within" / "summary.json").read_text())
    assert (summary["in"], summary["groups"], summary["largest"]) == (6, 6, 1)


def kept_of(tmp_path: Path, rows: list[dict], *columns: str, **more) -> list[int]:
    """The numbers of the rows that stay."""
    path = written(tmp_path / "rows.jsonl", [row | {"n": k} for k, row in enumerate(rows)])
    deduplicate_files([path], tmp_path / "out", columns, Rule(), **more)
    return [row["n"] for row in read(tmp_path / "out" / "rows.jsonl")]


def talk(*messages: tuple[str, str]) -> dict:
    return {"m": [{"role": role, "content": content} for role, content in messages]}


@pytest.mark.parametrize(
    "other",
    [
        (("system", "You are a lawyer."), ("user", "Hi there"), ("assistant", "friend")),
        (("user", "Hi there"), ("assistant", "friend")),
        (("system", "You are a pirate."), ("user", "Hi"), ("assistant", "there friend")),
        (("system", "You are a pirate."), ("user", "Hi there"), ("user", "friend")),
    ],
)
def test_other_system_messages_roles_and_turns_make_other_rows(tmp_path, other):
    one = (("system", "You are a pirate."), ("user", "Hi there"), ("assistant", "friend"))
    loud = [(role, text.upper() if role != "system" else text) for role, text in one]
    kept = kept_of(tmp_path, [talk(*one), talk(*other), talk(*loud)], "m")
    assert len(kept) == 2 and 1 in kept


def test_rows_with_nothing_to_compare_stay(tmp_path):
    rows = [{"t": None}, {"t": ""}, {}, {"t": " "}, {"t": "x"}, {"t": "x"}]
    assert len(kept_of(tmp_path, rows, "t")) == 5
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["nothing_to_compare"] == 4


def test_messages_of_the_system_alone_stay(tmp_path):
    assert len(kept_of(tmp_path, [talk(("system", f"Rule {k}")) for k in range(5)], "m")) == 5


def test_columns_are_compared_each_by_itself(tmp_path):
    rows = [{"a": a, "b": b} for a, b in (("yes it is", "no"), ("yes", "it is no"), (None, "yes it is no"))]
    assert kept_of(tmp_path, rows, "a", "b") == [0, 1, 2]


def test_values_and_items_are_not_run_together(tmp_path):
    rows = [{"t": "same", "a": "x\ny", "b": "z"}, {"t": "same", "a": "x", "b": "y\nz"}]
    assert kept_of(tmp_path, rows, "t", within=["a", "b"]) == [0, 1]


def test_items_of_lists_are_told_apart(tmp_path):
    assert kept_of(tmp_path, [{"s": ["a", "b"]}, {"s": ["a\nb"]}], "s") == [0, 1]


def test_what_a_killed_run_left_is_replaced(tmp_path):
    path = written(tmp_path / "rows.jsonl", [{"p": f"text {word}"} for word in WORDS])
    out = tmp_path / "out"
    (out / ".unfinished" / "sketches").mkdir(parents=True)
    (out / "train").mkdir()
    (out / "train" / "rows.jsonl").write_text("half")
    sizes = split_files([path], out, ["p"], 0.5)
    assert (
        sizes["train"] + sizes["test"]
        == len(WORDS)
        == len(read(out / "train" / "rows.jsonl")) + sizes["test"]
    )
    assert sorted(p.name for p in out.iterdir()) == ["summary.json", "test", "train"]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["train"], summary["seed"], summary["columns"]) == (sizes["train"], 0, ["p"])
    with pytest.raises(InputError, match="rows.jsonl: exists"):
        split_files([path], out, ["p"], 0.5)


def test_a_file_is_never_replaced_by_its_copy(tmp_path):
    path = written(tmp_path / "rows.jsonl", [{"p": "x"}])
    (tmp_path / ".unfinished").mkdir()
    with pytest.raises(InputError, match="rows.jsonl: exists"):
        deduplicate_files([path], tmp_path, ["p"], Rule())


def test_an_empty_side_is_refused(tmp_path):
    rows = [{"p": "the same few words of a row", "n": k} for k in range(9)]
    path = written(tmp_path / "rows.jsonl", [*rows, {"p": "x"}])
    with pytest.raises(
        InputError, match="the test side would be empty: 10 rows are 2 groups .* 90% of the rows"
    ):
        split_files([path], tmp_path / "out", ["p"], 0.001)
    with pytest.raises(InputError, match="the train side would be empty"):
        split_files([path], tmp_path / "out", ["p"], 0.999)
    assert not list((tmp_path / "out").iterdir())


def test_dominated_says_the_share():
    assert dominated(10, 5) is None
    assert "60% of the 10 rows" in dominated(10, 6)


def test_files_without_rows_are_no_reason_to_stop(tmp_path):
    path, empty = written(tmp_path / "a.jsonl", [{"p": "x"}]), written(tmp_path / "b.jsonl", [])
    account, _ = deduplicate_files([path, empty], tmp_path / "out", ["p"], Rule())
    assert account.kept == 1 and (tmp_path / "out" / "b.jsonl").read_bytes() == b""
    with pytest.raises(InputError, match="no rows in this file"):
        deduplicate_files([empty], tmp_path / "none", ["p"], Rule())


def test_columns_of_every_kind(tmp_path):
    table = pa.table(
        {
            "view": pa.array(["x", "X.", "y"], pa.string_view()),
            "views": pa.array([["x"], ["x"], ["y"]], pa.list_(pa.string_view())),
            "fixed": pa.array([["a", "b"], ["a", "b"], ["a", "c"]], pa.list_(pa.string(), 2)),
            "map": pa.array([[("a", "b")]] * 3, pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    for name in ("view", "views", "fixed"):
        account, _ = deduplicate_files([tmp_path / "rows.parquet"], tmp_path / name, [name], Rule())
        kept = pq.read_table(tmp_path / name / "rows.parquet")
        assert account.kept == kept.num_rows == 2 and kept.schema == table.schema
    with pytest.raises(InputError, match="column 'map' holds .* neither texts nor messages"):
        deduplicate_files([tmp_path / "rows.parquet"], tmp_path / "map", ["map"], Rule())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written"):
        deduplicate_files([tmp_path / "rows.parquet"], tmp_path / "file", ["view"], Rule())


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    (tmp_path / "more").mkdir()
    path, other = (
        written(tmp_path / name, [{"prompt": "x", "n": {"a": 1}}])
        for name in ("rows.jsonl", "more/rows.jsonl")
    )
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no column 'promt'.*did you mean 'prompt'"):
        deduplicate_files([path], out, ["promt"], Rule())
    with pytest.raises(InputError, match="column 'n' holds .* neither texts nor messages"):
        deduplicate_files([path], out, ["n"], Rule())
    with pytest.raises(InputError, match="two files to write are called rows.jsonl"):
        deduplicate_files([path, other], out, ["prompt"], Rule())
    with pytest.raises(InputError, match="rows.jsonl: exists"):
        deduplicate_files([path], tmp_path, ["prompt"], Rule())
    assert not out.exists()

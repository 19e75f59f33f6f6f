"""Tables survive the round trip, are the same bytes for equal frames, and refuse what is not theirs."""

from __future__ import annotations

import os
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from store import tables
from store.errors import InputError
from store.shards import ROW_GROUP, file_hash, read_table, shard_name, write_table

ALL_SCHEMAS = {name: value for name, value in vars(tables).items() if isinstance(value, pl.Schema)}


def votes(n: int, answer: str | None = "7") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "completion_id": [f"c{i}" for i in range(n)],
            "prompt_id": [f"p{i % 3}" for i in range(n)],
            "answer": [answer if i % 2 else None for i in range(n)],
            "n_votes": [3] * n,
            "n_samples": [4] * n,
            "is_majority": [bool(i % 2) for i in range(n)],
            "margin": [0.5] * n,
            "entropy": [0.7] * n,
        },
        schema=tables.VOTES,
    )


def stepwise(n: int) -> pl.DataFrame:
    row = {
        "prompt": [{"role": "user", "content": "2 + 2?"}],
        "completions": ["2 + 2 = 4\n", "#### 4"],
        "labels": [True, None],
        "values": [1.0, None],
        "confidences": [],
        "method": "rollouts",
    }
    rows = [{**row, "prompt_id": f"p{i}", "completion_id": f"c{i}"} for i in range(n)]
    return pl.DataFrame(rows, schema=tables.STEPWISE)


@pytest.mark.parametrize("name", ALL_SCHEMAS)
def test_every_table_of_the_project_can_be_written_and_read_even_empty(tmp_path, name):
    frame = pl.DataFrame(schema=ALL_SCHEMAS[name])
    write_table(frame, tmp_path / "t.parquet", ALL_SCHEMAS[name])
    assert_frame_equal(read_table(tmp_path / "t.parquet", ALL_SCHEMAS[name]), frame)


def test_nested_columns_and_nulls_survive_the_round_trip(tmp_path):
    write_table(stepwise(5), tmp_path / "t.parquet", tables.STEPWISE)
    assert_frame_equal(read_table(tmp_path / "t.parquet", tables.STEPWISE), stepwise(5))


@given(st.lists(st.integers(0, 30), max_size=4), st.integers(0, 30))
def test_equal_frames_are_equal_bytes_however_they_were_put_together(tmp_path_factory, cuts, n):
    folder = tmp_path_factory.mktemp("t")
    edges = sorted({0, n, *(min(cut, n) for cut in cuts)})
    for frame, schema in ((votes(n), tables.VOTES), (stepwise(n), tables.STEPWISE)):
        pieces = [frame[a:b] for a, b in zip(edges, edges[1:], strict=False)] or [frame]
        backwards = pl.concat(pieces, rechunk=False).select(reversed(frame.columns))
        write_table(frame, folder / "a.parquet", schema)
        write_table(backwards, folder / "b.parquet", schema)
        assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


def test_chunks_of_a_large_frame_leave_no_trace_in_the_bytes(tmp_path):
    frame = stepwise(1).select(pl.all().repeat_by(ROW_GROUP + 10).explode())
    chunked = pl.concat([frame[:5], frame[5:-7], frame[-7:]], rechunk=False)
    write_table(frame, tmp_path / "a.parquet", tables.STEPWISE)
    write_table(chunked, tmp_path / "b.parquet", tables.STEPWISE)
    assert file_hash(tmp_path / "a.parquet") == file_hash(tmp_path / "b.parquet")


WRITE = """
import sys, polars as pl
from store import tables
from store.shards import write_table
n = 150_000
frame = pl.DataFrame(
    {"completion_id": [f"c{i}" for i in range(n)], "prompt_id": ["p"] * n, "verifier": ["math"] * n,
     "verdict": ["correct", "limit"] * (n // 2), "extracted": [None, "é"] * (n // 2),
     "method": ["rational"] * n},
    schema=tables.COMPLETION_VERDICTS)
write_table(frame, sys.argv[1], tables.COMPLETION_VERDICTS)
"""


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path, pytestconfig):
    for threads in ("1", "4"):
        env = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(pytestconfig.rootpath)}
        command = [sys.executable, "-c", WRITE, str(tmp_path / f"{threads}.parquet")]
        subprocess.run(command, env=env, check=True, timeout=60)
    assert file_hash(tmp_path / "1.parquet") == file_hash(tmp_path / "4.parquet")


def test_a_folder_is_the_union_of_its_shards_in_the_order_of_their_names(tmp_path):
    frame = votes(120)
    for i in reversed(range(12)):
        write_table(frame[i * 10 : i * 10 + 10], tmp_path / shard_name(i), tables.VOTES)
    (tmp_path / f".{shard_name(0)}.host.1.ab.tmp").write_bytes(b"half")
    (tmp_path / ".hidden.parquet").write_bytes(b"half")
    assert_frame_equal(read_table(tmp_path, tables.VOTES), frame)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d[:-1],
        lambda d: d[: len(d) // 2],
        lambda d: b"",
        lambda d: b"id,text\n1,a\n",
        lambda d: bytes(len(d)),
    ],
    ids=["one byte short", "half", "empty", "a csv", "zeros"],
)
def test_a_torn_or_foreign_shard_is_named(tmp_path, damage):
    for i in range(2):
        write_table(votes(9), tmp_path / shard_name(i), tables.VOTES)
    shard = tmp_path / shard_name(1)
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(
        InputError, match=r"shard-00001\.parquet: not a whole Parquet file.*run the stage again"
    ):
        read_table(tmp_path, tables.VOTES)


def test_a_parquet_file_of_another_table_is_refused_by_column(tmp_path):
    pl.DataFrame({"completion_id": [1], "prompt_id": ["p"], "score": [0.5]}).write_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.parquet", tables.VOTES)
    message = str(caught.value)
    assert "t.parquet" in message
    assert "column 'answer' is missing" in message
    assert "column 'score' is not part of the table" in message
    assert "column 'completion_id' is Int64, must be String" in message


def test_a_wrong_frame_is_refused_before_anything_is_written(tmp_path):
    wrong = votes(2).with_columns(pl.col("n_votes").cast(pl.Int64))
    with pytest.raises(InputError, match="column 'n_votes' is Int64, must be Int32"):
        write_table(wrong, tmp_path / "t.parquet", tables.VOTES)
    assert list(tmp_path.iterdir()) == []


def test_a_column_of_nulls_or_empty_lists_takes_the_declared_type(tmp_path):
    untyped = votes(2).with_columns(answer=pl.lit(None))
    write_table(untyped, tmp_path / "v.parquet", tables.VOTES)
    assert read_table(tmp_path / "v.parquet", tables.VOTES)["answer"].to_list() == [None, None]
    empty = stepwise(1).with_columns(labels=pl.Series([[]], dtype=pl.List(pl.Null)))
    write_table(empty, tmp_path / "s.parquet", tables.STEPWISE)
    assert read_table(tmp_path / "s.parquet", tables.STEPWISE)["labels"].to_list() == [[]]


@pytest.mark.parametrize("make", [True, False], ids=["an empty folder", "nothing there"])
def test_a_table_that_is_not_there_is_an_input_error(tmp_path, make):
    folder = tmp_path / "votes"
    if make:
        folder.mkdir()
    with pytest.raises(InputError, match="votes"):
        read_table(folder, tables.VOTES)


def test_a_file_name_with_glob_characters_is_read_as_it_is(tmp_path):
    write_table(votes(3), tmp_path / "run[1]*" / shard_name(0), tables.VOTES)
    assert read_table(tmp_path / "run[1]*", tables.VOTES).height == 3


def test_a_table_that_does_not_fit_on_the_disk_leaves_the_old_one(tiny_disk):
    path = tiny_disk / "t.parquet"
    write_table(votes(3), path, tables.VOTES)
    noise = votes(6000).with_columns(answer=pl.Series([os.urandom(40).hex() for _ in range(6000)]))
    with pytest.raises(InputError, match=r"t\.parquet: cannot be written, the disk is full"):
        write_table(noise, path, tables.VOTES)
    assert read_table(path, tables.VOTES).height == 3
    assert [p.name for p in tiny_disk.iterdir()] == ["t.parquet"]

"""Files of rows: read in parts that are the whole, written without some rows and otherwise as they were."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.row_files import batches, check_columns, columns_of, parts_of, write_kept
from store.errors import InputError

ROWS = [
    {"prompt": f"question {k} é\u2028", "said": [{"role": "user", "content": "x" * k}], "n": k}
    for k in range(50)
]
LINES = "\n\n".join(
    json.dumps(row, ensure_ascii=False) for row in ROWS
)  # blank ones between, none at the end


def files(folder: Path) -> list[Path]:
    paths = [folder / name for name in ("rows.jsonl", "rows.jsonl.gz", "rows.parquet")]
    paths[0].write_text(LINES, "utf-8")
    paths[1].write_bytes(gzip.compress(LINES.encode()))
    pq.write_table(pa.Table.from_pylist(ROWS), paths[2], row_group_size=7)
    return paths


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_parts_are_the_whole_in_order(tmp_path, size):
    for path in files(tmp_path):
        parts = parts_of(path, size)
        assert len(parts) > 5 or size > 1 or path.suffix == ".gz"
        found = [
            row
            for part in parts
            for batch in batches(part, ["said", "prompt"], 4)
            for row in batch.to_pylist()
        ]
        assert found == [{"said": row["said"], "prompt": row["prompt"]} for row in ROWS]


def test_kept_rows_are_copied_as_they_were(tmp_path):
    keep = np.arange(50) % 3 == 0
    for path in files(tmp_path):
        out = tmp_path / "out" / path.name
        write_kept(path, out, keep)
        if path.suffix == ".parquet":
            assert pq.read_table(out).to_pylist() == ROWS[::3]
            assert pq.read_schema(out) == pq.read_schema(path)
        else:
            text = gzip.decompress(out.read_bytes()) if path.suffix == ".gz" else out.read_bytes()
            assert text.decode() == "".join(f"{line}\n" for line in LINES.split("\n\n")[::3])
        first = out.read_bytes()
        write_kept(path, out, keep)
        assert out.read_bytes() == first
        assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []


def test_missing_values_are_null_and_types_are_told(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x", "z": null}\n{"b": ["y"], "m": 1}\n{"m": "one"}\n')
    assert columns_of(path) == pa.schema(
        [("a", pa.string()), ("z", pa.string()), ("b", pa.list_(pa.string())), ("m", pa.null())]
    )
    (batch,) = batches(parts_of(path)[0], ["a", "b"])
    assert batch.to_pylist() == [{"a": "x", "b": None}, {"a": None, "b": ["y"]}, {"a": None, "b": None}]
    with pytest.raises(InputError, match="no column 'aa' in the first 1,000 rows .*did you mean 'a'"):
        check_columns(path, ["aa"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": "x"}', "", '{"a": }'], r"rows.jsonl:3: not valid JSON, column 7"),
        (['{"a": "x"}', '["a"]'], "rows.jsonl:2: must be an object"),
        (['{"a": "x"}', '{"a": ["x"]}', '{"a": "y"}'], "rows.jsonl:2: column 'a' is of another type"),
        (["[" * 100_000], "rows.jsonl:1: "),
        (['{"a": ' + "9" * 5000 + "}"], "rows.jsonl:1: cannot be read"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, lines, message):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=message):
        list(batches(parts_of(path)[0], ["a"]))


def test_lines_are_numbered_from_the_start_of_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n' * 20 + "oops\n")
    with pytest.raises(InputError, match="rows.jsonl:21: not valid JSON"):
        [list(batches(part, ["a"])) for part in parts_of(path, 50)]


def test_broken_files_and_other_formats_are_refused(tmp_path):
    for name, data in (("a.parquet", b"PAR1"), ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 99)[:-9])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="not a whole"):
            list(batches(parts_of(tmp_path / name)[0], ["a"]))
    with pytest.raises(InputError, match="must end in"):
        columns_of(tmp_path / "rows.txt")
    with pytest.raises(InputError, match="no such file"):
        parts_of(tmp_path / "none.jsonl")


def test_halves_of_characters_are_replaced(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x\\ud800"}\n')
    (batch,) = batches(parts_of(path)[0], ["a"])
    assert batch.to_pylist() == [{"a": "x?"}]


def test_what_a_kill_left_is_gone_after_the_next_run(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".unfinished.in.jsonl").write_text("half a li")
    write_kept(source, tmp_path / "out" / "in.jsonl", np.array([False, True]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in.jsonl"]
    assert (tmp_path / "out" / "in.jsonl").read_text() == '{"a": 2}\n'

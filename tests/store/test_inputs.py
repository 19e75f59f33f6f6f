"""Whatever is wrong with a user's file is said in one line with the file, the place and the fix."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pytest

from store.errors import InputError
from store.inputs import check_exists, did_you_mean, read_rows

ROWS = [{"question": "2 + 2?\nNow.", "answer": "4"}, {"question": 'a \u2028 b, "c"', "answer": "é"}]
JSONL = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n"


def write_as(path):
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(JSONL.encode()))
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif path.suffix == ".csv":
        pl.DataFrame(ROWS).write_csv(path)
    elif path.suffix == ".parquet":
        pl.DataFrame(ROWS).write_parquet(path)
    else:
        path.write_text(JSONL)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.parquet", "A.JSONL"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    assert read_rows(write_as(tmp_path / name), required=["question", "answer"]) == ROWS


def test_the_published_gsm8k_files_are_read_whole(shared_data):
    rows = read_rows(shared_data / "gsm8k" / "example_model_solutions.jsonl")
    assert len(rows) == 1319


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfquestion,answer\r\nx,1\r\n")
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"question": "x"}\r\n')
    assert read_rows(tmp_path / "a.csv") == [{"question": "x", "answer": "1"}]
    assert read_rows(tmp_path / "a.jsonl") == [{"question": "x"}]


BAD = {
    "bad json": ("a.jsonl", b'{"question": 1}\n\n{"question": 1,}\n', r"a\.jsonl:3: not valid JSON, column"),
    "cut off json line": ("a.jsonl", b'{"question": 1}\n{"quest', r"a\.jsonl:2: not valid JSON"),
    "a row that is a list": (
        "a.jsonl",
        b'{"question": 1}\n[1]\n',
        r"a\.jsonl:2: must be an object.*not a list",
    ),
    "a json object": ("a.json", b'{"rows": []}', r"a\.json: must be a list of objects, not an object"),
    "bad json document": ("a.json", b'[{"question": 1},\n{]', r"a\.json:2: not valid JSON"),
    "a null row": ("a.json", b'[{"question": 1}, null]', r"a\.json, row 2: must be an object.*not null"),
    "no rows jsonl": ("a.jsonl", b"\n\n", r"a\.jsonl: no rows"),
    "no rows json": ("a.json", b"", r"a\.json: no rows"),
    "header only": ("a.csv", b"question\n", r"a\.csv: no rows"),
    "empty csv": ("a.csv", b"", r"a\.csv: no rows"),
    "ragged csv": ("a.csv", b"question,answer\n1,2\n1,2,3\n", r"a\.csv:3: 3 fields, the header has 2"),
    "open quote": ("a.csv", b'question\n"abc\n', r"a\.csv:2: not valid CSV"),
    "double column": ("a.csv", b"question,question\n1,2\n", r"a\.csv:1: a column name stands twice"),
    "latin-1": ("a.jsonl", '{"question": 1}\n{"question": "é"}'.encode("latin-1"), r"a\.jsonl:2: not UTF-8"),
    "not gzip": ("a.jsonl.gz", b'{"question": 1}', r"a\.jsonl\.gz: not a whole gzip file"),
    "torn gzip": ("a.jsonl.gz", gzip.compress(b'{"question": 1}\n' * 99)[:-9], r"not a whole gzip file"),
    "not parquet": ("a.parquet", b"PAR1", r"a\.parquet: not a whole Parquet file"),
    "deep json": ("a.jsonl", b"[" * 200_000, r"a\.jsonl:1: (JSON nested too deeply|not valid JSON)"),
    "endless number": (
        "a.jsonl",
        b'{"question": 1}\n{"question": ' + b"9" * 5000 + b"}",
        r"a\.jsonl:2: not valid",
    ),
    "missing column": (
        "a.jsonl",
        b'{"question": 1}\n{"Question": 2, "id": 3}',
        r"a\.jsonl:2: no column 'question' \(it has 'Question', 'id'\); did you mean 'Question'\?",
    ),
    "missing csv column": ("a.csv", b"prompt\n1\n", r"a\.csv:2: no column 'question' \(it has 'prompt'\)$"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_place(tmp_path, case):
    name, data, message = BAD[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / name, required=["question"])


def test_a_missing_file_is_reported_with_the_nearest_name(tmp_path):
    (tmp_path / "prompts.jsonl").touch()
    (tmp_path / "answers.jsonl").touch()
    with pytest.raises(InputError, match=r"promts\.jsonl: no such file; did you mean 'prompts\.jsonl'\?"):
        read_rows(tmp_path / "promts.jsonl")


def test_a_missing_folder_on_the_way_is_reported_as_the_folder(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=r"there is no folder .*dta'\); did you mean 'data'\?"):
        check_exists(tmp_path / "dta" / "deep" / "prompts.jsonl")


def test_a_folder_and_an_unknown_format_are_refused(tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_rows(tmp_path / "rows.jsonl")
    with pytest.raises(InputError, match=r"rows\.txt: cannot tell the format.*\.jsonl"):
        read_rows(tmp_path / "rows.txt")


def test_a_field_longer_than_the_csv_module_allows_by_itself_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("question\n" + "x" * 200_000 + "\n")
    assert len(read_rows(tmp_path / "a.csv")[0]["question"]) == 200_000


def test_the_nearest_name_ignores_case_and_nothing_near_suggests_nothing():
    assert did_you_mean("Temprature", ["temperature", "top_p"]) == "; did you mean 'temperature'?"
    assert did_you_mean("zzz", ["temperature", "top_p"]) == ""

"""A file is the old one or the new one: never half of either, never gone."""

from __future__ import annotations

import errno
import os
import random
import signal
import time

import pytest

from store.errors import InputError
from store.files import file_hash, host_name, read_json, write_bytes, write_json, write_text

OLD, NEW = b"old " * 5000, b"new " * 9000

KILLED_AT = """
import os, signal, sys
from store.files import write_bytes
path, call = sys.argv[1], sys.argv[2]

def die(*args):
    if call == "write":
        real(args[0], args[1][: len(args[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

real = getattr(os, call)
setattr(os, call, die)
write_bytes(path, b"new " * 9000)
"""

WRITE_FOR_EVER = """
import sys
from store.files import write_bytes
print("ready", flush=True)
while True:
    write_bytes(sys.argv[1], b"new " * 9000)
    write_bytes(sys.argv[1], b"old " * 5000)
"""


# `os.open` comes last: it opens the folder, to make the rename durable.
@pytest.mark.parametrize(("call", "left"), [("write", OLD), ("fsync", OLD), ("replace", OLD), ("open", NEW)])
def test_a_kill_at_any_step_leaves_a_whole_file_and_the_next_write_cleans_up(tmp_path, python, call, left):
    path = tmp_path / "table.parquet"
    path.write_bytes(OLD)
    assert python(KILLED_AT, path, call).wait(timeout=30) == -signal.SIGKILL
    assert path.read_bytes() == left
    write_bytes(path, NEW)
    assert path.read_bytes() == NEW
    assert [p.name for p in tmp_path.iterdir()] == ["table.parquet"]


def test_after_sigkill_at_random_moments_the_file_is_always_whole(tmp_path, python):
    path, dice = tmp_path / "file", random.Random(3)
    for _ in range(10):
        child = python(WRITE_FOR_EVER, path)
        child.stdout.readline()
        time.sleep(dice.uniform(0.002, 0.05))
        child.kill()
        child.wait()
        assert not path.exists() or path.read_bytes() in (OLD, NEW)
    write_bytes(path, OLD)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_temporary_file_of_a_live_writer_is_left_alone(tmp_path):
    alive = tmp_path / f".file.{host_name()}.{os.getpid()}.00000000.tmp"
    elsewhere = tmp_path / ".file.another-host.1.00000000.tmp"
    alive.write_text("being written")
    elsewhere.write_text("being written")
    write_text(tmp_path / "file", "x")
    assert alive.exists() and elsewhere.exists()


def test_on_a_really_full_disk_the_old_file_stays_and_nothing_else(tiny_disk):
    path = tiny_disk / "out" / "file"
    write_bytes(path, OLD)
    with pytest.raises(
        InputError, match=r"out/file: cannot be written, the disk is full\. Nothing made so far"
    ):
        write_bytes(path, bytes(1_000_000))
    assert path.read_bytes() == OLD
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_fills_up_at_any_step_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    write_bytes(path, OLD)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(InputError, match="file: cannot be written, the disk is full"),
    ):
        patch.setattr(os, call, full)
        write_bytes(path, NEW)
    assert path.read_bytes() == OLD
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file/report.html: cannot be written"):
        write_text(tmp_path / "file" / "report.html", "")


def test_an_error_the_user_cannot_mend_is_not_dressed_up(tmp_path, monkeypatch):
    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output error"):
        patch.setattr(os, "fsync", broken)
        write_text(tmp_path / "file", "x")


def test_json_is_the_same_bytes_each_time_and_reads_back(tmp_path):
    value = {"z": [1, 2.5, None], "a": {"text": "é\n"}}
    write_json(tmp_path / "deep" / "a.json", value)
    write_json(tmp_path / "b.json", value)
    assert read_json(tmp_path / "b.json") == value
    assert file_hash(tmp_path / "deep" / "a.json") == file_hash(tmp_path / "b.json")
    assert len(file_hash(tmp_path / "b.json")) == 32


def test_json_has_no_nan_which_other_readers_refuse(tmp_path):
    write_json(tmp_path / "m.json", {"auc": float("nan"), "rows": [(float("inf"), 0.5)]})
    assert (tmp_path / "m.json").read_text().count("null") == 2
    assert read_json(tmp_path / "m.json") == {"auc": None, "rows": [[None, 0.5]]}


def test_broken_json_is_reported_with_its_line(tmp_path):
    (tmp_path / "m.json").write_text('{\n "a": 1,\n}')
    with pytest.raises(InputError, match=r"m\.json:3: not valid JSON"):
        read_json(tmp_path / "m.json")


WITHOUT_POLARS = """
import sys
sys.modules["polars"] = None
import store.accounting, store.errors, store.files, store.ids, store.inputs, store.ledger, store.manifest
"""


def test_all_but_the_tables_works_on_a_machine_without_polars(python):
    assert python(WITHOUT_POLARS).wait(timeout=30) == 0

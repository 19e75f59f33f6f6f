"""The ledger keeps every finished record through kills, torn tails, full disks and other writers."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InputError
from store.ids import content_id
from store.ledger import OPEN_SEGMENTS, Ledger

RECORD = {"text": "Step 1: 3 + 4 = 7.\nStep 2: done. " * 12, "finish_reason": "stop", "n_tokens": 120}


def segments(root):
    return sorted(root.glob("*.jsonl"))


def test_what_was_appended_is_read_back_by_this_and_every_later_ledger(tmp_path):
    with Ledger(tmp_path) as ledger:
        assert ledger.get("k1") is None
        assert ledger.append("k1", {"text": "ä \u2028 \n \ud800", "logprobs": [{"a": -0.1}, float("-inf")]})
        assert "k1" in ledger and "k2" not in ledger
        assert ledger.get("k1") == {"text": "ä \u2028 \n \ud800", "logprobs": [{"a": -0.1}, float("-inf")]}
    again = Ledger(tmp_path)
    assert again.get("k1") == ledger.get("k1")
    assert (again.keys(), len(again), again.damaged) == (["k1"], 1, 0)


def test_opening_a_ledger_makes_no_file(tmp_path):
    with Ledger(tmp_path / "ledger") as ledger:
        assert ledger.keys() == []
    assert not (tmp_path / "ledger").exists()


def test_a_key_keeps_its_first_record(tmp_path):
    with Ledger(tmp_path) as ledger:
        assert ledger.append("k", {"n": 1})
        assert not ledger.append("k", {"n": 2})
        assert ledger.append_many([("k", {"n": 3}), ("j", {"n": 4}), ("j", {"n": 5})]) == 1
        assert (ledger.get("k"), ledger.get("j")) == ({"n": 1}, {"n": 4})
    assert sum(len(s.read_bytes().splitlines()) for s in segments(tmp_path)) == 2


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", " k"])
def test_a_key_that_is_not_one_word_is_refused(tmp_path, key):
    with Ledger(tmp_path) as ledger, pytest.raises(ValueError, match="one word"):
        ledger.append(key, {})


@given(st.dictionaries(st.from_regex(r"[0-9a-f]{4}", fullmatch=True), st.dictionaries(st.text(), st.text())))
def test_any_json_object_survives_the_round_trip(tmp_path_factory, records):
    root = tmp_path_factory.mktemp("ledger")
    with Ledger(root) as ledger:
        ledger.append_many(records.items())
    again = Ledger(root)
    assert {key: again.get(key) for key in again.keys()} == records
    again.close()


def test_a_tail_torn_at_any_byte_loses_that_record_only_and_the_run_goes_on(tmp_path):
    whole = tmp_path / "whole"
    with Ledger(whole) as ledger:
        ledger.append_many((f"k{i}", {"text": f"ö{i}\n"}) for i in range(3))
    name, data = segments(whole)[0].name, segments(whole)[0].read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(data)):
        root = tmp_path / str(cut)
        root.mkdir()
        (root / name).write_bytes(data[:cut])
        with Ledger(root) as ledger:
            assert (ledger.keys(), ledger.damaged) == (["k0", "k1"], 0), cut
            ledger.append("k2", {"text": "again"})
        assert (root / name).read_bytes() == data[:cut], "a segment of another writer was touched"
        with Ledger(root) as again:
            assert again.get("k2") == {"text": "again"}
            assert again.get("k1") == {"text": "ö1\n"}


def test_a_tail_still_being_written_is_taken_in_when_it_is_whole(tmp_path):
    with Ledger(tmp_path / "a") as ledger:
        ledger.append_many([("k0", {"n": 0}), ("k1", {"n": 1})])
    source = segments(tmp_path / "a")[0]
    data = source.read_bytes()
    (tmp_path / "b").mkdir()
    live = tmp_path / "b" / source.name
    live.write_bytes(data[:-5])
    with Ledger(tmp_path / "b") as reader:
        assert reader.keys() == ["k0"]
        assert reader.refresh() == 0
        live.write_bytes(data)
        assert reader.refresh() == 1
        assert reader.get("k1") == {"n": 1}
        assert reader.damaged == 0


def test_a_zeroed_tail_as_a_power_cut_leaves_it_is_skipped(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("k0", {"n": 0})
    with open(segments(tmp_path)[0], "ab") as file:
        file.write(bytes(5000))
    with Ledger(tmp_path) as ledger:
        assert (ledger.keys(), ledger.damaged) == (["k0"], 0)


def test_a_damaged_record_is_skipped_counted_and_reported_and_the_rest_is_kept(tmp_path, caplog):
    with Ledger(tmp_path) as ledger:
        ledger.append_many((f"k{i}", {"n": i}) for i in range(5))
    data = bytearray(segments(tmp_path)[0].read_bytes())
    starts = [0] + [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    data[starts[2] + 15] ^= 1
    data[starts[4] + 15] ^= 1
    segments(tmp_path)[0].write_bytes(data)
    with caplog.at_level(logging.WARNING), Ledger(tmp_path) as ledger:
        assert ledger.keys() == ["k0", "k1", "k3"]
        assert ledger.damaged == 2
        assert ledger.append("k2", {"n": 2})
    assert f"2 damaged records skipped, the first at byte {starts[2]}" in caplog.text
    assert segments(tmp_path)[0].name in caplog.text


def test_a_record_that_changes_under_a_running_reader_is_never_returned(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("k", {"n": 1})
        segment = segments(tmp_path)[0]
        segment.write_bytes(segment.read_bytes().replace(b'"n":1', b'"n":2'))
        with pytest.raises(InputError, match=f"{segment.name}.*byte 0"):
            ledger.get("k")


def test_a_record_whose_segment_was_deleted_is_reported_with_its_file(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("k", {"n": 1})
    with Ledger(tmp_path) as reader:
        segments(tmp_path)[0].unlink()
        with pytest.raises(InputError, match="vanished"):
            reader.get("k")


def test_writers_never_share_a_file_and_see_each_other_after_refresh(tmp_path):
    with Ledger(tmp_path) as a, Ledger(tmp_path) as b:
        a.append("ka", {"by": "a"})
        b.append("kb", {"by": "b"})
        assert len(segments(tmp_path)) == 2
        assert (a.refresh(), b.refresh()) == (1, 1)
        assert a.get("kb") == {"by": "b"}
        assert not b.append("ka", {"by": "b"})


def test_of_two_records_with_one_key_the_older_segment_counts_for_every_reader(tmp_path):
    with Ledger(tmp_path) as a, Ledger(tmp_path) as b:
        a.append("first", {})
        b.append("k", {"by": "b"})
        a.append("k", {"by": "a"})
    assert Ledger(tmp_path).get("k") == {"by": "a"}


def test_more_segments_than_open_files_are_allowed(tmp_path):
    n = OPEN_SEGMENTS + 10
    for i in range(n):
        (tmp_path / f"{i:03d}.jsonl").write_bytes(_segment_bytes(tmp_path / "scratch", f"k{i}", i))
    with Ledger(tmp_path) as ledger:
        assert [ledger.get(f"k{i}") for i in range(n)] == [{"n": i} for i in range(n)]
        assert len(ledger._handles) == OPEN_SEGMENTS


def _segment_bytes(scratch, key, n):
    with Ledger(scratch) as ledger:
        ledger.append(key, {"n": n})
    data = segments(scratch)[-1].read_bytes()
    for segment in segments(scratch):
        segment.unlink()
    return data


def test_threads_may_append_and_read_one_ledger(tmp_path):
    with Ledger(tmp_path) as ledger:

        def work(t):
            for i in range(200):
                ledger.append(f"{t}-{i}", {"t": t, "i": i})
                ledger.append(f"shared-{i}", {"i": i})
                assert ledger.get(f"{t}-{i}") == {"t": t, "i": i}

        threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger) == 5 * 200
    assert sorted(Ledger(tmp_path).keys()) == sorted(ledger.keys())
    assert len(segments(tmp_path)[0].read_bytes().splitlines()) == 5 * 200


def test_appends_are_sent_to_the_disk_within_two_seconds_without_another_append(tmp_path, monkeypatch):
    synced = threading.Event()
    real = os.fsync

    def fsync(descriptor):
        if threading.current_thread().name == "ledger-sync":
            synced.set()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with Ledger(tmp_path) as ledger:
        ledger.append("k", {})
        assert synced.wait(2.0)


@pytest.mark.timeout(30)
def test_closing_at_the_very_moment_of_a_sync_does_not_hang(tmp_path, monkeypatch):
    monkeypatch.setattr("store.ledger.SYNC_SECONDS", 0.0001)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    dice = random.Random(5)
    for i in range(1000):
        with Ledger(tmp_path / str(i % 10)) as ledger:
            ledger.append(f"k{i}", {})
            time.sleep(dice.uniform(0, 0.0004))


FORK = """
import os, sys, warnings
from store.ledger import Ledger
warnings.simplefilter("ignore")
ledger = Ledger(sys.argv[1])
ledger.append("before", {"by": "parent"})
ledger._lock.acquire()  # as another thread may hold it at the moment of the fork
pid = os.fork()
if pid == 0:
    ledger.append("child", {"by": "child"})
    ledger.close()
    os._exit(0 if ledger.get("before") == {"by": "parent"} else 1)
ledger._lock.release()
ledger.append("after", {"by": "parent"})
status = os.waitpid(pid, 0)[1]
ledger.close()
print(status)
"""


def test_a_forked_child_writes_its_own_segment(tmp_path, python):
    assert python(FORK, tmp_path).communicate(timeout=30)[0].strip() == "0"
    with Ledger(tmp_path) as ledger:
        assert sorted(ledger.keys()) == ["after", "before", "child"]
        assert ledger.damaged == 0
    assert len(segments(tmp_path)) == 2


WRITER = """
import sys
from store.ledger import Ledger
root, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Ledger(root) as ledger:
    for i in range(n):
        ledger.append(f"{name}-{i}", {"by": name, "i": i, "text": name * 3000})
        ledger.append(f"shared-{i}", {"i": i})
"""


def test_a_reader_beside_two_writing_processes_takes_the_union_and_never_a_torn_record(tmp_path, python):
    n = 400
    writers = [python(WRITER, tmp_path, name, n) for name in "ab"]
    with Ledger(tmp_path) as reader:
        seen = len(reader)
        while any(writer.poll() is None for writer in writers):
            seen += reader.refresh()
            for key in reader.keys()[-3:]:
                assert reader.get(key)["i"] == int(key.split("-")[1])
        seen += reader.refresh()
        assert [writer.returncode for writer in writers] == [0, 0]
        assert (seen, reader.damaged) == (3 * n, 0)
        assert set(reader.keys()) == {f"{name}-{i}" for name in ("a", "b", "shared") for i in range(n)}
        assert reader.get("b-7") == {"by": "b", "i": 7, "text": "b" * 3000}


DRILL = """
import os, sys, threading, time
from store.ids import content_id
from store.ledger import Ledger
root, journal, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
notes = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
ledger = Ledger(root)

def work(t):
    for i in range(t, n, 3):
        key = content_id("call", i)
        if key in ledger:
            continue
        os.write(notes, f"begin {i}\\n".encode())
        time.sleep(0.0005)
        ledger.append(key, {"i": i, "text": f"answer {i} " * 40})
        os.write(notes, f"done {i}\\n".encode())

print("ready", flush=True)
threads = [threading.Thread(target=work, args=(t,)) for t in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
ledger.close()
"""


def test_no_finished_record_is_lost_or_made_again_over_25_sigkills(tmp_path, python):
    n, kills, dice = 5000, 25, random.Random(7)
    journal, killed = tmp_path / "journal", 0
    while True:
        child = python(DRILL, tmp_path / "ledger", journal, n)
        child.stdout.readline()
        if killed < kills:
            time.sleep(dice.uniform(0, 0.03))
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        if child.wait(timeout=60) == 0:
            break
    assert killed == kills
    assert len(segments(tmp_path / "ledger")) > kills // 2, "the kills came before the work"

    begun, done = [], set()
    for line in journal.read_text().splitlines():
        event, i = line.split()
        assert event == "done" or i not in done, f"call {i} was finished and made again"
        done.add(i) if event == "done" else begun.append(i)
    assert len(done) >= n - 3 * kills
    assert len(begun) <= n + 3 * kills, "more was redone than was in flight (3 threads, 25 kills)"
    with Ledger(tmp_path / "ledger") as ledger:
        assert ledger.damaged == 0
        found = {key: ledger.get(key) for key in ledger.keys()}
    assert found == {content_id("call", i): {"i": i, "text": f"answer {i} " * 40} for i in range(n)}


def test_on_a_full_disk_append_says_so_and_everything_before_is_kept(tiny_disk):
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(200_000))
    ledger = Ledger(tiny_disk / "ledger")
    kept = []
    with pytest.raises(InputError, match="disk is full.*so far is lost"):
        for i in range(1000):
            ledger.append(f"k{i}", RECORD)
            kept.append(f"k{i}")
    assert 10 < len(kept) < 1000
    with Ledger(tiny_disk / "ledger") as reader:
        assert (reader.keys(), reader.damaged) == (kept, 0)
    filler.unlink()
    assert ledger.append("after", RECORD), "the same ledger goes on once there is room"
    ledger.close()
    with Ledger(tiny_disk / "ledger") as reader:
        assert (reader.keys(), reader.damaged) == ([*kept, "after"], 0)


def test_a_record_cut_short_by_a_full_disk_does_not_swallow_the_next(tmp_path, monkeypatch):
    real, calls = os.write, []

    def half_then_full(descriptor, data):
        calls.append(len(data))
        if len(calls) == 1:
            return real(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    ledger = Ledger(tmp_path)
    ledger.append("k0", {"n": 0})
    with monkeypatch.context() as patch, pytest.raises(InputError, match="disk is full"):
        patch.setattr(os, "write", half_then_full)
        ledger.append("k1", {"n": 1})
    assert "k1" not in ledger
    assert ledger.append("k1", {"n": 11})
    ledger.close()
    with Ledger(tmp_path) as reader:
        assert {key: reader.get(key) for key in reader.keys()} == {"k0": {"n": 0}, "k1": {"n": 11}}


def test_a_failed_sync_is_reported_by_close(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    ledger.append("k", {})

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="disk is full"):
        ledger.close()


def test_a_ledger_in_a_place_that_is_a_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "ledger").write_text("not a folder")
    with Ledger(tmp_path / "ledger") as ledger, pytest.raises(InputError, match="ledger: cannot be written"):
        ledger.append("k", {})


def test_appending_is_cheap_and_100_000_records_open_in_under_two_seconds(tmp_path):
    keys = [content_id(i) for i in range(100_000)]
    with Ledger(tmp_path) as ledger:
        for i in range(0, 90_000, 1000):
            ledger.append_many((key, RECORD) for key in keys[i : i + 1000])
        start = time.process_time()
        for key in keys[90_000:]:
            ledger.append(key, RECORD)
        per_append = (time.process_time() - start) / 10_000
    start = time.process_time()
    with Ledger(tmp_path) as again:
        seconds = time.process_time() - start
        assert len(again) == 100_000
    assert per_append < 20e-6, f"{per_append * 1e6:.1f} microseconds"
    assert seconds < 2, f"{seconds:.2f} s"


def test_a_line_is_checksum_key_and_plain_json(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("k", {"text": "é"})
    checksum, key, record = segments(tmp_path)[0].read_text().split(" ", 2)
    assert (len(checksum), key, json.loads(record)) == (8, "k", {"text": "é"})

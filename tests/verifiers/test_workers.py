"""Worker processes against real hangs, floods and faults: each test is one thing that must not happen."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import worker_targets

from verifiers.workers import channel
from verifiers.workers import pool as workers
from verifiers.workers.pool import CRASHED, TIMEOUT, Pool, WorkerError, shared

ACT = "worker_targets:act"
SLACK = 2.0  # seconds a loaded machine may add to a deadline
ECHOES = [["echo", number] for number in range(5)]


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(ACT, 1) as running:
        running.run([["echo", 0]], 1.0)
        yield running


@pytest.fixture
def wide() -> Iterator[Pool]:
    with Pool(ACT, 2) as running:
        yield running


def family(warden: int) -> list[str]:
    """State of every process in the warden's session; zombies too, unless they are init's to reap."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == warden and fields[:2] != ["Z", "1"]:
            states.append(fields[0])
    return states


def wait_until_gone(warden: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while family(warden) and time.monotonic() < end:
        time.sleep(0.01)
    return not family(warden)


def warden_of(pool: Pool) -> int:
    assert pool._warden
    return pool._warden.process.pid


def test_results_come_in_the_order_of_the_arguments(wide: Pool) -> None:
    naps = [["sleep", 0.05], *([["echo", number] for number in range(500)])]
    assert wide.run(naps, 2.0) == [None, *range(500)]


def test_values_survive_the_trip(pool: Pool) -> None:
    value = {"text": "\ud800 \u0000 π\n", "list": [1.5, None, True, {"n": 10**40}], "long": "x" * 3_000_000}
    assert pool.run([["echo", value]], 5.0) == [value]


def test_no_arguments_start_no_process() -> None:
    with Pool(ACT) as idle:
        assert idle.run([], 1.0) == []
        assert idle._warden is None


@pytest.mark.parametrize("deed", ["spin", "hang_in_c", "stop"])
def test_a_hang_ends_at_its_deadline_and_costs_no_neighbour(pool: Pool, deed: str) -> None:
    begin = time.monotonic()
    results = pool.run([*ECHOES, [deed, 0], *ECHOES], 0.3)
    seconds = time.monotonic() - begin
    assert results == [0, 1, 2, 3, 4, TIMEOUT, 0, 1, 2, 3, 4]
    assert 0.3 <= seconds < 0.3 + SLACK, f"took {seconds:.3f} s"


def test_a_hang_in_a_factorial_ends_at_its_deadline(pool: Pool) -> None:
    assert pool.run([["factorial", 10**7], ["factorial", 5]], 0.2) == [TIMEOUT, 7]  # 120 has 7 bits


def test_every_argument_of_a_batch_has_the_whole_deadline(pool: Pool) -> None:
    assert pool.run([["sleep", 0.2]] * 6, 1.0) == [None] * 6


def test_hangs_in_several_children_run_side_by_side(wide: Pool) -> None:
    wide.run(ECHOES, 1.0)
    begin = time.monotonic()
    assert wide.run([["spin", 0]] * 4, 1.0) == [TIMEOUT] * 4
    assert time.monotonic() - begin < 3.5  # one after the other is 4


@pytest.mark.parametrize("deed", ["exit", "leave", "fault", "burn_cpu_unseen"])
def test_the_death_of_a_child_costs_no_neighbour(pool: Pool, deed: str) -> None:
    assert pool.run([*ECHOES, [deed, 3], *ECHOES], 5.0) == [0, 1, 2, 3, 4, CRASHED, 0, 1, 2, 3, 4]


def test_an_argument_that_hoards_memory_ends_at_the_limit() -> None:
    with Pool(ACT, memory_mb=100) as small:
        assert small.run([["hoard", 0], ["echo", 1]], 5.0) == [CRASHED, 1]


@pytest.mark.parametrize("deed", ["fail", "unspeakable"])
def test_an_exception_in_the_target_is_a_crash_of_that_argument(pool: Pool, deed: str) -> None:
    child = pool.run([["pid", 0]], 1.0)
    assert pool.run([["echo", 1], [deed, 0], ["pid", 0]], 1.0) == [1, CRASHED, *child]


@pytest.mark.parametrize("deed", ["babble", "deep"])
def test_a_child_that_sends_no_message_is_replaced(pool: Pool, deed: str) -> None:
    assert pool.run([["echo", 1], [deed, 0], ["echo", 2]], 2.0) == [1, CRASHED, 2]


def test_answers_before_a_bad_message_count() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x00\x00\x00\x011\x00\x00\x00\x012\x00\x00\x00\x01?")
        received = []
        with pytest.raises(ValueError):
            for value in channel.Channel(ours).receive():
                received.append(value)
    assert received == [1, 2]


def test_a_result_too_large_for_a_verdict_is_refused(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_MESSAGE", 1_000)
    assert pool.run([["echo", "x" * 2_000], ["echo", "x"]], 2.0) == [CRASHED, "x"]


def test_an_argument_does_not_pay_for_a_child_that_its_neighbour_spoilt(pool: Pool, tmp_path: Path) -> None:
    assert pool.run([["crash_first_time", str(tmp_path / "marker")]], 2.0) == ["survived"]


def test_a_crash_and_its_second_trial_share_one_deadline(pool: Pool) -> None:
    begin = time.monotonic()
    assert pool.run([["slow_exit", 0.3]], 0.4) == [TIMEOUT]
    assert time.monotonic() - begin < 0.4 + SLACK


def test_a_child_killed_while_idle_is_noticed(pool: Pool) -> None:
    (child,) = pool.run([["pid", 0]], 1.0)
    os.kill(child, signal.SIGKILL)
    assert pool.run(ECHOES, 1.0) == [0, 1, 2, 3, 4]


def test_a_warden_that_dies_is_replaced(pool: Pool) -> None:
    old = warden_of(pool)
    assert pool.run([["echo", 1], ["kill_warden", 0], ["echo", 2]], 2.0) == [1, CRASHED, 2]
    assert warden_of(pool) != old
    assert family(old) == []


def test_a_warden_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SPAWN_SECONDS", 0.3)
    monkeypatch.setattr(workers, "CLOSE_SECONDS", 0.1)
    with Pool(ACT) as pool:
        assert pool.run([["echo", 1]], 1.0) == [1]
        stopped = warden_of(pool)
        os.kill(stopped, signal.SIGSTOP)
        assert pool.run([["spin", 0], ["echo", 1]], 0.2) == [TIMEOUT, 1]
        assert wait_until_gone(stopped, 1.0)


def test_the_import_of_the_target_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(ACT, warm="worker_targets:warm_slowly") as cold:  # 0.5 s
        assert cold.run([["echo", 1]], 0.1) == [1]


def test_the_warm_up_runs_once_for_all_children() -> None:
    with Pool(ACT, warm="worker_targets:warm") as pool:
        first, _, second = pool.run([["warmed", 0], ["exit", 1], ["warmed", 0]], 1.0)
        assert first == second == [warden_of(pool)]


@pytest.mark.parametrize("target", ["no_such_module:f", "worker_targets:no_such_function", "worker_targets"])
def test_a_target_that_does_not_import_is_one_clear_error(target: str) -> None:
    with Pool(target) as broken, pytest.raises(WorkerError, match=target):
        broken.run(ECHOES, 1.0)


def test_an_interpreter_that_does_not_start_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_environment", lambda: {"PYTHONHOME": "/nowhere"})
    with Pool(ACT) as broken, pytest.raises(WorkerError, match="(?i)python"):
        broken.run(ECHOES, 1.0)


@pytest.mark.parametrize("deadline", [0.0, -1.0, float("nan"), float("inf")])
def test_a_deadline_that_is_no_time_is_refused(pool: Pool, deadline: float) -> None:
    with pytest.raises(ValueError, match="deadline"):
        pool.run(ECHOES, deadline)


def test_an_argument_that_is_not_json_is_refused(pool: Pool) -> None:
    with pytest.raises(TypeError):
        pool.run([["echo", {1, 2}]], 1.0)


def test_many_threads_share_one_pool(wide: Pool) -> None:
    def work(number: int) -> list[Any]:
        return wide.run([["echo", number], ["spin", 0] if number % 4 == 0 else ["echo", -1]], 0.2)

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(work, range(24)))
    assert found == [[number, TIMEOUT if number % 4 == 0 else -1] for number in range(24)]


def test_a_short_call_need_not_wait_for_the_end_of_a_long_one(pool: Pool) -> None:
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(pool.run, [["sleep", 0.01]] * 150, 1.0)  # 1.5 s, a batch is 0.3 s
        time.sleep(0.1)
        assert pool.run([["echo", 1]], 1.0) == [1]
        assert not long.done()


def test_an_event_loop_keeps_turning() -> None:
    async def ticks_during(pool: Pool) -> int:
        job = asyncio.create_task(asyncio.to_thread(pool.run, [["hang_in_c", 0]], 0.3))
        ticks = 0
        while not job.done():
            ticks += 1
            await asyncio.sleep(0.01)
        assert job.result() == [TIMEOUT]
        return ticks

    with Pool(ACT) as pool:
        assert asyncio.run(ticks_during(pool)) > 10


def test_a_daemonic_process_may_use_workers() -> None:
    with Pool(ACT) as pool:
        pool.run(ECHOES, 1.0)
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=lambda: theirs.send(pool.run(ECHOES, 1.0)), daemon=True)
        process.start()
        assert ours.poll(10) and ours.recv() == [0, 1, 2, 3, 4]
        process.join(10)


def test_a_fork_of_the_parent_has_processes_of_its_own(pool: Pool) -> None:
    ours = warden_of(pool)
    child = os.fork()
    if child == 0:
        good = pool.run(ECHOES, 2.0) == [0, 1, 2, 3, 4] and warden_of(pool) != ours
        pool.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert warden_of(pool) == ours
    assert pool.run(ECHOES, 1.0) == [0, 1, 2, 3, 4]


def test_a_fork_while_another_thread_works_does_not_deadlock(pool: Pool) -> None:
    thread = threading.Thread(target=pool.run, args=([["spin", 0]], 0.5))
    thread.start()
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        os._exit(0 if pool.run(ECHOES, 2.0) == [0, 1, 2, 3, 4] else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_close_may_be_called_again_and_leaves_no_process() -> None:
    pool = Pool(ACT, 2)
    pool.run([["sleep", 0.05]] * 4, 1.0)
    warden = warden_of(pool)
    assert len(family(warden)) == 3
    pool.close()
    pool.close()
    assert family(warden) == []
    with pytest.raises(WorkerError, match="closed"):
        pool.run(ECHOES, 1.0)


def test_close_ends_a_run_of_another_thread(wide: Pool) -> None:
    wide.run(ECHOES, 1.0)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(wide.run, [["spin", 0]] * 3, 30.0)
        time.sleep(0.1)
        wide.close()
        with pytest.raises(WorkerError, match="closed"):
            run.result(5)


def test_killed_children_leave_neither_zombies_nor_descriptors(wide: Pool) -> None:
    wide.run(ECHOES, 1.0)
    before = len(worker_targets.open_sockets())
    for _ in range(3):
        wide.run([["spin", 0], ["exit", 0], ["echo", 0], ["fault", 0]], 0.1)
    time.sleep(0.2)  # the last ones may be dying
    assert "Z" not in family(warden_of(wide))
    assert len(worker_targets.open_sockets()) <= before + 1  # a second child may be idle now
    assert wide.run([["sockets", 0]], 1.0) == [1]


def parent_script(body: str) -> subprocess.Popen[str]:
    """A parent with a pool that prints its warden's pid while a child hangs in C code."""
    text = f"""
import ctypes, os, sys, threading, time
from verifiers.workers.pool import Pool
pool = Pool({ACT!r})
pool.run([["echo", 1]], 5.0)
threading.Thread(target=pool.run, args=([["hang_in_c", 0]], 60.0), daemon=True).start()
time.sleep(0.1)
{body}
"""
    paths = os.pathsep.join([os.getcwd(), str(Path(worker_targets.__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", text],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/tmp",
        env={**os.environ, "PYTHONPATH": paths},
    )


def test_nothing_outlives_a_parent_that_is_killed() -> None:
    parent = parent_script("print(pool._warden.process.pid, flush=True); time.sleep(60)")
    assert parent.stdout
    warden = int(parent.stdout.readline())
    assert len(family(warden)) == 2
    parent.kill()
    parent.communicate()
    assert wait_until_gone(warden, 1.0)


def test_nothing_outlives_a_parent_whose_sockets_a_stray_fork_keeps_open() -> None:
    """fork() of C code runs no hooks, so the copy holds the control socket of a dead parent."""
    body = """
stray = ctypes.CDLL(None).fork()
if stray == 0:
    os.close(1)
    time.sleep(60)
print(pool._warden.process.pid, stray, flush=True)
time.sleep(60)
"""
    parent = parent_script(body)
    assert parent.stdout
    warden, stray = map(int, parent.stdout.readline().split())
    parent.kill()
    parent.communicate()
    gone = wait_until_gone(warden, 4.0)
    os.kill(stray, signal.SIGKILL)
    assert gone


def test_nothing_outlives_a_parent_that_just_ends() -> None:
    parent = parent_script("print(pool._warden.process.pid, flush=True)")
    warden = int(parent.communicate(timeout=20)[0])
    assert parent.returncode == 0
    assert family(warden) == []


def test_a_worker_sees_no_credentials_and_shares_no_output(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hidden")
    with Pool(ACT) as later:
        environment, _ = later.run([["environment", 0], ["print", "noise"]], 1.0)
    assert "SOME_API_KEY" not in environment
    assert capfd.readouterr() == ("", "")


def test_workers_start_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Pool(ACT) as pool:
        assert pool.run(ECHOES, 1.0) == [0, 1, 2, 3, 4]


def test_the_shared_pool_is_one_and_grows() -> None:
    pool = shared(ACT)
    assert shared(ACT, 2) is pool
    assert pool.size == 2
    assert shared(ACT).size == 2


def test_a_child_with_a_heavy_library_comes_back_without_importing_it_again() -> None:
    with Pool(ACT, warm="worker_targets:warm_sympy") as pool:
        begin = time.monotonic()
        pool.run(ECHOES, 1.0)
        first = time.monotonic() - begin
        seconds = []
        for _ in range(5):
            pool.run([["spin", 0]], 0.01)
            begin = time.monotonic()
            assert pool.run([["echo", 1]], 1.0) == [1]
            seconds.append(time.monotonic() - begin)
    assert min(seconds) < first / 4, f"took {seconds} s, and the first start {first} s"


def test_small_arguments_cost_little(pool: Pool) -> None:
    begin = time.monotonic()
    pool.run([["echo", number] for number in range(2_000)], 1.0)
    assert time.monotonic() - begin < 1.0, "0.5 ms each, twenty times the usual cost"

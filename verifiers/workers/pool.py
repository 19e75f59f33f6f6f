"""A pool of processes that can be killed: the only sure way to bound a computation on hostile input.

A signal cannot interrupt C code and belongs to the main thread; a thread cannot be killed; an executor's
worker stays occupied by the job that its caller gave up. Here the caller's own thread watches the clock, and
a child that passes its deadline gets SIGKILL. The next child is a fork of a warm process (`warden`), so
a bad argument costs its deadline and a few milliseconds, and its neighbours nothing:

- a child works through a batch and reports each result as it finishes, so the parent knows which argument is
  at work and since when; the rest of the batch goes to another child;
- an argument that ends its child (out of memory, a fault in C code) is tried once more, within the same
  deadline, so that it does not pay for what an earlier argument or a stranger did to the child.

There is no thread, signal handler or event loop in the parent: `run` may be called from any thread of any
process, by several at once. After a fork of the parent the copy starts processes of its own.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from typing import Any, NamedTuple

from verifiers.workers.channel import COMMAND, KILL, PID, SPAWN, Channel

logger = logging.getLogger(__name__)

BATCH = 32  # arguments sent to a child at once: hides the round trip, and still spreads the work
START_SECONDS = 120.0  # to import the target, on a machine that is busy
SPAWN_SECONDS = 30.0  # a warden that does not fork within this is replaced
SEND_SECONDS = 5.0  # a child that does not read its batch within this is stopped or lost
CLOSE_SECONDS = 5.0
LONGEST_DEADLINE = 86_400.0

# What a worker needs of the environment; credentials stay out of a process that reads hostile text.
INHERITED = (
    "DYLD_LIBRARY_PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "MPMATH_NOGMPY",
    "PATH",
    "SYMPY_GROUND_TYPES",
    "TMPDIR",
)
# One thread each, and the same order of sets every time: a verdict must not depend on a hash seed.
FIXED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


class WorkerError(RuntimeError):
    """The workers cannot start: the target does not import, or processes cannot be made."""


class Failure(Enum):
    """Why an argument has no result."""

    TIMEOUT = "timeout"
    CRASHED = "crashed"  # out of memory, killed, or the target raised


TIMEOUT = Failure.TIMEOUT
CRASHED = Failure.CRASHED


class Pool:
    """Up to `size` children that call `target` ("package.module:function"), started on first use.

    Arguments and results are JSON values. `memory_mb` is what one child may allocate beyond the imported
    target; `warm` names a function without arguments that is called once before any child exists (imports,
    caches). Use as a context manager, or leave it to the end of the process.
    """

    def __init__(self, target: str, size: int = 1, *, memory_mb: int = 1024, warm: str = "") -> None:
        if size < 1:
            raise ValueError(f"Pool: size is {size}; it must be at least 1")
        self.target, self.size, self.memory_mb, self.warm = target, size, memory_mb, warm
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        """No processes yet. In the child of a fork: drop the parent's, and locks that nobody will release."""
        self._changed = threading.Condition()
        self._starting = threading.Lock()
        self._idle: list[_Child] = []
        self._queue: deque[object] = deque()
        self._leased = 0
        self._closed = False
        self._warden: _Warden | None = None

    def run(self, arguments: Iterable[Any], deadline: float) -> list[Any]:
        """The target's result for each argument, in order; TIMEOUT or CRASHED where there is none.

        `deadline` is the seconds one argument may take once a child works on it; start-up does not count.
        Raises WorkerError when workers cannot start or the pool is closed, TypeError when an argument is not
        JSON.
        """
        if not 0 < deadline <= LONGEST_DEADLINE:
            raise ValueError(
                f"Pool.run: deadline is {deadline!r}; it must be seconds in (0, {LONGEST_DEADLINE}]"
            )
        return _Run(self, [json.dumps(argument) for argument in arguments], deadline).results()

    def close(self) -> None:
        """End all processes of this pool; a `run` in another thread then raises. May be called again."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for child in idle:
            child.kill()
        with self._starting:
            if self._warden:
                self._warden.close()
            self._warden = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lease(self, *, wait: bool) -> _Child | None:
        """A child for one batch. Callers are served in turn; None when one would have to wait."""
        with self._changed:
            turn = object()
            self._queue.append(turn)
            try:
                while not self._closed and (self._queue[0] is not turn or self._leased >= self.size):
                    if not wait:
                        return None
                    self._changed.wait()
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()
            if self._closed:
                raise WorkerError(f"Pool: the workers of {self.target} are closed")
            self._leased += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._spawn()
        except BaseException:
            self.release(None)
            raise

    def release(self, child: _Child | None) -> None:
        """End a lease: the child has answered everything, or is None because it was killed."""
        with self._changed:
            self._leased -= 1
            if child and not self._closed:
                self._idle.append(child)
            elif child:
                child.kill()
            self._changed.notify_all()

    def _spawn(self) -> _Child:
        with self._starting:
            for _ in range(2):
                if self._closed:
                    break
                if self._warden is None:
                    self._warden = _Warden(self.target, self.memory_mb, self.warm)
                try:
                    return self._warden.spawn()
                except OSError as error:
                    logger.warning("the warden of %s is gone (%s); a new one starts", self.target, error)
                    self._warden.close()
                    self._warden = None
        raise WorkerError(f"Pool: the workers of {self.target} are closed, or end as soon as they start")

    def _forget(self) -> None:
        for child in self._idle:
            child.channel.socket.close()
        if self._warden:
            self._warden.control.close()
        closed = self._closed
        self._reset()
        self._closed = closed


class _Warden:
    """The process that forks children, seen from here."""

    def __init__(self, target: str, memory_mb: int, warm: str) -> None:
        self.control, theirs = socket.socketpair()
        descriptor = theirs.fileno()
        arguments = [target, warm, str(memory_mb), str(os.getpid()), str(descriptor)]
        # -P: the folder of this file must not be on the path, where its modules would hide the standard ones.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "verifiers.workers.warden", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=os.sep,
            env=_environment(),
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pool
        )
        theirs.close()
        try:
            self._greet(target)
        except BaseException:
            self.close()
            raise

    def _greet(self, target: str) -> None:
        channel = Channel(self.control)
        self.control.settimeout(START_SECONDS)
        try:
            greeting: list[str] = []
            while not greeting:
                greeting = list(channel.receive())
        except (EOFError, OSError):
            self.process.kill()
            assert self.process.stderr
            greeting = [self.process.stderr.read().decode(errors="replace") or "it ended without a word"]
        if greeting[0]:
            raise WorkerError(f"Pool: the worker for {target} does not start:\n{greeting[0]}")
        assert self.process.stderr
        self.process.stderr.close()
        self.control.settimeout(SPAWN_SECONDS)

    def spawn(self) -> _Child:
        """A new child. OSError when the warden is gone."""
        self.control.sendall(COMMAND.pack(SPAWN, 0))
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, descriptors, _, _ = socket.recv_fds(self.control, PID.size, 1, flags)
        if not descriptors:
            raise ConnectionResetError("no child came")
        os.set_inheritable(descriptors[0], False)
        return _Child(self, PID.unpack(data)[0], socket.socket(fileno=descriptors[0]))

    def kill(self, pid: int) -> None:
        with suppress(OSError):  # without a warden the child is dead already
            self.control.sendall(COMMAND.pack(KILL, pid))

    def close(self) -> None:
        self.control.close()
        if self.process.stderr:
            self.process.stderr.close()
        try:
            self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Child:
    """One worker process, seen from here."""

    def __init__(self, warden: _Warden, pid: int, end: socket.socket) -> None:
        end.settimeout(SEND_SECONDS)
        self.warden, self.pid, self.channel = warden, pid, Channel(end)

    def kill(self) -> None:
        self.warden.kill(self.pid)
        self.channel.socket.close()


class _Batch(NamedTuple):
    """What one child is working on: the first waiting argument, since `started`."""

    child: _Child
    waiting: deque[int]
    started: float


class _Run:
    """One call of `Pool.run`: hands out batches, collects results, watches the clock."""

    def __init__(self, pool: Pool, payloads: list[str], deadline: float) -> None:
        self.pool, self.payloads, self.deadline = pool, payloads, deadline
        self.found: list[Any] = [CRASHED] * len(payloads)
        self.pending = deque(range(len(payloads)))
        self.busy: dict[int, _Batch] = {}
        self.spent: dict[int, float] = {}  # seconds used by arguments that ended a child once

    def results(self) -> list[Any]:
        try:
            while self.pending or self.busy:
                self._hand_out()
                self._collect()
        finally:
            for batch in self.busy.values():
                self._end(batch.child)
        return self.found

    def _hand_out(self) -> None:
        while self.pending:
            child = self.pool.lease(wait=not self.busy)
            if child is None:
                return
            share = -(-len(self.pending) // (2 * self.pool.size - 1))  # smaller near the end, to end together
            size = min(BATCH, share)
            waiting = deque(self.pending.popleft() for _ in range(size))
            self.busy[child.channel.socket.fileno()] = _Batch(child, waiting, self._start(waiting[0]))
            self._send(child, waiting)

    def _start(self, index: int) -> float:
        """The time from which the deadline of an argument counts that is begun now."""
        return time.monotonic() - self.spent.get(index, 0.0)

    def _end(self, child: _Child) -> None:
        child.kill()
        self.pool.release(None)

    def _send(self, child: _Child, waiting: deque[int]) -> None:
        arguments = ",".join(self.payloads[index] for index in waiting)
        try:
            child.channel.send(f"[{self.deadline!r},[{arguments}]]")
        except OSError:
            with suppress(OSError):
                child.channel.socket.shutdown(socket.SHUT_RDWR)  # the next read then finds the end

    def _collect(self) -> None:
        poller = select.poll()
        for descriptor in self.busy:
            poller.register(descriptor, select.POLLIN)
        first = min(batch.started for batch in self.busy.values())
        remaining = max(0.0, first + self.deadline - time.monotonic())
        for descriptor, _ in poller.poll(int(remaining * 1_000) + 1):
            self._read(descriptor, self.busy[descriptor])
        now = time.monotonic()
        for descriptor, batch in list(self.busy.items()):
            if now - batch.started >= self.deadline:
                self._give_up(descriptor, batch, TIMEOUT)

    def _read(self, descriptor: int, batch: _Batch) -> None:
        before = len(batch.waiting)
        try:
            for done, value in batch.child.channel.receive():
                index = batch.waiting.popleft()
                self.found[index] = value if done else self._raised(value)
        except (EOFError, OSError, ValueError, TypeError, IndexError, RecursionError):
            self._give_up(descriptor, batch, CRASHED)
            return
        if not batch.waiting:
            del self.busy[descriptor]
            self.pool.release(batch.child)
        elif len(batch.waiting) < before:
            self.busy[descriptor] = batch._replace(started=self._start(batch.waiting[0]))

    def _raised(self, report: str) -> Failure:
        logger.warning("%s raised; the argument counts as crashed\n%s", self.pool.target, report)
        return CRASHED

    def _give_up(self, descriptor: int, batch: _Batch, failure: Failure) -> None:
        """End the child; the rest of its batch is handed out again."""
        del self.busy[descriptor]
        self._end(batch.child)
        if batch.waiting:
            index = batch.waiting[0]
            if failure is CRASHED and index not in self.spent:
                self.spent[index] = time.monotonic() - batch.started
            else:
                self.found[batch.waiting.popleft()] = failure
        self.pending.extendleft(reversed(batch.waiting))


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
_SHARED: dict[tuple[str, str], Pool] = {}
_SHARED_LOCK = threading.Lock()


def shared(target: str, size: int = 1, *, warm: str = "") -> Pool:
    """The pool of this process for `target`; the largest `size` that anyone asked for holds."""
    with _SHARED_LOCK:
        pool = _SHARED.get((target, warm))
        if pool is None:
            pool = _SHARED[target, warm] = Pool(target, size, warm=warm)
        pool.size = max(pool.size, size)
        return pool


def _environment() -> dict[str, str]:
    """The target imports there as it does here."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return kept | FIXED | {"PYTHONPATH": path}


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _forget_all() -> None:
    global _SHARED_LOCK
    _SHARED_LOCK = threading.Lock()
    for pool in list(_POOLS):
        pool._forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)

"""The other side of `pool`: a warden process and the children that it forks.

The warden imports the target once, so that a child costs one fork (milliseconds) and not one import of a
heavy library (seconds). It runs no argument itself, has one thread, and obeys two commands on its control
socket: fork a child (it answers with the pid and one end of the child's socket) and kill a child. It is the
parent of the children, so it alone knows that a pid still means the same process.

Nothing outlives the process that started the pool: the warden leaves, and kills its children, when the
control socket closes or when it is given to another parent; a child is killed by the kernel when the warden
dies (Linux), and ends elsewhere when it next reads its socket or reaches its CPU limit.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from verifiers.workers.channel import COMMAND, PID, SPAWN, Channel

PARENT_CHECK_SECONDS = 2.0
PR_SET_PDEATHSIG = 1
CPU_SLACK_SECONDS = 2  # the limit counts whole seconds, and is only the second line behind the deadline


def main() -> None:
    """Arguments: target, warm-up or "", memory in MB, pid of the parent, descriptor of the control socket."""
    target, warm, memory_mb, parent, descriptor = sys.argv[1:]
    control = socket.socket(fileno=int(descriptor))
    os.set_inheritable(control.fileno(), False)
    leave_with(int(parent))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = Channel(control)
    try:
        function = load(target)
        if warm:
            load(warm)()
    except Exception:
        channel.send(json.dumps(traceback.format_exc()))
        return
    channel.send(json.dumps(""))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the parent listens to stderr only until here
    gc.freeze()  # a collection in a child must not copy every page it shares with the warden
    Warden(function, int(memory_mb), control).run()


def load(target: str) -> Callable[..., Any]:
    """The function named by "package.module:function"."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def leave_with(parent: int) -> None:
    """Exit soon after the parent does, even where a stray copy of the control socket stays open."""

    def check(*_: object) -> None:
        if os.getppid() != parent:
            sys.exit(1)

    signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK_SECONDS, PARENT_CHECK_SECONDS)


class Warden:
    """Forks, kills and reaps children, as commanded over one socket."""

    def __init__(self, function: Callable[[Any], Any], memory_mb: int, control: socket.socket) -> None:
        self.function, self.memory_mb, self.control = function, memory_mb, control
        self.children: set[int] = set()
        self.libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self.deaths, wake = socket.socketpair()  # readable when a child has died
        self.deaths.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake = wake

    def run(self) -> None:
        """Obey until the control socket closes, then leave no child behind."""
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(self.deaths, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poller.poll()}
                if self.deaths.fileno() in ready:
                    self.deaths.recv(4096)
                    self.reap()
                if self.control.fileno() in ready and not self.obey():
                    return
        except OSError:
            return  # the parent is gone
        finally:
            for pid in self.children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def obey(self) -> bool:
        command = self.control.recv(COMMAND.size, socket.MSG_WAITALL)
        if len(command) < COMMAND.size:
            return False
        action, pid = COMMAND.unpack(command)
        if action == SPAWN:
            self.spawn()
        elif pid in self.children:
            os.kill(pid, signal.SIGKILL)
        return True

    def reap(self) -> None:
        while self.children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self.children.discard(pid)

    def spawn(self) -> None:
        ours, theirs = socket.socketpair()
        warden = os.getpid()
        pid = os.fork()
        if not pid:
            ours.close()
            self.become_child(warden, theirs)
        theirs.close()
        self.children.add(pid)
        socket.send_fds(self.control, [PID.pack(pid)], [ours.fileno()])
        ours.close()

    def become_child(self, warden: int, end: socket.socket) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self.control, self.deaths, self.wake):
                inherited.close()
            if self.libc:
                self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() == warden:  # else it died before the line above
                limit(resource.RLIMIT_AS, address_space() + self.memory_mb * 2**20)
                serve(self.function, Channel(end))
        finally:
            os._exit(0)


def serve(function: Callable[[Any], Any], channel: Channel) -> None:
    """Answer batches [deadline, arguments] one result at a time: the parent knows which argument is stuck."""
    with suppress(EOFError, OSError):
        while True:
            for deadline, arguments in channel.receive():
                for argument in arguments:
                    limit(resource.RLIMIT_CPU, int(time.process_time() + deadline) + CPU_SLACK_SECONDS)
                    channel.send(answer(function, argument))


def answer(function: Callable[[Any], Any], argument: Any) -> str:
    """[true, result] or [false, what was raised]; out of memory ends the process, whose heap is spent."""
    try:
        return json.dumps([True, function(argument)])
    except MemoryError:
        os._exit(1)
    except Exception:
        return json.dumps([False, traceback.format_exc(limit=-3)[-2_000:]])


def limit(which: int, value: int) -> None:
    """Lower the soft limit; where the system refuses (memory on macOS) the deadline still holds."""
    with suppress(OSError, ValueError):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def address_space() -> int:
    """Bytes mapped now, so that the memory limit is what an argument may add to them; 0 where unknown."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0


if __name__ == "__main__":
    main()

"""Functions that worker processes of the tests call: well-behaved ones and every kind of bad one."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

warmed = []


def warm() -> None:
    warmed.append(os.getpid())


def warm_slowly() -> None:
    time.sleep(0.5)


def warm_sympy() -> None:
    import sympy

    sympy.simplify(sympy.Symbol("x") + 1)


def echo(argument: Any) -> Any:
    return argument


def act(argument: list[Any]) -> Any:
    """[name of a deed below, its argument]"""
    deed, value = argument
    return DEEDS[deed](value)


def spin(_: Any) -> None:
    while True:
        pass


def hang_in_c(_: Any) -> int:
    return 3 ** (10**8)


def factorial(n: int) -> int:
    return math.factorial(n).bit_length()


def hoard(_: Any) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(2**24))


def fault(_: Any) -> None:
    ctypes.string_at(0)


def burn_cpu_unseen(_: Any) -> None:
    """Reach the CPU limit although the parent's deadline is far away."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (1, resource.RLIM_INFINITY))
    spin(None)


def kill_warden(_: Any) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def crash_first_time(marker: str) -> str:
    """What an innocent argument sees whose child was spoilt by a neighbour."""
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return "survived"


def babble(_: Any) -> None:
    """A subverted child: bytes that are no message, on every socket it has."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\x00\x00\x00\x05hello")
        except OSError:
            pass
    time.sleep(60)


def deep(_: Any) -> None:
    """A subverted child: a message whose nesting no parser of JSON survives."""
    payload = b"[" * 200_000
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, len(payload).to_bytes(4, "big") + payload)
        except OSError:
            pass
    time.sleep(60)


def slow_exit(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(1)


def fail(_: Any) -> None:
    raise ZeroDivisionError("a bug in the target")


def open_sockets() -> list[str]:
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return [link for link in links if os.path.exists(link) and os.readlink(link).startswith("socket:")]


DEEDS = {
    "echo": echo,
    "slow_exit": slow_exit,
    "sleep": time.sleep,
    "spin": spin,
    "hang_in_c": hang_in_c,
    "factorial": factorial,
    "hoard": hoard,
    "exit": os._exit,
    "leave": lambda _: exit(),
    "fault": fault,
    "burn_cpu_unseen": burn_cpu_unseen,
    "kill_warden": kill_warden,
    "crash_first_time": crash_first_time,
    "babble": babble,
    "deep": deep,
    "fail": fail,
    "unspeakable": lambda _: {1, 2},
    "pid": lambda _: os.getpid(),
    "warmed": lambda _: warmed,
    "environment": lambda _: dict(os.environ),
    "sockets": lambda _: len(open_sockets()),
    "stop": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "print": lambda text: print(text, flush=True),
}

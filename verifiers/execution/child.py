"""The processes behind `verifiers.code`, run as a script: a judge, and the candidates that it starts.

    python -I child.py judge           job as JSON on stdin, one line of JSON a test on its results pipe
    python child.py candidate MODE FD  MODE calls: answers `verifiers.execution.remote` on the socket FD
                                       MODE program: runs the source in file FD as `__main__`

The judge alone knows the tests, their expected results, and the nonce that signs its lines; a candidate is
a fresh interpreter that inherits neither its memory nor its pipes. Standard library only.
"""

from __future__ import annotations

import builtins
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ROOT = str(Path(__file__).resolve().parents[2])
sys.path.append(ROOT)
from verifiers.execution.program import called_names, choose_program, parses  # noqa: E402
from verifiers.execution.remote import (  # noqa: E402
    Candidate,
    Channel,
    Gone,
    Judge,
    Late,
    LimitHit,
    Unsupported,
    hit_limit,
)
from verifiers.execution.sandbox import Isolation, Limits, confine, enter, kill_descendants  # noqa: E402

sys.path.remove(ROOT)

LIMIT_EXIT = 77  # a program that ran into a limit ends with this
DIED_OF_LIMIT = (-signal.SIGXCPU, -signal.SIGKILL, LIMIT_EXIT)
Result = tuple[str, str]  # status, note


class Room:
    """Where candidates run: folder, limits and the end of all time."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.folder: str = job["folder"]
        self.limits = Limits(*job["limits"])
        self.end = time.monotonic() + self.limits.deadline
        self.isolation: Isolation = enter(self.folder, self.limits)

    def start(self, mode: str, fd: int, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        # Not -I: it would ignore PYTHONHASHSEED, and a verdict could depend on the order of a set.
        command = [sys.executable, "-s", "-P", __file__, "candidate", mode, str(fd)]
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            pass_fds=[fd],
            preexec_fn=lambda: confine(self.limits),
        )

    def clear(self, process: subprocess.Popen[bytes]) -> int:
        """Kill the candidate and all that it started; its exit code."""
        try:
            code = process.wait(0.2) if process.poll() is None else process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        if not self.isolation.processes:
            kill_descendants(os.getpid())
        return code

    def deadline(self) -> float:
        return min(self.end, time.monotonic() + self.limits.seconds)


class Session:
    """One candidate process with its program loaded."""

    def __init__(self, room: Room, program: str) -> None:
        self.room = room
        mine, theirs = socket.socketpair()
        with theirs:
            null = subprocess.DEVNULL
            self.process = room.start("calls", theirs.fileno(), null, null)
        self.judge = Judge(Channel(mine))
        self.judge.channel.deadline = room.deadline()
        self.loaded = _guarded(self, self.judge.load, program)

    def close(self) -> int:
        self.judge.channel.sock.close()
        return self.room.clear(self.process)


def judge_calls(job: dict[str, Any], room: Room, say: Any) -> None:
    """Tests that call the program's functions; a candidate serves until one of them breaks it."""
    try:
        cases = [
            (compile(job["setup"], "setup", "exec"), compile(case, "test", "exec")) for case in job["cases"]
        ]
        trusted: dict[str, Any] = {"__name__": "tests"}
        if job["entry_point"] and parses(job["prompt"]):
            exec(job["prompt"], trusted)
    except Exception as error:
        return say_all(job, say, ("broken", f"{type(error).__name__}: {error}"))
    program = _program(job)
    session: Session | None = None
    for index, case in enumerate(cases):
        if time.monotonic() > room.end:
            say(index, ("timeout", "all tests together took too long"))
            continue
        session = session or Session(room, program)
        if session.loaded[0] != "passed":
            say_all(job, say, session.loaded, index)
            break
        session.judge.channel.deadline = room.deadline()
        session.judge.inspected = False
        say(index, _guarded(session, _run_case, session.judge, job["entry_point"], trusted, case))
        if session.judge.incident:
            session.close()
            session = None
    if session:
        session.close()


def _program(job: dict[str, Any]) -> str:
    if isinstance(job["program"], str):
        return job["program"]
    names = called_names([job["setup"], *job["cases"]]) if job["style"] == "calls" else ()
    return choose_program(job["program"], job["prompt"], job["entry_point"], names)


def _run_case(
    judge: Judge, entry_point: str | None, trusted: dict[str, Any], case: tuple[types.CodeType, ...]
) -> None:
    """Names that the tests do not know themselves are the program's."""
    space = dict(trusted)
    names = {name for code in case for name in _names(code)} - set(space) - set(dir(builtins))
    space |= judge.find(names | ({entry_point} if entry_point else set()))
    if entry_point:
        space["candidate"] = space[entry_point]
    for code in case:
        exec(code, space)
    if judge.incident:
        raise judge.incident


def _names(code: types.CodeType) -> set[str]:
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _guarded(session: Session, work: Callable[..., None], *arguments: Any) -> Result:
    try:
        work(*arguments)
        return "passed", ""
    except AssertionError as error:
        return "broken" if session.judge.inspected else "failed", str(error)[:200]
    except Late:
        return "timeout", ""
    except LimitHit as hit:
        return "limit", str(hit)
    except Unsupported as reason:
        return "broken", str(reason)
    except Gone:
        code = session.room.clear(session.process)
        return ("limit" if code in DIED_OF_LIMIT else "error"), f"the program ended early, exit code {code}"
    except BaseException as error:
        status = "broken" if session.judge.inspected else "error"
        return status, f"{type(error).__name__}: {error}"[:200]


def judge_programs(job: dict[str, Any], room: Room, say: Any) -> None:
    """Tests that feed stdin and compare stdout; each in a process of its own."""
    program = _program(job)
    for index, (given, expected) in enumerate(job["cases"]):
        if time.monotonic() > room.end:
            say(index, ("timeout", "all tests together took too long"))
        else:
            say(index, _run_program(room, program, given, expected))


def _run_program(room: Room, program: str, given: str, expected: str) -> Result:
    reader, writer = os.pipe()
    with (
        _file(room.folder, program) as source,
        _file(room.folder, given) as stdin,
        open(reader, "rb", 0) as out,
    ):
        process = room.start("program", source.fileno(), stdin.fileno(), writer)
        os.close(writer)
        status, output = _read(out.fileno(), process, room)
        code = room.clear(process)
    if status != "passed":
        return status, ""
    if code:
        return ("limit" if code in DIED_OF_LIMIT else "error"), f"exit code {code}"
    same = _lines(output.decode("utf-8", "replace")) == _lines(expected)
    return ("passed", "") if same else ("failed", f"printed {output[:100]!r}")


def _file(folder: str, text: str) -> Any:
    """An open file that has no name any more."""
    path = Path(folder, f"input-{os.urandom(8).hex()}")
    file = path.open("w+b")
    path.unlink()
    file.write(text.encode("utf-8", "surrogatepass"))
    file.flush()
    file.seek(0)
    return file


def _read(fd: int, process: subprocess.Popen[bytes], room: Room) -> tuple[str, bytes]:
    """Until the program closes its output or ends; a child that keeps the pipe open is not waited for."""
    output, deadline, most = bytearray(), room.deadline(), room.limits.output_kb * 1024
    while (left := deadline - time.monotonic()) > 0:
        ended = process.poll() is not None
        if select.select([fd], [], [], 0 if ended else min(left, 0.05))[0]:
            part = os.read(fd, 2**16)
            output += part
            if len(output) > most:
                return "limit", b""
            if not part and _ends(process, deadline):
                return "passed", bytes(output)
        elif ended:
            return "passed", bytes(output)
    return "timeout", b""


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _lines(text: str) -> list[str]:
    """Spaces at the ends of lines and empty lines at the end mean nothing."""
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip().split("\n")


def say_all(job: dict[str, Any], say: Any, result: Result, start: int = 0) -> None:
    for index in range(start, len(job["cases"])):
        say(index, result)


def judge() -> None:
    job = json.load(sys.stdin.buffer)
    os.set_inheritable(job["results"], False)
    room = Room(job)

    def write(**line: Any) -> None:
        os.write(job["results"], json.dumps({"nonce": job["nonce"]} | line).encode() + b"\n")

    def say(index: int, result: Result) -> None:
        write(test=index, status=result[0], note=result[1])

    (judge_calls if job["style"] == "calls" else judge_programs)(job, room, say)
    write(finished=True, isolation=room.isolation)


def candidate(mode: str, fd: int) -> NoReturn | None:
    if mode == "calls":
        Candidate(Channel(socket.socket(fileno=fd))).serve()
    with open(fd, "rb") as file:
        source = file.read()
    program = types.ModuleType("__main__")
    sys.modules["__main__"], sys.argv = program, ["candidate.py"]
    try:
        exec(compile(source, "candidate.py", "exec", dont_inherit=True), program.__dict__)
    except Exception as error:
        if hit_limit(error):
            os._exit(LIMIT_EXIT)
        raise
    return None


if __name__ == "__main__":
    judge() if sys.argv[1] == "judge" else candidate(sys.argv[2], int(sys.argv[3]))

"""Run a model's program against tests: a status for each test, and a verdict.

`tests` has one of these forms (a value or its JSON):

    {"test": source with `check(candidate)`, "entry_point": name}         HumanEval, with "prompt" perhaps
    ["assert f(1) == 2", ...]  or  {"asserts": [...], "setup": source}    MBPP
    [{"input": stdin, "output": stdout}, ...]  or  {"inputs": [...], "outputs": [...]}

The tests run in a judge process, the program in processes of its own (`execution.child`), behind the walls of
`sandbox`; calls cross between them as data (`remote`). A program that exits, prints "passed", patches modules
or builtins, or returns objects that equal everything, has changed nothing in the judge: only the judge's own
signed lines count, and a test counts as passed only when it ran to its end with the program alive.

What tests must not do for that: a right program fails where a test captures what a function prints, gives a
coroutine of the program's to asyncio.run, uses numpy's attributes of a result (arrays arrive as lists), or
expects a `with` block of the program's to swallow an exception. Where it can be told, as in `class D(P)`,
in `inspect.signature(f)`, or when an object of the test's own class is handed over, the test is `broken`.

A guard, not a security boundary. What is left: the program can read the files that its user can read; a bug
of the kernel is a way out; where `Isolation` shows False, so is the ordinary user account. A program that
recognises inputs can hard-code answers, as anywhere. Nothing runs unless `allow_code_execution` is True.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from verifiers.execution.program import code_blocks
from verifiers.execution.sandbox import Isolation, Limits, kill_descendants
from verifiers.verdict import BadReference, Status, Verdict

TestStatus = Literal["passed", "failed", "error", "timeout", "limit", "broken"]

CHILD = str(Path(__file__).with_name("execution") / "child.py")
START_SECONDS = 5.0  # two interpreters must start before the first test, on a busy machine too
MAX_PROGRAM = 200_000  # characters in all code blocks
DEFAULT_LIMITS = Limits()


class CodeExecutionRefused(PermissionError):
    """Programs written by a model run only where the caller has said so."""


class BadTests(BadReference):
    """The tests are in none of the known forms."""


class Tests(NamedTuple):
    """`cases` are sources to run in turn ("calls"), or (stdin, stdout) pairs ("programs")."""

    style: Literal["calls", "programs"]
    cases: tuple[Any, ...]
    setup: str = ""
    entry_point: str | None = None
    prompt: str | None = None  # the program's beginning, where the prompt is more than that


class TestResult(NamedTuple):
    """`broken`: the test itself does not compile, or hands over what cannot leave its process."""

    status: TestStatus
    note: str = ""


class Report(NamedTuple):
    """One result a test, in order; `isolation` is None when the judge did not come to its end."""

    results: tuple[TestResult, ...]
    isolation: Isolation | None
    seconds: float

    @property
    def fraction(self) -> float:
        return sum(result.status == "passed" for result in self.results) / len(self.results)

    @property
    def status(self) -> Status:
        """A failed test decides; a slow or greedy program without one is neither right nor wrong."""
        found = {result.status for result in self.results}
        if found & {"failed", "error"}:
            return "incorrect"
        if "broken" in found:
            return "gold_unparseable"
        if "timeout" in found:
            return "timeout"
        return "limit" if "limit" in found else "correct"


def require_permission(allowed: bool) -> None:
    """Raises CodeExecutionRefused."""
    if allowed is not True:
        raise CodeExecutionRefused(
            "running programs written by a model is off; the recipe must say: allow_code_execution: true"
        )


def read_tests(tests: Any) -> Tests:
    """Raises BadTests, naming what is wrong."""
    if isinstance(tests, str):
        tests = _parse_json(tests)
    if isinstance(tests, dict) and "test" in tests:
        return _check_function(tests)
    if isinstance(tests, dict) and "asserts" in tests:
        return _asserts(tests["asserts"], tests.get("setup") or "")
    if isinstance(tests, dict) and "inputs" in tests:
        return _programs(_pairs(tests["inputs"], tests.get("outputs")))
    if isinstance(tests, list) and tests and isinstance(tests[0], str):
        return _asserts(tests, "")
    if isinstance(tests, list):
        return _programs(tests)
    raise BadTests(
        'tests: expected {"test", "entry_point"}, a list of asserts, or a list of {"input", "output"}'
    )


def run_tests(
    program: str | Sequence[str],
    tests: Tests,
    limits: Limits = DEFAULT_LIMITS,
    *,
    prompt: str = "",
    allow_code_execution: bool = False,
) -> Report:
    """Run every test. Several programs are code blocks, to choose from as `program.choose_program` does.

    Names that `prompt` defines are the tests' own; the program cannot change them. Raises
    CodeExecutionRefused unless it is allowed.
    """
    require_permission(allow_code_execution)
    started, nonce = time.monotonic(), secrets.token_hex(16)
    job: dict[str, Any] = tests._asdict() | {"program": program, "limits": limits, "nonce": nonce}
    job["prompt"] = prompt if tests.prompt is None else tests.prompt
    reader, writer = os.pipe()
    with _folder() as folder, open(reader, "rb", 0) as results, tempfile.TemporaryFile() as stdin:
        stdin.write(json.dumps(job | {"folder": folder, "results": writer}).encode())
        stdin.seek(0)
        process = _start(folder, stdin.fileno(), writer)
        os.close(writer)
        try:
            end = started + limits.deadline + START_SECONDS
            lines = _lines(results.fileno(), end)
            statuses, isolation = _collect(lines, nonce, len(tests.cases), end)
        finally:
            _end(process)
    return Report(statuses, isolation, time.monotonic() - started)


def probe(limits: Limits = DEFAULT_LIMITS) -> Isolation | None:
    """What this machine grants, found out with a program that does nothing."""
    return run_tests("", Tests("calls", ("pass",)), limits, allow_code_execution=True).isolation


def verify_code(
    tests: Any,
    completion: str,
    prompt: str = "",
    limits: Limits = DEFAULT_LIMITS,
    *,
    truncated: bool = False,
    allow_code_execution: bool = False,
) -> Verdict:
    """Judge one completion; `extracted` is the JSON list of its test statuses.

    A text that was cut off is no answer unless its program passes: the right one may have been to come.
    Raises BadTests and CodeExecutionRefused.
    """
    read = tests if isinstance(tests, Tests) else read_tests(tests)
    blocks = code_blocks(completion)
    if not blocks:
        return Verdict("no_answer")
    if sum(map(len, blocks)) > MAX_PROGRAM:
        return Verdict("limit")
    report = run_tests(blocks, read, limits, prompt=prompt, allow_code_execution=allow_code_execution)
    statuses = json.dumps([result.status for result in report.results])
    status = "no_answer" if truncated and report.status == "incorrect" else report.status
    return Verdict(status, statuses, "tests", report.seconds)


def verify_many(
    rows: Iterable[tuple[Any, str, str, bool]],
    limits: Limits = DEFAULT_LIMITS,
    *,
    workers: int = 1,
    allow_code_execution: bool = False,
) -> list[Verdict]:
    """`verify_code` for each (tests, completion, prompt, truncated), `workers` programs at a time."""

    def one(row: tuple[Any, str, str, bool]) -> Verdict:
        tests, completion, prompt, truncated = row
        return verify_code(
            tests, completion, prompt, limits, truncated=truncated, allow_code_execution=allow_code_execution
        )

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(one, rows))


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadTests(f"tests: not JSON ({error.msg}, character {error.pos})") from error


def _check_function(tests: dict[str, Any]) -> Tests:
    source, name = tests["test"], tests.get("entry_point")
    if not isinstance(source, str) or not isinstance(name, str) or not name.isidentifier():
        raise BadTests("tests: `test` must be source and `entry_point` the name of the function it checks")
    _must_parse(source, "test")
    prompt = tests.get("prompt")
    return Tests(
        "calls", (f"{source}\n\ncheck(candidate)\n",), "", name, prompt if isinstance(prompt, str) else None
    )


def _pairs(inputs: Any, outputs: Any) -> list[dict[str, Any]]:
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise BadTests("tests: `inputs` and `outputs` must be lists")
    if len(inputs) != len(outputs):
        raise BadTests(f"tests: {len(inputs)} inputs, {len(outputs)} outputs")
    return [{"input": given, "output": expected} for given, expected in zip(inputs, outputs, strict=True)]


def _asserts(cases: Any, setup: Any) -> Tests:
    if not isinstance(cases, list) or not cases or not all(isinstance(case, str) for case in cases):
        raise BadTests("tests: asserts must be a list of one or more statements")
    lines = setup.split("\n") if isinstance(setup, str) else setup
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise BadTests("tests: setup must be source, or a list of its lines")
    setup = "\n".join(lines)
    for number, case in enumerate(cases, 1):
        _must_parse(case, f"assert {number}")
    _must_parse(setup, "setup")
    return Tests("calls", tuple(cases), setup)


def _programs(cases: list[Any]) -> Tests:
    pairs = [(case.get("input", ""), case.get("output")) for case in cases if isinstance(case, dict)]
    if (
        not cases
        or len(pairs) < len(cases)
        or not all(isinstance(text, str) for pair in pairs for text in pair)
    ):
        raise BadTests('tests: each must be {"input": text, "output": text}')
    return Tests("programs", tuple(pairs))


def _must_parse(source: str, what: str) -> None:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadTests(f"tests: {what} is not Python ({error})") from error


@contextmanager
def _folder() -> Iterator[str]:
    """A working folder that goes away with all that a program has made of it."""
    folder = tempfile.mkdtemp(prefix="candidate-")
    os.chmod(folder, 0o777)  # the candidate may be another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.exists(folder):  # it has folders that nobody may open
            for path, _, _ in os.walk(folder):
                os.chmod(path, 0o700)
            shutil.rmtree(folder, ignore_errors=True)


def _start(folder: str, stdin: int, results: int) -> subprocess.Popen[bytes]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-I", CHILD, "judge"],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"HOME": folder, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"} | threads,
        pass_fds=[results],
        start_new_session=True,
    )


def _lines(fd: int, deadline: float) -> Iterator[bytes]:
    """What the judge writes, until it closes the pipe or time is up."""
    rest = b""
    poll = select.poll()  # select itself fails in a process with a thousand open files
    poll.register(fd, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            return
        part = os.read(fd, 2**16)
        if not part:
            return
        *whole, rest = (rest + part).split(b"\n")
        yield from whole


def _collect(
    lines: Iterator[bytes], nonce: str, n: int, end: float
) -> tuple[tuple[TestResult, ...], Isolation | None]:
    """Results by test; those that never came are nobody's failure."""
    found: dict[int, TestResult] = {}
    for line in lines:
        record = json.loads(line)
        if record.pop("nonce") != nonce:
            continue
        if record.get("finished"):
            return tuple(found[i] for i in range(n)), Isolation(*record["isolation"])
        found[record["test"]] = TestResult(record["status"], record["note"])
    late = time.monotonic() >= end
    missing = TestResult("timeout", "not done in time") if late else TestResult("limit", "the judge died")
    return tuple(found.get(i, missing) for i in range(n)), None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the judge's family behind; a judge that has finished is only collected."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        kill_descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

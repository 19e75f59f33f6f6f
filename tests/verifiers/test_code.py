"""Programs of models: they pass only by passing, harm nothing outside their folder, and end in time."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import verifiers.code
from verifiers.code import (
    BadTests,
    CodeExecutionRefused,
    Limits,
    Report,
    read_tests,
    run_tests,
    verify_code,
    verify_many,
)
from verifiers.execution.program import choose_program, code_blocks

TIGHT = Limits(seconds=1.0, deadline=2.0, memory_mb=256, processes=8, file_mb=1, output_kb=16)
RETURNS_2 = read_tests(["assert f(1) == 2"])


def run(program: str, tests=RETURNS_2, limits: Limits = TIGHT) -> Report:
    return run_tests(program, tests, limits, allow_code_execution=True)


def statuses(report: Report) -> list[str]:
    return [result.status for result in report.results]


@pytest.fixture(scope="module")
def isolation():
    """What this kernel grants; a test of a wall that is not there is skipped."""
    report = run("def f(x): return 2")
    assert report.isolation is not None
    return report.isolation


@pytest.fixture(scope="module")
def humaneval(shared_data) -> list[dict]:
    with gzip.open(shared_data / "humaneval/HumanEval.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def humaneval_verdicts(problems: list[dict], completions: list[str]) -> list[str]:
    rows = [(p, c, p["prompt"], False) for p, c in zip(problems, completions, strict=True)]
    return [v.status for v in verify_many(rows, workers=2, allow_code_execution=True)]


# ---- permission


@pytest.mark.parametrize("allowed", [False, None, "yes", 1])
def test_nothing_runs_unless_it_is_allowed_in_so_many_words(allowed, tmp_path):
    with pytest.raises(CodeExecutionRefused, match="allow_code_execution: true"):
        run_tests(f"open({str(tmp_path / 'x')!r}, 'w')", RETURNS_2, allow_code_execution=allowed)
    assert not list(tmp_path.iterdir())


def test_refusal_is_the_default():
    with pytest.raises(CodeExecutionRefused):
        verify_code(["assert True"], "x = 1")


# ---- the formats


def test_canonical_humaneval_solutions_pass(humaneval):
    verdicts = humaneval_verdicts(humaneval, [problem["canonical_solution"] for problem in humaneval])
    assert verdicts == ["correct"] * 164


def test_humaneval_bodies_that_return_none_fail(humaneval):
    problems = humaneval[::20]
    assert set(humaneval_verdicts(problems, ["    return None\n"] * len(problems))) == {"incorrect"}


def test_a_chat_answer_with_the_whole_function_passes(humaneval):
    problem = humaneval[38]  # its test calls a helper that only the prompt defines
    function = problem["prompt"] + problem["canonical_solution"]
    function = function[function.index("def decode_cyclic") :]
    answer = f"<think>```python\nx\n```</think>Here:\n```python\n{function}```\nIt prints:\n```\nabc\n```\n"
    assert humaneval_verdicts([problem], [answer]) == ["correct"]


def test_a_helper_of_the_prompt_cannot_be_redefined_for_the_tests(humaneval):
    problem = next(
        p for p in humaneval if p["entry_point"] == "find_zero"
    )  # the test asks poly(xs, answer) ~ 0
    cheat = "    return 1.0\n\ndef poly(xs, x):\n    return 0.0\n"
    assert humaneval_verdicts([problem], [cheat]) == ["incorrect"]


def test_mbpp_asserts_have_a_status_each_and_a_pass_fraction():
    tests = read_tests({"asserts": ["assert f(2) == 4", "assert f(3) == 5", "assert f('x')"], "setup": ""})
    report = run("def f(x): return x + 2 if x < 3 else 0", tests)
    assert statuses(report) == ["passed", "failed", "error"]
    assert report.fraction == pytest.approx(1 / 3)
    assert report.status == "incorrect"


def test_classes_exceptions_callbacks_and_changes_in_place_cross_the_processes():
    program = """
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
    def __add__(self, other): return Pair(self.a + other.a, self.b + other.b)
    def __eq__(self, other): return (self.a, self.b) == (other.a, other.b)
class Empty(ValueError): pass
def first(items):
    if not items: raise Empty("nothing")
    return items[0]
def numbers():
    yield from range(3)
def apply(function, items): return [function(item) for item in items]
def order(items): items.sort()
"""
    tests = read_tests(
        {
            "setup": "pair = Pair(1, 2)",
            "asserts": [
                "assert pair + Pair(3, 4) == Pair(4, 6) and pair.b == 2",
                "try:\n    first([])\nexcept ValueError as e:\n    assert str(e) == 'nothing'\nelse: 1 / 0",
                "try:\n    first([])\nexcept Empty:\n    pass",
                "assert list(numbers()) == [0, 1, 2]",
                "assert apply(lambda x: x * 2, (1, 2)) == [2, 4]",
                "xs = [3, 1, 2]\norder(xs)\nassert xs == [1, 2, 3]",
            ],
        }
    )
    assert statuses(run(program, tests)) == ["passed"] * 6


TYPES = """
class P:
    def __enter__(self): return 5
    def __exit__(self, *error): self.left = True
def mk(): return P()
async def later(): return 1
"""


def test_types_names_and_contexts_of_the_program_can_be_asked_for():
    tests = read_tests(
        [
            "assert isinstance(mk(), P) and not isinstance(None, P)",
            "p = mk()\nwith p as five: assert five == 5\nassert p.left",
            "assert mk.__name__ == 'mk'",
        ]
    )
    assert statuses(run(TYPES, tests)) == ["passed"] * 3


@pytest.mark.parametrize(
    "test",
    [
        "class D(P): pass",
        "import inspect\nassert not inspect.signature(mk).parameters",
        "assert isinstance(5, P)",
        "import asyncio\nasync def check():\n    assert await later() == 1\nasyncio.run(check())",
        "issubclass(P, int)",
    ],
)
def test_a_test_that_cannot_be_asked_from_outside_is_broken_and_nobodys_failure(test):
    report = run(TYPES, read_tests([test]))
    assert statuses(report) == ["broken"] and report.status == "gold_unparseable"


def test_noise_on_every_file_descriptor_is_an_error_of_the_program():
    noise = (
        "import os\ndef f(x):\n    for fd in range(3, 20):\n        try: os.write(fd, b'\\xff' * 64)\n"
        "        except OSError: pass\n    return 2"
    )
    assert run(noise).status == "incorrect"


def test_stdin_and_stdout_are_compared_up_to_spaces_at_the_ends_of_lines():
    tests = read_tests(
        [{"input": "3\n", "output": "6\n"}, {"input": "4", "output": "8"}, {"input": "5", "output": "1"}]
    )
    report = run("n = int(input())\nprint(2 * n, '')\nprint()", tests)
    assert statuses(report) == ["passed", "passed", "failed"]


def test_a_program_that_prints_the_answer_and_then_fails_has_failed():
    assert statuses(run("print(8)\nraise SystemExit(3)", read_tests([{"input": "", "output": "8"}]))) == [
        "error"
    ]


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("{", "not JSON"),
        ({"test": "def check(", "entry_point": "f"}, "test is not Python"),
        ({"test": "pass"}, "entry_point"),
        (["assert ("], "assert 1 is not Python"),
        ([], "each must be"),
        ([{"input": "1"}], "each must be"),
        ({"inputs": ["1"], "outputs": []}, "1 inputs, 0 outputs"),
        ({"inputs": 5, "outputs": []}, "must be lists"),
        ({"asserts": ["assert f()"], "setup": 5}, "setup must be source"),
        (5, "expected"),
    ],
)
def test_tests_that_cannot_be_read_are_named(tests, message):
    with pytest.raises(BadTests, match=message):
        read_tests(tests)


# ---- the program in a completion


SQUARE = "def f(x):\n    return x * x\n"
F_IS_4 = read_tests(["assert f(2) == 4"])


def program_of(completion: str, prompt: str = "", entry_point: str | None = None, names=()) -> str:
    return choose_program(code_blocks(completion), prompt, entry_point, names)


def fenced(*blocks: str) -> str:
    return "".join(f"Here:\n```{block}\n```\n" for block in blocks)


def test_the_last_block_is_the_program_when_nothing_says_which_function_it_defines():
    assert program_of("```py\na = 1\n```\nbetter:\n```\nb = 2\n```\n") == "b = 2\n"


def test_a_block_that_is_cut_off_is_still_the_program():
    assert program_of("```python\nprint(1)\nprint(2)") == "print(1)\nprint(2)"


def test_a_body_without_its_indentation_continues_the_prompt():
    program = program_of("```\nreturn x + 1\n```", "def f(x):\n    '''Add one.'''\n", "f")
    assert statuses(run(program)) == ["passed"]


@pytest.mark.parametrize(
    "completion",
    [
        fenced(f"python\n{SQUARE}", "\n4"),
        fenced(f"python\n{SQUARE}", "text\nf(2) = 4"),
        fenced(f"python\n{SQUARE}", "bash\npython a.py"),
        fenced(f"python\n{SQUARE}", "python\nprint(f(1))"),
        fenced("python\ndef f(x): return 5", f"python\n{SQUARE}"),
        fenced("python\ndef times(x, y): return x * y", "python\ndef f(x): return times(x, x)"),
        fenced("python\nimport math", "python\ndef f(x): return math.prod([x, x])", "\n>>> f(2)"),
        "1. Write it:\n   ```python\n   def f(x):\n       return x * x\n   ```\n2. Run it.\n",
        f"~~~python\n{SQUARE}~~~\n",
        f"````\n{SQUARE}````\n",
    ],
)
def test_the_block_that_defines_what_the_tests_call_is_the_program(completion):
    names = {"f"}
    assert "print" not in program_of(completion, names=names)
    assert verify_code(F_IS_4, completion, limits=TIGHT, allow_code_execution=True).status == "correct"


def test_a_helper_in_an_earlier_block_comes_with_the_function_that_uses_it():
    completion = fenced("python\ndef helper(x): return x + 1", "python\ndef g(x):\n    return helper(x)")
    program = program_of(completion, "def g(x):\n", "g")
    assert statuses(run(program, read_tests(["assert g(1) == 2"]))) == ["passed"]


@pytest.mark.parametrize("other", ["\n3", "bash\necho 1 2 | python a.py", "python\nprint(sum([1, 2]))"])
def test_the_block_that_reads_input_is_the_program_for_tests_that_give_some(other):
    assert "input" in program_of(fenced("python\nprint(sum(map(int, input().split())))", other))


def test_a_program_that_was_cut_off_is_no_answer_unless_it_passes():
    def judged(text: str) -> str:
        return verify_code(F_IS_4, text, limits=TIGHT, truncated=True, allow_code_execution=True).status

    assert judged(f"```python\n{SQUARE}```\nIt is") == "correct"
    assert judged("```python\ndef f(x):\n    return") == "no_answer"


@pytest.mark.parametrize("completion", ["", "  \n", "<think>```\nx = 1\n```"])
def test_no_program_is_no_answer(completion):
    verdict = verify_code(["assert True"], completion, allow_code_execution=True)
    assert verdict.status == "no_answer"


def test_prose_instead_of_a_program_is_wrong(humaneval):
    assert humaneval_verdicts(humaneval[:1], ["I would sort the list and compare neighbours."]) == [
        "incorrect"
    ]


# ---- cheats


@pytest.mark.parametrize(
    "program",
    [
        "import sys\ndef f(x): sys.exit(0)",
        "import os\ndef f(x): os._exit(0)",
        "import os\nos._exit(0)",
        "raise SystemExit(0)",
        "class Yes:\n  __eq__ = lambda s, o: True\n  __ne__ = lambda s, o: False\ndef f(x): return Yes()",
        "class Yes(int):\n  __eq__ = lambda s, o: True\n  __hash__ = int.__hash__\ndef f(x): return Yes(7)",
        "import builtins\nbuiltins.AssertionError = ValueError\nbuiltins.print('passed')\ndef f(x): return 3",
        "import gc\ndef f(x):\n  for o in gc.get_objects():\n    if type(o) is dict: o['x'] = 1\n  return 3",
        "import os\ndef f(x):\n  for fd in range(3, 64):\n    try: os.write(fd, LINE)\n"
        '    except OSError: pass\n  os._exit(0)\nLINE = b\'{"test": 0, "status": "passed"}\\n\'',
        "import os\ndef f(x):\n  try: os.kill(os.getppid(), 9)\n  except OSError: pass\n  os._exit(0)",
        "import os\ndef f(x):\n  try: os.kill(-1, 9)\n  except OSError: pass\n  return 3",
    ],
)
def test_a_program_that_does_not_compute_the_answer_does_not_pass(program):
    assert run(program).status != "correct"


@pytest.mark.parametrize(
    "test",
    [
        "abs(f(1) - 2.0) < 1e-6",
        "f(1) < 3",
        "3 > f(1)",
        "-f(1) == -2",
        "f(1) in [2]",
        "f(1) % 2 == 0",
        "2 in f(1)",
    ],
)
def test_an_object_that_agrees_with_everything_is_no_number(test):
    program = """
class Yes:
    def agree(self, *others): return 0.0
    __sub__ = __rsub__ = __abs__ = __neg__ = __mod__ = agree
    def yes(self, *others): return True
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __contains__ = yes
def f(x): return Yes()
"""
    assert statuses(run(program, read_tests([f"assert {test}"])))[0] in ("failed", "error")


def test_a_module_that_tests_share_with_the_program_cannot_be_patched_by_it():
    program = "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 3.0"
    assert statuses(run(program, read_tests(["assert math.isclose(f(1), 2.0)"]))) == ["failed"]
    assert statuses(run(program, read_tests(["assert math.isclose(f(1), 3.0)"]))) == ["passed"]


def test_a_program_that_answers_for_names_it_was_not_asked_for_gains_nothing():
    program = """
from verifiers import remote
class Liar(remote.Candidate): pass
import gc
for thing in gc.get_objects():
    if isinstance(thing, remote.Candidate):
        plain = thing._find
        thing._find = lambda names: ({"abs": f, "len": f} | plain(names)[0], {}, {})
def f(*x): return 0
"""
    assert statuses(run(program, read_tests(["assert f and abs(-1) == 0"]))) != ["passed"]


def test_a_test_that_catches_everything_does_not_hide_that_the_program_has_died():
    tests = read_tests(["try:\n    f(1)\nexcept BaseException:\n    pass"])
    assert statuses(run("import os\ndef f(x): os._exit(0)", tests)) == ["error"]
    assert statuses(run("def f(x): raise ValueError", tests)) == ["passed"]


def test_answers_that_are_no_data_are_read_by_no_general_unpickler(tmp_path):
    trap = tmp_path / "trap"
    program = f"""
import pickle, struct, os
class Trap:
    def __reduce__(self): return os.system, ("touch {trap}",)
def f(x):
    data = pickle.dumps(("ok", Trap(), ()), 4)
    for fd in range(3, 64):
        try: os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError: pass
    return 2
"""
    assert statuses(run(program)) == ["error"]
    assert not trap.exists()


# ---- limits


def test_an_endless_loop_costs_its_seconds_and_the_other_tests_still_run():
    started = time.monotonic()
    report = run(
        "def f(x):\n  while x == 1: pass\n  return 2", read_tests(["assert f(1) == 2", "assert f(2) == 2"])
    )
    assert statuses(report) == ["timeout", "passed"]
    assert report.status == "timeout"
    assert time.monotonic() - started < 5


def test_a_program_that_never_loads_times_out_for_all_tests():
    report = run("while True: pass", read_tests(["assert f(1)", "assert f(2)"]))
    assert statuses(report) == ["timeout", "timeout"]


def test_a_test_that_never_ends_is_ended_from_outside(monkeypatch):
    monkeypatch.setattr("verifiers.code.START_SECONDS", 1.0)
    limits = TIGHT._replace(deadline=0.5)
    started = time.monotonic()
    assert statuses(run("def f(x): return 2", read_tests(["while f(1): pass"]), limits)) == ["timeout"]
    assert statuses(run("", read_tests(["while True: pass"]), limits)) == ["timeout"]
    assert time.monotonic() - started < 20


def test_a_program_that_takes_minutes_to_parse_costs_its_deadline(monkeypatch):
    monkeypatch.setattr("verifiers.code.START_SECONDS", 1.0)
    source = "import a" + ".b" * 90_000  # the parser is quadratic in it, and holds the interpreter's lock
    tests = {"test": "def check(candidate): pass", "entry_point": "f"}
    started = time.monotonic()
    verdict = verify_code(
        tests, source, "def f(x):\n    ''", TIGHT._replace(deadline=0.5), allow_code_execution=True
    )
    assert verdict.status == "timeout"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return len(bytearray(10**9))",
        "def f(x):\n  open('big', 'wb').write(bytes(5 * 2**20))\n  return 2",
        "def f(x): return 'a' * (100 * 2**20)",
    ],
)
def test_memory_file_and_answer_size_have_limits(program):
    assert statuses(run(program)) == ["limit"]


def test_a_fork_bomb_runs_into_the_process_limit(isolation):
    if not isolation.user:
        pytest.skip("this kernel gives candidates no user of their own")
    bomb = "import os\ndef f(x):\n  n = 0\n  while n < 50:\n    if os.fork(): n += 1\n  return 2"
    assert statuses(run(bomb)) == ["limit"]


def test_endless_output_is_cut_off():
    assert statuses(run("while True: print('x' * 1000)", read_tests([{"input": "", "output": "x"}]))) == [
        "limit"
    ]
    noisy = "def f(x):\n  print('x' * 10**6)\n  return 2"
    assert statuses(run(noisy)) == ["passed"]  # what a function prints is nobody's result


def test_a_program_sees_an_empty_environment_and_folder(monkeypatch):
    monkeypatch.setenv("API_KEY", "secret")
    program = "import os\ndef f(x): return [sorted(os.environ), os.listdir('.')]"
    report = run(
        program, read_tests(["found = f(1)\nassert 'API_KEY' not in found[0] and found[1] == [], found"])
    )
    assert statuses(report) == ["passed"], report


def test_hashes_are_the_same_in_every_run():
    program = "def f(x): return list({'a', 'b', 'c', 'd', 'e'})"
    orders = {run(program, read_tests(["assert 0, f(1)"])).results[0].note for _ in range(3)}
    assert len(orders) == 1


# ---- what is left behind


def test_files_go_away_with_their_folder(isolation, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os\ndef f(x):\n  os.makedirs('a/b/c')\n  os.chmod('a', 0)\n  return 2"
    assert statuses(run(program)) == ["passed"]
    assert list(tmp_path.iterdir()) == []


def test_files_outside_the_folder_are_read_only(isolation, tmp_path):
    if not isolation.files:
        pytest.skip("this kernel gives no private mounts")
    target = tmp_path / "mine"
    target.write_text("before")
    os.chmod(target, 0o666)
    program = f"def f(x):\n  open({str(target)!r}, 'w').write('after')\n  return 2"
    assert statuses(run(program)) == ["error"]
    assert target.read_text() == "before"


def test_there_is_no_network(isolation):
    if not isolation.network:
        pytest.skip("this kernel gives no private network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = (
            f"import socket\ndef f(x):\n  socket.create_connection(('127.0.0.1', {port}), 1)\n  return 2"
        )
        assert statuses(run(program)) == ["error"]
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("then", ["return 2", "time.sleep(60)"])
def test_no_grandchild_survives(then):
    mark = f"grandchild-{os.getpid()}-{time.monotonic_ns()}"
    program = f"""
import os, time, subprocess, sys
def f(x):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", {mark!r}], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    {then}
"""
    assert statuses(run(program)) == (["passed"] if then == "return 2" else ["timeout"])
    assert _alive(mark) == []


@pytest.mark.parametrize("then", ["return 2", "time.sleep(60)"])
def test_without_namespaces_nothing_survives_either(then, tmp_path, monkeypatch):
    """As in a container that forbids them: the judge adopts and kills what the candidate leaves."""
    child = tmp_path / "child.py"
    child.write_text(
        "import runpy, sys\n"
        f"sys.path.append({str(Path(verifiers.code.CHILD).parent.parent)!r})\n"
        "import verifiers.execution.sandbox\n"
        "verifiers.execution.sandbox._unshare = lambda spaces: False\n"
        f"runpy.run_path({verifiers.code.CHILD!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr("verifiers.code.CHILD", str(child))
    assert run("def f(x): return 2").isolation[:3] == (False, False, False)
    test_no_grandchild_survives(then)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_survives_the_process_that_asked(tmp_path):
    mark = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    program = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        f"subprocess.Popen([*sleep, {mark!r}], start_new_session=True)\n"
        "time.sleep(60)\n"
    )
    ask = (
        "from verifiers.code import *\n"
        f"run_tests({program!r}, read_tests(['assert 1']), Limits(60, 60), allow_code_execution=True)"
    )
    asking = subprocess.Popen([sys.executable, "-c", ask], env=os.environ | {"TMPDIR": str(tmp_path)})
    _wait(lambda: bool(_alive(mark)))
    asking.kill()
    asking.wait()
    _wait(lambda: not _alive(mark))


def test_programs_run_side_by_side_from_any_thread():
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(run(f"def f(x): return {n}").status))
        for n in (2, 3, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["correct", "correct", "incorrect"]


def _alive(mark: str) -> list[Path]:
    """Interpreters that were started with this word as an argument of its own."""
    word = b"\0" + mark.encode() + b"\0"
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if word in _bytes(path)]


def _wait(ready, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "not within ten seconds"
        time.sleep(0.05)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

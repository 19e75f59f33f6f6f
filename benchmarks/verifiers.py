"""Our mathematics verifier beside Math-Verify and inspect_ai's `math` scorer, on the same rows in one run.

    python benchmarks/verifiers.py [--data FOLDER] [--peer-python PATH] [--seconds 120] [--out FOLDER]

Accuracy on published conformance rows and on labelled model output, false accepts, and the time of every
single check (one process, one core). The peers run in an environment of their own: the interpreter given
with --peer-python, else a temporary virtual environment that pip fills; a peer that cannot be installed is
reported as absent. They get what favours them: Math-Verify the options of each row's source and bare answers
wrapped in dollars. A peer stops after --seconds on a workload, and its sample is then the first rows of a
seeded shuffle; the columns say how many. Writes verifiers.md and verifiers.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SEED = 0
PEERS = {"math_verify": "math-verify[antlr4_13_2]==0.9.0", "inspect_ai": "inspect-ai==0.3.285"}
REQUIREMENTS = [*PEERS.values(), "sympy==1.14.0", "latex2sympy2_extended==1.11.0"]
# ProcessBench calls these two wrong, though they end in the gold answer.
LABEL_ERRORS = ("gsm8k-70", "gsm8k-74")


class Row(NamedTuple):
    """One check. `expected` is None where only the time counts."""

    id: str
    gold: str
    prediction: str
    expected: bool | None
    options: dict[str, Any]


class Check(NamedTuple):
    """`seconds` on the clock, `cpu` on the processor; `error` names an exception that came out."""

    id: str
    correct: bool
    seconds: float
    cpu: float
    error: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("REWARDSMITH_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data", help="folder with the real inputs")
    parser.add_argument("--peer-python", help="an interpreter that has the peers installed")
    parser.add_argument("--seconds", type=float, default=120.0, help="limit for a peer on one workload")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)  # the other end of `_ask`
    args = parser.parse_args()
    if args.peer:
        serve(args.peer)
        return
    sys.path.insert(0, str(ROOT))
    workloads = load_workloads(args.data)
    results = {"ours": {name: measure_ours(rows) for name, rows in workloads.items()}}
    with tempfile.TemporaryDirectory() as folder:
        python, problem = peer_python(args.peer_python, Path(folder))
        for peer in PEERS:
            try:
                results[peer] = {n: _ask(python, peer, rows, args.seconds) for n, rows in workloads.items()}
            except (RuntimeError, OSError) as error:
                print(f"{peer} is absent: {problem or error}", file=sys.stderr)
    report = summarise(workloads, results)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "verifiers.json").write_text(json.dumps(report, indent=1) + "\n")
    (args.out / "verifiers.md").write_text(render(report))
    print(render(report))


def load_workloads(data: Path) -> dict[str, list[Row]]:
    core, security = [], []
    for row in _lines(data / "conformance/math_equiv.jsonl"):
        entry = Row(row["id"], row["gold"] or "", row["prediction"] or "", row["expected"], row["opts"])
        if row["core"]:
            core.append(entry)
        elif row["kind"] == "security":
            security.append(entry)
    issues = [
        Row(r["id"], r["gold"], r["prediction"], r["expected"], {})
        for r in _lines(data / "conformance/math_equiv_issues.jsonl")
    ]
    math = list(_lines(data / "math500/test.jsonl"))
    golds = {
        q["question"].strip(): q["answer"].rpartition("#### ")[2]
        for n in ("train", "test")
        for q in _lines(data / f"gsm8k/{n}.jsonl")
    }
    bench = json.loads((data / "processbench/gsm8k.json").read_text())
    workloads = {
        "core": core,
        "issues": issues,
        "security": security,
        "gsm8k": list(_gsm8k(data / "gsm8k/example_model_solutions.jsonl")),
        "math500_self": [Row(f"math-{i}", r["answer"], r["solution"], True, {}) for i, r in enumerate(math)],
        "math500_cross": [
            Row(f"cross-{i}", math[i - 1]["answer"], r["solution"], None, {}) for i, r in enumerate(math)
        ],
        "processbench": [
            Row(r["id"], golds[r["problem"].strip()], "\n\n".join(r["steps"]), r["final_answer_correct"], {})
            for r in bench
            if r["id"] not in LABEL_ERRORS
        ],
    }
    for rows in workloads.values():
        random.Random(SEED).shuffle(rows)
    return workloads


def _gsm8k(path: Path) -> Iterator[Row]:
    for i, problem in enumerate(_lines(path)):
        for model, solution in problem.items():
            if isinstance(solution, dict):
                name = f"gsm8k-{i}-{model}"
                gold = problem["ground_truth"].rpartition("A: ")[2]
                yield Row(name, gold, solution["solution"], solution["is_correct"], {})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        yield from map(json.loads, lines)


def measure_ours(rows: list[Row]) -> list[Check]:
    """One cold pass: no answer has been seen before; the import and the workers' start are not counted."""
    from verifiers import math

    math.verify(r"\sin^2 x + \cos^2 x", r"\boxed{\cosh^2 x - \sinh^2 x}")

    def check(row: Row) -> bool:
        return math.verify(row.gold, row.prediction).status == "correct"

    checks = []
    for row in rows:
        asked = len(math._DECIDED)
        done = _timed(check, row)
        in_worker = len(math._DECIDED) > asked  # its processor time is not this process's
        checks.append(done._replace(cpu=done.seconds) if in_worker else done)
    return checks


def _timed(check: Callable[[Row], bool], row: Row) -> Check:
    started, cpu = time.perf_counter(), time.process_time()
    try:
        correct, error = check(row), ""
    except Exception as problem:  # a peer's; it counts as a row that was not accepted
        correct, error = False, type(problem).__name__
    return Check(row.id, correct, time.perf_counter() - started, time.process_time() - cpu, error)


def peer_python(given: str | None, folder: Path) -> tuple[str, str]:
    """(interpreter with the peers, what went wrong); this one when it already has Math-Verify."""
    if given:
        return given, ""
    try:
        metadata.version("math-verify")
        return sys.executable, ""
    except metadata.PackageNotFoundError:
        pass
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    for requirement in REQUIREMENTS:
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", requirement], capture_output=True, text=True
        )
        if done.returncode:
            print(f"pip install {requirement} failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return python, ""


def _ask(python: str, peer: str, rows: list[Row], seconds: float) -> list[Check]:
    """The checks of a peer in its own interpreter; as many rows as fit into `seconds`."""
    job = json.dumps({"seconds": seconds, "rows": rows})
    done = subprocess.run(
        [python, __file__, "--peer", peer],
        input=job,
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return [Check(*check) for check in json.loads(done.stdout.strip().rpartition("\n")[2])]


def serve(peer: str) -> None:
    check = {"math_verify": math_verify_check, "inspect_ai": inspect_check}[peer]()
    check(Row("warm", "2", r"\boxed{\frac{4}{2}}", True, {}))
    job = json.load(sys.stdin)
    end = time.monotonic() + job["seconds"]
    checks = []
    for row in job["rows"]:
        if time.monotonic() > end:
            break
        checks.append(_timed(check, Row(*row)))
    print("\n" + json.dumps(checks))


def math_verify_check() -> Callable[[Row], bool]:
    import logging

    from math_verify import (
        ExprExtractionConfig,
        LatexExtractionConfig,
        parse,
        verify,
    )

    logging.disable()

    def check(row: Row) -> bool:
        latex = LatexExtractionConfig(boxed_match_priority=row.options.get("boxed_match_priority", 0))
        kinds = {"latex": latex, "expr": ExprExtractionConfig()}
        configs = [kinds[name] for name in row.options.get("match_types", ["latex", "expr"])]
        rounding = row.options.get("float_rounding", 6)
        gold, answer = (parse(_wrapped(text), configs) for text in (row.gold, row.prediction))
        return bool(verify(gold, answer, float_rounding=rounding))

    return check


def _wrapped(text: str) -> str:
    """A bare answer in dollars, which Math-Verify needs to read LaTeX."""
    is_marked = re.search(r"(?<!\\)\$|boxed|\\[(\[]|\n", text)
    words = re.findall(r"(?<![\\A-Za-z])[A-Za-z]{3,}", text)
    return text if is_marked or len(words) > 2 else f"${text}$"


def inspect_check() -> Callable[[Row], bool]:
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.scorer import CORRECT, Target, math
    from inspect_ai.solver import TaskState

    scorer = math()
    loop = asyncio.new_event_loop()

    def check(row: Row) -> bool:
        output = ModelOutput.from_content("none", row.prediction)
        model = ModelName("none/none")
        state = TaskState(model=model, sample_id=1, epoch=1, input="", messages=[], output=output)
        score = loop.run_until_complete(scorer(state, Target(row.gold)))
        return score is not None and score.value == CORRECT

    return check


def summarise(workloads: dict[str, list[Row]], results: dict[str, dict[str, list[Check]]]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, rows in workloads.items():
        expected = {row.id: row.expected for row in rows}
        tables[name] = {tool: _score(expected, checks[name]) for tool, checks in results.items()}
    return {"machine": machine(), "peers": {p: p in results for p in PEERS}, "workloads": tables}


def _score(expected: dict[str, bool | None], checks: list[Check]) -> dict[str, Any]:
    times = sorted(check.seconds for check in checks)
    labelled = [(check, expected[check.id]) for check in checks if expected[check.id] is not None]
    return {
        "rows": len(checks),
        "agree": sum(check.correct == label for check, label in labelled) if labelled else None,
        "false_accepts": [check.id for check, label in labelled if check.correct and not label],
        "misses": [check.id for check, label in labelled if label and not check.correct][:50],
        "accepted": sum(check.correct for check in checks),
        "errors": sum(bool(check.error) for check in checks),
        "per_second": len(checks) / sum(check.cpu for check in checks),
        **{name: 1e3 * _quantile(times, q) for name, q in QUANTILES.items()},
    }


QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}


def _quantile(times: list[float], q: float) -> float:
    return times[min(len(times) - 1, int(q * len(times)))]


def machine() -> dict[str, Any]:
    model = (
        re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if sys.platform == "linux"
        else None
    )
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "sympy": metadata.version("sympy"),
        "date": time.strftime("%Y-%m-%d"),
    }


def render(report: dict[str, Any]) -> str:
    facts = report["machine"]
    lines = [
        "# Answer checking: ours and its peers",
        "",
        f"{facts['cpu']}, {facts['cores']} cores (load {facts['load']:.1f}), Python {facts['python']}, "
        f"sympy {facts['sympy']}, {facts['date']}. Made by `python benchmarks/verifiers.py`; one process, "
        "every check alone, each answer seen for the first time. Checks/s count processor time, since other "
        "work shares the machine; the milliseconds are those of the clock.",
    ]
    present = [PEERS[peer] for peer, found in report["peers"].items() if found]
    lines += ["", f"Peers: {', '.join(present) or 'none'}. A peer with fewer rows ran out of its time limit."]
    absent = [peer for peer, present in report["peers"].items() if not present]
    if absent:
        lines += ["", f"Absent, because it could not be installed: {', '.join(absent)}."]
    for name, tools in report["workloads"].items():
        lines += ["", f"## {name}: {TITLES[name]}", "", *_table(tools)]
    return "\n".join(lines) + "\n"


TITLES = {
    "core": "conformance rows on which the sources agree",
    "issues": "triples that users of Math-Verify reported",
    "security": "injected programs; none may be judged correct",
    "gsm8k": "full solutions of four models with published flags",
    "math500_self": "MATH-500 reference solutions, each with its own gold",
    "math500_cross": "the same solutions with another problem's gold (an accept may be a coincidence)",
    "processbench": "full solutions with human final-answer labels, without two known label errors",
}


def _table(tools: dict[str, Any]) -> Iterator[str]:
    columns = "tool|rows|agree|false accepts|accepted|errors|checks/s|p50 ms|p99|p99.9|max|our speed".split(
        "|"
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for tool, s in tools.items():
        agree = "" if s["agree"] is None else f"{s['agree']} ({s['agree'] / max(s['rows'], 1):.1%})"
        ratio = "" if tool == "ours" else f"{tools['ours']['per_second'] / s['per_second']:,.0f}x"
        times = " | ".join(f"{s[q]:,.3g}" for q in QUANTILES)
        yield (
            f"| {tool} | {s['rows']:,} | {agree} | {len(s['false_accepts'])} | {s['accepted']} "
            f"| {s['errors']} "
            f"| {s['per_second']:,.0f} | {times} | {ratio} |"
        )


if __name__ == "__main__":
    main()

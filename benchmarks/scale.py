"""Ten million rows through the verbs for files: time, and memory against the number of rows.

    python benchmarks/scale.py [--rows N ...] [--verbs VERB ...] [--scratch DIR] [--out FOLDER] [--workers N]

Each verb runs as a child process on one Parquet file of made pairs (`scale_corpus.py`), for a few numbers of
rows: decontaminate against 20 sets of 950 prompts, deduplicate and split by the prompts, convert into our
table, audit of that table. Memory is that of the child and all its children, Pss (shared pages once), looked
at twice a second, and at least the kernel's count of the largest one's peak. What was planted in the corpus
must be found: the benchmark ends with an error if it is not. Writes scale.json, scale.md and scale.svg.
Needs Linux, and about half a GB of disk per million rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.scale_chart import memory_chart
from benchmarks.scale_corpus import EVAL_PROMPTS, EVAL_SETS, Planted, write_corpus, write_eval_sets

RESULTS = Path(__file__).resolve().parent / "results"
ROWS = (100_000, 1_000_000, 10_000_000)
VERBS = ("decontaminate", "deduplicate", "split", "convert", "audit")
LOOK_SECONDS = 0.5
CURVE_POINTS = 120
FOUND, MOST = 0.99, 1.05  # rows dropped, of those planted: chance and the leaks make some copies of their own


class Measured(NamedTuple):
    verb: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    curve: list[tuple[float, float]]  # (seconds, MiB)
    result: dict[str, Any]  # what the verb did with the planted rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=VERBS)
    parser.add_argument(
        "--scratch", type=Path, help="folder for corpus and outputs (default: a temporary one)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--workers", type=int, default=1, help="processes of the scan")
    args = parser.parse_args()
    measured = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        eval_sets = write_eval_sets(Path(folder) / "eval")
        for rows in args.rows:
            measured += list(_measure(Path(folder) / str(rows), rows, args.verbs, eval_sets, args.workers))
    args.out.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(one._asdict()) for one in measured)
    (args.out / "scale.json").write_text(f"[\n{lines}\n]\n")
    (args.out / "scale.svg").write_text(memory_chart(_peaks(measured)))
    (args.out / "scale.md").write_text(_report(measured, args.workers))
    print((args.out / "scale.md").read_text())


def _measure(
    folder: Path, rows: int, verbs: list[str], eval_sets: list[Path], workers: int
) -> Iterator[Measured]:
    folder.mkdir()
    corpus, table = folder / "pairs.parquet", folder / "table.parquet"
    started = time.monotonic()
    planted = write_corpus(corpus, rows)
    print(
        f"{rows:,} rows in {time.monotonic() - started:.0f} s, {corpus.stat().st_size >> 20} MiB", flush=True
    )
    for verb in verbs:
        if verb == "audit" and not table.exists():
            _run(_command("convert", corpus, table, eval_sets, workers), folder)
        out = table if verb == "convert" else folder / verb
        seconds, cpu, peak, curve = _run(_command(verb, corpus, out, eval_sets, workers), folder)
        result = _result(verb, out, rows, planted)
        print(f"{verb} {rows:,}: {seconds:.0f} s, {cpu:.0f} CPU-s, {peak:.0f} MiB {result}", flush=True)
        yield Measured(verb, rows, seconds, cpu, peak, curve, result)
        if verb not in ("convert", "audit"):
            shutil.rmtree(out)
    shutil.rmtree(folder)


def _command(verb: str, corpus: Path, out: Path, eval_sets: list[Path], workers: int) -> list[str]:
    if verb == "convert":
        return [verb, str(corpus), str(out), "--from", "trl-preference", "--to", "preference"]
    if verb == "audit":
        return [verb, str(corpus.with_name("table.parquet")), "--json", str(out)]
    if verb == "decontaminate":
        sets = [f"{{name: {path.stem}, path: {path}, columns: [prompt], kind: chat}}" for path in eval_sets]
        given = ["--prompt", "prompt", "--workers", str(workers), "--against", *sets]
    else:
        given = ["--column", "prompt"]
    return [verb, str(corpus), "--out", str(out), *given]


def _run(command: list[str], scratch: Path) -> tuple[float, float, float, list[tuple[float, float]]]:
    """Seconds, CPU-seconds, MiB at the peak, and the curve. An audit that found errors ends with 1."""
    started, curve = time.monotonic(), []
    with open(scratch / "said.txt", "w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows", *command],
            stdout=said,
            stderr=said,
            env=os.environ | {"TMPDIR": str(scratch)},
        )
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            curve.append((time.monotonic() - started, _tree_mib(child.pid)))
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - started
        code = child.returncode = os.waitstatus_to_exitcode(status)
        if code not in ((0, 1) if command[0] == "audit" else (0,)):
            said.seek(0)
            sys.exit(f"flows {command[0]} ended with {code}:\n{said.read()[-4000:]}")
    peak = max([usage.ru_maxrss / 1024, *(mib for _, mib in curve)])
    step = max(1, len(curve) // CURVE_POINTS)
    thinned = [
        (round(curve[i][0], 1), round(max(mib for _, mib in curve[i : i + step])))
        for i in range(0, len(curve), step)
    ]
    return seconds, usage.ru_utime + usage.ru_stime, peak, thinned


def _tree_mib(pid: int) -> float:
    """Memory of a process and its children; 0 for one that has just ended."""
    try:
        pss = Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return int(pss) / 1024 + sum(_tree_mib(int(child)) for child in children)


def _result(verb: str, out: Path, rows: int, planted: Planted) -> dict[str, Any]:
    """Rows that went where; the benchmark stops where what was planted was not found."""
    if verb == "audit":
        found = _findings(out)
        both_ways = found.get("labelled_both_ways", 0)
        _check(verb, both_ways >= planted.turned, f"{both_ways} pairs of {planted.turned} found both ways")
        return found
    kept = _rows_of(out / "train" if verb == "split" else out)
    if verb == "convert":
        _check(verb, kept == rows, f"{kept:,} of {rows:,} rows")
        return {"written": kept}
    if verb == "split":
        test = _rows_of(out / "test")
        _check(verb, kept + test == rows and 0.05 < test / rows < 0.15, f"{kept:,} and {test:,} rows")
        return {"train": kept, "test": test}
    copies = planted.exact + planted.near + planted.turned
    wanted = planted.leaked if verb == "decontaminate" else copies
    dropped = rows - kept
    holds = FOUND * wanted <= dropped <= MOST * wanted
    _check(verb, holds, f"{dropped:,} rows dropped, {wanted:,} planted")
    return {"planted": wanted, "dropped": dropped}


def _rows_of(out: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(out / "pairs.parquet" if out.is_dir() else out).num_rows)


def _findings(out: Path) -> dict[str, int]:
    reports = json.loads(out.read_text())["reports"]
    return {one["check"]: one["count"] for found in reports for one in found["findings"]}


def _check(verb: str, holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"{verb}: {what}")


def _peaks(measured: list[Measured]) -> dict[str, list[tuple[int, float]]]:
    return {
        verb: [(m.rows, m.peak_mib) for m in measured if m.verb == verb]
        for verb in dict.fromkeys(m.verb for m in measured)
    }


def _report(measured: list[Measured], workers: int) -> str:
    """The growth is the memory of each further row, between the two largest numbers of rows."""
    lines = [
        "# Scale",
        "",
        "Made pairs (prompts of 20 to 60 words, 10 % of them copies) in one Parquet file, each verb a process"
        f" of its own, {workers} for the scan, against {EVAL_SETS} sets of {EVAL_PROMPTS} prompts;"
        " `python benchmarks/scale.py`.",
        "",
        "| verb | rows | wall s | CPU s | rows a CPU-second | peak MiB | bytes a further row |",
        "|---|---|---|---|---|---|---|",
    ]
    for m in measured:
        smaller = [o for o in measured if o.verb == m.verb and o.rows < m.rows]
        growth = "–"
        if smaller:
            last = max(smaller, key=lambda o: o.rows)
            growth = f"{(m.peak_mib - last.peak_mib) * 2**20 / (m.rows - last.rows):.0f}"
        lines.append(
            f"| {m.verb} | {m.rows:,} | {m.seconds:.0f} | {m.cpu_seconds:.0f} "
            f"| {m.rows / m.cpu_seconds:,.0f} | {m.peak_mib:,.0f} | {growth} |"
        )
    lines += ["", "![peak memory against rows](scale.svg)", ""]
    lines += [f"- {m.verb}, {m.rows:,} rows: {_told(m.result)}" for m in measured]
    return "\n".join(lines) + "\n"


def _told(result: dict[str, Any]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in result.items())


if __name__ == "__main__":
    main()

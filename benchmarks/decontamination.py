"""Decontamination: ours beside published rules and tools, on one corpus in one run.

    python benchmarks/decontamination.py [--peers FOLDER] [--rows 1000000] [--out FOLDER]

Measures the scan (processor and clock, one thread), the whole way from a Parquet file to a report and a clean
file with its memory, how many of each kind of planted leak every rule finds, and how many clean prompts it
flags. The corpus is `decontamination_corpus`, the sides are `decontamination_sides`, each a process of its
own. Peers come from --peers: `pip install --target FOLDER "datatrove==0.10.1" "lm_eval" spacy "xxhash<4"`
(with --no-deps for the first two); a peer that is not there is reported as absent. Slow peers get every k-th
prompt. Writes decontamination.md and decontamination.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from decontamination_report import CLEAN, goals, render  # noqa: E402

Found = dict[str, Any]


class Side(NamedTuple):
    label: str
    side: str
    rule: str = ""
    part: int = 1  # takes every part-th prompt


SIDES = (
    Side("ours, default", "ours", "default"),
    Side("ours, tulu3", "ours", "tulu3"),
    Side("ours, gpt3", "ours", "gpt3"),
    Side("ours, s1", "ours", "s1"),
    Side("ours, decon", "ours", "decon"),
    Side("Python set of 8-grams, as published (s1, open-r1)", "published set"),
    Side("Python set of 8-grams, bare", "bare set"),
    Side("datatrove 0.10.1, 12-grams", "datatrove", part=50),
    Side("Janitor (lm-eval 0.4.13), 13-grams", "janitor", part=20),
)
FILES = Side("ours, files", "ours, files")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("REWARDSMITH_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data", help="folder with the real inputs")
    parser.add_argument("--peers", type=Path, help="folder that has the peers installed")
    parser.add_argument("--rows", type=int, default=1_000_000, help="prompts in the corpus")
    parser.add_argument("--work", type=Path, help="keep the corpus here, and take it if it is there")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(args, args.work or Path(folder))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "decontamination.json").write_text(json.dumps(report, indent=1) + "\n")
    (args.out / "decontamination.md").write_text(render(report))
    print(render(report))


def measure(args: argparse.Namespace, work: Path) -> Found:
    from decontamination_corpus import eval_sets, write_corpus

    work.mkdir(parents=True, exist_ok=True)
    corpus = work / f"corpus-{args.rows}.parquet"
    if not corpus.exists():
        write_corpus(corpus, args.data, args.rows)
    rows = pl.read_parquet(corpus, columns=["origin", "eval_set", "eval_row"])
    sizes = pl.read_parquet(corpus, columns=["prompt"])["prompt"]
    sets = eval_sets(args.data)
    lengths = [len(text.text.split()) for s in sets for text in s.texts]
    report: Found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "date": date.today().isoformat(),
        "corpus": {
            "rows": len(rows),
            "bytes": int(sizes.str.len_bytes().sum()),
            "words": int(sizes.str.count_matches(r"\S+").sum()),
            "leaks": rows["eval_set"].is_not_null().sum(),
            "origins": dict(rows["origin"].value_counts(sort=True).iter_rows()),
        },
        "eval_sets": {
            "sets": len(sets),
            "rows": sum(s.n_rows for s in sets),
            "published": [s.name for s in sets if s.source != "made up"],
            "under_8_words": float(np.mean(np.array(lengths) < 8)),
            "under_13_words": float(np.mean(np.array(lengths) < 13)),
        },
    }
    del sizes
    first = run(FILES, corpus, args, work)  # compiles whatever a fresh checkout has not compiled yet
    report["files"] = run(FILES, corpus, args, work) | {
        f"first_{key}": value for key, value in first.items() if "seconds" in key
    }
    report["sides"] = [
        {"label": side.label, **quality(found, rows, side.part), **numbers(found)}
        for side in SIDES
        if (found := run(side, corpus, args, work))
    ]
    report["goals"] = goals(report)
    return report


def run(side: Side, corpus: Path, args: argparse.Namespace, work: Path) -> Found:
    """What the side found in a process of its own; nothing when it is not installed."""
    where = work / f"{side.label.replace(' ', '-').replace(',', '')}.json"
    where.unlink(missing_ok=True)
    spec = {
        "side": side.side,
        "rule": side.rule,
        "step": side.part,
        "corpus": str(corpus),
        "data": str(args.data),
        "peers": str(args.peers or ""),
        "result": str(where),
    }
    one = dict.fromkeys(
        ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS"), "1"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        command = [sys.executable, str(ROOT / "benchmarks/decontamination_sides.py"), file.name]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | one)
    if done.returncode:
        print(f"{side.label} is absent: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return {}
    print(f"{side.label} done", file=sys.stderr)
    return json.loads(where.read_text())


def numbers(found: Found) -> Found:
    return {key: value for key, value in found.items() if key not in ("flags", "pairs")}


def quality(found: Found, rows: pl.DataFrame, part: int) -> Found:
    """Planted edits and clean rows that were flagged, and the share of leaks tied to their own eval row."""
    flagged = pl.Series("flagged", np.load(found["flags"]))
    rows = rows.with_row_index("row").gather_every(part).with_columns(flagged)
    by_origin = rows.group_by("origin").agg(n=pl.len(), flagged=pl.col("flagged").sum())
    counts = {origin: (n, hits) for origin, n, hits in by_origin.sort("origin").iter_rows()}
    report: Found = {
        "clean_flagged": {origin: counts[origin] for origin in CLEAN if origin in counts},
        "recall": {origin: (n, hits) for origin, (n, hits) in counts.items() if origin not in CLEAN},
    }
    if "pairs" in found:
        pairs = pl.DataFrame(
            json.loads(Path(found["pairs"]).read_text()), ["row", "eval_set", "eval_row"], orient="row"
        )
        leaks = rows.filter(pl.col("eval_set").is_not_null() & pl.col("flagged"))
        right = leaks.with_columns(pl.col("row").cast(pl.Int64)).join(
            pairs, on=["row", "eval_set", "eval_row"], how="semi"
        )
        report["right_row"] = right.height / max(1, leaks.height)
    return report


if __name__ == "__main__":
    main()

"""Share of a quickstart run that is neither engine nor trainer.

    python benchmarks/overhead.py [--set KEY=VALUE ...]

Runs `flows run quickstart` in an empty folder as a user would and compares the wall time of
the whole command with the seconds that the manifest records inside the engine (loading the
model included), the trainer and the scorer. The rest is ours: imports, Prefect, verification,
voting, parquet, cards, plots. Target: under 10 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = [sys.executable, "-m", "flows", "run", "quickstart", "--out", str(run_dir)]
        for override in args.set:
            command += ["--set", override]
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=sys.stderr)
        wall = time.monotonic() - started
        stages = json.loads((run_dir / "manifest.json").read_text())["stages"]
    engine = sum(record["cost"].get("engine_seconds", 0) for record in stages.values())
    print(f"{'stage':<14} {'wall s':>8} {'engine s':>9} {'ours s':>8}")
    for name, record in stages.items():
        inside = record["cost"].get("engine_seconds", 0)
        print(f"{name:<14} {record['seconds']:>8.1f} {inside:>9.1f} {record['seconds'] - inside:>8.1f}")
    between = wall - sum(record["seconds"] for record in stages.values())
    print(f"{'between stages':<14} {between:>8.1f} {0:>9.1f} {between:>8.1f}   (start, imports, Prefect)")
    print(
        f"wall {wall:.1f} s, engine and trainer {engine:.1f} s, overhead {100 * (wall - engine) / wall:.1f} %"
    )


if __name__ == "__main__":
    main()

"""`flows split`: files of rows into a train and a test side that share no near copies."""

from __future__ import annotations

import argparse
from pathlib import Path


def split(args: argparse.Namespace) -> int:
    from curation.splits import dominated, split_files
    from store.errors import InputError

    if not 0 < args.test < 1:
        raise InputError("--test is a share of the groups, above 0 and below 1")
    paths, out = [Path(name) for name in args.files], Path(args.out)
    sizes = split_files(paths, out, args.column, args.test, args.seed)
    rows = sizes["train"] + sizes["test"]
    counts = ", ".join(f"{name} {n:,}" for name, n in sizes.items())
    print(f"split {rows:,} rows: {counts} rows")
    if warning := dominated(rows, sizes["largest"]):
        print(f"WARNING: {warning}")
    print(f"wrote {out}/train and {out}/test")
    return 0

"""`flows convert`: a data set in the row format of another trainer."""

from __future__ import annotations

import argparse
from pathlib import Path


def convert(args: argparse.Namespace) -> int:
    from curation.formats import convert as convert_file

    for account in convert_file(Path(args.source), Path(args.target), args.read_as, args.write_as):
        print(account.line())
    print(f"wrote {args.target}")
    return 0

"""`flows convert`: a data set in the row format of another trainer, and the list of these formats."""

from __future__ import annotations

import argparse
from pathlib import Path


def convert(args: argparse.Namespace) -> int:
    from curation.formats import convert as convert_file
    from curation.formats.detect import only_format

    source, target = Path(args.source), Path(args.target)
    for account in convert_file(source, target, args.read_as or only_format(source), args.write_as):
        print(account.line())
    print(f"wrote {args.target}")
    return 0


def list_formats() -> None:
    """One block a format, grouped by the table that its rows become."""
    from curation.formats.losses import losses

    print(
        "Rows of a format become rows of its table and back; the tables are formats, too.\n"
        "Everything listed is counted in each conversion, except what comes back changed."
    )
    for table in dict.fromkeys(one.table for one in losses()):
        print(f"\n{table}")
        for one in (one for one in losses() if one.table == table):
            print(f"  {one.name}")
            for said, what in (
                ("not read", ", ".join(one.unread)),
                ("not written", ", ".join(one.unwritten)),
                ("changed", one.altered),
                ("refuses rows", ", ".join(one.refused)),
            ):
                if what:
                    print(f"    {said + ':':<14}{what}")

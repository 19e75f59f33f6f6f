"""`flows deduplicate`: files of rows without exact and near copies."""

from __future__ import annotations

import argparse
from pathlib import Path


def deduplicate(args: argparse.Namespace) -> int:
    from curation.duplicates.files import DUPLICATES_FILE, deduplicate_files
    from curation.duplicates.rule import Rule
    from store.errors import InputError

    if not 0 < args.similarity <= 1 or args.words < 1:
        raise InputError("--similarity must be above 0 and at most 1, --words at least 1")
    paths, out = [Path(name) for name in args.files], Path(args.out)
    rule = Rule(args.words, args.similarity)
    account, facts = deduplicate_files(paths, out, args.column, rule, args.within, args.together)
    print(account.line())
    if nothing := facts["nothing_to_compare"]:
        print(f"nothing_to_compare {nothing:,}: rows without a word in what is compared; they were kept")
    if differ := facts["numbers_differ"]:
        print(f"numbers_differ {differ:,}: rows kept although their like has other numbers or symbols")
    print(f"wrote {out}; which row stands in for which: {out / DUPLICATES_FILE}")
    return 0

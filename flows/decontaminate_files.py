"""`flows decontaminate FILES --against SETS`: data files of any origin without rows that touch a benchmark.

Writes, into one folder, the files without those rows, every match (contamination.parquet, for
`flows contamination FOLDER`), and summary.json: what was compared, by which rule, what that rule finds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import InputError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from curation.decontamination import FilesResult, Rule
    from curation.eval_sets import Loaded

SUMMARY = "summary.json"
SEED = 0  # of the planted leaks
ROLES = ("prompt", "answer", "completion")


def decontaminate(args: argparse.Namespace) -> int:
    if args.list:
        return _list_sets()
    if not args.files or not args.against:
        raise InputError("give first the FILES, then --against with the evaluation sets (see --list)")
    from rich.console import Console

    from curation.decontamination import Settings, decontaminate_files, preset
    from curation.decontamination.planted import planted_recall
    from curation.eval_sets import load

    loaded = load([selected(given) for given in args.against], args.missing)
    if not loaded.sets:
        raise InputError("none of the evaluation sets could be loaded: nothing can be compared")
    settings = Settings(preset(args.preset), args.twins, completions=args.completions)
    result = decontaminate_files(
        [Path(file) for file in args.files],
        loaded.sets,
        settings,
        _fields(args),
        Path(args.out),
        workers=args.workers,
    )
    scanner = settings.scanner(loaded.sets)
    recall = planted_recall(scanner, loaded.sets, SEED)
    _write_summary(args, scanner.rule, loaded, result, recall)
    _tell(Console(highlight=False), args, loaded, result, recall)
    return 0


def selected(given: str) -> dict[str, Any]:
    """One --against: NAME of a set or suite, NAME=FILE for a copy of it, or a mapping as in a recipe.

    Raises InputError.
    """
    import yaml
    from pydantic import ValidationError

    from flows.recipe import AgainstSet

    if not given.startswith("{"):
        name, _, path = given.partition("=")
        return {"name": name, "path": path} if path else {"name": name}
    try:
        return AgainstSet.model_validate(yaml.safe_load(given)).selected()
    except (ValidationError, yaml.YAMLError) as error:
        raise InputError(
            f"--against {given!r}: write it as in a recipe, '{{name: mine, path: FILE, columns: [COLUMN]}}' "
            f"({str(error).splitlines()[-1].strip()})"
        ) from error


def _fields(args: argparse.Namespace) -> dict[str, Any] | None:
    """Columns that the user named, with what they hold; None: those that a reward-model set usually has."""
    named = {column: role for role in ROLES for column in getattr(args, role)}
    return named or None


def _write_summary(
    args: argparse.Namespace, rule: Rule, loaded: Loaded, result: FilesResult, recall: pl.DataFrame
) -> None:
    from importlib.metadata import version

    from store.files import file_hash, write_json

    write_json(
        Path(args.out) / SUMMARY,
        {
            "code_version": version("rewardsmith"),
            "rule": rule.to_dict() | {"hash": rule.rule_hash},
            "twins": args.twins,
            "completions": args.completions,
            "files": {Path(file).name: file_hash(file) for file in args.files},
            "scanned": result.fields,
            "not_scanned": result.not_scanned,
            "rows": result.account.to_dict(),
            "eval_sets": result.totals.to_dicts(),
            "not_compared": [one._asdict() for one in loaded.not_compared],
            "recall": recall.to_dicts(),
        },
    )


def _tell(
    console: Console, args: argparse.Namespace, loaded: Loaded, result: FilesResult, recall: pl.DataFrame
) -> None:
    from rich.table import Table

    numbers = ("rows", "indexable", "too_short", "hit", "twins", "prompts_dropped")
    table = Table("evaluation set", box=None, header_style="bold")
    for name in ("rows", "seen by n-grams", "only whole", "hit", "twins", "dropped here"):
        table.add_column(name, justify="right")
    for row in result.totals.iter_rows(named=True):
        table.add_row(row["eval_set"], *(f"{row[name]:,}" for name in numbers))
    console.print(table)
    for one in loaded.not_compared:
        console.print(f"NOT COMPARED {one.name} ({one.source}): {one.reason}", style="red", markup=False)
    found = ", ".join(f"{row['edit']} {row['recall']:.0%}" for row in recall.iter_rows(named=True))
    console.print(f"planted copies found: {found}", markup=False)
    console.print(result.account.line(), markup=False)
    console.print(f"wrote {args.out}; look closer: flows contamination {args.out}", markup=False)


def _list_sets() -> int:
    from curation.eval_sets import benchmarks, suites

    for name, one in sorted(benchmarks().items()):
        print(f"{name:<20} {one.kind:<12} {one.dataset}, {', '.join(one.splits)}: {', '.join(one.columns)}")
    for name, members in suites().items():
        print(f"\nsuite {name}: {', '.join(members)}")
    return 0

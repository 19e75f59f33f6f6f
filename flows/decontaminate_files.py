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

    selection = [selected(given) for given in args.against]
    _check_files(args)
    loaded = load(selection, args.missing)
    if not loaded.sets:
        reasons = "".join(f"\n- {one.reason}" for one in loaded.not_compared)
        raise InputError(f"none of the evaluation sets could be loaded: nothing can be compared{reasons}")
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
    _tell(Console(highlight=False), args, scanner.rule, loaded, result, recall)
    return 0


def selected(given: str) -> dict[str, Any]:
    """One --against: NAME of a set or suite, NAME=FILE for a copy of it, or a mapping as in a recipe.

    Raises InputError.
    """
    import yaml
    from pydantic import ValidationError

    from flows.recipe import AgainstSet

    if not given.startswith("{"):
        name, copied, path = given.partition("=")
        if copied and not path:
            raise InputError(f"--against {given}: which file? Write NAME=FILE, or {name} alone for the Hub's")
        return {"name": name, "path": path} if path else {"name": name}
    try:
        return AgainstSet.model_validate(yaml.safe_load(given)).selected()
    except ValidationError as error:
        first = error.errors()[0]
        wrong = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    except yaml.YAMLError as error:
        wrong = " ".join(str(error).split())
    raise InputError(
        f"--against {given!r}: write it as in a recipe, '{{name: mine, path: FILE, columns: [COLUMN]}}' "
        f"({wrong})"
    )


def _check_files(args: argparse.Namespace) -> None:
    """InputError for a file or column that is not there, before sets are fetched, which can take long."""
    from curation.decontamination.fields import fields_of
    from curation.row_files import columns_of

    for file in args.files:
        fields_of(columns_of(Path(file)), _fields(args), file)


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
            "speakers_taken_for_users": result.speakers,
            "rows": result.account.to_dict(),
            "eval_sets": result.totals.to_dicts(),
            "not_compared": [one._asdict() for one in loaded.not_compared],
            "recall": recall.to_dicts(),
        },
    )


def _tell(
    console: Console,
    args: argparse.Namespace,
    rule: Rule,
    loaded: Loaded,
    result: FilesResult,
    recall: pl.DataFrame,
) -> None:
    from rich.table import Table

    from data_cards.decontamination import hardly_seen, unseen_title
    from data_cards.render import plain

    table = Table("evaluation set", box=None, header_style="bold")
    for name in ("rows", "seen by n-grams", unseen_title(rule.exact), "hit", "twins", "dropped here"):
        table.add_column(name, justify="right")
    for row in result.totals.iter_rows(named=True):
        seen = [row["rows"], row["indexable"], row["rows"] - row["indexable"]]
        numbers = [*seen, row["hit"], row["twins"], row["prompts_dropped"]]
        table.add_row(row["eval_set"], *(f"{number:,}" for number in numbers))
    console.print(table)
    for line in hardly_seen(result.totals.to_dicts(), rule.exact):
        console.print(f"HARDLY COMPARED {line}", style="red", markup=False)
    for one in loaded.not_compared:
        console.print(f"NOT COMPARED {one.name} ({one.source}): {one.reason}", style="red", markup=False)
    for file, speakers in result.speakers.items():
        heard = ", ".join(f"{name} {n:,}" for name, n in speakers.items())
        console.print(f"{file}: messages taken for a user's: {plain(heard)}", markup=False)
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

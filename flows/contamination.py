"""`flows contamination`: what touches an evaluation set, our text and the evaluation text side by side.

All text is printed as plain text: markup and control characters in it do nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from data_cards.summary import short_id
from store.errors import InputError
from store.inputs import did_you_mean
from store.shards import read_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

RUN_TABLES = ("tables/contamination.parquet", "tables/contaminated_completions.parquet")
FILE_REPORT = "contamination.parquet"  # in the folder that `flows decontaminate` writes
# What a person looks at first: what was dropped, then what nobody could decide, the clearest matches on top.
ORDER = ("action", "coverage_eval", "eval_set", "eval_row", "row_id", "field")


def show_contamination(args: argparse.Namespace) -> int:
    from rich.console import Console

    report = _selected(find_report(args.run), args)
    console = Console(highlight=False)
    _show_counts(console, report)
    shown = report.sort(ORDER, descending=[False, True, False, False, False, False]).head(args.n)
    for row in shown.iter_rows(named=True):
        _show_match(console, row)
    if report.height > shown.height:
        console.print(f"{shown.height} of {report.height:,} matches; more with -n", style="dim")
    return 0


def find_report(name: str) -> pl.DataFrame:
    """The matches of a run, by path or name, of a folder that `flows decontaminate` wrote, or of a file.

    Raises InputError where there is none.
    """
    from curation.decontamination import REPORT
    from flows.status import find_run

    path = Path(name)
    if path.is_file():
        return read_table(path, REPORT)
    if (path / FILE_REPORT).is_file():
        return read_table(path / FILE_REPORT, REPORT)
    run_dir = find_run(name)
    tables = [run_dir / table for table in RUN_TABLES if (run_dir / table).is_file()]
    if not tables:
        raise InputError(f"{run_dir} has compared nothing yet; continue it with `flows run`")
    return pl.concat([read_table(table, REPORT) for table in tables])


def _selected(report: pl.DataFrame, args: argparse.Namespace) -> pl.DataFrame:
    if args.eval_set:
        known = report["eval_set"].unique().sort().to_list()
        if args.eval_set not in known:
            hint = did_you_mean(args.eval_set, known) or f" (matched: {', '.join(known) or 'none'})"
            raise InputError(f"--eval-set {args.eval_set}: nothing matches this set{hint}")
        report = report.filter(pl.col("eval_set") == args.eval_set)
    if args.action:
        report = report.filter(pl.col("action") == args.action)
    if args.row:
        ids = pl.col("row_id").str.starts_with(args.row) | pl.col("prompt_id").str.starts_with(args.row)
        report = report.filter(ids)
    return report


def _show_counts(console: Console, report: pl.DataFrame) -> None:
    """One line a set, field and rule; pairs can be many times the rows of ours that they flag."""
    from rich.table import Table

    if report.is_empty():
        console.print("no match")
        return
    by = ("eval_set", "field", "rule", "numbers_differ", "action")
    table = Table("evaluation set", "field", "rule", "action", box=None, header_style="bold")
    for name in ("our rows", "evaluation rows", "pairs"):
        table.add_column(name, justify="right")
    counts = report.group_by(by).agg(
        ours=pl.col("row_id").n_unique(), theirs=pl.col("eval_row").n_unique(), pairs=pl.len()
    )
    for row in counts.sort(by).iter_rows(named=True):
        numbers = [f"{row[name]:,}" for name in ("ours", "theirs", "pairs")]
        table.add_row(_clean(row["eval_set"]), row["field"], rule_words(row), row["action"], *numbers)
    console.print(table)


def rule_words(row: dict[str, Any]) -> str:
    return f"{row['rule'].replace('_', ' ')}{', other numbers' if row['numbers_differ'] else ''}"


def _show_match(console: Console, row: dict[str, Any]) -> None:
    from rich.table import Table

    style = {"drop": "red", "warn": "yellow"}.get(row["action"], "magenta")
    console.rule(style="dim")
    console.print(_line(row, style), soft_wrap=True)
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("ours", ratio=1, overflow="fold")
    theirs = f"{_clean(row['eval_set'])}, row {_clean(short_id(row['eval_row']))}"
    table.add_column(theirs, ratio=1, overflow="fold")
    table.add_row(
        _marked(row["span"], row["spans"], style), _marked(row["eval_span"], row["eval_spans"], style)
    )
    console.print(table)


def _line(row: dict[str, Any], style: str) -> Text:
    """`drop  prompt 3f9c2a71  ngram, other numbers: 92 % of the evaluation text, 81 % of ours`"""
    from rich.text import Text

    covers = [
        f"{row[name]:.0%} of {what}"
        for name, what in (("coverage_eval", "the evaluation text"), ("coverage_ours", "ours"))
        if row[name] is not None
    ]
    told = f"  {row['field']} {_clean(short_id(row['row_id']))}  {rule_words(row)}"
    return Text.assemble((row["action"], style), told, (f": {', '.join(covers)}" if covers else ""))


def _marked(text: str | None, spans: Sequence[dict[str, int]], style: str) -> Text:
    """The outer stretch of a match, which begins where its first span does, with the spans marked."""
    from rich.text import Text

    marked = Text(_clean(text or ""))
    for span in spans:
        start = span["start"] - spans[0]["start"]
        marked.stylize(f"{style} bold", start, span["end"] - spans[0]["start"])
    return marked


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)

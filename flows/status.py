"""`flows list` and `flows status`: what there is, and what a run did, read from its manifest."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from flows.progress import duration
from flows.recipe import RECIPES, recipe_names
from store.errors import InputError


def find_run(name: str) -> Path:
    """A run folder by path, or by its name under runs/."""
    for candidate in (Path(name), Path("runs") / name):
        if (candidate / "manifest.json").is_file():
            return candidate
    raise InputError(
        f"there is no run {name!r} here (no manifest.json in {name} or runs/{name}); see `flows list`"
    )


def read_manifest(run_dir: Path) -> dict[str, Any]:
    try:
        return json.loads((run_dir / "manifest.json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{run_dir}/manifest.json is damaged ({error}); run the recipe again to rebuild it"
        ) from error


def list_runs(args: argparse.Namespace) -> int:
    import yaml
    from rich.console import Console
    from rich.table import Table

    console = Console()
    recipes = Table("recipe", "what it does", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in recipe_names():
        recipes.add_row(name, yaml.safe_load((RECIPES / f"{name}.yaml").read_text())["description"])
    console.print(recipes)
    runs = Table("run", "recipe", "stages done", "calls", "tokens", "time", box=None, header_style="bold")
    for path in sorted(Path(args.runs).glob("*/manifest.json")):
        manifest = read_manifest(path.parent)
        stages = list(manifest["stages"].values())
        runs.add_row(
            str(path.parent),
            manifest["recipe"]["name"],
            f"{sum(s['status'] == 'done' for s in stages)}/{len(stages)}",
            f"{sum(s['calls_made'] for s in stages):,}",
            f"{sum(s['tokens'].get('new', 0) for s in stages):,}",
            duration(sum(s["seconds"] for s in stages)),
        )
    if runs.row_count:
        console.print()
        console.print(runs)
    return 0


def status(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    run_dir = find_run(args.run)
    manifest = read_manifest(run_dir)
    columns = ["stage", "state", "in", "out", "rejected", "calls", "from ledger", "new tokens", "time"]
    table = Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    reasons = []
    for name, records in by_verb(manifest["stages"]).items():
        accounts = [account for record in records for account in record["accounts"]]
        rejected = sum((Counter(account["rejected"]) for account in accounts), Counter())
        done = sum(record["status"] == "done" for record in records)
        table.add_row(
            name,
            "done" if done == len(records) else f"{done}/{len(records)}",
            f"{sum(account['in'] for account in accounts):,}",
            f"{sum(account['out'] for account in accounts):,}",
            f"{rejected.total():,}",
            f"{sum(record['calls_made'] for record in records):,}",
            f"{sum(record['calls_cached'] for record in records):,}",
            f"{sum(record['tokens'].get('new', 0) for record in records):,}",
            duration(sum(record["seconds"] for record in records)),
        )
        if rejected:
            reasons.append(f"{name} rejected: " + ", ".join(f"{r} {n:,}" for r, n in rejected.most_common()))
        reasons += [f"{name} failed: {record['error']}" for record in records if record["error"]]
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{run_dir}  recipe {manifest['recipe']['name']}  code {manifest['code_version']}")
    console.print(table)
    for line in reasons:
        console.print(line, markup=False)
    return 0


def by_verb(stages: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Stage records with the numbered shards of a stage together: {"sample": [0000, 0001, ...], ...}."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, record in stages.items():
        verb, _, part = name.partition("/")
        groups.setdefault(verb if part.isdigit() else name, []).append(record)
    return groups

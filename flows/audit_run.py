"""The audit of a run: its sets beside the tables that they were made from, its files beside the hashes that
it noted, its accounts by themselves."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.audit import Auditor, Report, Sources, Tokens, audit_split
from curation.audit.report import Tally
from curation.audit.splits import near_copies
from flows import build
from flows.recipe import Recipe, load_recipe
from store.accounting import Account, AccountingError
from store.errors import InputError
from store.files import file_hash
from store.manifest import Manifest
from store.shards import read_table


def audit_run(run_dir: Path, tokens: Tokens | None) -> list[Report]:
    """A report of the run itself and one of each set. Raises InputError for a run without sets, or of another
    version of the code."""
    try:
        recipe = load_recipe(str(run_dir / "recipe.yaml"))
    except InputError as error:
        raise InputError(f"{error}\nIts sets alone can be checked: flows audit {run_dir}/datasets") from error
    tally, manifest = Tally(), Manifest.open(run_dir)
    _check_accounts(manifest, tally)
    _check_files(manifest, tally)
    sets = [
        _audit_set(run_dir, recipe, name, tokens)
        for name in recipe.build.sets
        if all((run_dir / build.set_file(name, side)).exists() for side in ("train", "test"))
    ]
    if not sets:
        raise InputError(f"{run_dir} has no sets yet; continue it with `flows run`")
    return [Report(str(run_dir), "", "", 0, 0, tally.close(), {}), *sets]


def _audit_set(run_dir: Path, recipe: Recipe, name: str, tokens: Tokens | None) -> Report:
    train, test = (
        read_table(run_dir / build.set_file(name, side), build.SCHEMAS[name]) for side in ("train", "test")
    )
    made = build.made(run_dir, recipe, name)
    auditor = Auditor(name, name, Sources(made.prompts, made.completions, made.labels), tokens)
    auditor.add(pl.concat([train, test]))
    leaked, near = audit_split(train, test), near_copies(train, test)
    n_prompts = test["prompt_id"].n_unique()
    places = [(one.where, one.detail) for one in leaked]
    auditor.tally.add("prompt_in_both_splits", len(leaked), n_prompts, places)
    auditor.tally.add("near_copy_in_both_splits", len(near), n_prompts, near)
    return auditor.close()


def _check_accounts(manifest: Manifest, tally: Tally) -> None:
    for name, record in manifest.stages.items():
        problems = []
        for account in record.accounts:
            try:
                Account.from_dict(account).close()
            except AccountingError as error:
                problems.append((name, str(error)))
        tally.add("rows_lost", len(problems), len(record.accounts), problems)


def _check_files(manifest: Manifest, tally: Tally) -> None:
    """The sets are those that the run wrote."""
    outputs = [item for record in manifest.stages.values() for item in record.outputs.items()]
    for name, output in outputs:
        if name.startswith("datasets/"):
            path = manifest.run_dir / name
            if not path.exists():
                tally.add("file_changed", 1, 1, [(name, "is not there")])
            else:
                differs = file_hash(path) != output.hash
                tally.add("file_changed", differs, 1, [(name, "has another content")] if differs else ())

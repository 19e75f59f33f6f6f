"""Where eval sets are and which of their columns hold questions: `eval_sets.yaml`, or a recipe's own.

A selection names benchmarks (`gsm8k`), suites of them (`default`), and sets of one's own:
`{name: mine, path: mine.jsonl, columns: question}` or `{name: mine, dataset: user/repo, columns: prompt}`.
A benchmark read from a local copy needs no columns: `{name: gsm8k, path: test.jsonl}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from curation.eval_sets.texts import KINDS, Kind
from store.errors import InputError
from store.inputs import did_you_mean


@dataclass(frozen=True)
class Declaration:
    """One eval set; exactly one of `path` (a local file) and `dataset` (a Hub repository) is given."""

    name: str
    kind: Kind = "chat"
    path: str | None = None
    dataset: str | None = None
    configs: tuple[str, ...] = ()  # none: the dataset's only or default one
    splits: tuple[str, ...] = ("test",)
    revision: str | None = None
    files: str | None = None  # data files where the Hub finds none: "{config}/{split}/*.parquet"
    columns: tuple[str, ...] = ()  # see `extract`
    id: str | None = None  # column that names a row; otherwise its number from 0
    limit: int | None = None  # first rows of each config and split
    checked: str = ""  # of a benchmark: where its columns were seen


LISTS = ("configs", "splits", "columns")


def declared(selection: Sequence[str | Mapping[str, Any]]) -> list[Declaration]:
    """The eval sets that a selection names, each once, in its order.

    InputError for a name that is neither a benchmark nor a suite, for a key that there is not, and for two
    different sets of one name.
    """
    found: dict[str, Declaration] = {}
    for item in selection:
        for declaration in _selected(item):
            if found.setdefault(declaration.name, declaration) != declaration:
                raise InputError(f"eval set {declaration.name!r} is selected twice, in two ways; rename one")
    return list(found.values())


@cache
def benchmarks() -> dict[str, Declaration]:
    """All eval sets of `eval_sets.yaml` by name."""
    return {name: _declaration({"name": name} | entry) for name, entry in _yaml()["benchmarks"].items()}


@cache
def suites() -> dict[str, tuple[str, ...]]:
    """Names of benchmarks by the name of the suite."""
    return {name: tuple(members) for name, members in _yaml()["suites"].items()}


@cache
def _yaml() -> dict[str, Any]:
    import yaml

    text = files("curation.eval_sets").joinpath("eval_sets.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def _selected(item: str | Mapping[str, Any]) -> list[Declaration]:
    if isinstance(item, str):
        return _named(item)
    given = {key: value for key, value in item.items() if value is not None}
    return _named(given["name"]) if list(given) == ["name"] else [_own(given)]


def _named(name: str) -> list[Declaration]:
    if name in suites():
        return [benchmarks()[member] for member in suites()[name]]
    if name in benchmarks():
        return [benchmarks()[name]]
    if Path(name).is_file():
        raise InputError(
            f"{name} is a file; write {{name: {Path(name).stem}, path: {name}, columns: [COLUMN]}}, or, for "
            f"a copy of a listed set: {{name: {next(iter(benchmarks()))}, path: {name}}}"
        )
    choices = [*suites(), *benchmarks()]
    raise InputError(
        f"no eval set or suite {name!r}{did_you_mean(name, choices)}; suites: {', '.join(suites())}; "
        f"a set of your own: {{name: {name}, path: FILE, columns: [COLUMN]}}"
    )


def _own(given: Mapping[str, Any]) -> Declaration:
    known = benchmarks().get(given.get("name", ""))
    if known is None or "path" not in given:
        return _declaration(given)
    # A local copy of a known benchmark: what it is holds, its place on the Hub does not.
    return _declaration({"kind": known.kind, "columns": known.columns, "id": known.id, **given})


def _declaration(given: Mapping[str, Any]) -> Declaration:
    if not given.get("name"):
        raise InputError(f"eval set {dict(given)}: give it a name")
    where = {} if given.get("dataset") else {"splits": ()}
    return _checked(Declaration(**{"name": given["name"], **where, **_tuples(given)}))


def _tuples(given: Mapping[str, Any]) -> dict[str, Any]:
    known = [field.name for field in fields(Declaration)]
    for key in given:
        if key not in known:
            raise InputError(
                f"eval set {given.get('name')!r}: no setting {key!r}{did_you_mean(key, known)} "
                f"(there are {', '.join(known)})"
            )
    lists = {k: (v,) if isinstance(v, str) else tuple(v) for k, v in given.items() if k in LISTS}
    return {**given, **lists}


def _checked(declaration: Declaration) -> Declaration:
    where = f"eval set {declaration.name!r}"
    if (declaration.path is None) == (declaration.dataset is None):
        raise InputError(f"{where}: give exactly one of path (a file) and dataset (a Hub repository)")
    if not declaration.columns:
        raise InputError(
            f"{where}: name the column(s) that hold its questions, e.g. columns: [prompt]; only a listed set "
            f"needs none{did_you_mean(declaration.name, benchmarks())}"
        )
    if declaration.kind not in KINDS:
        raise InputError(f"{where}: kind {declaration.kind!r} is none of {', '.join(KINDS)}")
    return declaration

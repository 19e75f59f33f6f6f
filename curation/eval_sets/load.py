"""Declared eval sets, read from local files or from the Hub.

A set that cannot be loaded stops the run, because silence is not cleanliness; a caller that goes on without
it gets it listed as not compared. A column that is not there, or that is empty in every row, is always an
error: the declaration is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from curation.eval_sets.declarations import Declaration, declared
from curation.eval_sets.extract import Row, roots, texts_of_row
from curation.eval_sets.texts import EvalSet, EvalText
from store.errors import InputError
from store.inputs import did_you_mean, read_rows


class NotCompared(NamedTuple):
    """An eval set that could not be loaded: nothing is known about it."""

    name: str
    source: str
    reason: str


class Loaded(NamedTuple):
    sets: list[EvalSet]
    not_compared: list[NotCompared]


class _Part(NamedTuple):
    """Rows of one config and split."""

    prefix: str  # of its row ids, where the set has several parts
    rows: Iterable[Row]
    revision: str | None


class _Unloadable(InputError):
    pass


def load(selection: Sequence[str | Mapping[str, Any]], missing: Literal["stop", "skip"] = "stop") -> Loaded:
    """The sets of a selection (see `declarations`); `missing`: what to do about one that cannot be loaded.

    Once the Hub cannot be reached, the sets that follow are looked for in its cache alone: the client tries
    for some twenty seconds for each.
    """
    sets, not_compared = [], []
    with ExitStack() as rest:
        for declaration in declared(selection):
            try:
                sets.append(load_one(declaration))
            except _Unloadable as error:
                if missing == "stop":
                    raise
                not_compared.append(NotCompared(declaration.name, _source(declaration), str(error)))
                if isinstance(error.__cause__, ConnectionError):
                    rest.enter_context(_offline())
    return Loaded(sets, not_compared)


@contextmanager
def _offline() -> Iterator[None]:
    """Both libraries read their switches from the environment only once, when they are imported."""
    import datasets.config
    import huggingface_hub.constants

    modules: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


def load_one(declaration: Declaration) -> EvalSet:
    texts: list[EvalText] = []
    n_rows, revision = 0, declaration.revision
    for part in _file(declaration) if declaration.path else _hub(declaration):
        for number, row in enumerate(part.rows):
            where = f"eval set {declaration.name!r}, row {part.prefix}{number}"
            row_id = part.prefix + (_id(row, declaration.id, where) if declaration.id else str(number))
            texts += texts_of_row(row, row_id, declaration.columns, where)
            n_rows += 1
        revision = part.revision
    if not texts:
        columns = ", ".join(declaration.columns)
        raise InputError(f"eval set {declaration.name!r}: column(s) {columns} hold no text in {n_rows} rows")
    return EvalSet(
        name=declaration.name,
        source=_source(declaration),
        config="+".join(declaration.configs) or None,
        split="+".join(declaration.splits) or None,
        revision=revision,
        kind=declaration.kind,
        texts=texts,
        n_rows=n_rows,
    )


def _source(declaration: Declaration) -> str:
    """A file without its folders: the set is the same wherever it lies, and a card names no machine."""
    return Path(declaration.path).name if declaration.path else str(declaration.dataset)


def _id(row: Row, column: str, where: str) -> str:
    if column not in row:
        raise InputError(f"{where}: no column {column!r} to name rows by{did_you_mean(column, row)}")
    return str(row[column])


def _file(declaration: Declaration) -> Iterator[_Part]:
    try:
        rows = read_rows(str(declaration.path))
    except InputError as error:
        raise _Unloadable(f"eval set {declaration.name!r}: {error}") from error
    yield _Part("", rows[: declaration.limit], None)


def _hub(declaration: Declaration) -> Iterator[_Part]:
    configs: Sequence[str | None] = declaration.configs or [None]
    for config, split in product(configs, declaration.splits):
        several = [(config, len(configs) > 1), (split, len(declaration.splits) > 1)]
        yield _hub_part(declaration, config, split, "".join(f"{name}/" for name, many in several if many))


def _hub_part(declaration: Declaration, config: str | None, split: str, prefix: str) -> _Part:
    import datasets

    datasets.disable_progress_bars()
    pattern = (declaration.files or "").replace("{config}", config or "").replace("{split}", split)
    data_files = {split: pattern} if pattern else None
    try:
        builder = datasets.load_dataset_builder(
            str(declaration.dataset),
            None if data_files else config,
            data_files=data_files,
            revision=declaration.revision,
        )
        builder.download_and_prepare()
        table = builder.as_dataset(split=split)
    except Exception as error:  # the client raises a dozen unrelated types for "not there" and "not allowed"
        place = f"{declaration.dataset} (config {config}, split {split})"
        raise _Unloadable(
            f"eval set {declaration.name!r}: {place} cannot be loaded: {error}. Check the network and your "
            f"access to it, or give a local copy: {{name: {declaration.name}, path: FILE}}"
        ) from error
    wanted = roots([*declaration.columns, *([declaration.id] if declaration.id else [])])
    for column in wanted:
        if column not in table.column_names:
            has = f"(it has {', '.join(map(repr, table.column_names))})"
            hint = did_you_mean(column, table.column_names)
            raise InputError(
                f"eval set {declaration.name!r}: no column {column!r} in {declaration.dataset} {has}{hint}"
            )
    table = table.select_columns(wanted)
    if declaration.limit is not None:
        table = table.select(range(min(declaration.limit, len(table))))
    commit = builder.hash if len(builder.hash or "") == 40 else declaration.revision
    return _Part(prefix, table, commit)

"""Decontamination of data files of any size: a part of a file at a time, in as many processes as asked for.

What comes out depends on the rows alone: not on the size of batches, not on the number of processes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.decontamination.fields import (
    UNSPOKEN,
    Field,
    add_speakers,
    fields_of,
    holds_text,
    other_speakers,
    texts_of_field,
)
from curation.decontamination.matches import ORDER
from curation.decontamination.report import REPORT, Role, Settings, Tally, report_rows
from curation.decontamination.scan import Scanner
from curation.eval_sets import EvalSet
from store.accounting import Account
from store.errors import InputError
from store.files import write_error

if TYPE_CHECKING:
    import pyarrow as pa

    from curation.row_files import Part

REPORT_FILE = "contamination.parquet"
PROMPT_ID = "prompt_id"  # the column that says which rows share a prompt


class FilesResult(NamedTuple):
    account: Account
    totals: pl.DataFrame  # TOTALS
    fields: dict[str, Role]  # what was compared, as the report names it
    not_scanned: dict[str, list[str]]  # columns of each file with text, and COLUMN/system, that were not
    speakers: dict[str, dict[str, int]]  # by file and COLUMN/SPEAKER: messages that were taken for a user's
    report: Path  # REPORT; row_id is FILE:ROW, rows counted from 0
    clean: list[Path]


class _Scanned(NamedTuple):
    """One part of a file. Its rows are numbered from 0."""

    rows: int
    report: pl.DataFrame  # REPORT, row_id the bare number
    speakers: dict[str, Counter[str]]  # of each conversation: messages of others than user and assistant


def decontaminate_files(
    paths: Sequence[Path],
    eval_sets: Sequence[EvalSet],
    settings: Settings,
    fields: Mapping[str, Role] | None,
    out: Path,
    workers: int = 1,
    batch_rows: int = 4096,
) -> FilesResult:
    """Write to the folder `out` the files without the rows that repeat an eval text, and the report.

    .parquet, .jsonl and .jsonl.gz. `fields`: the role of each column to compare; by default those that sets
    usually have (`fields.NAMES`). In a file with a column `prompt_id` all rows of a dropped prompt go; in
    another file the same id may be another prompt. Raises InputError for bad files and columns, before
    anything is scanned where that can be known.
    """
    from curation.row_files import columns_of, parts_of, write_kept

    _check_names(paths, out)
    schemas = [columns_of(path) for path in paths]
    compared = [fields_of(schema, fields, str(path)) for schema, path in zip(schemas, paths, strict=True)]
    compared = [[f for f in one if settings.policy(f.role) != "off"] for one in compared]
    roles = {f.name: f.role for one in compared for f in one}
    has_ids = [PROMPT_ID in schema.names for schema in schemas]
    jobs = [
        (part, compared[i], has_ids[i], batch_rows) for i, path in enumerate(paths) for part in parts_of(path)
    ]
    scanner = settings.scanner(eval_sets)
    tally = Tally(roles)
    kept: dict[str, list[NDArray[np.bool_]]] = {str(path): [] for path in paths}
    touched: dict[str, set[str]] = {str(path): set() for path in paths}  # prompt ids
    speakers: dict[str, dict[str, Counter[str]]] = {str(path): {} for path in paths}
    with _ReportWriter(out / REPORT_FILE) as writer:
        for (part, *_), scanned in zip(jobs, _scanned(jobs, scanner, settings, workers), strict=True):
            masks = kept[part.path]
            before = sum(len(mask) for mask in masks)
            masks.append(_keep(scanned, roles))
            number = pl.col("row_id").cast(pl.Int64) + before
            report = scanned.report.with_columns(
                row_id=pl.format("{}:{}", pl.lit(Path(part.path).name), number)
            )
            tally.add(report)
            touched[part.path] |= _dropped_prompts(report, roles)
            for column, others in scanned.speakers.items():
                add_speakers(speakers[part.path].setdefault(column, Counter()), others)
            writer.write(report)
    keep = {path: np.concatenate([np.zeros(0, np.bool_), *masks]) for path, masks in kept.items()}
    account = Account("decontaminate", sum(len(mask) for mask in keep.values()))
    account.reject("touches_eval_set", sum(int((~mask).sum()) for mask in keep.values()))
    for path, ids in zip(paths, has_ids, strict=True):
        if ids and touched[str(path)]:
            account.reject("prompt_touches_eval_set", _drop_groups(path, keep[str(path)], touched[str(path)]))
    account.keep(sum(int(mask.sum()) for mask in keep.values()))
    for path in paths:
        write_kept(path, out / path.name, keep[str(path)])
    left_out, taken_in = {}, {}
    for path, schema, one in zip(paths, schemas, compared, strict=True):
        columns = {f.column for f in one}
        said = {
            (column, name): count
            for column, names in speakers[str(path)].items()
            for name, count in sorted(names.items())
        }
        left_out[path.name] = [c.name for c in schema if c.name not in columns and holds_text(c.type)]
        left_out[path.name] += [f"{column}/{name}" for column, name in said if name in UNSPOKEN]
        taken_in[path.name] = {f"{c}/{name}": n for (c, name), n in said.items() if name not in UNSPOKEN}
    return FilesResult(
        account=account.close(),
        totals=tally.totals(scanner),
        fields=roles,
        not_scanned=left_out,
        speakers={name: found for name, found in taken_in.items() if found},
        report=out / REPORT_FILE,
        clean=[out / path.name for path in paths],
    )


def _check_names(paths: Sequence[Path], out: Path) -> None:
    seen: dict[str, Path] = {}
    for path in paths:
        if path.name in seen:
            raise InputError(f"{path} and {seen[path.name]} have one name and would overwrite each other")
        if path.name == REPORT_FILE:
            raise InputError(f"{path}: this is the name of the report; give the file another one")
        if path.resolve().parent == out.resolve():
            raise InputError(
                f"{out}: is where {path.name} lies, which would be overwritten; name another folder"
            )
        seen[path.name] = path


_Job = tuple["Part", list[Field], bool, int]
_state: tuple[Scanner, Settings] | None = None  # of a worker process


def _scanned(jobs: Sequence[_Job], scanner: Scanner, settings: Settings, workers: int) -> Iterator[_Scanned]:
    """Each job's result, in the order of the jobs."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield _scan_part(job, scanner, settings)
        return
    # Not forked: the parent has threads (polars, pyarrow) that may hold locks.
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), get_context("spawn"), _start, (scanner.eval_sets, settings)
    )
    with pool:
        try:
            yield from pool.map(_work, jobs)
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process died, most likely for want of memory; use fewer workers"
            ) from error


def _start(eval_sets: Sequence[EvalSet], settings: Settings) -> None:
    global _state
    _state = settings.scanner(eval_sets), settings


def _work(job: _Job) -> _Scanned:
    assert _state is not None, "a worker scans only after _start"
    return _scan_part(job, *_state)


def _scan_part(job: _Job, scanner: Scanner, settings: Settings) -> _Scanned:
    from curation.row_files import batches

    part, fields, has_ids, batch_rows = job
    columns = list(dict.fromkeys([f.column for f in fields] + [PROMPT_ID] * has_ids))
    found, before = [REPORT.to_frame()], 0
    speakers: dict[str, Counter[str]] = {f.column: Counter() for f in fields if f.speaker == "user"}
    for batch in batches(part, columns, batch_rows):
        ids = _prompt_ids(batch) if has_ids else pl.Series([None] * batch.num_rows, dtype=pl.String)
        for field in fields:
            texts, parts = texts_of_field(batch[field.column], field, part.path)
            exact_words = 1 if field.role == "prompt" else scanner.rule.n
            rows = scanner.scan(texts, parts, exact_words)
            if rows.height:
                rows = report_rows(rows, scanner.rule.rule_hash, settings, field.role, field.name)
                number = (pl.col("row").cast(pl.Int64) + before).cast(pl.String)
                own_ids = ids.gather(rows["row"]).alias(PROMPT_ID)
                found.append(rows.with_columns(own_ids, row_id=number).select(REPORT.names()))
        for column, others in speakers.items():
            add_speakers(others, other_speakers(batch[column]))
        before += batch.num_rows
    report = pl.concat(found).sort(pl.col("row_id").cast(pl.Int64), "field", *ORDER[1:])
    return _Scanned(before, report, speakers)


def _dropped_prompts(report: pl.DataFrame, roles: Mapping[str, Role]) -> set[str]:
    """Ids of prompts of which the prompt or the answer is to be dropped, and not just a completion."""
    role = pl.col("field").replace_strict(roles, return_dtype=pl.String)
    dropped = report.filter((role != "completion") & (pl.col("action") == "drop"))
    return set(dropped["prompt_id"].drop_nulls())


def _keep(scanned: _Scanned, roles: Mapping[str, Role]) -> NDArray[np.bool_]:
    keep = np.ones(scanned.rows, np.bool_)
    dropped = scanned.report.filter(pl.col("action") == "drop")["row_id"].cast(pl.Int64).to_numpy()
    keep[dropped] = False
    return keep


def _drop_groups(path: Path, keep: NDArray[np.bool_], prompt_ids: set[str]) -> int:
    """Clear the rows of dropped prompts in `keep`; how many that were still set."""
    from curation.row_files import batches, parts_of

    before, at = int(keep.sum()), 0
    for part in parts_of(path):
        for batch in batches(part, [PROMPT_ID]):
            ids = _prompt_ids(batch)
            keep[at : at + len(ids)] &= ~ids.is_in(list(prompt_ids)).fill_null(False).to_numpy()
            at += len(ids)
    return before - int(keep.sum())


def _prompt_ids(batch: pa.Table) -> pl.Series:
    ids = pl.from_arrow(batch[PROMPT_ID])
    assert isinstance(ids, pl.Series)
    return ids.cast(pl.String)


class _ReportWriter:
    """A REPORT file that grows by row groups and appears whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(f".unfinished.{path.name}")

    def __enter__(self) -> _ReportWriter:
        import pyarrow.parquet as pq

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(
                self.partial, REPORT.to_frame().to_arrow().schema, compression="zstd"
            )
        except OSError as error:
            raise write_error(self.path, error) from error
        return self

    def write(self, report: pl.DataFrame) -> None:
        if report.height:
            self.writer.write_table(report.to_arrow())

    def __exit__(self, kind: object, *_: object) -> None:
        self.writer.close()
        if kind is None:
            os.replace(self.partial, self.path)
        self.partial.unlink(missing_ok=True)

"""The manifest: one JSON per run that says what was made, from what, by what, at what cost.

Cards and `flows status` read it; a resumed run asks it which stages still stand. A
stage stands when it is done, its fingerprint (settings, hashes of its inputs, version of
its code) is the same, and each of its files is there with the recorded hash. The file
is replaced whole at every change, so it is never torn, and it holds no secrets.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from store.accounting import Account
from store.errors import InputError
from store.files import file_hash, read_json, write_json
from store.ids import content_id
from store.redact import redact

FILE_NAME = "manifest.json"
FORMAT = 1
LONGEST_SHOWN = 40  # characters; a longer value, such as a template, is only said to have changed

Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class Output:
    rows: int | None  # None: not a table
    hash: str


@dataclass(frozen=True)
class StageRecord:
    """What one stage did. `inputs` maps the name of an input to the hash of its content."""

    name: str
    fingerprint: str
    version: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    status: Status = "running"
    outputs: dict[str, Output] = field(default_factory=dict)  # by path relative to the run folder
    accounts: list[dict[str, Any]] = field(default_factory=list)  # Account.to_dict
    tokens: dict[str, int] = field(default_factory=dict)
    calls_made: int = 0
    calls_cached: int = 0
    seconds: float = 0.0
    cost: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def fingerprint(settings: Mapping[str, Any], inputs: Mapping[str, str], version: int) -> str:
    """Everything a stage's outputs depend on. A changed secret changes nothing."""
    return content_id(version, redact(dict(settings)), dict(inputs))


class Manifest:
    """Thread-safe; one process owns a run folder's manifest at a time."""

    def __init__(self, run_dir: Path | str, header: dict[str, Any], stages: dict[str, StageRecord]) -> None:
        self.run_dir = Path(run_dir)
        self.header = header
        self.stages = stages
        self._lock = threading.Lock()

    @classmethod
    def open(cls, run_dir: Path | str) -> Manifest:
        """The manifest of a run folder; an empty one, not written yet, where there is none."""
        path = Path(run_dir) / FILE_NAME
        if not path.exists():
            return cls(run_dir, {}, {})
        saved = read_json(path)
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise InputError(f"{path}: not a manifest of format {FORMAT}; choose another run folder")
        try:
            stages = {name: _stage_from_json(name, stage) for name, stage in saved["stages"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a whole manifest ({error!r})") from error
        return cls(run_dir, {k: v for k, v in saved.items() if k not in ("format", "stages")}, stages)

    def describe(self, **facts: Any) -> None:
        """Set facts of the whole run: recipe, code version, models with revisions, seeds, hashes."""
        with self._lock:
            self.header.update(redact(facts))
            self._write()

    def stage(self, name: str) -> StageRecord | None:
        return self.stages.get(name)

    def start(
        self, name: str, settings: Mapping[str, Any], inputs: Mapping[str, str], version: int = 1
    ) -> StageRecord:
        """Note that a stage has begun; what it made before no longer counts, but stays known as its own."""
        mark = fingerprint(settings, inputs, version)
        old = self.stages.get(name)
        record = StageRecord(name, mark, version, redact(dict(settings)), dict(inputs))
        return self._put(replace(record, outputs=old.outputs if old else {}))

    def finish(
        self,
        name: str,
        outputs: Mapping[str, int | None],
        accounts: Iterable[Account] = (),
        **measured: Any,
    ) -> StageRecord:
        """Note that a stage is done: `outputs` maps a path in the run folder to its rows (None: no table).

        `measured` are fields of StageRecord: tokens, calls_made, calls_cached, seconds, cost, notes.
        """
        closed = [account.close().to_dict() for account in accounts]
        made = {path: Output(rows, file_hash(self.run_dir / path)) for path, rows in sorted(outputs.items())}
        record = replace(self.stages[name], status="done", outputs=made, accounts=closed, **redact(measured))
        return self._put(record)

    def fail(self, name: str, error: BaseException | str, **measured: Any) -> StageRecord:
        record = replace(self.stages[name], status="failed", error=redact(str(error)), **redact(measured))
        return self._put(record)

    def drop(self, name: str) -> StageRecord:
        """Forget a stage that the run no longer has."""
        with self._lock:
            record = self.stages.pop(name)
            self._write()
        return record

    def is_current(self, name: str, mark: str) -> bool:
        """The stage is done with this fingerprint, and its files are there as it left them."""
        record = self.stages.get(name)
        return (
            record is not None
            and record.status == "done"
            and record.fingerprint == mark
            and not self.changed_outputs(name)
        )

    def changed_outputs(self, name: str) -> list[str]:
        """`tables/votes/shard-00000.parquet is missing` and the like."""
        problems = []
        for path, output in self.stages[name].outputs.items():
            file = self.run_dir / path
            if not file.is_file():
                problems.append(f"{path} is missing")
            elif file_hash(file) != output.hash:
                problems.append(f"{path} was changed by something else")
        return problems

    def stale_reasons(
        self, name: str, settings: Mapping[str, Any], inputs: Mapping[str, str], version: int = 1
    ) -> list[str]:
        """Why the stage must run again, in words; empty when it is current."""
        record = self.stages.get(name)
        if record is None:
            return ["not run yet"]
        reasons = diff_settings(record.settings, redact(dict(settings)))
        reasons += [f"input {change}" for change in _changed_hashes(record.inputs, inputs)]
        if record.version != version:
            reasons.append(f"{name} is now version {version}, was {record.version}")
        if record.status != "done":
            reasons.append("it failed" if record.status == "failed" else "it was not finished")
        return reasons + self.changed_outputs(name)

    def to_json(self) -> dict[str, Any]:
        stages = {name: asdict(record) for name, record in self.stages.items()}
        return {"format": FORMAT, **self.header, "stages": stages}

    def _put(self, record: StageRecord) -> StageRecord:
        with self._lock:
            self.stages[record.name] = record
            self._write()
        return record

    def _write(self) -> None:
        write_json(self.run_dir / FILE_NAME, self.to_json())


def diff_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`sample.n 8 -> 16`, `judge.template changed`, `judge.votes 3 added`, in alphabetical order."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    changes = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            changes.append(f"{name}{_short(after[name])} added")
        elif name not in after:
            changes.append(f"{name}{_short(before[name])} removed")
        # Compared as ids are made: 1, 1.0 and true are three different settings.
        elif content_id(before[name]) != content_id(after[name]):
            old_text, new_text = _short(before[name]), _short(after[name])
            changes.append(f"{name}{old_text} ->{new_text}" if old_text and new_text else f"{name} changed")
    return changes


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), value


def _short(value: Any) -> str:
    text = "null" if value is None else repr(value) if isinstance(value, list | tuple | dict) else str(value)
    return f" {text}" if text and len(text) <= LONGEST_SHOWN and "\n" not in text else ""


def _changed_hashes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changes = [f"{name} added" for name in new if name not in old]
    changes += [f"{name} removed" for name in old if name not in new]
    changes += [f"{name} changed" for name in new if name in old and old[name] != new[name]]
    return sorted(changes)


def _stage_from_json(name: str, saved: dict[str, Any]) -> StageRecord:
    outputs = {path: Output(**output) for path, output in saved["outputs"].items()}
    return StageRecord(**{**saved, "name": name, "outputs": outputs})

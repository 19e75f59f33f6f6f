"""A stage: settings and input files in, output files out, accounted for, done once.

A stage (or one shard of it, `sample/0003`) is current when the manifest has it as done with
the same settings, version and input hashes, and its files still have their hashes. Anything
else is made again; engine calls that are already in the ledger are not repaid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flows.progress import duration, say
from flows.recipe import Recipe
from store.accounting import Account
from store.errors import InputError
from store.files import file_hash
from store.manifest import Manifest, fingerprint


class Usage(NamedTuple):
    """Engine calls made (not those that the ledger answered), their tokens, and the seconds they took."""

    calls: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    engine_seconds: float = 0.0  # inside the engine, the trainer or the scorer

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.new_tokens + other.new_tokens,
            self.engine_seconds + other.engine_seconds,
        )


@dataclass
class Outcome:
    """What a stage did. `facts` are numbers for the card and the report."""

    account: Account
    rows: Mapping[str, int | None]  # output file -> rows, None for a file that is no table
    usage: Usage = Usage()
    cached: int = 0  # engine calls answered by the ledger
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """`work(run_dir, recipe, stage)` makes `outputs` from `inputs`, paths relative to the run folder."""

    name: str
    work: Callable[[Path, Recipe, Stage], Outcome]
    settings: dict[str, Any]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    version: int = 1  # raise it when the same settings would now give other rows

    def input_hashes(self, run_dir: Path) -> dict[str, str]:
        """By name within the run; a user's own file goes by place and bare name: it may move."""
        names = [f"{i}:{Path(p).name}" if Path(p).is_absolute() else p for i, p in enumerate(self.inputs)]
        return {name: file_hash(run_dir / p) for name, p in zip(names, self.inputs, strict=True)}


Runner = Callable[[Path, Recipe, list[Stage]], list[tuple[Outcome, float]]]


def run_stages(
    run_dir: Path, recipe: Recipe, stages: list[Stage], manifest: Manifest, runner: Runner
) -> None:
    """Bring a stage up to date, numbered shards `shards_in_flight` at a time; drop parts it has no more."""
    verb = stages[0].name.split("/")[0]
    _forget(manifest, run_dir, verb, {stage.name for stage in stages})
    hashes = {stage.name: stage.input_hashes(run_dir) for stage in stages}
    marks = {s.name: fingerprint(s.settings, hashes[s.name], s.version) for s in stages}
    todo = [stage for stage in stages if not manifest.is_current(stage.name, marks[stage.name])]
    if len(todo) < len(stages):
        say(f"{verb} up to date {len(stages) - len(todo)}/{len(stages)}")
    at_once = recipe.shards_in_flight if stages[0].name.split("/")[-1].isdigit() else 1
    for start in range(0, len(todo), at_once):
        wave = todo[start : start + at_once]
        for stage in wave:
            _say_why(manifest, stage, hashes[stage.name])
            manifest.start(stage.name, stage.settings, hashes[stage.name], stage.version)
        try:
            results = runner(run_dir, recipe, wave)
        except Exception as error:
            for stage in wave:
                manifest.fail(stage.name, error)
            raise
        for stage, (outcome, seconds) in zip(wave, results, strict=True):
            _finish(manifest, stage, outcome, seconds)


def perform_here(run_dir: Path, recipe: Recipe, wave: list[Stage]) -> list[tuple[Outcome, float]]:
    """The runner without Prefect."""
    return [perform(run_dir, recipe, stage) for stage in wave]


def perform(run_dir: Path, recipe: Recipe, stage: Stage) -> tuple[Outcome, float]:
    """The body of a task: do the work, time it."""
    started = time.monotonic()
    outcome = stage.work(run_dir, recipe, stage)
    return outcome, time.monotonic() - started


def _finish(manifest: Manifest, stage: Stage, outcome: Outcome, seconds: float) -> None:
    manifest.finish(
        stage.name,
        outputs={name: outcome.rows.get(name) for name in stage.outputs},
        accounts=[outcome.account],
        tokens={"prompt": outcome.usage.prompt_tokens, "new": outcome.usage.new_tokens},
        calls_made=outcome.usage.calls,
        calls_cached=outcome.cached,
        seconds=seconds,
        cost={"engine_seconds": outcome.usage.engine_seconds},
        notes=outcome.facts,
    )
    say(_summary(outcome, seconds))


def _summary(outcome: Outcome, seconds: float) -> str:
    made, cached, new = outcome.usage.calls, outcome.cached, outcome.usage.new_tokens
    calls = f" calls={made} from_ledger={cached}" if made or cached else ""
    tokens = f" tokens={new}" if new else ""
    return f"{outcome.account.line()}{calls}{tokens} time={duration(seconds)}"


def _say_why(manifest: Manifest, stage: Stage, hashes: dict[str, str]) -> None:
    """A stage that was done before and must be done again says which setting or input changed."""
    old = manifest.stage(stage.name)
    if old is not None and old.status == "done":
        rows = sum(output.rows or 0 for output in old.outputs.values())
        reasons = manifest.stale_reasons(stage.name, stage.settings, hashes, stage.version)
        say(f"{stage.name} stale, {rows:,} rows: {'; '.join(reasons)}")


def _forget(manifest: Manifest, run_dir: Path, verb: str, keep: set[str]) -> None:
    """Shards that the stage no longer has, and their files, which would else be read with the others."""
    for name in [name for name in manifest.stages if name.split("/")[0] == verb and name not in keep]:
        for path in manifest.stages[name].outputs:
            (run_dir / path).unlink(missing_ok=True)
        manifest.drop(name)  # last: a kill before this line leaves nothing that nobody knows of


def forget_other_verbs(manifest: Manifest, run_dir: Path, verbs: set[str]) -> None:
    """Stages that the recipe no longer has; their calls stay in the ledger."""
    for verb in {name.split("/")[0] for name in manifest.stages} - verbs:
        _forget(manifest, run_dir, verb, set())


def run_facts(recipe: Recipe) -> dict[str, Any]:
    """The manifest's header: what was asked, by which code."""
    from importlib.metadata import version

    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": recipe.seed,
        "code_version": version("rewardsmith"),
    }


def require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)

"""Stages as Prefect tasks: one task a shard, never one a row.

Arguments are plain and picklable (paths, the recipe, a stage), so the same task runs in
this process, on threads, or on a Ray cluster whose nodes share the run folder.
"""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.recipe import Recipe
from flows.stage import Outcome, Stage, perform
from samplers.engine import EngineError


def _worth_retrying(task: object, task_run: object, state: object) -> bool:
    """Only a failing endpoint may heal by itself; what it had finished is in the ledger."""
    result = state.result(raise_on_failure=False)  # type: ignore[attr-defined]
    return isinstance(result, EngineError)


# NO_CACHE: the manifest and the ledger decide what is current, by content.
_task = task(
    perform,
    task_run_name="{stage.name}",
    retries=2,
    retry_delay_seconds=[5, 30],
    retry_jitter_factor=0.5,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)


def run_wave(run_dir: Path, recipe: Recipe, wave: list[Stage]) -> list[tuple[Outcome, float]]:
    """Run one stage in this thread, where in-process engines live and Ctrl-C arrives; several on the task runner."""
    if len(wave) == 1:
        return [_named(wave[0])(run_dir, recipe, wave[0])]
    futures = [_named(stage).submit(run_dir, recipe, stage) for stage in wave]
    return [future.result() for future in futures]


def _named(stage: Stage):  # noqa: ANN202 - prefect.Task has no short public type
    return _task.with_options(name=stage.name.split("/")[0])

"""Stages as Prefect tasks: one task a shard, never one a row.

Arguments are plain and picklable (paths, the recipe, a stage), so the same task runs in
this process, on threads, or on a Ray cluster whose nodes share the run folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows.recipe import Recipe
from flows.stage import Outcome, Stage, perform
from samplers.engine import EngineError


def _worth_retrying(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Only a failing endpoint may heal by itself; what it had finished is in the ledger."""
    return isinstance(state.result(raise_on_failure=False), EngineError)


# NO_CACHE: the manifest and the ledger decide what is current, by content.
stage_task = task(
    task_run_name="{stage.name}",
    retries=2,
    retry_delay_seconds=[5, 30],
    retry_jitter_factor=0.5,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)(perform)


def run_wave(run_dir: Path, recipe: Recipe, wave: list[Stage]) -> list[tuple[Outcome, float]]:
    """One stage runs in this thread, where Ctrl-C arrives; several run on the task runner."""
    if len(wave) == 1:
        return [_named(wave[0])(run_dir, recipe, wave[0])]
    futures = [_named(stage).submit(run_dir, recipe, stage) for stage in wave]
    return [future.result() for future in futures]


def _named(stage: Stage) -> Task[[Path, Recipe, Stage], tuple[Outcome, float]]:
    return stage_task.with_options(name=stage.name.split("/")[0])

"""What happens to a stage that fails: retried only where that can help, and written down."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from flows import prompts
from flows.recipe import Recipe
from flows.stage import Outcome, Stage, perform_here, run_facts, run_stages
from samplers.cached import BudgetExhausted
from samplers.engine import EngineError
from store.accounting import Account
from store.errors import InputError
from store.manifest import Manifest


def a_recipe(n_train: int = 2) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "engine": {"model": "embedded"},
            "prompts": {"source": "world", "n_train": n_train, "n_test": 1, "planted_leaks": 0},
            "sample": {"n": 1},
            "build": {"sets": ["outcome"]},
        }
    )


@dataclass
class Failing:
    """A stage's work that raises `error`, twice."""

    error: Exception
    attempts: list[int] = field(default_factory=list)

    def __call__(self, run_dir, recipe, stage) -> Outcome:
        self.attempts.append(1)
        if len(self.attempts) <= 2:
            raise self.error
        return Outcome(Account("sample/0000", 0), {})


def test_only_a_failing_engine_is_tried_again(prefect_url, tmp_path):
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings

    from flows import tasks

    at_once = tasks.stage_task.with_options(retry_delay_seconds=0)

    @flow
    def attempts() -> list[int]:
        found = []
        for error in (
            EngineError("gone"),
            InputError("row 2"),
            BudgetExhausted("3 calls"),
            ValueError("bug"),
        ):
            work = Failing(error)
            stage = Stage("sample/0000", work, {})
            state = at_once(tmp_path, a_recipe(), stage, return_state=True)
            assert state.is_completed() == isinstance(error, EngineError)
            found.append(len(work.attempts))
        return found

    with temporary_settings({PREFECT_API_URL: prefect_url, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        assert attempts() == [3, 1, 1, 1]


def test_a_full_disk_is_written_down_and_the_run_goes_on_when_there_is_room(tiny_disk):
    recipe = a_recipe(n_train=3000)
    ballast = tiny_disk / "ballast"
    manifest = Manifest.open(tiny_disk / "run")
    manifest.describe(**run_facts(recipe))
    ballast.write_bytes(b"x" * (1000 * 2**10))
    stage = prompts.stage(recipe)
    with pytest.raises(InputError, match="the disk is full"):
        run_stages(tiny_disk / "run", recipe, [stage], manifest, perform_here)
    assert "disk is full" in str(Manifest.open(tiny_disk / "run").stage("prompts").error)
    ballast.unlink()
    run_stages(tiny_disk / "run", recipe, [stage], manifest, perform_here)
    assert Manifest.open(tiny_disk / "run").stage("prompts").status == "done"

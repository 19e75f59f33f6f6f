"""What happens to a stage that fails: retried only where that can help, and written down."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field

import pytest

from flows import prompts
from flows.engines import close_engines, identity
from flows.recipe import Recipe
from flows.stage import Outcome, Stage, forget_other_verbs, perform_here, run_facts, run_stages
from samplers.cached import BudgetExhausted
from samplers.engine import EngineError
from samplers.engines import EngineConfig
from samplers.policy import MODEL_DIR
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


def copying(run_dir, recipe, stage) -> Outcome:
    (run_dir / stage.outputs[0]).write_text("made")
    return Outcome(Account(stage.name, 0), {})


def one_stage(name: str, output: str, inputs: tuple[str, ...] = ()) -> Stage:
    return Stage(name, copying, {}, inputs, (output,))


def test_two_files_of_one_name_are_two_inputs(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.jsonl").write_text(folder)
    stage = one_stage("x", "out", (str(tmp_path / "a/test.jsonl"), str(tmp_path / "b/test.jsonl")))
    before = stage.input_hashes(tmp_path)
    (tmp_path / "a/test.jsonl").write_text("changed")
    assert len(before) == 2 and stage.input_hashes(tmp_path) != before


def test_a_stage_the_recipe_no_longer_has_leaves_no_file_behind(tmp_path):
    manifest, recipe = Manifest.open(tmp_path), a_recipe()
    for stage in (one_stage("vote", "votes"), one_stage("verify/0000", "verdicts")):
        run_stages(tmp_path, recipe, [stage], manifest, perform_here)
    forget_other_verbs(manifest, tmp_path, {"verify"})
    assert not (tmp_path / "votes").exists() and (tmp_path / "verdicts").exists()
    assert list(Manifest.open(tmp_path).stages) == ["verify/0000"]


def test_a_shard_that_failed_on_its_second_run_is_still_forgotten_with_its_old_file(tmp_path):
    manifest, recipe = Manifest.open(tmp_path), a_recipe()
    shards = [one_stage(f"sample/{i:04d}", f"shard-{i}") for i in range(2)]
    run_stages(tmp_path, recipe, shards, manifest, perform_here)
    failing = Stage("sample/0001", Failing(ValueError("bug")), {"changed": 1}, (), ("shard-1",))
    with pytest.raises(ValueError):
        run_stages(tmp_path, recipe, [shards[0], failing], manifest, perform_here)
    run_stages(tmp_path, recipe, shards[:1], manifest, perform_here)
    assert (tmp_path / "shard-0").exists() and not (tmp_path / "shard-1").exists()


def test_a_model_is_the_same_wherever_its_folder_stands_and_whatever_the_concurrency(tmp_path):
    copy = shutil.copytree(MODEL_DIR, tmp_path / "model")
    one = EngineConfig(kind="transformers", model=str(copy), max_num_seqs=8)
    moved = EngineConfig(kind="transformers", model=str(copy.rename(tmp_path / "elsewhere")), max_num_seqs=4)
    copy_again = shutil.copytree(moved.model, copy)
    asked = [identity(config)["revision"] for config in (one, moved)]
    weights = copy_again / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    close_engines()
    assert asked[0] == asked[1] != identity(one)["revision"]
    close_engines()

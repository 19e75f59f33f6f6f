"""Fit one reward model on its set: bt on preference, orm on outcome, prm on stepwise."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.build import set_file
from flows.engines import reward_base
from flows.progress import Meter
from flows.recipe import Recipe
from flows.stage import Outcome, Stage, Usage
from samplers.fingerprint import folder_revision
from store.accounting import Account
from store.manifest import fingerprint

if TYPE_CHECKING:
    import trainers

MODEL_FILES = ("config.json", "model.safetensors", "training.json")
SET_OF = {"bt": "preference", "orm": "outcome", "prm": "stepwise"}


def model_dir(model: str) -> str:
    return f"models/{model}"


def stages(recipe: Recipe) -> list[Stage]:
    """One stage a model."""
    assert recipe.train
    return [_stage(recipe, model) for model in recipe.train.models]


def _stage(recipe: Recipe, model: str) -> Stage:
    assert recipe.train
    settings = recipe.train.model_dump(exclude={"models"}) | {"seed": recipe.seed}
    settings["base"] = _identity(reward_base(recipe))
    inputs = tuple(set_file(SET_OF[model], split) for split in ("train", "test"))
    return Stage(
        f"train/{model}", work, settings, inputs, tuple(f"{model_dir(model)}/{name}" for name in MODEL_FILES)
    )


def _identity(base: str) -> str:
    """What the base model is: the content of a folder, whatever it is called; a Hub name."""
    return folder_revision(Path(base)) if Path(base).is_dir() else base


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    """Trains in a folder named by what the model depends on: a changed recipe meets no foreign checkpoint."""
    import trainers

    assert recipe.train
    model = stage.name.split("/")[1]
    final = run_dir / model_dir(model)
    mark = fingerprint(stage.settings, stage.input_hashes(run_dir), stage.version)[:12]
    config = _config(run_dir, recipe, model, final.with_name(f".{model}-{mark}"))
    started = time.monotonic()
    with Meter(stage.name, 0, "steps") as meter:
        result = trainers.train(config, progress=lambda event: _show(meter, event))
    seconds = time.monotonic() - started
    shutil.rmtree(final, ignore_errors=True)
    config.output.rename(final)
    for left_over in final.parent.glob(f".{model}-*"):
        shutil.rmtree(left_over)
    account = Account(stage.name, result.counts["rows"])
    account.keep(result.counts["used"])
    for reason in result.counts.keys() - {"rows", "used"}:
        account.reject(reason, result.counts[reason])
    facts = {
        "steps": result.steps,
        "first_loss": result.losses[0],
        "last_loss": sum(result.losses[-10:]) / len(result.losses[-10:]),
        "held_out": result.held_out,
        "tokens_packed": result.n_tokens,
        "tokens_unpacked": result.n_path_tokens,
    }
    return Outcome(account, dict.fromkeys(stage.outputs), usage=Usage(engine_seconds=seconds), facts=facts)


def _config(run_dir: Path, recipe: Recipe, model: str, output: Path) -> trainers.TrainConfig:
    import trainers

    assert recipe.train
    train, held_out = (run_dir / set_file(SET_OF[model], split) for split in ("train", "test"))
    return trainers.TrainConfig(
        objective=model,  # type: ignore[arg-type]
        model=reward_base(recipe),
        data=[train],
        eval_data=[held_out] if pl.read_parquet(held_out, columns=["prompt_id"]).height else [],
        output=output,
        seed=recipe.seed,
        **recipe.train.model_dump(exclude={"models", "base"}),
    )


def _show(meter: Meter, event: dict[str, Any]) -> None:
    if "steps" in event:
        meter.total = event["steps"]
        meter.tick(event["step"] - meter.done)

"""Fit one reward model on its set: bt on preference or ranking, orm on outcome, prm on stepwise."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import fmean
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
CURVE_POINTS = 100  # of a loss curve in the manifest; more than a report can show


def model_dir(model: str) -> str:
    return f"models/{model}"


def stages(recipe: Recipe) -> list[Stage]:
    """One stage a model."""
    assert recipe.train
    return [_stage(recipe, model) for model in recipe.train.models]


def _stage(recipe: Recipe, model: str) -> Stage:
    assert recipe.train
    base = _identity(reward_base(recipe))
    settings = recipe.train.settings_of(model) | {"seed": recipe.seed, "base": base}
    inputs = tuple(set_file(recipe.train.set_of(model), split) for split in ("train", "test"))
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
    for reason, n in result.counts.items():
        if reason not in ("rows", "used") and not reason.startswith("completions_"):  # of rows that were used
            account.reject(reason, n)
    facts = {
        "steps": result.steps,
        "first_loss": result.losses[0],
        "last_loss": sum(result.losses[-10:]) / len(result.losses[-10:]),
        "held_out": result.held_out,
        "tokens_packed": result.n_tokens,
        "tokens_unpacked": result.n_path_tokens,
        "curve": _curve(result),
    }
    return Outcome(account, dict.fromkeys(stage.outputs), usage=Usage(engine_seconds=seconds), facts=facts)


def _config(run_dir: Path, recipe: Recipe, model: str, output: Path) -> trainers.TrainConfig:
    import trainers

    assert recipe.train
    source = recipe.train.set_of(model)
    train, held_out = (run_dir / set_file(source, split) for split in ("train", "test"))
    return trainers.TrainConfig(
        objective=model,  # type: ignore[arg-type]
        model=reward_base(recipe),
        data=[train],
        eval_data=[held_out] if pl.read_parquet(held_out, columns=["prompt_id"]).height else [],
        output=output,
        seed=recipe.seed,
        **recipe.train.settings_of(model),
    )


def _curve(result: trainers.TrainResult) -> dict[str, Any]:
    """The loss as means over equal spans of steps, each at its last step, and every held-out evaluation."""
    steps = len(result.losses)
    ends = sorted({steps * (i + 1) // CURVE_POINTS for i in range(CURVE_POINTS)} - {0})
    spans = zip([0, *ends], ends, strict=False)
    return {
        "losses": [[end, fmean(result.losses[start:end])] for start, end in spans],
        "held_out": [
            {"step": step} | found for step, found in zip(result.eval_steps, result.evals, strict=True)
        ],
        "kept": result.eval_steps[result.best_eval] if result.best_eval >= 0 else None,
    }


def _show(meter: Meter, event: dict[str, Any]) -> None:
    if "loss" in event:  # of a step, not of an evaluation
        meter.total = event["steps"]
        meter.tick(event["step"] - meter.done)

"""What a run writes while it trains, and that a kill leaves no trace in it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.loading import open_base
from trainers.logs import LOG, TENSORBOARD, Logs
from trainers.resume import Progress

RATES = ("second", "sharing", "memory")  # of the steps that this process did


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def unrated(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.items() if not any(word in k for word in RATES)} for one in found]


def step_event(step: int, steps: int = 10) -> dict[str, Any]:
    numbers = {"epoch": step / 5, "loss": 1 / step, "grad_norm": 2.0, "lr": 0.1}
    return {
        "step": step,
        "steps": steps,
        **numbers,
        "tokens": 10,
        "path_tokens": 25,
        "attended": 50,
        "seconds": 0.5,
    }


class Run:
    """The loop's side of the logs: steps and an evaluation each fifth step."""

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.config, self.folder = config, folder
        self.model = open_base(config, torch.device("cpu"), 0)

    def go(self, done: Progress, until: int) -> Logs:
        logs = Logs(self.config, self.folder, done, self.model, key="k")
        for step in range(done.step + 1, until + 1):
            done.step = step
            done.losses.append(1 / step)
            done.grad_norms.append(2.0)
            logs.step(step_event(step))
            if step % 5 == 0:
                found: dict[str, float | None] = {"loss": 0.5, "accuracy": step / 10, "top1": None}
                logs.evaluation(
                    {"step": step, "steps": 10, "epoch": step / 5, "best": True, "held_out": found}
                )
                done.evals.append(found)
        return logs


def progress(step: int, evaluations: int) -> Progress:
    found: dict[str, float | None] = {"loss": 0.5}
    return Progress("k", step, [1 / s for s in range(1, step + 1)], [2.0] * step, [found] * evaluations)


def test_entries_are_means_since_the_one_before(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    run = Run(settings("bt", log_every=4), tmp_path / "run")
    run.go(Progress("k"), 10).close()
    found = entries(run.folder)
    assert [(e["step"], "train/loss" in e) for e in found] == [
        (4, True),
        (5, False),
        (8, True),
        (10, True),
        (10, False),
    ]
    assert found[0]["train/loss"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found[3]["train/loss"] == pytest.approx((1 / 9 + 1 / 10) / 2)
    assert found[1] == {
        "step": 5,
        "held_out/epoch": 1.0,
        "held_out/loss": 0.5,
        "held_out/accuracy": 0.5,
        "held_out/top1": None,
    }
    assert found[0]["train/tokens_per_second"] == 20 and found[0]["train/sharing"] == 2.5


@pytest.mark.parametrize("point", [0, 3, 4, 5, 7])
@pytest.mark.parametrize("evaluated", [True, False])
def test_a_resumed_run_writes_the_entries_of_an_unbroken_one(
    settings: Callable[..., TrainConfig], tmp_path: Path, point: int, evaluated: bool
) -> None:
    """Killed after step 9, the last resume point at `point`; at step 5 before or after its evaluation."""
    config = settings("bt", log_every=4)
    whole, broken = Run(config, tmp_path / "whole"), Run(config, tmp_path / "broken")
    whole.go(Progress("k"), 10).close()
    broken.go(Progress("k"), 9)
    with (broken.folder / LOG).open("a") as file:
        file.write('{"step": 10, "train/lo')  # cut by the kill
    n = (point > 5) + (point == 5 and evaluated)
    done = progress(point, n)
    logs = Logs(config, broken.folder, done, broken.model, key="k")
    if point == 5 and not evaluated:
        found: dict[str, float | None] = {"loss": 0.5, "accuracy": 0.5, "top1": None}
        logs.evaluation({"step": 5, "steps": 10, "epoch": 1.0, "best": True, "held_out": found})
        done.evals.append(found)
    logs.close()
    broken.go(done, 10).close()
    assert unrated(entries(broken.folder)) == unrated(entries(whole.folder))


def test_an_early_stop_loses_no_steps(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    run = Run(settings("bt", log_every=4), tmp_path / "run")
    run.go(Progress("k"), 6).close(tmp_path)
    last = entries(tmp_path)[-1]
    assert last["step"] == 6 and last["train/loss"] == pytest.approx((1 / 5 + 1 / 6) / 2)


def test_training_leaves_its_log_and_curves_in_the_models_folder(
    settings: Callable[..., TrainConfig],
) -> None:
    result = train(settings("bt", log=["tensorboard"], log_every=2, epochs=2))
    found = entries(result.output)
    losses = [e["train/loss"] for e in found if "train/loss" in e]
    assert len(losses) == -(-result.steps // 2)
    assert losses[0] == pytest.approx(sum(result.losses[:2]) / 2)
    assert [e["held_out/accuracy"] for e in found if "held_out/accuracy" in e] == [
        e["accuracy"] for e in result.evals
    ]
    train_entry = next(e for e in found if "train/loss" in e)
    assert train_entry["train/sharing"] > 1 and train_entry["train/mfu"] is None  # on a CPU

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(result.output / TENSORBOARD)).Reload()
    scalars = board.Scalars("train/loss")
    assert [s.value for s in scalars] == pytest.approx(losses)
    assert [s.step for s in scalars] == [e["step"] for e in found if "train/loss" in e]


def test_a_run_that_is_stopped_and_goes_on_tells_one_story(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """Stopped at each step in turn: between the entry and the resume point, or around an evaluation."""
    changes: dict[str, Any] = {"batch_prompts": 1, "epochs": 2, "log_every": 2, "checkpoint_every": 3}
    whole = train(settings("bt", output=tmp_path / "whole", **changes))
    config = settings("bt", output=tmp_path / "stopped", **changes)
    for step in range(1, whole.steps + 1):

        def stop(event: dict[str, Any], at: int = step) -> None:
            if event["step"] == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(config, stop)
    resumed = train(config)
    assert unrated(entries(resumed.output)) == unrated(entries(whole.output))


def test_tensorboard_forgets_the_steps_that_are_done_again(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Run(settings("bt", log=["tensorboard"], log_every=1), tmp_path / "run")
    run.go(Progress("k"), 7).close()
    run.go(progress(4, 0), 10).close()
    board = EventAccumulator(str(run.folder / TENSORBOARD)).Reload()
    assert [s.step for s in board.Scalars("train/loss")] == list(range(1, 11))


def test_a_logger_that_is_not_installed_is_named_before_anything_else(
    settings: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wandb").mkdir()  # where an earlier run has left its logs
    others = [path for path in sys.path if not (Path(path) / "wandb").exists()]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    config = settings("bt", log=["wandb"], model="no such model")
    with pytest.raises(InputError, match="log: 'wandb' is not installed; pip install wandb"):
        train(config)


OFFLINE = """
import sys
from pathlib import Path
from trainers import train
from trainers.config import read_config
train(read_config(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_weights_and_biases_gets_the_run(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("needs wandb")
    config = settings("bt", log=["wandb"], log_every=2)
    path = tmp_path / "config.yaml"
    path.write_text(config.model_dump_json())
    env = os.environ | {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    done = subprocess.run([sys.executable, "-c", OFFLINE, str(path)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "wandb").glob("offline-run-*")
    [file] = folder.glob("run-*.wandb")
    recorded = file.read_bytes()
    assert b"train/loss" in recorded and b"held_out/accuracy" in recorded

"""What a run tells while it trains: OUTPUT/log.jsonl always, TensorBoard and Weights & Biases on request.

An entry is one flat dict under the same names everywhere: `step`, then `train/loss`, `train/mfu`, … each
`log_every` steps, or `held_out/accuracy`, … after an evaluation. A resumed run first drops the entries of
steps that it will do again, so the file reads like that of a run that was never stopped; rates are those of
the steps that the process did itself. `train/loss` is what training lowers, with lm_coef the
language-modelling part too; `held_out/loss` is of the labels alone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean as mean
from typing import Any, Protocol

from store.errors import InputError
from store.ids import content_id

from .config import TrainConfig
from .model import RewardModel
from .resume import Progress
from .throughput import Work, peak_memory_gib, speed_of

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"
Event = dict[str, Any]


class Sink(Protocol):
    def add(self, step: int, values: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def require_loggers(config: TrainConfig) -> None:
    """InputError where a logger that the settings ask for is not installed."""
    for name in config.log:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # or only a folder with its logs, which Python finds as well
            raise InputError(f"log: {name!r} is not installed; pip install {name}, or leave it out of `log`")


class Logs:
    """One run's sinks. `done` is the loop's own progress: the means of an entry are taken from its lists,
    which resume points keep. `devices` share each step's tokens."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        done: Progress,
        model: RewardModel,
        key: str,
        devices: int = 1,
    ) -> None:
        self.folder, self.done, self.every = folder, done, config.log_every
        self.device, self.speed = model.device, speed_of(model, devices)
        self.sinks: list[Sink] = [_Jsonl(folder / LOG, done)]
        if "tensorboard" in config.log:
            self.sinks.append(_TensorBoard(folder / TENSORBOARD, done))
        if "wandb" in config.log:
            self.sinks.append(_Wandb(config, key))
        self.last = done.step - done.step % self.every  # where the entry before the next one ended
        self.work = Work()
        self.latest: Event = {}

    def step(self, event: Event) -> Event:
        """Once a step's loss is in `done`. `event` has step, steps, epoch, loss, grad_norm, lr, the step's
        tokens, path_tokens and attended (`throughput.Work`), and its wall time in seconds, without
        evaluations and resume points. Returned with the step's rates."""
        now = Work()
        for work in (now, self.work):
            work.add(event["tokens"], event["path_tokens"], event["attended"], event["seconds"])
        self.latest = event
        if event["step"] % self.every == 0 or event["step"] == event["steps"]:
            self._entry()
        return event | self.speed.rates(now)

    def _entry(self) -> None:
        event = self.latest
        part = slice(self.last, event["step"])
        values = {
            "epoch": event["epoch"],
            "loss": mean(self.done.losses[part]),
            "grad_norm": mean(self.done.grad_norms[part]),
            "lr": event["lr"],
            **self.speed.rates(self.work),
            "peak_memory_gib": peak_memory_gib(self.device),
        }
        self._add(event["step"], "train", values)
        self.last, self.work = event["step"], Work()

    def evaluation(self, event: Event) -> Event:
        """`event` has step, steps, epoch, best (none before was better) and the metrics as held_out."""
        self._add(event["step"], "held_out", {"epoch": event["epoch"], **event["held_out"]})
        return event

    def close(self, folder: Path | None = None) -> None:
        """Everything on disk, and copied into `folder`, that of the finished model. After an early stop the
        last entry is of the steps that had none yet."""
        if folder is not None and self.work.steps:
            self._entry()
        for sink in self.sinks:
            sink.close()
        if folder is None:
            return
        shutil.copy2(self.folder / LOG, folder / LOG)
        if (self.folder / TENSORBOARD).exists():
            shutil.copytree(self.folder / TENSORBOARD, folder / TENSORBOARD, dirs_exist_ok=True)

    def _add(self, step: int, group: str, values: dict[str, Any]) -> None:
        for sink in self.sinks:
            sink.add(step, {f"{group}/{name}": value for name, value in values.items()})


class _Jsonl:
    def __init__(self, path: Path, done: Progress) -> None:
        partial = path.with_suffix(".tmp")
        partial.write_text("".join(_kept(path, done)))
        os.replace(partial, path)
        self.file = path.open("a")

    def add(self, step: int, values: dict[str, Any]) -> None:
        self.file.write(json.dumps({"step": step} | values) + "\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def _kept(path: Path, done: Progress) -> Iterator[str]:
    """The entries that a run which goes on behind `done` will not write again."""
    evaluations = 0
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if not line.endswith("\n"):  # cut off by a kill
            return
        entry = json.loads(line)
        evaluations += "held_out/loss" in entry
        if entry["step"] <= done.step and evaluations <= len(done.evals):
            yield line


class _TensorBoard:
    """Event files in `folder`, one for each start of the run; the steps done again are marked as void."""

    def __init__(self, folder: Path, done: Progress) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=done.step + 1 if done.step else None)

    def add(self, step: int, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if value is not None:
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    """Project, account and folder are those of wandb's own settings (WANDB_PROJECT, WANDB_MODE, WANDB_DIR).
    Its runs only go forward: of steps that a resumed run does again, it keeps the first entries."""

    def __init__(self, config: TrainConfig, key: str) -> None:
        import wandb

        self.run = wandb.init(
            id=content_id("wandb", key, str(config.output.resolve())),
            name=str(config.output),
            config=config.model_dump(mode="json"),
            resume="allow",
        )

    def add(self, step: int, values: dict[str, Any]) -> None:
        self.run.log({name: value for name, value in values.items() if value is not None}, step=step)

    def close(self) -> None:
        self.run.finish()

"""The training loop: packed rows, one global denominator per step, exact resume, the best weights kept.

A step's trees are packed into rows; each row's summed loss over the *step's* total weight is back-propagated,
so the gradient is that of one mean over all labels of the step, however they fell into rows and on processes.
While it trains, everything lives in OUTPUT.partial; OUTPUT appears by one rename at the end."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from store.errors import InputError
from store.ids import derived_seed

from .assembly import build, save_trained
from .config import TrainConfig
from .distributed import Ranks, forward_shared, ranks
from .evaluate import Metrics, better, head_moments, measure
from .loading import open_base, pick_device
from .logs import Logs, require_loggers
from .lora import set_dropout
from .losses import choose_loss
from .model import RewardModel
from .pack import Row, pack
from .plan import Plan, make_plan, rate
from .resume import (
    differing,
    find_progress,
    load_best,
    load_point,
    remove_points,
    save_best,
    save_point,
    work_folder,
)
from .saving import MANIFEST
from .split import whole_units
from .step import backward

Report = Callable[[dict[str, Any]], None]
_BETAS = (0.9, 0.95)  # OpenRLHF; a short memory of squared gradients suits the few steps of a reward model
_NAMED_ROWS = 8  # data rows named in an error message


@dataclass(frozen=True)
class TrainResult:
    """`counts` are rows read, used, and dropped by reason; `evals` were made after `eval_steps`, and
    `best_eval` is the index of the one whose weights were kept (-1: nothing was held out). `n_tokens` were
    forwarded in training; as separate rows without padding the same examples have `n_path_tokens`. `seconds`
    is of this call only."""

    output: Path
    steps: int
    counts: dict[str, int]
    eval_counts: dict[str, int]
    losses: list[float]
    grad_norms: list[float]
    evals: list[Metrics]
    eval_steps: list[int]
    best_eval: int
    n_tokens: int
    n_path_tokens: int
    seconds: float

    @property
    def held_out(self) -> Metrics:
        """Metrics of the weights that were kept; empty where nothing was held out."""
        return self.evals[self.best_eval] if self.best_eval >= 0 else {}


def train(config: TrainConfig, progress: Report | None = None) -> TrainResult:
    """Train; or go on where a killed run of the same settings stopped; or return what a finished one
    recorded. Under torchrun every process calls it, and gets the same result.

    `progress` gets a dict per step (step, steps, epoch, loss, grad_norm, lr, tokens, rates) and per
    evaluation (step, steps, epoch, best, held_out), in the main process alone."""
    started = time.monotonic()
    require_loggers(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    with ranks(device, mixed=config.dtype != "float32") as among:
        model = open_base(config, device, derived_seed("head", config.seed))
        plan = make_plan(config, model)
        finished = (config.output / MANIFEST).exists()
        among.check_same((plan.key, finished))
        if finished:
            record = _finished_record(plan)
            if among.main:  # killed when its model was in place already
                remove_points(work_folder(config), plan.key)
        elif config.output.exists() and (not config.output.is_dir() or any(config.output.iterdir())):
            raise InputError(f"{config.output}: exists and is no finished training; choose another output")
        else:
            record = _Trainer(plan, model, among, progress or (lambda event: None)).run()
    return TrainResult(output=config.output, seconds=time.monotonic() - started, **record)


def _finished_record(plan: Plan) -> dict[str, Any]:
    saved = json.loads((plan.config.output / MANIFEST).read_text())
    if saved["key"] != plan.key:
        what = differing(saved["settings"], plan.config.key_settings())
        raise InputError(f"{plan.config.output}: holds a model of other {what}; choose another output")
    return saved["record"]


class _Trainer:
    """One run in progress: what is trained, its optimiser, its cursor, and the folder that keeps them."""

    def __init__(self, plan: Plan, model: RewardModel, among: Ranks, report: Report) -> None:
        self.plan, self.config, self.model, self.among, self.report = plan, plan.config, model, among, report
        self.loss = choose_loss(self.config)
        self.rows: list[Row] = []  # of the next step
        self.work = work_folder(self.config)
        self.work.mkdir(parents=True, exist_ok=True)
        self.done = find_progress(self.work, plan.key, self.config.key_settings())
        among.check_same((self.done.step, len(self.done.evals)))
        self.network, self.adapted = build(self.config, model, among)
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=self.config.lr, betas=_BETAS, weight_decay=self.config.weight_decay, fused=True
        )
        if self.done.step:
            load_point(self.work, self.done, self.network, self.optimizer)
        if among.main:
            self.logs = Logs(self.config, self.work, self.done, model, plan.key, devices=among.size)

    def run(self) -> dict[str, Any]:
        try:
            while self.done.step < self.plan.steps and not self._out_of_patience():
                self._step()
                due = self.plan.eval_rows and self.plan.evaluates(self.done.step)
                if due:
                    self._evaluate()
                if due or self.done.step % self.config.checkpoint_every == 0:
                    save_point(
                        self.work,
                        self.done,
                        self.config.key_settings(),
                        self.network,
                        self.optimizer,
                        self.among,
                    )
            return self._finish()
        except BaseException:
            if self.among.main:
                self.logs.close()
            raise

    def _out_of_patience(self) -> bool:
        patience, done = self.config.early_stop, self.done
        return patience is not None and len(done.evals) - 1 - done.best_eval >= patience

    def _step(self) -> None:
        started = time.monotonic()
        rows = self.rows or self._pack(self.done.step)
        lr = rate(self.done.step, self.plan.steps, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        part = backward(self.network, rows, self.loss, self.config.lm_coef, self.among, self._draw_dropout)
        loss = self.among.sum(part)
        self.rows = self._pack(self.done.step + 1)  # while a GPU is still busy with this step
        norm = _whole(torch.nn.utils.clip_grad_norm_(self.trained, self.config.clip)).double()
        loss_value, norm_value = torch.stack([loss, norm]).tolist()  # the step's only wait for a GPU
        if not np.isfinite([loss_value, norm_value]).all():
            raise InputError(self._blame(rows))
        for weight in self.trained:  # none without optimiser state, which a resume point has to have
            if weight.grad is None:  # a language-model head before the first right completion
                weight.grad = torch.zeros_like(weight)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._record(rows, loss_value, norm_value, lr, time.monotonic() - started)

    def _pack(self, step: int) -> list[Row]:
        return pack(self.plan.trees(step), self.config.row_tokens) if step < self.plan.steps else []

    def _draw_dropout(self) -> None:
        """The draws hang on the step, so resume points need no generator's state."""
        if self.config.lora and self.config.lora.dropout:
            torch.manual_seed(derived_seed("dropout", self.config.seed, self.done.step, self.among.rank))
            set_dropout(self.adapted, True)

    def _blame(self, rows: list[Row]) -> str:
        """Names the data rows that made the loss or gradient of this step infinite or not a number."""
        outputs = forward_shared(self.network, rows, self.among)
        found = zip(rows, outputs, strict=True)
        bad = [unit for row, part in found if not np.isfinite(part).all() for unit in row.units]
        names = [u.where for u in whole_units(bad or [u for row in rows for u in row.units])]
        more = f" and {len(names) - _NAMED_ROWS} more" if len(names) > _NAMED_ROWS else ""
        return (
            f"step {self.done.step}: loss or gradient is not a finite number at "
            f"{', '.join(names[:_NAMED_ROWS])}{more}; lower lr, or look at these rows"
        )

    def _record(self, rows: list[Row], loss: float, norm: float, lr: float, seconds: float) -> None:
        done = self.done
        tokens, path_tokens = sum(map(len, rows)), sum(row.n_path_tokens for row in rows)
        done.step += 1
        done.losses.append(loss)
        done.grad_norms.append(norm)
        done.n_tokens += tokens
        done.n_path_tokens += path_tokens
        if self.among.main:
            measured = {
                "loss": loss,
                "grad_norm": norm,
                "lr": lr,
                "tokens": tokens,
                "path_tokens": path_tokens,
            }
            attended = sum(int(row.depth.sum()) + len(row) for row in rows)
            self.report(self.logs.step(self._place() | measured | {"attended": attended, "seconds": seconds}))

    def _place(self) -> dict[str, Any]:
        step = self.done.step
        return {"step": step, "steps": self.plan.steps, "epoch": self.plan.epoch(step)}

    def _measure(self, rows: list[Row]) -> tuple[Metrics, list[np.ndarray]]:
        if self.adapted is not None:
            set_dropout(self.adapted, False)
        outputs = forward_shared(self.network, rows, self.among)
        return measure(self.model, rows, outputs, self.loss), outputs

    def _evaluate(self) -> None:
        done = self.done
        found, _ = self._measure(self.plan.eval_rows)
        before = done.evals[done.best_eval] if done.best_eval >= 0 else None
        best = better(self.config.objective, found, before)
        done.evals.append(found)
        done.eval_steps.append(done.step)
        if best:
            done.best_eval = len(done.evals) - 1
            save_best(self.work, done, self.network, self.among)
        if self.among.main:
            self.report(self.logs.evaluation(self._place() | {"best": best, "held_out": found}))

    def _finish(self) -> dict[str, Any]:
        """Save the best weights, and what they were made of, under the final name."""
        if self.done.best_eval >= 0:
            load_best(self.work, self.done, self.network)
        found, outputs = self._measure(self.plan.calibration)
        means, deviations = head_moments(self.model, outputs)
        self.model.extras |= {name: found[name] for name in ("reward_mean", "reward_std")}
        self.model.extras |= {"head_mean": means, "head_std": deviations, "training": self.plan.key}
        record = self._summary()
        folder = self.work / "model"
        save_trained(self.network, self.adapted, self.config, self.plan.key, record, folder, self.among)
        if self.among.main:
            self.logs.close(folder)
            os.replace(folder, self.config.output)
            shutil.rmtree(self.work)
        self.among.wait()
        return record

    def _summary(self) -> dict[str, Any]:
        done = asdict(self.done)
        counts = {"counts": self.plan.counts, "eval_counts": self.plan.eval_counts}
        return {"steps": done.pop("step"), **counts, **{k: v for k, v in done.items() if k != "key"}}


def _whole(value: Tensor) -> Tensor:
    """The value on this process of a sharded result."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value

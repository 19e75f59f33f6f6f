"""The training loop: packed rows, one global denominator per step, exact resume, the best epoch kept.

A step's trees are packed into rows; each row's summed loss over the *step's* total weight is back-propagated,
so the gradient is that of one mean over all labels of the step, however they fell into rows. While it trains,
everything lives in OUTPUT.partial; OUTPUT appears by one rename at the end."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from store.errors import InputError
from store.ids import derived_seed

from .config import TrainConfig
from .evaluate import Metrics, better, evaluate
from .loading import open_base, pick_device
from .losses import choose_loss
from .model import RewardModel
from .pack import LabelledTree, Row, pack
from .plan import Plan, batches, make_plan, rate
from .resume import load_point, save_point, write_atomic

Report = Callable[[dict[str, Any]], None]
_BETAS = (0.9, 0.95)  # OpenRLHF; a short memory of squared gradients suits the few steps of a reward model
_NAMED_ROWS = 8  # data rows named in an error message
MANIFEST = "training.json"


@dataclass(frozen=True)
class TrainResult:
    """`counts` are rows read, used, and dropped by reason. `n_tokens` were forwarded in training; as separate
    rows without padding the same examples have `n_path_tokens`. `seconds` is of this call only."""

    output: Path
    steps: int
    counts: dict[str, int]
    eval_counts: dict[str, int]
    losses: list[float]
    grad_norms: list[float]
    evals: list[Metrics]
    best_epoch: int
    n_tokens: int
    n_path_tokens: int
    seconds: float

    @property
    def held_out(self) -> Metrics:
        """Metrics of the epoch that was kept; empty where nothing was held out."""
        return self.evals[self.best_epoch] if self.best_epoch >= 0 else {}


def train(config: TrainConfig, progress: Report | None = None) -> TrainResult:
    """Train; or go on where a killed run of the same settings stopped; or return what a finished one
    recorded.

    `progress` gets a dict per step (step, steps, loss, grad_norm, lr, tokens) and per epoch (epoch and
    metrics)."""
    started = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    model = open_base(config, pick_device(config.device), derived_seed("head", config.seed))
    plan = make_plan(config, model)
    if (config.output / MANIFEST).exists():
        record = _finished_record(plan)
    elif config.output.exists() and (not config.output.is_dir() or any(config.output.iterdir())):
        raise InputError(f"{config.output}: exists and is no finished training; choose another output")
    else:
        record = _Trainer(plan, model, progress or (lambda event: None)).run()
    return TrainResult(output=config.output, seconds=time.monotonic() - started, **record)


def _finished_record(plan: Plan) -> dict[str, Any]:
    saved = json.loads((plan.config.output / MANIFEST).read_text())
    if saved["key"] != plan.key:
        raise InputError(
            f"{plan.config.output}: holds a model of other settings or data; choose another output"
        )
    return saved["record"]


class _Trainer:
    """One run in progress: model, optimiser, cursor, and the folder that keeps them."""

    def __init__(self, plan: Plan, model: RewardModel, report: Report) -> None:
        self.plan, self.config, self.model, self.report = plan, plan.config, model, report
        self.loss = choose_loss(self.config)
        self.optimizer = torch.optim.AdamW(
            model.hf.parameters(),
            lr=self.config.lr,
            betas=_BETAS,
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        self.work = self.config.output.with_name(self.config.output.name + ".partial")
        self.work.mkdir(parents=True, exist_ok=True)
        self.progress = load_point(self.work / "point.pt", plan.key, model, self.optimizer)

    def run(self) -> dict[str, Any]:
        per_epoch = self.plan.steps_per_epoch
        for epoch in range(len(self.progress.evals), self.config.epochs):
            self._epoch(epoch, skip=self.progress.step - epoch * per_epoch)
        return self._finish()

    def _epoch(self, epoch: int, skip: int) -> None:
        steps = batches(self.plan.groups, self.config.batch_prompts, self.config.seed, epoch)
        for i, trees in enumerate(steps):
            if i < skip:
                continue
            self._step(trees)
            if self.progress.step % self.config.checkpoint_every == 0:
                self._save_point()
        self._evaluate(epoch)
        self._save_point()

    def _save_point(self) -> None:
        save_point(self.work / "point.pt", self.progress, self.model, self.optimizer)

    def _step(self, trees: list[LabelledTree]) -> None:
        rows = pack(trees, self.config.row_tokens)
        total = float(sum(row.items.weight.sum(dtype=float) for row in rows))
        lr = rate(self.progress.step, self.plan.steps, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss = torch.stack([self._backward(row, total) for row in rows]).double().sum()
        norm = torch.nn.utils.clip_grad_norm_(self.model.hf.parameters(), self.config.clip).double()
        loss_value, norm_value = torch.stack([loss, norm]).tolist()  # the step's only wait for a GPU
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise InputError(self._blame(rows))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._record(loss_value, norm_value, lr, sum(map(len, rows)))

    def _backward(self, row: Row, total: float) -> torch.Tensor:
        loss = self.loss(self.model.outputs(row), row.items.to(self.model.device)) / total
        loss.backward()
        return loss.detach()

    @torch.no_grad()
    def _blame(self, rows: list[Row]) -> str:
        """Names the data rows that made the loss or gradient of this step infinite or not a number."""
        bad = [u for row in rows if not torch.isfinite(self.model.outputs(row)).all() for u in row.units]
        names = [u.where for u in bad or [u for row in rows for u in row.units]]
        more = f" and {len(names) - _NAMED_ROWS} more" if len(names) > _NAMED_ROWS else ""
        return (
            f"step {self.progress.step}: loss or gradient is not a finite number at "
            f"{', '.join(names[:_NAMED_ROWS])}{more}; lower lr, or look at these rows"
        )

    def _record(self, loss: float, norm: float, lr: float, n_tokens: int) -> None:
        done = self.progress
        done.step += 1
        done.losses.append(loss)
        done.grad_norms.append(norm)
        event = {"step": done.step, "steps": self.plan.steps, "loss": loss, "grad_norm": norm, "lr": lr}
        self.report({**event, "tokens": n_tokens})

    def _evaluate(self, epoch: int) -> None:
        done = self.progress
        if not self.plan.eval_rows:
            done.evals.append({})
            return
        found = evaluate(self.model, self.plan.eval_rows, self.loss)
        best = done.evals[done.best_epoch] if done.best_epoch >= 0 else None
        if better(self.config.objective, found, best):
            done.best_epoch = epoch
            write_atomic(self.work / "best.pt", self.model.hf.state_dict())
        done.evals.append(found)
        self.report({"epoch": epoch, **found})

    def _finish(self) -> dict[str, Any]:
        """Save the best epoch's weights, and what they were made of, under the final name."""
        if self.progress.best_epoch >= 0:
            state = torch.load(self.work / "best.pt", map_location=self.model.device, weights_only=True)
            self.model.hf.load_state_dict(state)
        found = evaluate(self.model, self.plan.calibration, self.loss)
        self.model.extras |= {name: found[name] for name in ("reward_mean", "reward_std")}
        self.model.extras["training"] = self.plan.key
        folder = self.work / "model"
        shutil.rmtree(folder, ignore_errors=True)
        self.model.save(folder)
        record = self._summary()
        manifest = {"key": self.plan.key, "settings": self.config.key_settings(), "record": record}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        os.replace(folder, self.config.output)
        shutil.rmtree(self.work)
        return record

    def _summary(self) -> dict[str, Any]:
        done, plan = self.progress, self.plan
        return {
            "steps": done.step,
            "counts": plan.counts,
            "eval_counts": plan.eval_counts,
            "losses": done.losses,
            "grad_norms": done.grad_norms,
            "evals": done.evals,
            "best_epoch": done.best_epoch,
            "n_tokens": plan.n_tokens,
            "n_path_tokens": plan.n_path_tokens,
        }

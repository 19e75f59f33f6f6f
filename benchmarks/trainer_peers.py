"""One side of the trainer benchmark, in a process of its own: ours, TRL's RewardTrainer, or its PRMTrainer.

    python benchmarks/trainer_peers.py SPEC.json

SPEC names the side, the model, the data and one or more settings. Several settings are tried for a few steps
each; one is trained on all data, saved, and judged on the held-out set by the same plain padded forward
passes whichever side trained it. The clock runs from the end of the warm-up steps to the end of the last
step: loading, tokenisation, compilation and saving are outside.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}

import torch  # noqa: E402

Spec = dict[str, Any]


def main() -> None:
    spec: Spec = json.loads(Path(sys.argv[1]).read_text())
    if spec["threads"]:
        torch.set_num_threads(spec["threads"])
    side = {"ours": ours, "trl": reward_trainer, "trl-prm": prm_trainer}[spec["side"]]
    found = []
    for settings in spec["settings"]:
        try:
            found.append({"settings": settings, **side(spec, settings)})
        except Exception as error:  # out of memory, or a combination this machine cannot run: a result too
            traceback.print_exc()
            found.append({"settings": settings, "error": f"{type(error).__name__}: {error}"[:300]})
        gc.collect()
        if spec["device"] == "cuda":
            torch.cuda.empty_cache()
    Path(spec["result"]).write_text(json.dumps(found))


class Clock:
    """Seconds of the steps behind the warm-up, and the memory that training took at its highest."""

    def __init__(self, spec: Spec) -> None:
        self.warm_up, self.gpu = spec["warm_up"], spec["device"] == "cuda"
        self.first = self.last = (0.0, 0.0)
        self.steps = 0
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the highest resident size starts anew (proc(5))
            self.resident = _resident("VmRSS")

    def step(self, step: int, is_last: bool) -> None:
        if step == self.warm_up or is_last:
            if self.gpu:
                torch.cuda.synchronize()
            now = (time.perf_counter(), time.process_time())
            if step == self.warm_up:
                self.first = now
            self.last, self.steps = now, step - self.warm_up

    def found(self) -> dict[str, float]:
        """`peak_mib`: on a CPU above what the process held with all its imports."""
        peak = torch.cuda.max_memory_allocated() if self.gpu else _resident("VmHWM") - self.resident
        seconds, cpu_seconds = (last - first for first, last in zip(self.first, self.last, strict=True))
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "timed_steps": self.steps,
            "peak_mib": peak / 2**20,
        }


def _resident(name: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return 1024 * int(line.split()[1])


def ours(spec: Spec, settings: Spec) -> dict[str, Any]:
    from trainers import TrainConfig, train

    clock, folder = Clock(spec), Path(spec["work"])
    output = folder / f"{spec['name']}-{len(list(folder.glob('*')))}"
    config = TrainConfig(
        objective=spec["objective"],
        model=spec["model"],
        data=[Path(spec["data"]) / "train.parquet"],
        output=output,
        eval_fraction=0,
        batch_prompts=spec["step_prompts"],
        lr=spec["lr"],
        device=spec["device"],
        threads=spec["threads"],
        checkpoint_every=10**9,
        **settings,
    )
    began = time.perf_counter()
    sums = {"attended": 0.0}
    first: list[float] = []

    def progress(event: dict[str, Any]) -> None:
        if "loss" in event:  # a step; evaluations have their numbers one level down
            first[:] = first or [time.perf_counter() - began]
            sums["attended"] += event.get("attended", 0)
            clock.step(event["step"], event["step"] == event["steps"])

    result = train(config, progress)
    report = {
        "steps": result.steps,
        "forwarded": result.n_tokens,
        "first_step_seconds": first[0],
        "loss": result.losses[-1],
        **sums,
        **clock.found(),
    }
    return report if spec["trial"] else {**report, **judge(spec, output)}


def reward_trainer(spec: Spec, settings: Spec) -> dict[str, Any]:
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer
    from trl.trainer.reward_trainer import DataCollatorForPreference

    clock = Clock(spec)
    model = AutoModelForSequenceClassification.from_pretrained(
        spec["model"], dtype=torch.float32, attn_implementation=settings.get("attention", "sdpa")
    )
    config = RewardConfig(**_arguments(spec, settings), max_length=None)
    return _train_peer(spec, RewardTrainer, model, config, DataCollatorForPreference(pad_token_id=0), clock)


def prm_trainer(spec: Spec, settings: Spec) -> dict[str, Any]:
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
    )
    from trl.experimental.prm import PRMConfig, PRMTrainer

    clock = Clock(spec)
    model = AutoModelForTokenClassification.from_pretrained(
        spec["model"], dtype=torch.float32, attn_implementation=settings.get("attention", "sdpa")
    )
    config = PRMConfig(**_arguments(spec, settings), max_length=None)
    collator = DataCollatorForTokenClassification(AutoTokenizer.from_pretrained(spec["model"]))
    return _train_peer(spec, PRMTrainer, model, config, collator, clock)


def _arguments(spec: Spec, settings: Spec) -> Spec:
    """TRL's defaults but for the rate, one epoch, and what writes files; `settings` lays over them."""
    gpu = spec["device"] == "cuda"
    given = {name: value for name, value in settings.items() if name != "attention"}
    return {
        "output_dir": spec["work"],
        "learning_rate": spec["lr"],
        "num_train_epochs": 1,
        "use_cpu": not gpu,
        "bf16": gpu,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **given,
    }


def _train_peer(
    spec: Spec, trainer_class: Any, model: Any, config: Any, collator: Any, clock: Clock
) -> dict[str, Any]:
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback

    tokens = {"forwarded": 0, "attended": 0}

    class Counted(trainer_class):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Spec, *args: Any, **more: Any) -> Any:
            n, length = inputs["input_ids"].shape
            tokens["forwarded"] += n * length
            tokens["attended"] += n * length * (length + 1) // 2
            return super().compute_loss(model, inputs, *args, **more)

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.step(state.global_step, state.global_step == state.max_steps)

    rows = json.loads((Path(spec["data"]) / "train.json").read_text())
    trainer = Counted(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        data_collator=collator,
        callbacks=[Steps()],
    )
    output = trainer.train()
    report = {"steps": output.global_step, "loss": output.training_loss, **tokens, **clock.found()}
    if spec["trial"]:
        return report
    folder = Path(spec["work"]) / spec["name"]
    trainer.save_model(str(folder))
    del trainer, model
    return {**report, **judge(spec, folder)}


@torch.no_grad()
def judge(spec: Spec, folder: Path) -> dict[str, float]:
    """Held-out accuracy of a saved checkpoint, each completion by itself in a padded batch: of all
    comparisons (ties count half), or of the steps' two classes."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    is_prm = spec["objective"] == "prm"
    auto = AutoModelForTokenClassification if is_prm else AutoModelForSequenceClassification
    model = auto.from_pretrained(folder, dtype=torch.float32).to(spec["device"]).eval()
    held_out = json.loads((Path(spec["data"]) / "held_out.json").read_text())
    logits = _logits(
        model, [ids for g in held_out for ids in g["ids"]], [at for g in held_out for at in g["at"]]
    )
    right: list[float] = []
    for group in held_out:
        mine = [next(logits) for _ in group["ids"]]
        if is_prm:
            for found, labels in zip(mine, group["labels"], strict=True):
                right += [float((x[1] > x[0]) == label) for x, label in zip(found, labels, strict=True)]
        else:
            margins = [float(mine[i][0, 0] - mine[j][0, 0]) for i, j in group["pairs"]]
            right += [0.5 * (m >= 0) + 0.5 * (m > 0) for m in margins]
    return {"accuracy": sum(right) / len(right), "judged": len(right)}


def _logits(model: Any, ids: list[list[int]], at: list[list[int]], batch: int = 16) -> Any:
    """The head's output at the asked positions of each row, in order; (positions, classes) each."""
    found: dict[int, Any] = {}
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids[i]) for i in some], batch_first=True)
        mask = torch.arange(rows.shape[1]) < torch.tensor([len(ids[i]) for i in some])[:, None]
        hidden = model.base_model(
            input_ids=rows.to(model.device), attention_mask=mask.long().to(model.device)
        )
        for i, row in zip(some, hidden.last_hidden_state, strict=True):
            found[i] = model.score(row[at[i]]).float().cpu()
    return (found[i] for i in range(len(ids)))


if __name__ == "__main__":
    main()

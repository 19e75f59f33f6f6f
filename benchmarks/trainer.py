"""Our trainer beside TRL: the same model, data, comparisons and device, in one run.

    python benchmarks/trainer.py [--device cuda] [--model random-1.7b] [--cases a b4 …] [--sides ours trl …]
        [--trl build/trl-1.16.0] [--trl-prm build/trl-1.13.0] [--out FOLDER]

The peers come from folders of their own, which do not disturb the environment:

    pip install --no-deps --target build/trl-1.16.0 trl==1.16.0    # RewardTrainer
    pip install --no-deps --target build/trl-1.13.0 trl==1.13.0    # the last with a PRMTrainer

Each side trains in a process of its own, one after the other, ours before and after the peers. All start from
one random model with one head, see the same token ids once at the same peak rate, and are judged by the same
padded forward passes over held-out prompts (trainer_peers.py). `trl` has TRL's defaults; on a CPU in float32,
as ours. `trl-tuned` sorts by length, recomputes no activations, has our schedule, optimiser settings and
comparisons a step, and the batch size that was fastest in a trial on part of the data.

Adds its section to trainer.json and writes trainer.md from it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from trainer_data import SHAPES, Case, groups, make_model, write_data  # noqa: E402
from trainer_report import write_report  # noqa: E402

SIDES = ("ours", "trl", "trl-tuned")
SEED = 5
WORST = "worst case: equal lengths, pairs, 8-token prompts"
CPU_CASES = {
    "a": Case("short-prompt pairs", "bt", 60, 300, 2, 128, 160, 8),
    "b4": Case("rankings of 4, all pairs", "bt", 60, 150, 4, 64, 48, 2),
    "b9": Case("rankings of 9, all pairs", "bt", 60, 150, 9, 20, 16, 1),
    "c": Case("PRM, 8 solutions a problem", "prm", 90, 260, 8, 40, 12, 1, steps=6),
    "c'": Case("PRM, step trees of 8 steps, 4 alternatives", "prm", 90, 240, 1, 36, 24, 1, 8, 4, words=60),
    "worst": Case(WORST, "bt", 14, 128, 2, 240, 160, 8, spread=0),
}
# A step fills one or more rows of 16,384 tokens.
GPU_CASES = {
    "a": Case("short-prompt pairs", "bt", 60, 300, 2, 1536, 256, 64),
    "b4": Case("rankings of 4, all pairs", "bt", 60, 300, 4, 264, 64, 11),
    "b9": Case("rankings of 9, all pairs", "bt", 60, 300, 9, 60, 16, 5),
    "c": Case("PRM, 8 solutions a problem", "prm", 90, 260, 8, 168, 16, 7, steps=6),
    "c'": Case("PRM, step trees of 8 steps, 4 alternatives", "prm", 90, 240, 1, 224, 24, 14, 8, 4, words=60),
    "worst": Case(WORST, "bt", 14, 256, 2, 992, 128, 62, spread=0),
}
# Random weights need far higher rates than trained ones.
RATES = {"cpu": {"bt": 1e-3, "prm": 2e-3}, "cuda": {"bt": 1e-4, "prm": 2e-4}}
WARM_UP = {"cpu": 1, "cuda": 3}  # steps
TRIAL_SHARE = 6  # one part in so many of the prompts
# Settings that are ours rather than TRL's defaults, so that both take equal steps.
STEPS_AS_OURS = {
    "lr_scheduler_type": "cosine_with_min_lr",
    "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
    "warmup_steps": 0.03,
    "adam_beta2": 0.95,
    "gradient_checkpointing": False,
    "train_sampling_strategy": "group_by_length",
    "remove_unused_columns": False,  # else the lengths to sort by are removed
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=tuple(SHAPES), help="small on a CPU, random-1.7b on a GPU")
    parser.add_argument("--cases", nargs="+", choices=tuple(CPU_CASES), default=tuple(CPU_CASES))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--trl", type=Path, default=ROOT / "build/trl-1.16.0")
    parser.add_argument("--trl-prm", type=Path, default=ROOT / "build/trl-1.13.0")
    parser.add_argument("--lr", type=float, help="peak rate of all sides in place of RATES")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    args.model = args.model or ("small" if args.device == "cpu" else "random-1.7b")
    for folder in {args.trl, args.trl_prm}:
        if set(args.sides) != {"ours"} and not (folder / "trl").exists():
            parser.error(f"{folder}: no trl there; see the two pip commands in --help")
    section: dict[str, Any] = {
        "device": args.device,
        "machine": _apart(_machine, args.device),
        "model": args.model,
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "cases": {},
    }
    with tempfile.TemporaryDirectory() as work:
        for key in args.cases:
            case = (CPU_CASES if args.device == "cpu" else GPU_CASES)[key]
            section["cases"][key] = run_case(key, case, args, Path(work))
            # After every case: a run that is cut short keeps what it has measured.
            print(write_report(args.out, section, key), flush=True)


def _machine(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"{platform.machine()}, one thread"


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result from another process, so that this one holds no GPU memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run_case(key: str, case: Case, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    model = work / f"model-{case.objective}"
    if not model.exists():
        _apart(make_model, model, args.model, case.objective, args.device)
    train, held_out = groups(case, SEED)
    data, trial = work / f"data-{key}", work / f"trial-{key}"
    write_data(data, case, train, held_out, model)
    n_trial = max((WARM_UP[args.device] + 3) * case.step_prompts, len(train) // TRIAL_SHARE)
    write_data(trial, case, train[:n_trial], [], model)
    rows = json.loads((data / "train.json").read_text())
    labels = [sum(x >= 0 for x in row["labels"]) if "labels" in row else 1 for row in rows]
    facts = {
        "title": case.title,
        "unit": "comparisons" if case.objective == "bt" else "labelled steps",
        "lr": _rate(case, args),
        "items": sum(labels),
        "real": sum(_real(row) for row in rows),
    }
    runs: dict[str, list[dict[str, Any]]] = {}
    tuned: dict[str, dict[str, Any]] = {}
    for side in [*args.sides, *(["ours"] if "ours" in args.sides else [])]:
        if side not in tuned:
            tuned[side] = _fastest(side, case, args, trial, model, len(rows) // case.prompts)
        found = _run(side, case, args, data, model, [tuned[side]])[0]
        runs.setdefault(side, []).append(found)
        print(f"{key} {side}: {json.dumps(found)}", flush=True)
    return {**facts, "runs": runs}


def _rate(case: Case, args: argparse.Namespace) -> float:
    return args.lr or RATES[args.device][case.objective]


def _real(row: dict[str, Any]) -> int:
    return len(row["input_ids"]) if "input_ids" in row else len(row["chosen_ids"]) + len(row["rejected_ids"])


def _fastest(
    side: str, case: Case, args: argparse.Namespace, data: Path, model: Path, rows_a_prompt: int
) -> dict[str, Any]:
    """The settings that took the fewest seconds a step in a trial (of processor time on a CPU, as other load
    would choose); without a choice, no trial."""
    clock = "cpu_seconds" if args.device == "cpu" else "seconds"
    choices = _settings(side, args.device, args.model, case.step_prompts * rows_a_prompt)
    if len(choices) == 1:
        return choices[0]
    tried = [r for r in _run(side, case, args, data, model, choices, trial=True) if "seconds" in r]
    return min(tried, key=lambda r: r[clock] / r["timed_steps"])["settings"] if tried else choices[0]


def _settings(side: str, device: str, model: str, rows: int) -> list[dict[str, Any]]:
    """What a side may choose from; `rows` are its rows in one of our steps."""
    if side == "trl":
        return [{}]
    if side == "ours":
        if device == "cpu":
            return [{"row_tokens": 2048}]
        flex = {"row_tokens": 16384, "dtype": "bfloat16", "attention": "flex"}
        saving = {**flex, "compile": True, "checkpointing": "selective"}
        if model == "random-4b":  # weights, gradients and AdamW's moments alone are 64 GB
            return [{**saving, "row_tokens": 8192}, {**saving, "checkpointing": "full"}]
        fast = {**flex, "compile": True}
        return [fast, saving, {**fast, "attention": "varlen"}, flex]
    least, most = (1, 16) if device == "cpu" else (6, 64)
    sizes = [n for n in range(least, most + 1) if rows % n == 0]
    sizes = sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})
    choices: list[dict[str, Any]] = [
        {"per_device_train_batch_size": n, "gradient_accumulation_steps": rows // n} for n in sizes
    ]
    if device == "cuda":
        choices += [
            {**choices[-1], "gradient_checkpointing": True},
            {**choices[len(choices) // 2], "torch_compile": True},
        ]
        flash = {"attention": "flash_attention_2"} if importlib.util.find_spec("flash_attn") else {}
        choices = [{**choice, **flash, "dataloader_num_workers": 4} for choice in choices]
    return [{**STEPS_AS_OURS, **choice} for choice in choices]


def _run(
    side: str,
    case: Case,
    args: argparse.Namespace,
    data: Path,
    model: Path,
    settings: list[dict[str, Any]],
    trial: bool = False,
) -> list[dict[str, Any]]:
    """`settings` one after the other in one process; in a trial nothing is saved or judged."""
    overlay = args.trl_prm if case.objective == "prm" else args.trl
    kind = "ours" if side == "ours" else "trl-prm" if case.objective == "prm" else "trl"
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        spec = {
            "side": kind,
            "name": side,
            "objective": case.objective,
            "model": str(model),
            "data": str(data),
            "work": folder,
            "result": str(Path(folder) / "result.json"),
            "settings": settings,
            "step_prompts": case.step_prompts,
            "lr": _rate(case, args),
            "device": args.device,
            "threads": 1 if args.device == "cpu" else None,
            "warm_up": WARM_UP[args.device],
            "trial": trial,
        }
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec))
        command = [sys.executable, str(ROOT / "benchmarks/trainer_peers.py"), str(path)]
        found = os.environ.get("PYTHONPATH", "")
        paths = [str(overlay)] * (kind != "ours") + [found] * bool(found)
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if not Path(spec["result"]).exists():
            print(done.stdout[-3000:], file=sys.stderr)
            return [{"settings": s, "error": f"exit status {done.returncode}"} for s in settings]
        results = json.loads(Path(spec["result"]).read_text())
        if any("error" in r for r in results):
            print(done.stdout[-3000:], file=sys.stderr)
        return results


if __name__ == "__main__":
    main()

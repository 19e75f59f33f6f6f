"""`python -m trainers CONFIG.yaml`: train a reward model; a killed run goes on when the command is repeated.

python -m trainers CONFIG --seeds 0 1 2          one model a seed, in OUTPUT/seed-0, OUTPUT/seed-1, …
torchrun --nproc-per-node 4 -m trainers CONFIG   over several GPUs
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from store.errors import InputError

from .config import TrainConfig, make_config, read_config
from .distributed import is_main
from .loop import TrainResult, train
from .throughput import Work

_EVERY = 2.0  # seconds between progress lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainers", description="Train a reward model.")
    parser.add_argument("config", type=Path, help="YAML file with the fields of trainers.TrainConfig")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="train one model with each seed, in a folder of `output`"
    )
    args = parser.parse_args(arguments)
    try:
        for config in _runs(read_config(args.config), args.seeds):
            result = train(config, _Lines())
            if is_main():
                _tell(result)
    except InputError as error:
        # Of one process alone it may be: a node without the data.
        print(
            "error" if is_main() else f"error (process {os.environ['RANK']})",
            error,
            sep=": ",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        if is_main():
            print("stopped; repeat the command to go on from the last resume point", file=sys.stderr)
        return 130
    return 0


def _runs(config: TrainConfig, seeds: list[int] | None) -> list[TrainConfig]:
    """The members of an ensemble differ in first head and in the order of the data; held out is the same."""
    if seeds is None:
        return [config]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds: {seeds} has one of them twice, which would be the same model")
    given = config.model_dump(exclude_unset=True)
    own = [{"seed": seed, "output": config.output / f"seed-{seed}"} for seed in seeds]
    return [make_config(given | changes, "--seeds") for changes in own]


def _tell(result: TrainResult) -> None:
    print(f"saved {result.output} after {result.steps} steps, {_counts(result.counts)}")
    if result.held_out:
        print(f"held out, {_counts(result.eval_counts)}: {_numbers(result.held_out)}", flush=True)
    else:
        print("held out: nothing", flush=True)


def _numbers(metrics: dict[str, float | None]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in metrics.items() if value is not None)


def _counts(counts: dict[str, int]) -> str:
    dropped = {k: v for k, v in sorted(counts.items()) if k not in ("rows", "used")}
    return f"{counts['used']} of {counts['rows']} rows used" + "".join(
        f", {v} {k}" for k, v in dropped.items()
    )


class _Lines:
    """One greppable line every two seconds, and one for each held-out evaluation."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.shown, self.work, self.used = time.monotonic(), Work(), 0.0

    def __call__(self, event: dict[str, Any]) -> None:
        place = f"step {event['step']}/{event['steps']}"
        if "held_out" in event:
            print(f"{place} held out: {_numbers(event['held_out'])}", flush=True)
            return
        self.work.add(event["tokens"], event["path_tokens"], event["attended"], event["seconds"])
        self.used += event["seconds"] * (event["mfu"] or 0.0)
        if time.monotonic() - self.shown < _EVERY and event["step"] != event["steps"]:
            return
        rate = self.work.tokens / self.work.seconds
        mfu = "" if event["mfu"] is None else f" mfu {self.used / self.work.seconds:.1%}"
        print(f"{place} loss {event['loss']:.4f} lr {event['lr']:.2e} {rate:,.0f} tokens/s{mfu}", flush=True)
        self._restart()


if __name__ == "__main__":
    sys.exit(main())

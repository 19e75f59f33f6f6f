"""`python -m trainers CONFIG.yaml`: train one reward model; a killed run goes on when the command is
repeated."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from store.errors import InputError

from .config import read_config
from .loop import train

_EVERY = 2.0  # seconds between progress lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m trainers", description="Train a BT, ORM or PRM reward model."
    )
    parser.add_argument("config", type=Path, help="YAML file with the fields of trainers.TrainConfig")
    try:
        result = train(read_config(parser.parse_args(arguments).config), _Lines())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; repeat the command to go on from the last resume point", file=sys.stderr)
        return 130
    numbers = " ".join(f"{k} {v:.4g}" for k, v in result.held_out.items() if v is not None)
    print(f"saved {result.output} after {result.steps} steps, {_counts(result.counts)}")
    print(f"held out: {numbers or 'nothing'}")
    return 0


def _counts(counts: dict[str, int]) -> str:
    dropped = {k: v for k, v in sorted(counts.items()) if k not in ("rows", "used")}
    return f"{counts['used']} of {counts['rows']} rows used" + "".join(
        f", {v} {k}" for k, v in dropped.items()
    )


class _Lines:
    """One greppable line every two seconds, and one for each held-out evaluation."""

    def __init__(self) -> None:
        self.shown = self.started = time.monotonic()
        self.tokens = 0

    def __call__(self, event: dict[str, Any]) -> None:
        if "epoch" in event:
            numbers = " ".join(f"{k} {v:.4g}" for k, v in event.items() if k != "epoch" and v is not None)
            print(f"epoch {event['epoch']} held out: {numbers}", flush=True)
            return
        self.tokens += event["tokens"]
        now = time.monotonic()
        if now - self.shown >= _EVERY or event["step"] == event["steps"]:
            self.shown, rate = now, self.tokens / (now - self.started)
            print(
                f"step {event['step']}/{event['steps']} loss {event['loss']:.4f} {rate:,.0f} tokens/s",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())

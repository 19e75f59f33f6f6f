"""What a run says while it works.

On a terminal: one live line a stage with rate and time left. Elsewhere: a plain line that
begins with the stage's name every ten seconds, and when it ends.
Inside a Prefect task the same numbers feed a progress artifact.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from samplers.engine import Completion

LOG_SECONDS = 10.0  # between two log lines of one stage
LIVE_SECONDS = 0.2
ARTIFACT_SECONDS = 5.0  # an artifact update is an HTTP call to the Prefect server


def say(text: str) -> None:
    """One log line; clears a live line that may stand on the terminal."""
    clear = "\r\x1b[2K" if sys.stdout.isatty() else ""
    print(f"{clear}{text}", flush=True)


class Meter:
    """Counts finished units of one stage and shows them; use as a context manager.

    `tick` takes no lock: several threads may tick one meter, and a lost count would
    only make a displayed rate a hair too low.
    """

    def __init__(self, label: str, total: int, unit: str = "calls") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.cached = self.at_first = 0
        self.live = sys.stdout.isatty()
        self.artifact = _Artifact(label)

    def __enter__(self) -> Meter:
        self.started = self.shown = time.monotonic()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live:
            sys.stdout.write("\r\x1b[2K")
        self.artifact.update(self.done, self.total, force=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def tick(self, n: int = 1) -> None:
        now = time.monotonic()
        if not self.done:  # the time until then, when the model loads, is no part of the rate
            self.first = self.shown = now
            self.at_first = n
        self.done += n
        if now - self.shown >= (LIVE_SECONDS if self.live else LOG_SECONDS):
            self.shown = now
            self._show(now - self.first)
            self.artifact.update(self.done, self.total)

    def saw(self, completion: Completion) -> None:
        """`tick` as the callback of `sample_through`; counts what the ledger answered."""
        self.cached += completion.cached
        self.tick()

    def _show(self, seconds: float) -> None:
        rate = (self.done - self.at_first) / max(seconds, 1e-9)
        left = max(self.total - self.done, 0) / max(rate, 1e-9)
        if self.live:
            width = 24
            filled = min(width, round(width * self.done / max(self.total, 1)))
            bar = "━" * filled + "╌" * (width - filled)
            ends = f"  {duration(left)} left" if self.total else ""
            counts = f"{self._counted()} {self.unit}  {rate:,.0f}/s{ends}"
            sys.stdout.write(f"\r\x1b[2K{self.label:<12} {bar} {counts}")
            sys.stdout.flush()
        else:
            ends = f" left={left:.0f}s" if self.total else ""
            print(f"{self.label} {self._counted()} {self.unit} rate={rate:.1f}/s{ends}", flush=True)

    def _counted(self) -> str:
        """`120/400`, or what is done where nobody knows how much there will be."""
        return f"{self.done:,}/{self.total:,}" if self.total else f"{self.done:,}"


class _Artifact:
    """The Prefect progress artifact of a stage; does nothing outside a Prefect task."""

    def __init__(self, label: str) -> None:
        self.id: Any = None
        self.updated = time.monotonic()
        self.key = "".join(c if c.isalnum() else "-" for c in label.lower())

    def update(self, done: int, total: int, force: bool = False) -> None:
        now = time.monotonic()
        if not in_task() or (now - self.updated < ARTIFACT_SECONDS and not (force and self.id)):
            return
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        self.updated = now
        percent = min(100.0, 100.0 * done / max(total, 1))
        if self.id is None:
            self.id = create_progress_artifact(
                percent, key=f"progress-{self.key}", description=f"{done:,} of {total:,}"
            )
        else:
            update_progress_artifact(self.id, progress=percent, description=f"{done:,} of {total:,}")


def in_task() -> bool:
    """True inside a running Prefect task (never imports Prefect to find out)."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import TaskRunContext

    return TaskRunContext.get() is not None


def duration(seconds: float) -> str:
    """90 -> '1m30s'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"

"""The engines and the ledger of this process: opened once, on first need, shared by its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from samplers.cached import Budget
from samplers.engine import Completion, Engine, Request
from samplers.engines import EngineConfig, open_engine
from store.ledger import Ledger


class MeteredEngine:
    """An engine that counts its calls and tokens and the seconds spent inside it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.kind, self.model, self.revision = engine.kind, engine.model, engine.revision
        self.seconds, self.calls, self.prompt_tokens, self.new_tokens = 0.0, 0, 0, 0

    def render(self, request: Request) -> Any:
        return self.engine.render(request)

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        stream = self.engine.sample(requests)  # loads the model, where that has not been done
        while True:
            started = time.monotonic()
            item = next(stream, None)
            self.seconds += time.monotonic() - started
            if item is None:
                return
            self.calls += 1
            self.prompt_tokens += item[1].n_prompt_tokens
            self.new_tokens += item[1].n_tokens
            yield item

    def start(self) -> None:
        started = time.monotonic()
        self.engine.start()
        self.seconds += time.monotonic() - started

    def close(self) -> None:
        self.engine.close()

    def usage(self) -> dict[str, Any]:
        """Usage since the last call of this method."""
        spent = {
            "calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "engine_seconds": self.seconds,
        }
        self.seconds, self.calls, self.prompt_tokens, self.new_tokens = 0.0, 0, 0, 0
        return spent


_open: dict[str, MeteredEngine] = {}
_budget: Budget | None = None


def allow_calls(max_calls: int | None) -> None:
    """Engine calls allowed from now on, over all stages of this process; None: no limit."""
    global _budget
    _budget = None if max_calls is None else Budget(max_calls)


def budget() -> Budget | None:
    return _budget


def engine_for(config: EngineConfig) -> MeteredEngine:
    key = config.model_dump_json()
    if key not in _open:
        _open[key] = MeteredEngine(open_engine(config))
    return _open[key]


def close_engines() -> None:
    """Free the engines' memory before a trainer needs it, and at the end of a run."""
    while _open:
        _open.popitem()[1].close()


@cache
def ledger_of(run_dir: Path) -> Ledger:
    return Ledger(run_dir / "ledger")

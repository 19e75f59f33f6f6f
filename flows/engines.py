"""The engines and the ledger of this process: opened once, on first need, shared by its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any

from flows.recipe import Recipe
from flows.stage import Usage
from samplers.cached import Budget
from samplers.engine import Completion, Engine, Request
from samplers.engines import EMBEDDED, EngineConfig, open_engine
from samplers.policy import MODEL_DIR
from store.ledger import Ledger


class MeteredEngine:
    """An engine that counts its calls, tokens and seconds; each thread, hence each shard, its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.kind, self.model, self.revision = engine.kind, engine.model, engine.revision
        self._local = local()

    def render(self, request: Request) -> Any:
        return self.engine.render(request)

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        stream = self.engine.sample(requests)  # loads the model, where that has not been done
        while True:
            started = time.monotonic()
            item = next(stream, None)
            seconds = time.monotonic() - started
            if item is None:
                self._add(Usage(engine_seconds=seconds))
                return
            self._add(Usage(1, item[1].n_prompt_tokens, item[1].n_tokens, seconds))
            yield item

    def start(self) -> None:
        started = time.monotonic()
        self.engine.start()
        self._add(Usage(engine_seconds=time.monotonic() - started))

    def close(self) -> None:
        self.engine.close()

    def usage(self) -> Usage:
        """This thread's usage since its last call of this method."""
        spent, self._local.spent = getattr(self._local, "spent", Usage()), Usage()
        return spent

    def _add(self, more: Usage) -> None:
        self._local.spent = getattr(self._local, "spent", Usage()).plus(more)


_open: dict[str, MeteredEngine] = {}
_opening = Lock()
_budget: Budget | None = None


def allow_calls(max_calls: int | None) -> None:
    """Engine calls allowed from now on, over all stages of this process; None: no limit."""
    global _budget
    _budget = None if max_calls is None else Budget(max_calls)


def budget() -> Budget | None:
    return _budget


def engine_for(config: EngineConfig) -> MeteredEngine:
    key = config.model_dump_json()
    with _opening:
        if key not in _open:
            _open[key] = MeteredEngine(open_engine(config))
        return _open[key]


def identity(config: EngineConfig) -> dict[str, Any]:
    """What an engine's answers depend on: not where it stands, nor how busy it may get."""
    engine = engine_for(config)
    kept = config.model_dump(include={"chat_template", "dtype", "max_model_len"})
    return {"kind": engine.kind, "model": engine.model, "revision": engine.revision} | kept


def close_engines(but: EngineConfig | None = None) -> None:
    """Free the engines' memory, of all `but` one, before another model or a trainer needs it."""
    kept = but.model_dump_json() if but else None
    for key in [key for key in _open if key != kept]:
        _open.pop(key).close()


def reward_base(recipe: Recipe) -> str:
    """The folder or Hub name of the model that reward models start from."""
    assert recipe.train
    base = recipe.train.base or (recipe.engine.model if recipe.engine else "")
    return str(MODEL_DIR) if base == EMBEDDED else base


@cache
def ledger_of(run_dir: Path) -> Ledger:
    return Ledger(run_dir / "ledger")

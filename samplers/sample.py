"""The sample stage: PROMPTS in, n COMPLETIONS of each out.

Sample i of a prompt is drawn with the seed `base + i`, where the base is a function of the run's seed and the
prompt's id alone: adding, removing or reordering prompts changes no other prompt's draws. The table is sorted
by prompt and sample, so it is the same bytes whatever order the engine finished in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from samplers.cached import Answer, Budget, Progress, sample_through
from samplers.engine import Completion, Engine, Message, Request, Sampling
from store.errors import InputError
from store.ids import content_id, derived_seed
from store.ledger import Ledger
from store.tables import COMPLETIONS


def sample_prompts(
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    n: int,
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    system: str | None = None,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """COMPLETIONS: `n` rows per prompt, less the requests the engine rejected.

    `system` is put before every prompt, and stands in `system_variant`.
    """
    requests = (s.request(i, sampling) for s in streams(prompts, seed, system) for i in range(n))
    return completion_table(engine, sample_through(ledger, engine, requests, budget, progress), system)


class Stream(NamedTuple):
    """The endless samples of one prompt."""

    prompt_id: str
    messages: tuple[Message, ...]
    base: int

    def request(self, i: int, sampling: Sampling) -> Request:
        return Request(self.messages, sampling, self.base + i, i, tag=self)


def streams(prompts: pl.DataFrame, seed: int, system: str | None = None) -> list[Stream]:
    """One stream per distinct prompt, in the order of the table."""
    unique = prompts.select("prompt_id", "messages").unique("prompt_id", keep="first", maintain_order=True)
    return [
        Stream(prompt_id, _with_system(prompt_id, messages, system), derived_seed(seed, "sample", prompt_id))
        for prompt_id, messages in unique.iter_rows()
    ]


def completion_table(engine: Engine, answers: Iterable[Answer], system: str | None) -> pl.DataFrame:
    """COMPLETIONS of answered stream requests, sorted by prompt and sample."""
    rows = [_row(engine, request, completion, system) for request, completion in answers]
    table = pl.DataFrame(rows, schema=COMPLETIONS, orient="row")
    return table.sort("prompt_id", "sample_index", "completion_id")


def _with_system(prompt_id: str, messages: list[Message], system: str | None) -> tuple[Message, ...]:
    if not system:
        return tuple(messages)
    if messages and messages[0]["role"] == "system":
        raise InputError(
            f"prompt {prompt_id} has a system message of its own; "
            "take the system prompt out of the recipe, or the message out of the prompts"
        )
    return ({"role": "system", "content": system}, *messages)


def _row(engine: Engine, request: Request, said: Completion, system: str | None) -> tuple[Any, ...]:
    prompt_id = request.tag.prompt_id
    who = (engine.kind, engine.model, engine.revision, system or None)
    said_in_full = (said.text, said.n_prompt_tokens, said.n_tokens, said.finish_reason)
    head = (content_id("completion", prompt_id, said.key), prompt_id)
    return (*head, *who, request.sample_index, request.seed, *said_in_full)

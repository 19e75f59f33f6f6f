"""The engine protocol: a batch of requests in, completions streamed out as they finish.

A `Request` asks for ONE completion. Sample i of a prompt has seed `base + i`
(`store.ids.derived_seed` of run seed and prompt gives the base), the rule by which
vLLM numbers the children of an `n=k` request, so an engine may merge consecutive
samples of one prompt into a single call without changing a single draw.

`prefill` is the beginning of the assistant's turn that the model must continue; a
Monte Carlo rollout is a request whose prefill ends at a step boundary.

A request that an engine refuses for a reason of its own (a prompt longer than the
model's context) is answered with the finish reason `REJECTED`: `sample_through` counts
it, logs it, and gives it to nobody, so that no label can be made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from store.ids import content_id

REJECTED = "rejected"
IMPOSSIBLE = -9999.0  # what servers write for the logarithm of 0, which JSON has no word for

Message = dict[str, str]


class EngineError(RuntimeError):
    """An engine cannot go on: a server is gone, a process died. What had finished is in the ledger."""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters; `temperature=0` is greedy. `max_tokens` counts new tokens.

    With `choice` the reply is exactly one of these texts, and log-probabilities are over what they allow. All
    engines of ours can do it, and vLLM and SGLang servers; others answer freely, and the engine warns.
    """

    temperature: float = 0.8
    top_p: float = 1.0
    top_k: int = 0  # 0: no limit
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    logprobs: int = 0  # top log-probabilities kept for each new token; 0: none
    choice: tuple[str, ...] = ()  # the only replies allowed; (): free text


@dataclass(frozen=True)
class Request:
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int = 0  # seed of the draw itself: base + sample_index
    sample_index: int = 0
    prefill: str = ""
    tag: Any = field(default=None, compare=False)  # the caller's own handle, never part of the key


@dataclass(frozen=True)
class Completion:
    """What an engine said. `logprobs` is one {token text: log-probability} per new token."""

    key: str  # the ledger key, filled in by `sample_through`; an engine of ours leaves it empty
    text: str
    finish_reason: str  # "stop": by itself; "length": cut, for whatever reason; or REJECTED
    n_prompt_tokens: int
    n_tokens: int
    logprobs: tuple[dict[str, float], ...] = ()
    cached: bool = False  # came from the ledger: no call was made for it
    error: str = ""  # why it was rejected


class Engine(Protocol):
    """`kind`, `model` and `revision` name the engine in ledger keys and tables.

    `revision` is a content fingerprint (local folder) or a commit (Hub, server).
    """

    kind: str
    model: str
    revision: str

    def render(self, request: Request) -> Any:
        """The exact prompt this engine would send (token ids, or messages), as a JSON value."""
        ...

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """Run every request; yield each (the very object) as it finishes, in any order.

        Requests are drawn from the iterable only as fast as the engine can take them, in the
        caller's thread; one that has run dry may have more after the next answer. One `sample`
        at a time; a caller may stop early by closing the iterator.
        """
        ...

    def start(self) -> None:
        """Load the model or contact the server now, rather than at the first call."""
        ...

    def close(self) -> None: ...


def call_key(engine: Engine, request: Request) -> str:
    """The ledger key of one call: everything the answer depends on and nothing else (DESIGN.md section 3)."""
    return content_id(
        engine.kind,
        engine.model,
        engine.revision,
        engine.render(request),
        _as_json(request.sampling),
        request.seed,
        request.sample_index,
    )


@lru_cache(maxsize=64)
def _as_json(sampling: Sampling) -> dict[str, Any]:
    """Without `choice` where there is none: keys of free text are older than the field."""
    fields = asdict(sampling)
    return fields if sampling.choice else {k: v for k, v in fields.items() if k != "choice"}


def merged_logprobs(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """{token text: log-probability}; of tokens with one text (parts of a character) the likeliest counts.

    Tokens that could not be drawn (a `choice` forbids them) are left out.
    """
    merged: dict[str, float] = {}
    for text, logprob in pairs:
        if logprob > IMPOSSIBLE:
            merged[text] = max(logprob, merged.get(text, logprob))
    return merged

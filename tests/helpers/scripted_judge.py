"""A judge that says what a test tells it to say, newest request first, and completions for it to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import polars as pl
from simulated_policy import completion_table

from samplers.engine import REJECTED, Completion, Request
from store.ids import content_id
from store.tables import PROMPTS

Said = str | tuple[str, tuple[dict[str, float], ...]] | None


class ScriptedJudge:
    """`say(request)` is a reply, a reply with log-probabilities, or None: the request is refused.

    A reply that ends with "…" was cut by the token limit. The engine is interrupted after `fail_after` calls.
    """

    kind, revision = "simulated", "1"

    def __init__(self, say: Callable[[Request], Said], model: str = "judge") -> None:
        self.say, self.model = say, model
        self.asked: list[Request] = []
        self.fail_after: int | None = None

    @property
    def texts(self) -> list[str]:
        return [request.messages[0]["content"] for request in self.asked]

    def render(self, request: Request) -> str:
        return request.messages[0]["content"]

    def start(self) -> None:
        pass

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        for request in list(requests)[::-1]:  # any order is allowed, so not the order of asking
            if len(self.asked) == self.fail_after:
                raise KeyboardInterrupt
            self.asked.append(request)
            yield request, self._answer(self.say(request))

    def close(self) -> None:
        pass

    def _answer(self, said: Said) -> Completion:
        if said is None:
            return Completion("", "", REJECTED, 9, 0, error="too long")
        text, logprobs = (said, ()) if isinstance(said, str) else said
        return Completion("", text, "length" if text.endswith("…") else "stop", 9, 3, logprobs)


def tables(n_prompts: int = 4, per_prompt: int = 4) -> tuple[pl.DataFrame, pl.DataFrame]:
    """PROMPTS "question p", and COMPLETIONS whose texts end with their worth, which is their sample index."""
    asks, rows = [], []
    for p in range(n_prompts):
        prompt_id = content_id("prompt", p)
        message = {"role": "user", "content": f"question {p}"}
        asks.append({"prompt_id": prompt_id, "split": "train", "messages": [message], "answer": f"gold {p}"})
        for worth in range(per_prompt):
            ids = {"completion_id": content_id("completion", p, worth), "prompt_id": prompt_id}
            rows.append(ids | {"text": f"text {worth}", "sample_index": worth})
    return pl.DataFrame(asks, schema=PROMPTS), completion_table(rows)

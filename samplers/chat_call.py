"""The body of one chat completion call, and what its answer says: the OpenAI form and vLLM's additions.

Whatever the recipe leaves out is our default and not the server's: vLLM and SGLang take `top_k` and the like
from the model's generation_config.json unless the request says otherwise, so there they are always sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from samplers.engine import Completion, Request, merged_logprobs

# How servers say that the model came to its end; whatever else it was (a filter, an abort), the text is cut.
_ENDED = ("stop", "eos_token", "stop_sequence")

MAX_N = 16  # samples in one request: they come back together, so this is what a crash can cost


class Groups:
    """Consecutive samples of one prompt, as lists of at most `largest()`.

    An iterator that can be asked again after it has run dry, as its requests can.
    """

    def __init__(self, requests: Iterable[Request], largest: Callable[[], int]) -> None:
        self._requests, self._largest = iter(requests), largest
        self._read_ahead: list[Request] = []  # the one that did not belong to the last group

    def __iter__(self) -> Iterator[list[Request]]:
        return self

    def __next__(self) -> list[Request]:
        group, self._read_ahead = self._read_ahead, []
        for request in self._requests:
            if group and (len(group) >= self._largest() or not _follows(group[-1], request)):
                self._read_ahead = [request]
                return group
            group.append(request)
        if not group:
            raise StopIteration
        return group


def _follows(one: Request, next_one: Request) -> bool:
    """Is `next_one` the child that `n` would add? Greedy draws are all alike, so they are never merged."""
    return (
        next_one.seed == one.seed + 1
        and one.sampling.temperature > 0
        and next_one.sampling == one.sampling
        and next_one.messages == one.messages
        and next_one.prefill == one.prefill
    )


def body(model: str, group: list[Request], owner: str, url: str) -> dict[str, Any]:
    """The JSON of one call."""
    request = group[0]
    sampling = request.sampling
    hosted = (urlsplit(url).hostname or "").endswith("api.openai.com")
    extra: dict[str, Any] = {"top_k": sampling.top_k} if sampling.top_k else {}
    if owner in ("vllm", "sglang"):
        extra = {"top_k": sampling.top_k or -1, "min_p": 0.0, "repetition_penalty": 1.0}
    if owner == "vllm":
        extra["return_token_ids"] = True
    if sampling.choice:
        extra |= _constraint(sampling.choice, owner)
    if request.prefill:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    prefill = [{"role": "assistant", "content": request.prefill}] if request.prefill else []
    return {
        "model": model,
        "messages": [*request.messages, *prefill],
        "n": len(group),
        "seed": request.seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens" if hosted else "max_tokens": sampling.max_tokens,
        **({"stop": list(sampling.stop)} if sampling.stop else {}),
        **({"logprobs": True, "top_logprobs": sampling.logprobs} if sampling.logprobs else {}),
        **extra,
    }


def _constraint(choice: tuple[str, ...], owner: str) -> dict[str, Any]:
    """How this server is told that the reply is one of `choice`; nothing for those that have no such word.

    The JSON schema of hosted services would make the reply JSON, which is not what was asked for.
    """
    if owner == "vllm":
        return {"structured_outputs": {"choice": list(choice)}}
    if owner == "sglang":
        return {"regex": "|".join(re.sub(r"([^\w\s])", r"\\\1", one) for one in choice)}
    return {}


def answers(group: list[Request], response: Any) -> list[tuple[Request, Completion]]:
    """One completion per choice, in the order of the group; ValueError for an answer that is none."""
    try:
        choices = sorted(response["choices"], key=lambda choice: choice.get("index") or 0)[: len(group)]
        usage = response.get("usage") or {}
        counts = _token_counts(choices, usage.get("completion_tokens") or 0)
        n_prompt = int(usage.get("prompt_tokens") or 0)
        said = [_completion(choice, n_prompt, n) for choice, n in zip(choices, counts, strict=True)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a chat completion: {str(response)[:200]!r}") from error
    if not said:
        raise ValueError("a chat completion without choices")
    return list(zip(group, said, strict=False))


def _completion(choice: dict[str, Any], n_prompt: int, n_tokens: int) -> Completion:
    text = _text(choice)
    finish_reason = "stop" if choice.get("finish_reason") in _ENDED else "length"
    return Completion("", text, finish_reason, n_prompt, n_tokens, _logprobs(choice))


def _text(choice: dict[str, Any]) -> str:
    content = choice["message"].get("content")
    if not isinstance(content, (str, type(None))):
        raise TypeError(f"content is {content!r}")
    return content or ""


def _logprobs(choice: dict[str, Any]) -> tuple[dict[str, float], ...]:
    return tuple(
        merged_logprobs((t["token"], t["logprob"]) for t in (place, *(place.get("top_logprobs") or ())))
        for place in _places(choice)
    )


def _places(choice: dict[str, Any]) -> list[dict[str, Any]]:
    return (choice.get("logprobs") or {}).get("content") or []


def _token_counts(choices: list[dict[str, Any]], total: int) -> list[int]:
    """New tokens of each choice: the server's ids or log-probabilities where it gives them.

    Else the total, which is all that the OpenAI form says, shared out by length of text.
    """
    exact = [_exact_count(choice) for choice in choices]
    if all(n is not None for n in exact):
        return [n for n in exact if n is not None]
    if len(choices) == 1:
        return [int(total)]
    lengths = [len(_text(choice)) + 1 for choice in choices]
    edges = [round(total * sum(lengths[:i]) / sum(lengths)) for i in range(len(lengths) + 1)]
    return [end - start for start, end in zip(edges, edges[1:], strict=False)]


def _exact_count(choice: dict[str, Any]) -> int | None:
    ids = choice.get("token_ids")
    return len(ids) if ids is not None else len(_places(choice)) or None

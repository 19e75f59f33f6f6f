"""The body of one chat completion call, and what its answer says: the OpenAI form and vLLM's additions.

Whatever the recipe leaves out is our default and not the server's: vLLM and SGLang take `top_k` and the like
from the model's generation_config.json unless the request says otherwise, so there they are always sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from samplers.engine import Completion, Request, merged_logprobs

MAX_N = 16  # samples in one request: they come back together, so this is what a crash can cost


def groups(requests: Iterable[Request], largest: Callable[[], int]) -> Iterator[list[Request]]:
    """Consecutive samples of one prompt, as lists of at most `largest()`."""
    group: list[Request] = []
    for request in requests:
        if group and (len(group) >= largest() or not _follows(group[-1], request)):
            yield group
            group = []
        group.append(request)
    if group:
        yield group


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
    """Keyword arguments for `chat.completions.create`."""
    request = group[0]
    sampling = request.sampling
    hosted = (urlsplit(url).hostname or "").endswith("api.openai.com")
    extra: dict[str, Any] = {"top_k": sampling.top_k} if sampling.top_k else {}
    if owner in ("vllm", "sglang"):
        extra = {"top_k": sampling.top_k or -1, "min_p": 0.0, "repetition_penalty": 1.0}
    if owner == "vllm":
        extra["return_token_ids"] = True
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
        **({"extra_body": extra} if extra else {}),
    }


def answers(group: list[Request], response: Any) -> list[tuple[Request, Completion]]:
    """One completion per choice, in the order of the group; ValueError for an answer that is none."""
    choices = getattr(response, "choices", None)
    if not choices or any(getattr(choice, "message", None) is None for choice in choices):
        raise ValueError(f"not a chat completion: {str(response)[:200]!r}")
    choices = sorted(choices, key=lambda choice: choice.index or 0)[: len(group)]
    usage = response.usage
    n_prompt = usage.prompt_tokens if usage else 0
    counts = _token_counts(choices, usage.completion_tokens if usage else 0)
    return [
        (request, _completion(choice, n_prompt, n_tokens))
        for request, choice, n_tokens in zip(group, choices, counts, strict=False)
    ]


def _completion(choice: Any, n_prompt: int, n_tokens: int) -> Completion:
    finish_reason = "length" if choice.finish_reason == "length" else "stop"
    return Completion("", choice.message.content or "", finish_reason, n_prompt, n_tokens, _logprobs(choice))


def _logprobs(choice: Any) -> tuple[dict[str, float], ...]:
    content = choice.logprobs.content if choice.logprobs else None
    return tuple(
        merged_logprobs(
            [(place.token, place.logprob), *((t.token, t.logprob) for t in place.top_logprobs or ())]
        )
        for place in content or ()
    )


def _token_counts(choices: list[Any], total: int) -> list[int]:
    """New tokens of each choice: the server's ids or log-probabilities where it gives them.

    Else the total, which is all that the OpenAI form says, shared out by length of text.
    """
    exact = [_exact_count(choice) for choice in choices]
    if all(n is not None for n in exact):
        return [n for n in exact if n is not None]
    if len(choices) == 1:
        return [total]
    lengths = [len(choice.message.content or "") + 1 for choice in choices]
    edges = [round(total * sum(lengths[:i]) / sum(lengths)) for i in range(len(lengths) + 1)]
    return [end - start for start, end in zip(edges, edges[1:], strict=False)]


def _exact_count(choice: Any) -> int | None:
    ids = getattr(choice, "token_ids", None)
    if ids is not None:
        return len(ids)
    return len(choice.logprobs.content) if choice.logprobs and choice.logprobs.content else None

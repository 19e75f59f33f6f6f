"""Only a reply that came to its own end is finished: what was cut may never count as a failure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from samplers import chat_call, vllm_worker
from samplers.engine import REJECTED, Request, Sampling


@pytest.mark.parametrize("reason", ["content_filter", "abort", "tool_calls", "length", None])
def test_a_reply_that_a_server_cut_is_no_finished_one(reason: str | None) -> None:
    choice = {"index": 0, "finish_reason": reason, "message": {"content": "so we"}}
    request = Request(({"role": "user", "content": "x"},), Sampling())
    ((_, said),) = chat_call.answers([request], {"choices": [choice]})
    assert said.finish_reason == "length"


@pytest.mark.parametrize(
    ("reason", "expected"), [("stop", "stop"), ("length", "length"), ("abort", REJECTED)]
)
def test_what_vllm_gave_up_is_neither_finished_nor_cut_by_the_token_limit(reason: str, expected: str) -> None:
    said = SimpleNamespace(finish_reason=reason, token_ids=[5, 6], stop_reason=None, logprobs=None)
    done = vllm_worker._done(SimpleNamespace(request_id="3", outputs=[said]))
    assert (done.number, done.finish_reason) == (3, expected)

"""The OpenAI engine against a real vLLM server over a real socket, held against the engines in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from samplers.engine import REJECTED, Completion, Engine, Request, Sampling
from samplers.engines import EngineConfig, open_engine

pytestmark = pytest.mark.vllm
Said = dict[tuple[str, str, int], Completion]


@pytest.fixture(scope="module")
def server_engine(vllm_server: str) -> Iterator[Engine]:
    engine = open_engine(EngineConfig(model="tiny", base_urls=(vllm_server,)))
    yield engine
    engine.close()


def asked(sampling: Sampling, prefills: tuple[str, ...] = ("",), samples: int = 1) -> list[Request]:
    return [
        Request(({"role": "user", "content": f"two plus {i}"},), sampling, 1000 * i + j, j, prefill)
        for i in range(6)
        for prefill in prefills
        for j in range(samples)
    ]


def said(engine: Engine, requests: list[Request]) -> Said:
    return {(r.messages[0]["content"], r.prefill, r.seed): done for r, done in engine.sample(requests)}


def test_greedy_text_and_token_counts_equal_those_of_the_other_engines(
    server_engine: Engine, vllm_engine: Engine, transformers_engine: Engine
) -> None:
    requests = asked(Sampling(temperature=0, max_tokens=24), ("", "the answer is", "so "))
    served = said(server_engine, requests)
    assert len(served) == 18
    assert served == said(vllm_engine, requests) == said(transformers_engine, requests)


def test_samples_in_one_request_are_those_of_their_seeds(server_engine: Engine, vllm_engine: Engine) -> None:
    requests = asked(Sampling(temperature=1.0, max_tokens=16), samples=4)
    merged = said(server_engine, requests)
    assert merged == said(server_engine, requests[::-1])  # reversed seeds do not merge
    in_process = said(vllm_engine, requests)
    for name, done in merged.items():
        # The server leaves out the bytes of a character that the token limit cut.
        assert done.text == in_process[name].text.rstrip("\ufffd")
        assert done.n_tokens == in_process[name].n_tokens


def test_log_probabilities_equal_those_in_process(server_engine: Engine, vllm_engine: Engine) -> None:
    requests = asked(Sampling(temperature=0, max_tokens=5, logprobs=2))[:2]
    served, in_process = said(server_engine, requests), said(vllm_engine, requests)
    for name, done in served.items():
        assert len(done.logprobs) == done.n_tokens
        for place, other in zip(done.logprobs, in_process[name].logprobs, strict=True):
            assert place == pytest.approx(other, abs=1e-3)


def test_a_choice_binds_the_server_as_it_binds_the_engine(server_engine: Engine, vllm_engine: Engine) -> None:
    requests = asked(Sampling(temperature=0, max_tokens=12, logprobs=3, choice=("[[A]]", "[[B]]")))
    served, in_process = said(server_engine, requests), said(vllm_engine, requests)
    for name, done in served.items():
        assert done.text in ("[[A]]", "[[B]]")
        assert done.text == in_process[name].text
        for place, other in zip(done.logprobs, in_process[name].logprobs, strict=True):
            assert place == pytest.approx(other, abs=1e-3)


def test_a_prompt_longer_than_the_context_is_rejected(server_engine: Engine) -> None:
    long = Request(({"role": "user", "content": "x" * 600},), Sampling(max_tokens=8))
    done = list(server_engine.sample([*asked(Sampling(max_tokens=8)), long]))
    assert [request for request, answer in done if answer.finish_reason == REJECTED] == [long]
    assert len(done) == 7

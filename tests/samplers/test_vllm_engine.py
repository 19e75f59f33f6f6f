"""Real vLLM in worker processes: the same draws whatever the order, everything streamed, deaths reported."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from samplers.cached import Budget, BudgetExhausted, sample_through
from samplers.engine import REJECTED, Completion, Engine, EngineError, Request, Sampling
from samplers.engines import EngineConfig, open_engine
from samplers.vllm_engine import CPU_ENVIRONMENT, cpu_plan, worker_environment
from store.errors import InputError
from store.ledger import Ledger

vllm = pytest.mark.vllm
SHORT = Sampling(max_tokens=16)


def requests(n: int, sampling: Sampling = SHORT, prefill: str = "") -> list[Request]:
    messages = [({"role": "user", "content": f"two plus {i // 4}"},) for i in range(n)]
    return [Request(messages[i], sampling, 1000 * (i // 4) + i % 4, i % 4, prefill) for i in range(n)]


def texts(engine: Engine, asked: list[Request]) -> dict[tuple[str, int], Completion]:
    return {(r.messages[0]["content"], r.seed): done for r, done in engine.sample(asked)}


@vllm
def test_the_same_seeds_say_the_same_in_any_order_and_company(vllm_engine: Engine) -> None:
    asked = requests(120)
    first = texts(vllm_engine, asked)
    assert len(first) == 120
    assert len({done.text for done in first.values()}) > 100
    assert texts(vllm_engine, random.Random(1).sample(asked, 120)) == first
    for request in asked[:2]:
        assert texts(vllm_engine, [request]).items() <= first.items()


@vllm
def test_greedy_text_equals_that_of_transformers(vllm_engine: Engine, transformers_engine: Engine) -> None:
    for prefill in ("", "the answer is", "\n", "half a character: \ufffd"):
        asked = requests(40, Sampling(temperature=0, max_tokens=24), prefill)[::4]
        assert texts(vllm_engine, asked) == texts(transformers_engine, asked)


@vllm
def test_greedy_continuation_of_a_prefix_is_the_rest_of_the_greedy_text(vllm_engine: Engine) -> None:
    message = ({"role": "user", "content": "two plus two"},)
    [(_, whole)] = vllm_engine.sample([Request(message, Sampling(temperature=0, max_tokens=32))])
    cuts = range(1, len(whole.text), 3)
    asked = [Request(message, Sampling(temperature=0, max_tokens=64), prefill=whole.text[:k]) for k in cuts]
    for request, rest in vllm_engine.sample(asked):
        assert (request.prefill + rest.text).startswith(whole.text)


@vllm
def test_log_probabilities_agree_with_transformers(vllm_engine: Engine, transformers_engine: Engine) -> None:
    asked = requests(8, Sampling(temperature=0, max_tokens=6, logprobs=2))[::4]
    ours, theirs = texts(vllm_engine, asked), texts(transformers_engine, asked)
    for name, done in ours.items():
        assert len(done.logprobs) == done.n_tokens
        for place, other in zip(done.logprobs, theirs[name].logprobs, strict=True):
            assert max(place.values()) == pytest.approx(max(other.values()), abs=1e-3)


@vllm
def test_a_second_pass_through_the_ledger_asks_nothing(vllm_engine: Engine, ledger: Ledger) -> None:
    first = {done.key: done.text for _, done in sample_through(ledger, vllm_engine, requests(40))}
    again = list(sample_through(ledger, vllm_engine, requests(40), Budget(0)))
    assert {done.key: done.text for _, done in again} == first
    assert len(ledger) == 40


@vllm
def test_the_budget_stops_a_real_engine_and_every_call_made_is_kept(
    vllm_engine: Engine, ledger: Ledger
) -> None:
    with pytest.raises(BudgetExhausted):
        list(sample_through(ledger, vllm_engine, requests(40), Budget(25)))
    assert len(ledger) == 25


@vllm
def test_stopping_early_leaves_an_engine_that_works(vllm_engine: Engine) -> None:
    stream = vllm_engine.sample(requests(120, Sampling(max_tokens=300)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(texts(vllm_engine, requests(8))) == 8


@vllm
def test_a_prompt_longer_than_the_context_is_rejected_and_the_rest_goes_on(vllm_engine: Engine) -> None:
    long = Request(({"role": "user", "content": "x" * 600},), SHORT)
    done = list(vllm_engine.sample([long, *requests(4)]))
    assert len(done) == 5
    assert [request for request, answer in done if answer.finish_reason == REJECTED] == [long]


@vllm
def test_the_engine_does_not_touch_the_process_it_serves(vllm_engine: Engine) -> None:
    import torch

    before = dict(os.environ)
    texts(vllm_engine, requests(4))
    assert dict(os.environ) == before
    assert torch.set_num_threads.__module__ != "vllm"  # in its own process vLLM replaces it


@vllm
def test_a_killed_worker_is_an_engine_error_and_what_had_finished_is_kept(
    chat_model: Path, ledger: Ledger
) -> None:
    config = EngineConfig(kind="vllm", model=str(chat_model), dtype="float32", processes=1, max_num_seqs=4)
    engine = open_engine(config)
    stream = sample_through(ledger, engine, requests(200, Sampling(max_tokens=200)))
    next(stream)
    os.kill(engine._workers[0]._process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="a vLLM process died: signal 9"):
        list(stream)
    assert len(ledger) >= 1
    # The engine opens again for the calls that are left.
    assert len(texts(engine, requests(4))) == 4
    engine.close()


@vllm
def test_a_model_vllm_cannot_load_is_an_input_error_with_its_reason(chat_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(chat_model, tmp_path / "odd")
    text = (folder / "config.json").read_text().replace("LlamaForCausalLM", "NoSuchArchitecture")
    (folder / "config.json").write_text(text.replace('"model_type": "llama"', '"model_type": "gpt2"'))
    engine = open_engine(EngineConfig(kind="vllm", model=str(folder), processes=1))
    with pytest.raises(InputError, match="vLLM cannot load .*odd: .*NoSuchArchitecture"):
        list(engine.sample(requests(1)))


def test_a_small_model_gets_a_process_per_core_and_a_large_one_all_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)), raising=False)
    assert cpu_plan(10 << 20, None) == (4, 1)
    assert cpu_plan(3 << 30, None) == (1, 4)
    assert cpu_plan(0, None) == (1, 4)  # a Hub model: size unknown
    assert cpu_plan(3 << 30, 2) == (2, 2)


def test_what_the_user_sets_in_the_environment_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samplers.vllm_engine.on_cpu", lambda: True)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    environment = worker_environment(2)
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert CPU_ENVIRONMENT["VLLM_ENABLE_V1_MULTIPROCESSING"] == environment["VLLM_ENABLE_V1_MULTIPROCESSING"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_environment(2)["OMP_NUM_THREADS"] == "3"

"""The fallback engine: draws independent of their neighbours, from exactly the distribution it promises."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samplers.decoding import draw, filtered
from samplers.engine import REJECTED, Completion, Engine, Request, Sampling
from samplers.engines import EngineConfig, open_engine

WORDS = ["two", "plus", "four", "eight", "and", "the answer", "is", "12"]


def requests(n: int, sampling: Sampling = Sampling(max_tokens=24)) -> list[Request]:  # noqa: B008
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(n)]
    return [
        Request(({"role": "user", "content": t},), sampling, 100 * i + j, j)
        for i, t in enumerate(texts)
        for j in (0, 1)
    ]


def answers(engine: Engine, asked: list[Request]) -> dict[Request, Completion]:
    return {(r.messages[0]["content"], r.seed): done for r, done in engine.sample(asked)}


def test_a_draw_is_the_same_alone_and_in_any_batch(chat_model: Path, transformers_engine: Engine) -> None:
    asked = requests(20)
    together = answers(transformers_engine, asked)
    shuffled = random.Random(1).sample(asked, len(asked))
    small = open_engine(
        EngineConfig(kind="transformers", model=str(chat_model), dtype="float32", max_num_seqs=3)
    )
    assert answers(small, shuffled) == together
    for request in asked[:3]:
        assert answers(transformers_engine, [request]).items() <= together.items()
    assert len({done.text for done in together.values()}) > 30


def test_samples_of_one_prompt_differ_and_greedy_ones_do_not(transformers_engine: Engine) -> None:
    message = ({"role": "user", "content": "two plus two"},)
    for temperature, distinct in ((1.0, 8), (0.0, 1)):
        sampling = Sampling(temperature=temperature, max_tokens=20)
        drawn = answers(transformers_engine, [Request(message, sampling, seed, seed) for seed in range(8)])
        assert len({done.text for done in drawn.values()}) == distinct


def test_greedy_continuation_of_a_prefix_is_the_rest_of_the_greedy_text(transformers_engine: Engine) -> None:
    message = ({"role": "user", "content": "two plus two"},)
    [(_, whole)] = transformers_engine.sample([Request(message, Sampling(temperature=0, max_tokens=32))])
    cuts = range(1, len(whole.text), 3)
    asked = [Request(message, Sampling(temperature=0, max_tokens=64), prefill=whole.text[:k]) for k in cuts]
    for request, rest in transformers_engine.sample(asked):
        assert (request.prefill + rest.text).startswith(whole.text)


def test_a_stop_string_ends_the_text_before_it(transformers_engine: Engine) -> None:
    message = ({"role": "user", "content": "two plus two"},)
    [(_, whole)] = transformers_engine.sample([Request(message, Sampling(temperature=0, max_tokens=40))])
    stop = whole.text[10:13]
    [(_, done)] = transformers_engine.sample(
        [Request(message, Sampling(temperature=0, max_tokens=40, stop=("never", stop)))]
    )
    assert done.text == whole.text[: whole.text.index(stop)]
    assert (done.finish_reason, whole.finish_reason) == ("stop", "length")
    assert done.n_tokens < whole.n_tokens == 40


def test_log_probabilities_are_the_models_own(transformers_engine: Engine) -> None:
    sampling = Sampling(temperature=0, max_tokens=5, logprobs=3)
    [(_, done)] = transformers_engine.sample([Request(({"role": "user", "content": "two"},), sampling)])
    assert len(done.logprobs) == done.n_tokens == 5
    for place in done.logprobs:
        assert all(value < 0 for value in place.values())
        assert 2 <= len(place) <= 3  # two tokens may have one text


def test_a_prompt_that_does_not_fit_is_rejected_and_one_that_barely_does_is_cut(
    chat_model: Path,
) -> None:
    engine = open_engine(EngineConfig(kind="transformers", model=str(chat_model), max_model_len=64))
    long, short = requests(1)[0], Request(({"role": "user", "content": "two"},), Sampling(temperature=0))
    long = Request(({"role": "user", "content": "x" * 90},), long.sampling)
    rejected, cut = [
        answer for _, answer in sorted(engine.sample([long, short]), key=lambda a: a[0] is short)
    ]
    assert rejected.finish_reason == REJECTED
    assert "tokens and the model reads 64" in rejected.error
    assert cut.finish_reason == "stop" or cut.n_prompt_tokens + cut.n_tokens == 64


def test_nothing_to_do_loads_nothing(chat_model: Path) -> None:
    engine = open_engine(EngineConfig(kind="transformers", model=str(chat_model)))
    assert list(engine.sample([])) == []
    assert engine._network is None  # type: ignore[attr-defined]


LOGITS = st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=12)


@given(LOGITS, st.floats(0, 1, exclude_max=True), st.floats(0.1, 3))
def test_a_draw_inverts_the_cumulative_distribution(
    logits: list[float], u: float, temperature: float
) -> None:
    line = torch.tensor([logits])
    token = int(draw(line, torch.tensor([u], dtype=torch.float64), Sampling(temperature=temperature)))
    probabilities = (line / temperature).softmax(-1)[0].double()
    below = float(probabilities[:token].sum() / probabilities.sum())
    upto = float(probabilities[: token + 1].sum() / probabilities.sum())
    assert below - 1e-9 <= u <= upto + 1e-9


@given(LOGITS, st.integers(1, 12))
def test_top_k_keeps_the_k_likeliest_and_their_ties(logits: list[float], k: int) -> None:
    kept = filtered(torch.tensor([logits]), k, 1.0)[0].isfinite()
    kth = sorted(logits, reverse=True)[min(k, len(logits)) - 1]
    assert kept.tolist() == [value >= kth for value in torch.tensor(logits).tolist()]


@given(LOGITS, st.floats(0.05, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: list[float], p: float) -> None:
    probabilities = torch.tensor(logits).softmax(0)
    kept = filtered(torch.tensor([logits]), 0, p)[0].isfinite()
    mass = float(probabilities[kept].sum())
    assert mass >= p - 1e-5
    assert mass - float(probabilities[kept].min()) < p + 1e-5
    if (~kept).any():
        assert float(probabilities[kept].min()) >= float(probabilities[~kept].max())


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_draws_have_the_frequencies_of_the_distribution(temperature: float) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = draw(logits.expand(len(uniform), -1), uniform, Sampling(temperature=temperature))
    seen = torch.bincount(drawn, minlength=4) / len(uniform)
    # 4 standard errors of a proportion: 4 * sqrt(.25 / 20000) = 0.014
    torch.testing.assert_close(seen, (logits[0] / temperature).softmax(-1), atol=0.014, rtol=0)

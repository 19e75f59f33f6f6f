"""A reply can be constrained to a choice of texts: by every engine that can, and the same by each."""

from __future__ import annotations

import math
import re
from collections import Counter
from importlib.util import find_spec

import pytest
from chat_server import ChatServer

from samplers.engine import Completion, Engine, Request, Sampling, call_key, merged_logprobs
from samplers.engines import EngineConfig, open_engine
from samplers.openai_engine import OpenAIEngine

VERDICTS = ("[[A]]", "[[B]]", "[[C]]")
RATINGS = ("1", "2", "10")  # one is the beginning of another


def asked(n: int, sampling: Sampling, prefill: str = "") -> list[Request]:
    return [
        Request(({"role": "user", "content": f"two plus {i}"},), sampling, seed, seed, prefill)
        for i in range(n)
        for seed in range(4)
    ]


def said(engine: Engine, requests: list[Request]) -> dict[tuple[str, int], Completion]:
    return {(r.messages[0]["content"], r.seed): done for r, done in engine.sample(requests)}


def check_every_reply_is_a_choice(engine: Engine, choice: tuple[str, ...]) -> None:
    done = said(engine, asked(20, Sampling(temperature=1.0, max_tokens=12, logprobs=5, choice=choice)))
    counts = Counter(one.text for one in done.values())
    assert set(counts) <= set(choice)
    assert len(counts) > 1
    assert {one.finish_reason for one in done.values()} == {"stop"}
    for one in done.values():
        assert len(one.logprobs) == one.n_tokens
        for place in one.logprobs:  # over the tokens that are allowed, and over nothing else
            assert sum(map(math.exp, place.values())) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("choice", [VERDICTS, RATINGS])
def test_every_reply_of_transformers_is_a_choice(
    transformers_engine: Engine, choice: tuple[str, ...]
) -> None:
    check_every_reply_is_a_choice(transformers_engine, choice)


def test_a_choice_that_begins_another_may_end_or_go_on(transformers_engine: Engine) -> None:
    [request, *_] = asked(1, Sampling(temperature=0, max_tokens=12, logprobs=5, choice=("1", "10")))
    [(_, done)] = transformers_engine.sample([request])
    assert [set(place) for place in done.logprobs[:2]] == [{"1"}, {"0", "</s>"}]


@pytest.mark.vllm
@pytest.mark.parametrize("choice", [VERDICTS, RATINGS])
def test_every_reply_of_vllm_is_a_choice(vllm_engine: Engine, choice: tuple[str, ...]) -> None:
    check_every_reply_is_a_choice(vllm_engine, choice)


@pytest.mark.vllm
@pytest.mark.parametrize("prefill", ["", "the answer is "])
def test_both_engines_choose_alike(vllm_engine: Engine, transformers_engine: Engine, prefill: str) -> None:
    requests = asked(8, Sampling(temperature=0, max_tokens=12, logprobs=3, choice=VERDICTS), prefill)
    ours, theirs = said(vllm_engine, requests), said(transformers_engine, requests)
    for name, one in ours.items():
        assert (one.text, one.n_tokens) == (theirs[name].text, theirs[name].n_tokens)
        for place, other in zip(one.logprobs, theirs[name].logprobs, strict=True):
            assert place == pytest.approx(other, abs=1e-3)


@pytest.mark.vllm
def test_constrained_and_free_requests_share_a_batch(vllm_engine: Engine) -> None:
    free = asked(8, Sampling(max_tokens=8))
    alone = said(vllm_engine, free)
    bound = [Request(({"role": "user", "content": "?"},), Sampling(max_tokens=8, choice=VERDICTS), 9)]
    together = said(vllm_engine, [*free, *bound])
    assert together.pop(("?", 9)).text in VERDICTS
    assert together == alone


@pytest.mark.parametrize("kind", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def test_the_embedded_policy_chooses_with_log_probabilities_for_every_letter(kind: str) -> None:
    if find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed")
    engine = open_engine(EngineConfig(kind=kind, processes=1, max_num_seqs=8))
    sampling = Sampling(temperature=0, max_tokens=12, logprobs=20, choice=VERDICTS)
    [(_, done)] = engine.sample([Request(({"role": "user", "content": "Which is right?"},), sampling)])
    engine.close()
    assert done.text in VERDICTS
    at_letter = [place for place in done.logprobs if any("A" in token for token in place)]
    assert [len(place) for place in at_letter] == [3]


def test_a_choice_has_a_key_of_its_own_and_free_text_keeps_the_one_it_had(
    transformers_engine: Engine,
) -> None:
    [free, *_] = asked(1, Sampling(max_tokens=8))
    [bound, *_] = asked(1, Sampling(max_tokens=8, choice=VERDICTS))
    assert call_key(transformers_engine, free) != call_key(transformers_engine, bound)
    engine = OpenAIEngine("m", ("http://127.0.0.1:9/v1",), revision="r")
    request = Request(({"role": "user", "content": "q"},), Sampling(), 7, 3)
    # The key from before there were choices: ledgers outlive versions.
    assert call_key(engine, request) == "2c896f1d46a2025feac98cc04897370f"


@pytest.mark.parametrize(
    ("owner", "constraint"),
    [
        ("vllm", {"structured_outputs": {"choice": list(VERDICTS)}}),
        ("sglang", {"regex": r"\[\[A\]\]|\[\[B\]\]|\[\[C\]\]"}),
        ("somebody", {}),
    ],
)
def test_a_server_is_told_in_its_own_words(owner: str, constraint: dict[str, object]) -> None:
    with ChatServer(owner=owner) as server:
        engine = OpenAIEngine("m", (server.url,))
        list(engine.sample(asked(1, Sampling(choice=VERDICTS))[:1]))
        list(engine.sample(asked(1, Sampling())[:1]))
        engine.close()
    bound, free = server.bodies
    words = {k: v for k, v in bound.items() if k in ("structured_outputs", "regex", "response_format")}
    assert words == constraint
    assert set(bound) - set(words) == set(free)


def test_the_expression_for_a_choice_matches_it_and_nothing_else() -> None:
    from samplers.chat_call import _constraint

    texts = ("[[A>>B]]", "\\boxed{-1}", "a.b", "10", "見る")
    expression = _constraint(texts, "sglang")["regex"]
    assert all(re.fullmatch(expression, text) for text in texts)
    assert not any(re.fullmatch(expression, text) for text in ("axb", "1", "boxed{-1}", ""))


def test_tokens_that_cannot_be_drawn_have_no_log_probability() -> None:
    assert merged_logprobs([("A", -0.1), ("B", -math.inf), ("C", -9999.0)]) == {"A": -0.1}

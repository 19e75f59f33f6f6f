"""A judge behind a server that fails in every way we know: no pair is lost, and no verdict is another one."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web
from chat_server import Behaviour, ChatServer, failure, reply
from simulated_policy import completion_table

from labelers.judges.asking import last_attempts
from labelers.judges.choosing import choose_pairs
from labelers.judges.pairwise import consensus, judge_pairs
from samplers import endpoints
from samplers.engine import Sampling
from samplers.openai_engine import OpenAIEngine
from store.ledger import Ledger
from store.tables import PROMPTS

QUALITY = re.compile(r"answer (-?\d+)")
HANGS = 6.0  # seconds
Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
GREEDY = Sampling(temperature=0.0, max_tokens=64)


@pytest.fixture(autouse=True)
def _milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait milliseconds where real engines wait seconds."""
    monkeypatch.setattr(endpoints, "FIRST_DELAY", 0.005)
    monkeypatch.setattr(endpoints, "MAX_BENCH", 0.05)


@pytest.fixture(scope="module")
def material() -> Tables:
    """120 pairs of answers whose quality is the number in them; some are equal."""
    rng = random.Random(0)
    asks = [
        {"prompt_id": f"p{i}", "messages": [{"role": "user", "content": f"question {i}"}]} for i in range(40)
    ]
    answers = [
        {"completion_id": f"p{i}-{j}", "prompt_id": f"p{i}", "text": f"answer {rng.randint(-3, 3)} by {j}"}
        for i in range(40)
        for j in range(4)
    ]
    prompts, completions = pl.DataFrame(asks, schema_overrides=PROMPTS), completion_table(answers)
    prompts = prompts.with_columns(answer=pl.lit(None, dtype=pl.String))
    return prompts, completions, choose_pairs(completions, per_prompt=3, seed=1)


def verdict(body: dict[str, Any]) -> str:
    """The better of the two answers, as anyone can see."""
    first, second = (int(found) for found in QUALITY.findall(body["messages"][-1]["content"]))
    return "[[A]]" if first > second else "[[B]]" if second > first else "[[C]]"


def answer(body: dict[str, Any], text: str) -> dict[str, Any]:
    said = reply(body, 1)
    said["choices"][0]["message"]["content"] = text
    return said


async def healthy(body: dict[str, Any], number: int) -> web.StreamResponse:
    return web.json_response(answer(body, verdict(body)))


async def hangs(body: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(HANGS)
    return web.json_response(answer(body, verdict(body)))


def cut_off(body: dict[str, Any]) -> web.Response:
    """The first half of an answer, as if that were all."""
    text = json.dumps(answer(body, verdict(body)))
    return web.Response(text=text[: len(text) // 2], content_type="application/json")


def half_sent(body: dict[str, Any]) -> web.Response:
    """Announces more bytes than it sends."""
    text = json.dumps(answer(body, verdict(body)))
    response = web.Response(body=text[: len(text) // 2].encode(), headers={"Content-Length": str(len(text))})
    response.force_close()
    return response


def other_type(body: dict[str, Any]) -> web.Response:
    said = answer(body, "")
    said["choices"][0]["message"]["content"] = 7
    return web.json_response(said)


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "server error": lambda body: failure(500),
    "overload": lambda body: failure(503, "overloaded"),
    "time-out": hangs,
    "rate limit": lambda body: failure(429, **{"Retry-After": "0.01"}),
    "malformed": lambda body: web.Response(text='{"choices": [{', content_type="application/json"),
    "gateway page": lambda body: web.Response(text="<html>", content_type="text/html"),
    "error with status 200": lambda body: web.json_response({"error": {"message": "busy"}}),
    "no choices": lambda body: web.json_response({**reply(body, 1), "choices": []}),
    "empty string": lambda body: web.json_response(answer(body, "")),
    "cut off": cut_off,
    "half sent": half_sent,
    "other type": other_type,
}


def faulty(share: float, kinds: list[str], seed: int = 0) -> Behaviour:
    """Every call fails with probability `share`, in one of the ways `kinds`."""
    rng = random.Random(seed)

    async def behaviour(body: dict[str, Any], number: int) -> web.StreamResponse:
        if rng.random() >= share:
            return await healthy(body, number)
        response = FAULTS[rng.choice(kinds)](body)
        return await response if asyncio.iscoroutine(response) else response

    return behaviour


@pytest.fixture(scope="module")
def truth(material: Tables, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    with ChatServer(healthy) as server, Ledger(tmp_path_factory.mktemp("healthy")) as ledger:
        return judged(server, ledger, material)


def judged(server: ChatServer, ledger: Ledger, material: Tables, n: int = 120) -> pl.DataFrame:
    prompts, completions, pairs = material
    engine = OpenAIEngine("m", (server.url,), timeout=HANGS / 3, max_concurrency=16)
    try:
        return judge_pairs(engine, ledger, pairs.head(n), completions, prompts, sampling=GREEDY)
    finally:
        engine.close()


def verdicts(judgements: pl.DataFrame) -> pl.DataFrame:
    last = last_attempts(judgements, "prompt_id", "a_id", "b_id", "order", "sample_index")
    return last.select("prompt_id", "a_id", "b_id", "order", "verdict").sort(pl.all())


def test_a_fifth_of_all_calls_failing_loses_no_pair_and_changes_no_verdict(
    material: Tables, truth: pl.DataFrame, tmp_path: Path
) -> None:
    with ChatServer(faulty(0.2, list(FAULTS))) as server, Ledger(tmp_path) as ledger:
        table = judged(server, ledger, material)
        asked = len(server.bodies)
        again = judged(server, ledger, material)
        assert len(server.bodies) == asked > 1.1 * truth.height  # what has been said is not asked again
    assert verdicts(table).equals(verdicts(truth))
    assert consensus(table).equals(consensus(truth))
    assert table["raw"].is_not_null().all()
    assert again.equals(table)


@pytest.mark.parametrize("kind", list(FAULTS))
def test_many_calls_failing_in_one_way_lose_no_pair_and_change_no_verdict(
    kind: str, material: Tables, truth: pl.DataFrame, tmp_path: Path
) -> None:
    with ChatServer(faulty(0.3, [kind])) as server, Ledger(tmp_path) as ledger:
        found = verdicts(judged(server, ledger, material, n=15))
    assert found.height == 30
    assert found.equals(verdicts(truth).join(found, on=found.columns, how="semi").sort(pl.all()))

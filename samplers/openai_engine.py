"""Any OpenAI-compatible server, or several of them: bounded concurrency, retries of our own, no lost answers.

Consecutive samples of one prompt go out as one request with `n`; child i has seed + i (vLLM's rule; hosted
services may ignore seeds, and then only the ledger can say a draw again). Servers that ignore `n` are noticed
and asked one by one.

What happens to a failed attempt:
    401, 403, 404              the engine stops at once (key, model name)
    400, 413, 422              the request is rejected; the engine stops if nothing was ever accepted
    429                        retried for as long as anything gets through; Retry-After is honoured
    408, 409, 5xx, time-outs, broken connections, unreadable answers
                               retried `max_attempts` times; then the request is rejected if others got
                               through meanwhile, else the engine stops, naming the server and its last words

A prefill is an assistant turn to be continued (`continue_final_message`): vLLM and SGLang servers can do it.
Chat templates that trim the assistant's text lose a trailing newline of the prefill there.

The event loop has a thread of its own; requests are read, and answers given, in the caller's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from itertools import count
from typing import Any, TypeVar

from samplers.chat_call import MAX_N, answers, body, groups
from samplers.endpoints import Endpoint, EndpointPool, backoff
from samplers.engine import REJECTED, Completion, EngineError, Request
from store.errors import InputError

log = logging.getLogger(__name__)
T = TypeVar("T")
Answers = list[tuple[Request, Completion]]

STOPS = {401, 403, 404}
REJECTS = {400, 413, 422}
CONTINUES = {"vllm", "sglang"}  # servers that can continue an assistant turn, by what /v1/models says of them
CONNECT_SECONDS = 10.0


class OpenAIEngine:
    """Implements samplers.engine.Engine."""

    kind = "openai"

    def __init__(
        self,
        model: str,
        base_urls: tuple[str, ...],
        revision: str = "",
        api_key_env: str | None = None,
        max_concurrency: int = 64,
        timeout: float = 600.0,
        max_attempts: int = 6,
    ) -> None:
        self.model, self.revision = model, revision
        self.base_urls, self.max_concurrency = base_urls, max_concurrency
        self.timeout, self.max_attempts = timeout, max_attempts
        self._key = _api_key(api_key_env)
        self._key_name = api_key_env
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: EndpointPool | None = None
        self._starting = threading.Lock()
        self._owner = ""
        self._largest_n = MAX_N
        self._successes = 0
        self._rejections = 0

    def render(self, request: Request) -> dict[str, Any]:
        return {"messages": list(request.messages), "prefill": request.prefill}

    def start(self) -> None:
        """Contact the servers: is anyone there, is the key good, is the model served?"""
        with self._starting:  # shards in flight share the engine: only one connects, the others wait
            if self._loop is not None:
                return
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="openai-engine", daemon=True).start()
            try:
                self._pool = self._run(self._connect())
            except BaseException:
                self.close()
                raise

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        waiting = groups(requests, lambda: self._largest_n)
        flight: dict[int, Future[Answers]] = {}
        finished: queue.SimpleQueue[int] = queue.SimpleQueue()
        numbers = count()
        limit = self.max_concurrency * len(self.base_urls)
        more = True
        try:
            while True:
                while more and len(flight) < limit:
                    group = next(waiting, None)
                    more = group is not None
                    if group is not None:
                        self._submit(group, next(numbers), flight, finished)
                if not flight:
                    return
                number = finished.get()
                if flight[number].exception() is not None:
                    yield from _finished(flight)
                yield from flight.pop(number).result()
        finally:
            for future in flight.values():
                future.cancel()

    def close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            return
        pool, self._pool = self._pool, None
        asyncio.run_coroutine_threadsafe(_end(pool), loop).result(timeout=CONNECT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _submit(
        self,
        group: list[Request],
        number: int,
        flight: dict[int, Future[Answers]],
        finished: queue.SimpleQueue[int],
    ) -> None:
        self.start()
        assert self._loop is not None
        if group[0].prefill and self._owner not in CONTINUES:
            raise InputError(
                f"engine {self.model}: a rollout continues a half-written answer, which only vLLM and SGLang "
                f"servers can; {', '.join(self.base_urls)} is not known to be one. Use the vllm engine"
            )
        flight[number] = asyncio.run_coroutine_threadsafe(self._call(group), self._loop)
        flight[number].add_done_callback(lambda _: finished.put(number))

    async def _connect(self) -> EndpointPool:
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        limits = httpx2.Limits(
            max_connections=self.max_concurrency, max_keepalive_connections=self.max_concurrency
        )
        timeout = httpx2.Timeout(self.timeout, connect=CONNECT_SECONDS)
        endpoints = [
            Endpoint(
                url,
                AsyncOpenAI(
                    base_url=url,
                    api_key=self._key or "none",
                    max_retries=0,
                    timeout=timeout,
                    http_client=DefaultAioHttpClient(limits=limits, timeout=timeout),
                ),
            )
            for url in self.base_urls
        ]
        found = await asyncio.gather(*(self._look(endpoint) for endpoint in endpoints))
        if problems := [problem for problem, _ in found if problem]:
            if len(problems) == len(endpoints):
                raise InputError(problems[0])
            log.warning("%s", "; ".join(problems))
        owners = {owner for problem, owner in found if not problem}
        self._owner = owners.pop() if len(owners) == 1 else ""
        return EndpointPool(endpoints, self.max_concurrency)

    async def _look(self, endpoint: Endpoint) -> tuple[str, str]:
        """(what is wrong, who made the server); a wrong key or model name is an error for all."""
        from openai import APIStatusError, OpenAIError

        try:
            models = (
                await endpoint.client.with_options(timeout=CONNECT_SECONDS * 3).models.list()
            ).data or []
        except APIStatusError as error:
            if error.status_code in (401, 403):
                raise InputError(self._refused(endpoint, error)) from None
            return ("" if error.status_code in (404, 405, 501) else self._words(endpoint, error)), ""
        except (OpenAIError, ValueError, AttributeError) as error:
            endpoint.failed(asyncio.get_running_loop().time())
            return (
                f"{self._words(endpoint, error)}. Is the server running, and is engine.base_urls right?",
                "",
            )
        named = {model.id: str(getattr(model, "owned_by", "")).lower() for model in models}
        if named and self.model not in named:
            raise InputError(
                f"engine.model: {endpoint.name} does not serve {self.model}; "
                f"it serves {', '.join(sorted(named)[:20])}"
            )
        return "", named.get(self.model, "")

    async def _call(self, group: list[Request]) -> Answers:
        """One request to its end; asks again for samples that the server left out."""
        said = await self._attempts(group)
        left_out = group[len(said) :]
        if left_out and said:
            self._largest_n = 1
            said += [answer for one in left_out for answer in await self._call([one])]
        return said

    async def _attempts(self, group: list[Request]) -> Answers:
        assert self._pool is not None
        successes = self._successes
        for attempt in count():
            endpoint = await self._pool.take()
            try:
                said = await self._ask(endpoint, group)
                endpoint.succeeded()
                self._successes += 1
                return said
            except Exception as error:
                delay = self._judge(error, endpoint, attempt, self._successes > successes)
                if delay is None:
                    return [
                        (r, Completion("", "", REJECTED, 0, 0, error=self._words(endpoint, error)))
                        for r in group
                    ]
            finally:
                await self._pool.give_back(endpoint)
            await asyncio.sleep(delay)
        raise AssertionError("count() does not end")

    async def _ask(self, endpoint: Endpoint, group: list[Request]) -> Answers:
        request = body(self.model, group, self._owner, endpoint.url)
        response = await endpoint.client.chat.completions.create(**request)
        return answers(group, response)

    def _judge(
        self, error: Exception, endpoint: Endpoint, attempt: int, others_succeed: bool
    ) -> float | None:
        """Seconds to wait before the next attempt; None rejects the request; raises where there is no use."""
        from openai import OpenAIError

        if not isinstance(error, (OpenAIError, ValueError, OSError)):
            raise error
        status = getattr(error, "status_code", None)
        now = asyncio.get_running_loop().time()
        if status in STOPS:
            raise EngineError(self._refused(endpoint, error)) from None
        if status in REJECTS:
            self._rejections += 1
            if not self._successes and self._rejections >= self.max_attempts:
                raise EngineError(f"nothing was accepted: {self._words(endpoint, error)}") from None
            return None
        headers = getattr(getattr(error, "response", None), "headers", {})
        delay = backoff(attempt, headers.get("retry-after"))
        if status == 429:
            endpoint.pause(now, delay)
        else:
            endpoint.failed(now)
        if attempt + 1 < self.max_attempts or (status == 429 and others_succeed):
            return delay
        if others_succeed:
            return None
        raise EngineError(f"gave up after {attempt + 1} attempts: {self._words(endpoint, error)}") from None

    def _refused(self, endpoint: Endpoint, error: Exception) -> str:
        if getattr(error, "status_code", None) == 404:
            advice = "Check engine.model, and whether engine.base_urls should end in /v1"
            return f"{self._words(endpoint, error)}. {advice}"
        key = (
            f"the key in ${self._key_name}"
            if self._key_name
            else "a call without a key (set engine.api_key_env)"
        )
        return f"{endpoint.name} refused {key}: {self._words(endpoint, error)}"

    def _words(self, endpoint: Endpoint, error: Exception) -> str:
        """What the server said, on one line, with no secret in it."""
        text = " ".join(str(error).split())[:300] or type(error).__name__
        if error.__cause__ is not None and str(error.__cause__):
            text += f" ({' '.join(str(error.__cause__).split())[:200]})"
        if self._key:
            text = text.replace(self._key, "***")
        return f"{endpoint.name}: {type(error).__name__}: {text}"


def _finished(flight: dict[int, Future[Answers]]) -> Iterator[tuple[Request, Completion]]:
    """What is there already when an error ends the rest."""
    for number in [n for n, f in flight.items() if f.done() and not f.cancelled() and f.exception() is None]:
        yield from flight.pop(number).result()


def _api_key(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise InputError(f"engine.api_key_env: the environment variable {name} is not set")
    return os.environ[name]


async def _end(pool: EndpointPool | None) -> None:
    """Cancel what is still running and close the connections."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for endpoint in pool.endpoints if pool else []:
        await endpoint.client.close()

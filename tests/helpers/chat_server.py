"""An OpenAI-compatible server over a real socket that misbehaves on command."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Behaviour = Callable[[dict[str, Any], int], Awaitable[web.StreamResponse]]


async def well_behaved(body: dict[str, Any], number: int) -> web.StreamResponse:
    """Sample i says which question it answers and with which seed."""
    return web.json_response(reply(body, body.get("n", 1)))


def reply(body: dict[str, Any], n: int) -> dict[str, Any]:
    question = body["messages"][-1]["content"]
    choices = [
        {
            "index": i,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": f"{question} {body['seed'] + i}"},
        }
        for i in range(n)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3 * n, "total_tokens": 7 + 3 * n}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }


def failure(status: int, message: str = "no", **headers: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


class ChatServer:
    """Runs in a thread; `behaviour(body, number)` answers call `number`, counted from 0."""

    def __init__(
        self, behaviour: Behaviour = well_behaved, owner: str = "somebody", failing_looks: int = 0
    ) -> None:
        self.behaviour, self.owner, self.failing_looks = behaviour, owner, failing_looks
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.in_flight = self.most_in_flight = 0
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def __enter__(self) -> ChatServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        self._loop.run_until_complete(self._start())
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.run_until_complete(self._end_hanging())

    async def _end_hanging(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"  # type: ignore[union-attr]

    async def _models(self, request: web.Request) -> web.Response:
        if self.failing_looks:
            self.failing_looks -= 1
            return failure(503)
        return web.json_response(
            {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": self.owner}]}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        number = len(self.bodies)
        self.bodies.append(json.loads(await request.text()))
        self.keys.add(request.headers.get("Authorization"))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.behaviour(self.bodies[number], number)
        finally:
            self.in_flight -= 1

"""Which server gets the next call: the least busy one in health; one that fails is benched and probed again.

An endpoint that failed BENCH_AFTER times in a row gets no calls for a while that doubles up to MAX_BENCH
seconds; then a single call is let through, and decides. What was under way when it was benched tells nothing
new. "Too many requests" is no failure of the server's, it
only pauses. All times are the event loop's clock; nothing here is shared between threads.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from samplers.server import Server

BENCH_AFTER = 3
MAX_BENCH = 30.0
FIRST_DELAY, MAX_DELAY = 0.5, 30.0  # seconds; what the openai client itself does, with a higher cap
MAX_RETRY_AFTER = 120.0  # a server that asks for more is treated as asking for this


@dataclass
class Endpoint:
    """One server, and how it has been doing."""

    url: str
    server: Server
    busy: int = 0
    failures: int = 0  # in a row
    closed_until: float = 0.0
    probing: bool = False

    @property
    def name(self) -> str:
        """The URL without a password."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def open_at(self, now: float, concurrency: int) -> bool:
        if self.busy >= concurrency or now < self.closed_until:
            return False
        return self.failures < BENCH_AFTER or not self.probing

    def take(self) -> None:
        self.busy += 1
        self.probing = self.failures >= BENCH_AFTER

    def give_back(self) -> None:
        self.busy -= 1
        self.probing = False

    def succeeded(self) -> None:
        self.failures = 0
        self.closed_until = 0.0

    def failed(self, now: float) -> None:
        if now < self.closed_until and self.failures >= BENCH_AFTER:
            return
        self.failures += 1
        if self.failures >= BENCH_AFTER:
            self.closed_until = now + min(MAX_BENCH, FIRST_DELAY * 2.0 ** (self.failures - BENCH_AFTER))

    def pause(self, now: float, seconds: float) -> None:
        self.closed_until = max(self.closed_until, now + seconds)


class EndpointPool:
    def __init__(self, endpoints: list[Endpoint], concurrency: int) -> None:
        self.endpoints, self.concurrency = endpoints, concurrency
        self._changed = asyncio.Event()

    async def take(self) -> Endpoint:
        """The least busy open endpoint, waiting until there is one."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            ready = [e for e in self.endpoints if e.open_at(now, self.concurrency)]
            if ready:
                chosen = min(ready, key=lambda e: e.busy)
                chosen.take()
                return chosen
            opens = [e.closed_until - now for e in self.endpoints if e.closed_until > now]
            await self._wait(min(opens, default=None))

    def give_back(self, endpoint: Endpoint) -> None:
        endpoint.give_back()
        self._changed.set()

    async def _wait(self, seconds: float | None) -> None:
        """Until an endpoint comes back, or a benched one may be tried again."""
        self._changed.clear()  # those who wait already have been woken by the last `set`
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


def backoff(attempt: int, retry_after: str | None) -> float:
    """Seconds before attempt + 1: what the server asks for, or full jitter over a doubling window."""
    try:
        asked = float(retry_after) if retry_after else 0.0
    except ValueError:  # the HTTP-date form; no inference server sends it
        asked = 0.0
    if asked > 0:
        return min(asked, MAX_RETRY_AFTER) * random.uniform(1.0, 1.1)
    return random.uniform(0.0, min(MAX_DELAY, FIRST_DELAY * 2.0**attempt))

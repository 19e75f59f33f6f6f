"""One OpenAI-compatible server through the openai client: JSON in, JSON out.

A judge call is a hundred tokens, and there are a hundred thousand of them: the typed objects that the client
builds around each answer would cost as much processor time as the rest of the call. So answers are taken as
they came. The client's own retries are off: what follows from a failure depends on other calls and servers.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from store.errors import InputError

if TYPE_CHECKING:
    from httpx2 import Response

CONNECT_SECONDS = 10.0
LONGEST_REASON = 300  # characters kept of what a server says


class Refusal(Exception):
    """The server answered, with an error status."""

    def __init__(self, status: int, reason: str, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status, self.retry_after = status, retry_after


class Server:
    """A base URL that ends in /v1 as a rule. Use it in one event loop; times in seconds.

    A call gives the JSON that was said. Refusal for an error status, ValueError for what is no JSON,
    ConnectionError and TimeoutError for no answer.
    """

    def __init__(self, url: str, key: str | None, timeout: float, connections: int) -> None:
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._timeout = timeout
        try:
            bare, authorization = _credentials(url, key)
            base = httpx2.URL(bare)
        except (ValueError, httpx2.InvalidURL):  # not shown: what is wrong with it may be part of a password
            raise InputError("engine.base_urls: one is no URL; the form is http://HOST:PORT/v1") from None
        self._client = AsyncOpenAI(
            base_url=base,
            api_key=key or "none",
            default_headers={"Authorization": authorization},
            timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS),
            max_retries=0,
            http_client=DefaultAioHttpClient(limits=limits),
        )

    async def chat(self, body: dict[str, Any]) -> Any:
        """The JSON answer to a chat completion call."""
        from httpx2 import Response

        # Not `body=`: half a character in a prompt (a lone surrogate) would stop the call there.
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return await self._read(self._client.post("/chat/completions", cast_to=Response, content=data))

    async def models(self) -> Any:
        from httpx2 import Response

        return await self._read(self._client.get("/models", cast_to=Response))

    async def close(self) -> None:
        await self._client.close()

    async def _read(self, call: Awaitable[Response]) -> Any:
        from aiohttp import ClientError
        from openai import APIConnectionError, APIStatusError

        try:
            async with asyncio.timeout(self._timeout):  # the client's own limit starts anew with every chunk
                response = await call
        except APIStatusError as error:
            headers, said = error.response.headers, _reason(error.response.content)
            raise Refusal(error.status_code, said, headers.get("Retry-After")) from None
        except (APIConnectionError, ClientError) as error:
            raise _lost(error) from None
        except TimeoutError:
            raise TimeoutError(f"no answer in {self._timeout:g} seconds") from None
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            words = response.content[:LONGEST_REASON].decode("utf-8", "replace")
            raise ValueError(f"not JSON: {words!r}") from None


def _reason(text: bytes) -> str:
    """The message of an error in the OpenAI form, else the text itself."""
    try:
        error = json.loads(text)["error"]
        said = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        said = text[: 4 * LONGEST_REASON].decode("utf-8", "replace")
    return " ".join(str(said).split())[:LONGEST_REASON]


def _lost(error: Exception) -> OSError:
    """The error below the client's own, which says "Request timed out." of a refused connection too."""
    below = error.__cause__ or error
    kind = TimeoutError if isinstance(below.__cause__, TimeoutError) else ConnectionError
    return kind(str(below) or type(below).__name__)


def _credentials(url: str, key: str | None) -> tuple[str, str]:
    """The URL without a name and password, and the header that says who we are."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if key is None and parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return bare, f"Basic {b64encode(pair.encode()).decode()}"
    return bare, f"Bearer {key or 'none'}"

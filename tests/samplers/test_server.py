"""HTTP to one server: who we say we are, and what is kept of what it says."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from chat_server import Behaviour, ChatServer, failure, reply, well_behaved

from samplers.server import Refusal, Server
from store.errors import InputError

BODY = {"model": "m", "seed": 1}
HEAD = b"HTTP/1.1 200 OK\r\n"


def call(url: str, key: str | None = None, timeout: float = 10.0, question: str = "q") -> Any:
    async def once() -> Any:
        server = Server(url, key, timeout, connections=2)
        try:
            return await server.chat({**BODY, "messages": [{"role": "user", "content": question}]})
        finally:
            await server.close()

    return asyncio.run(once())


@contextmanager
def speaking(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that hears one call and answers in bytes of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        thread.join(timeout=10)


def answering(make: Callable[[dict[str, Any]], web.StreamResponse]) -> Behaviour:
    async def behaviour(body: dict[str, Any], number: int) -> web.StreamResponse:
        return make(body)

    return behaviour


@pytest.mark.parametrize(
    ("user", "key", "header"),
    [
        ("", "sk-1", "Bearer sk-1"),
        ("", None, "Bearer none"),
        ("me:p%40ss@", None, "Basic bWU6cEBzcw=="),  # base64 of "me:p@ss"
        ("me:pass@", "sk-1", "Bearer sk-1"),
    ],
)
def test_the_key_or_else_the_name_in_the_url_says_who_we_are(user: str, key: str | None, header: str) -> None:
    with ChatServer(well_behaved) as server:
        assert call(server.url.replace("//", f"//{user}") + "/", key)["choices"][0]["message"]["content"]
        assert server.keys == {header}


def test_half_a_character_in_a_prompt_does_not_stop_the_call() -> None:
    with ChatServer(answering(lambda body: web.json_response(reply(body, 1)))) as server:
        assert call(server.url, question="a\ud83d")["choices"]
        assert server.bodies[0]["messages"][0]["content"] == "a?"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda body: failure(503, "out\nof memory"), "HTTP 503: out of memory"),
        (lambda body: web.json_response({"error": "busy"}, status=500), "HTTP 500: busy"),
        (lambda body: web.json_response({"object": "error"}, status=500), 'HTTP 500: {"object": "error"}'),
        (lambda body: web.Response(text="<html>\n bad gateway", status=502), "HTTP 502: <html> bad gateway"),
        (lambda body: web.Response(body=b"\xff\xfe", status=500), "HTTP 500: \ufffd\ufffd"),
        (lambda body: web.Response(text="x" * 10_000, status=500), f"HTTP 500: {'x' * 300}"),
    ],
)
def test_a_refusal_keeps_the_status_and_what_the_server_said(
    answer: Callable[[dict[str, Any]], web.StreamResponse], words: str
) -> None:
    with ChatServer(answering(answer)) as server, pytest.raises(Refusal) as raised:
        call(server.url)
    assert str(raised.value) == words


def test_a_refusal_keeps_when_to_come_back() -> None:
    with ChatServer(answering(lambda body: failure(429, **{"Retry-After": "7"}))) as server:
        with pytest.raises(Refusal) as raised:
            call(server.url)
    assert (raised.value.status, raised.value.retry_after) == (429, "7")


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[" * 100_000, b'"\xff"'])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with ChatServer(answering(lambda _: web.Response(body=body))) as server:
        with pytest.raises(ValueError, match="not JSON"):
            call(server.url)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "Server disconnected"),
        (b"SSH-2.0 hello\r\n\r\n", "Bad status line"),
        (HEAD + b"Content-Length: 100\r\n\r\n{}", "not completed"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "Invalid character in chunk size"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "decompressing"),
    ],
)
def test_a_broken_connection_is_told_from_a_time_out_by_its_own_words(said: bytes, words: str) -> None:
    with speaking(lambda connection: connection.sendall(said)) as url:
        with pytest.raises(ConnectionError, match=words):
            call(url)


def test_a_server_that_is_not_there_is_told_from_a_time_out() -> None:
    with pytest.raises(ConnectionError, match="Cannot connect to host 127.0.0.1:9"):
        call("http://127.0.0.1:9/v1")


def test_an_answer_that_never_ends_is_a_time_out() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    with speaking(dribble) as url, pytest.raises(TimeoutError, match="no answer in 0.4 seconds"):
        call(url, timeout=0.4)


def test_silence_is_a_time_out() -> None:
    async def silent(body: dict[str, Any], number: int) -> web.StreamResponse:
        await asyncio.sleep(30)
        return await well_behaved(body, number)

    with ChatServer(silent) as server, pytest.raises(TimeoutError):
        call(server.url, timeout=0.2)


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ChatServer() as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        assert call("http://nowhere.invalid/v1")["choices"]
        monkeypatch.setenv("no_proxy", "nowhere.invalid")
        with pytest.raises(ConnectionError, match="nowhere.invalid"):
            call("http://nowhere.invalid/v1")


@pytest.mark.parametrize("url", ["http://[x/v1", "http://h:port/v1", "http://me:pass/word@h/v1"])
def test_what_is_no_url_is_an_input_error_without_a_password(url: str) -> None:
    with pytest.raises(InputError, match="base_urls") as raised:
        call(url)
    assert "pass" not in str(raised.value)

"""A judge's server in a process of its own: always the same answer, at next to no cost. Prints its port.

python benchmarks/stub_judge_server.py
"""

from __future__ import annotations

import asyncio
import json

SAID = "Solution A carries the one, solution B does not.\n[[A]]"
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 0,
    "model": "judge",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAID}},
    ],
    "usage": {"prompt_tokens": 700, "completion_tokens": 14, "total_tokens": 714},
}
MODELS = {"object": "list", "data": [{"id": "judge", "object": "model", "owned_by": "stub"}]}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
            if lengths:
                await reader.readexactly(int(lengths[0].split(b":")[1]))
            writer.write(_response(MODELS if b"/models" in head.split(b"\r\n")[0] else ANSWER))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _response(answer: dict[str, object]) -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

"""What a process and its workers say to each other: length-prefixed JSON, and commands of fixed size.

JSON and not pickle, in both directions: a worker has read hostile text. Should it ever be subverted, JSON
lets it lie about a result, while unpickling its bytes would hand it the parent.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

COMMAND = struct.Struct("!cI")  # SPAWN and 0, or KILL and the pid of a child
SPAWN, KILL = b"S", b"K"
PID = struct.Struct("!I")  # the answer to SPAWN, beside the descriptor of the child's socket
LENGTH = struct.Struct("!I")
MAX_MESSAGE = 64 * 2**20  # far over any verdict: a worker must not fill the parent's memory


class Channel:
    """One end of a stream socket."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._unread = bytearray()

    def send(self, text: str) -> None:
        """Send one JSON text. OSError when the other end is gone."""
        payload = text.encode()
        self.socket.sendall(LENGTH.pack(len(payload)) + payload)

    def receive(self) -> Iterator[Any]:
        """The values that are complete after one read, perhaps none; those before a bad message still come.

        Raises EOFError or OSError when the other end is gone, ValueError or RecursionError when it sends what
        is no message.
        """
        data = self.socket.recv(2**16)
        if not data:
            raise EOFError("the other end is closed")
        self._unread += data
        while (payload := self._next()) is not None:
            yield json.loads(payload)

    def _next(self) -> bytes | None:
        if len(self._unread) < LENGTH.size:
            return None
        end = LENGTH.size + LENGTH.unpack_from(self._unread)[0]
        if end > MAX_MESSAGE:
            raise ValueError(f"a message of {end} bytes; the limit is {MAX_MESSAGE}")
        if len(self._unread) < end:
            return None
        payload = bytes(self._unread[LENGTH.size : end])
        del self._unread[:end]
        return payload

"""The Prefect server of a one-off run, for users who have none of their own.

Prefect can start one itself, but that one outlives a SIGKILL of the command and prints tracebacks
when it stops. This child is started first and comes up while the run is prepared. It watches
a pipe of its parent's: when the parent ends, however it ends, so does the server.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120.0  # a new database takes 10 s on two idle cores, several times that on busy ones
STOP_SECONDS = 10.0

_CHILD = """
import os, signal, sys, threading
import uvicorn

def watch():
    os.read(int(sys.argv[1]), 1)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
uvicorn.run(
    "prefect.server.api.server:create_app",
    factory=True, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", lifespan="on",
)
"""

SETTINGS = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}


class ServerError(RuntimeError):
    """The server of this run did not come up; the message names its log."""


@contextmanager
def prefect_server(log: Path) -> Iterator[Server | None]:
    """A server for the time of the block, unless PREFECT_API_URL names one; `wait` before the first flow."""
    if os.environ.get("PREFECT_API_URL"):
        yield None
        return
    server = Server(log)
    os.environ["PREFECT_API_URL"] = server.url
    try:
        yield server
    finally:
        del os.environ["PREFECT_API_URL"]
        server.stop()


class Server:
    def __init__(self, log: Path) -> None:
        self.log = log
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/api"
        read_end, self._alive = os.pipe()
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(read_end), str(port)],
                pass_fds=(read_end,),
                env=os.environ | SETTINGS,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the run, which then closes the pipe
            )
        os.close(read_end)

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise ServerError(f"the Prefect server of this run did not start; its log is {self.log}")

    def stop(self) -> None:
        os.close(self._alive)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

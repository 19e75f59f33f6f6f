"""A standing Prefect server, a world server, and the `flows` command as a user runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HELPERS = Path(__file__).resolve().parent.parent / "helpers"
ROOT = HELPERS.parent.parent


@dataclass
class WorldServer:
    url: str
    log: Path

    def requests(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, so that a flow run in a test starts in seconds and a killed one leaves no orphan."""
    port = _free_port()
    log = (tmp_path_factory.mktemp("prefect") / "server.log").open("w")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait(lambda: urllib.request.urlopen(f"{url}/health", timeout=2).status == 200, 180)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def world_server(tmp_path: Path) -> Iterator[WorldServer]:
    port_file, log = tmp_path / "port", tmp_path / "server.jsonl"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(HELPERS / "world_server.py"), str(port_file), str(log)]
    process = subprocess.Popen(command, env=environment)
    try:
        _wait(lambda: bool(port_file.read_text()), 60)
        yield WorldServer(f"http://127.0.0.1:{port_file.read_text()}/v1", log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def flows(prefect_url: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `flows ARGS` in an empty folder; stdout and stderr come back as text."""

    def run(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*args), cwd=tmp_path, env=environment, text=True, capture_output=True, **options
        )

    def start(*args: str) -> subprocess.Popen[str]:
        out = (tmp_path / "flows.log").open("a")
        return subprocess.Popen(
            command(*args), cwd=tmp_path, env=environment, stdout=out, stderr=out, start_new_session=True
        )

    def command(*args: str) -> list[str]:
        return [sys.executable, "-m", "flows", *args]

    environment = os.environ | {"PREFECT_API_URL": prefect_url, "PYTHONPATH": str(ROOT)}
    run.start = start  # type: ignore[attr-defined]
    return run


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the server did not come up")
        time.sleep(0.2)

"""A standing Prefect server, a world server, and the `flows` command as a user runs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@dataclass
class Flows:
    """`flows ARGS` in a folder; stdout and stderr come back as text, those of a started one in flows.log."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(args), cwd=self.folder, env=self.environment, text=True, capture_output=True
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        with (self.folder / "flows.log").open("a") as out:
            return subprocess.Popen(
                self._command(args),
                cwd=self.folder,
                env=self.environment,
                text=True,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _command(self, args: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "flows", *args]


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: a flow run in a test starts in seconds, and a killed one leaves no orphan."""
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


@pytest.fixture(scope="session")
def flows_in(prefect_url: str) -> Callable[[Path], Flows]:
    return lambda folder: Flows(
        folder, os.environ | {"PREFECT_API_URL": prefect_url, "PYTHONPATH": str(ROOT)}
    )


@pytest.fixture
def flows(flows_in: Callable[[Path], Flows], tmp_path: Path) -> Flows:
    return flows_in(tmp_path)


@contextmanager
def _world_server(folder: Path) -> Iterator[WorldServer]:
    port_file, log = folder / "port", folder / "server.jsonl"
    command = [sys.executable, str(HELPERS / "world_server.py"), str(port_file), str(log)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        _wait(lambda: bool(port_file.read_text()), 60)
        yield WorldServer(f"http://127.0.0.1:{port_file.read_text()}/v1", log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def world_server(tmp_path: Path) -> Iterator[WorldServer]:
    with _world_server(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldServer]:
    """One server for the tests of a module; each looks only at the requests that its own commands add."""
    with _world_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skips where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


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

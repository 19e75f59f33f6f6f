"""The bootstrap behind `make demo` and `make test`: what it chooses, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def setup_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with its environment in a temporary folder."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    paths = {
        "VENV": venv,
        "VENV_PYTHON": venv / "bin/python",
        "STAMP": venv / "stamp",
        "LOG": venv / "setup.log",
    }
    for name, path in paths.items():
        monkeypatch.setattr(module, name, path)
    return module


def answering(returncode: int, stderr: str = "") -> object:
    return lambda command: subprocess.CompletedProcess(command, returncode, "", stderr)


@pytest.mark.parametrize(
    ("nvidia_smi", "machine", "flags", "engine"),
    [
        (0, "x86_64", {"avx2"}, "gpu"),
        (9, "x86_64", {"avx2"}, "cpu"),  # the driver is installed but finds no GPU
        (None, "x86_64", {"avx2", "avx512f"}, "cpu"),
        (None, "x86_64", {"sse4_2"}, "none"),
        (None, "aarch64", set(), "none"),
    ],
)
def test_the_engine_follows_the_machine(
    setup_env: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    nvidia_smi: int | None,
    machine: str,
    flags: set[str],
    engine: str,
) -> None:
    monkeypatch.setattr(
        setup_env.shutil, "which", lambda _: None if nvidia_smi is None else "/usr/bin/nvidia-smi"
    )
    monkeypatch.setattr(setup_env, "run", answering(nvidia_smi or 0))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(setup_env, "cpu_flags", lambda: flags)
    monkeypatch.setattr(sys, "platform", "linux")
    assert setup_env.find_engine() == engine


def test_a_finished_environment_is_left_alone(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = {"inputs": setup_env.inputs_hash(), "engine": "cpu", "dev": True, "installed": "cpu"}
    setup_env.STAMP.write_text(json.dumps(stamp))
    monkeypatch.setattr(setup_env, "make_venv", lambda: pytest.fail("it was made again"))
    setup_env.set_up("cpu", dev=False)
    setup_env.set_up("cpu", dev=True)


def test_an_engine_that_cannot_be_installed_gives_way(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        fails = any("[cpu" in part for part in command)
        return subprocess.CompletedProcess(command, int(fails), "", "ERROR: no wheel for this platform\n")

    monkeypatch.setattr(setup_env, "run", run)
    assert setup_env.install("cpu", dev=True) == "none"
    assert "no wheel for this platform); continuing with Transformers" in capsys.readouterr().out


def test_without_a_network_it_stops_with_one_line(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_env, "run", answering(1, "Failed to establish a new connection: refused\n"))
    with pytest.raises(setup_env.SetupError, match="no package index can be reached"):
        setup_env.install("cpu", dev=False)


def test_an_old_python_is_named(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(setup_env.SetupError, match=r"Python 3\.11 or newer is needed"):
        setup_env.set_up("cpu", dev=False)

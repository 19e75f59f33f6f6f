"""Settings of the whole test session, made before any library reads them.

Tests run offline, on one thread a process (several test processes share the cores), and keep
Prefect's and the Hub's files in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, so that a red test is never an accident; `tests/verifiers/fuzz.py` explores.
# No deadlines: disk and cores are shared, and the time of one example says nothing.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
SESSION_HOME = Path(tempfile.mkdtemp(prefix="rewardsmith-tests-"))

os.environ.update(
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="PASSIVE",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_XET="1",
    HF_HOME=str(SESSION_HOME / "huggingface"),
    PREFECT_HOME=str(SESSION_HOME / "prefect"),
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
    DO_NOT_TRACK="1",
    VLLM_NO_USAGE_STATS="1",
    VLLM_LOGGING_LEVEL="ERROR",
)
for name in ("HF_TOKEN", "HF_ENDPOINT", "OPENAI_API_KEY", "PREFECT_API_URL"):
    os.environ.pop(name, None)


def pytest_unconfigure() -> None:
    shutil.rmtree(SESSION_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that tests may read and the product never does."""
    folder = Path(os.environ.get("REWARDSMITH_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} does not exist (set REWARDSMITH_SHARED)")
    return folder

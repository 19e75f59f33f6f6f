"""`flows deploy`: register the deployments of prefect.yaml on the Prefect server in use."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from store.errors import InputError


def deploy(args: argparse.Namespace) -> int:
    if not Path("prefect.yaml").is_file():
        raise InputError("there is no prefect.yaml in this folder; run `flows deploy` where it stands")
    if "PREFECT_API_URL" not in os.environ and not _profile_has_server():
        raise InputError(
            "no Prefect server is configured: start one with `prefect server start` and "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    chosen = ["--name", args.name] if args.name else ["--all"]
    return subprocess.call([sys.executable, "-m", "prefect", "--no-prompt", "deploy", *chosen])


def _profile_has_server() -> bool:
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() is not None

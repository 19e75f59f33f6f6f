"""A GPU machine has torch, transformers and pyarrow, and no part of the pipeline."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
for name in ("polars", "prefect", "vllm", "datasets", "openai"):
    sys.modules[name] = None  # importing it now raises ImportError
import trainers, trainers.__main__
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"samplers", "verifiers", "labelers", "curation", "evaluators", "data_cards", "flows"}))
"""


def test_the_trainer_needs_nothing_of_the_pipeline() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"

"""Fixtures of the trainer's tests: tiny random base models, and settings of a short run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import ARCHITECTURES, make_base, sum_rows, write_rows

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make_base(tmp_path_factory.mktemp(name), name) for name in ARCHITECTURES}


@pytest.fixture(scope="session")
def base(bases: dict[str, Path]) -> Path:
    return bases["qwen2"]


@pytest.fixture
def settings(base: Path, tmp_path: Path) -> Callable[..., Any]:
    """TrainConfig of a short run on `sum_rows`; keywords override."""
    from trainers import TrainConfig

    def make(objective: str = "bt", **changes: Any) -> TrainConfig:
        data = tmp_path / f"{objective}.parquet"
        if not data.exists():
            write_rows(data, sum_rows(objective))
        defaults = dict(
            objective=objective,
            model=str(base),
            data=[data],
            output=tmp_path / f"model-{objective}",
            batch_prompts=2,
            row_tokens=256,
            lr=1e-3,
            device="cpu",
        )
        return TrainConfig.model_validate(defaults | changes)

    return make

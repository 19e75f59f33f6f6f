"""The fused kernels against the dense mask, in scores and gradients.

Run with -m gpu; with --noconftest too where hypothesis is not installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import make_base

from store.errors import InputError
from trainers import TrainConfig
from trainers.attention import BACKENDS
from trainers.items import make_items
from trainers.loading import open_base
from trainers.model import RewardModel
from trainers.pack import LabelledTree, Row, make_row
from trainers.trees import build_tree
from trainers.units import Unit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here"),
]
# Heads as wide as the kernels want them; 6 heads to 2, because many models do not have a power of two.
SIZES: dict[str, Any] = {
    "hidden_size": 192,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 2048,
}


def make_rows(seed: int, n_rows: int) -> list[Row]:
    """Rows of trees whose paths span several blocks and fork within them, every tenth token labelled."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_rows):
        trees = []
        for _ in range(3):
            stem = rng.integers(3, 250, rng.integers(20, 400))
            paths = [
                np.concatenate([stem[: rng.integers(10, len(stem) + 1)], rng.integers(3, 250, n)]).astype(
                    np.int32
                )
                for n in rng.integers(5, 200, 5)
            ]
            tree = build_tree(paths)
            at = [np.arange(0, len(path), 10) for path in paths]
            which = np.repeat(np.arange(len(paths)), [len(a) for a in at])
            unit = Unit("", "", tuple(paths), which, np.concatenate(at), make_items([], []))
            index = np.concatenate([tree.paths[p][a] for p, a in enumerate(at)])
            trees.append(LabelledTree(tree, [unit], index))
        rows.append(make_row(trees))
    return rows


def scored(model: RewardModel, rows: list[Row]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Scores of all labels, and the gradients of a weighted sum of them."""
    model.hf.set_attn_implementation(model.backend.implementation)
    model.hf.zero_grad(set_to_none=True)
    scores = []
    for row in rows:
        found = model.outputs(row)[:, 0, 0]
        (found * torch.linspace(-1, 1, len(found), device=found.device)).sum().backward()
        scores.append(found.detach())
    gradients = {name: p.grad for name, p in model.hf.named_parameters() if p.grad is not None}
    return torch.cat(scores), gradients


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-6))


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    folder: Path = make_base(tmp_path_factory.mktemp("wide"), request.param, **SIZES)
    config = TrainConfig(objective="prm", model=str(folder), data=["-"], output="-", attention="dense")
    return replace(open_base(config, torch.device("cuda"), seed=1), row_tokens=2048)


@pytest.mark.parametrize(
    ("attention", "dtype", "largest"),
    # Float32 kernels differ by rounding; in bfloat16 they may be three times as far from float32 as the dense
    # mask is. A token that sees one too many or too few is off by order 1.
    [("flex", "float32", 1e-2), ("flex", "bfloat16", None), ("varlen", "bfloat16", None)],
)
def test_fused_kernels_equal_the_dense_mask(
    model: RewardModel, attention: str, dtype: str, largest: float | None
) -> None:
    rows = make_rows(0, 2)
    exact, exact_gradients = scored(replace(model, backend=BACKENDS["dense"]), rows)
    kind = getattr(torch, dtype)
    dense, dense_gradients = scored(replace(model, backend=BACKENDS["dense"], dtype=kind), rows)
    found, found_gradients = scored(replace(model, backend=BACKENDS[attention], dtype=kind), rows)
    assert found_gradients.keys() == exact_gradients.keys()
    assert off(found, exact) <= (largest or 3 * off(dense, exact) + 1e-2)
    for name, wanted in exact_gradients.items():
        allowed = largest or 3 * off(dense_gradients[name], wanted) + 1e-2
        assert off(found_gradients[name], wanted) <= allowed, name


def test_flex_and_compiled_layers_score_rows_alike(model: RewardModel) -> None:
    rows = make_rows(2, 2)
    flex = replace(model, backend=BACKENDS["flex"], dtype=torch.bfloat16)
    flex.hf.set_attn_implementation(flex.backend.implementation)
    with torch.no_grad():
        plain = [flex.outputs(row) for row in rows]
        for layer in flex.hf.model.layers:
            layer.compile(dynamic=False)
        compiled = [flex.outputs(row) for row in rows]
        for layer in flex.hf.model.layers:
            layer._compiled_call_impl = None  # as it was, for the next test
    for one, other in zip(compiled, plain, strict=True):
        assert off(one, other) < 0.02


def test_varlen_in_float32_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = make_base(tmp_path, "llama", **SIZES)
    config = TrainConfig(objective="bt", model=str(folder), data=["-"], output="-", attention="varlen")
    with pytest.raises(InputError, match="varlen computes in bfloat16 on a GPU"):
        open_base(config, torch.device("cuda"), seed=0)

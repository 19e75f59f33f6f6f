"""The proof of packing: scores and gradients of packed trees equal those of plain right-padded rows.

The reference is the unmodified Hugging Face classification model on a padded batch, with its own eager
attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import ARCHITECTURES
from torch.nn.attention import flex_attention

from trainers import TrainConfig
from trainers.attention import BACKENDS, fill
from trainers.items import make_items
from trainers.loading import open_base
from trainers.model import RewardModel
from trainers.pack import Row, group_by_prompt, make_trees, pack
from trainers.units import Unit

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def flex_with_a_backward_pass() -> Iterator[None]:
    # torch refuses gradients of FlexAttention on a CPU, where no kernel has them. Without its check the
    # operator's mathematical form computes them from the same mask, which is what is to be proved here; the
    # kernels are compared with the dense mask in test_attention_gpu.py.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex_attention, "_validate_device", lambda *args: None)
        yield


@pytest.fixture(scope="module")
def opened(bases: dict[str, Path]) -> Callable[[str, str], RewardModel]:
    """The process reward model on an architecture, with the attention asked for."""
    config = {"objective": "prm", "data": ["-"], "output": "-"}
    models = {
        name: open_base(TrainConfig(model=str(bases[name]), **config), CPU, seed=1) for name in ARCHITECTURES
    }

    def open_with(architecture: str, attention: str) -> RewardModel:
        model = replace(models[architecture], backend=BACKENDS[attention], row_tokens=2048)
        model.hf.set_attn_implementation(model.backend.implementation)
        return model

    return open_with


@st.composite
def labelled_groups(draw: st.DrawFn) -> list[list[Unit]]:
    """Random tries of up to five completions over few tokens, so that prefixes of every length are shared."""
    units = []
    for p in range(draw(st.integers(1, 3))):
        prompt = draw(st.lists(st.integers(3, 200), min_size=2, max_size=20))
        for u in range(draw(st.integers(1, 5))):
            leaf = draw(st.lists(st.integers(3, 5), min_size=1, max_size=40))
            path = np.array([*prompt, *leaf], np.int32)
            n = draw(st.integers(1, 3))
            at = np.sort([draw(st.integers(0, len(path) - 1)) for _ in range(n)])
            units.append(unit(f"{p}.{u}", f"p{p}", path, at))
    return group_by_prompt(units)


def unit(where: str, prompt_id: str, path: np.ndarray, at: np.ndarray) -> Unit:
    n = len(at)
    return Unit(where, prompt_id, (path,), np.zeros(n, np.int64), at, make_items(range(n), [1] * n))


def padded_logits(hf: Any, units: list[Unit]) -> torch.Tensor:
    """Logits of all labels from the Hugging Face token classifier on one right-padded batch."""
    length = max(len(u.paths[0]) for u in units)
    ids = torch.zeros(len(units), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, u in enumerate(units):
        ids[i, : len(u.paths[0])] = torch.from_numpy(u.paths[0])
        mask[i, : len(u.paths[0])] = 1
    hf.set_attn_implementation("eager")
    out = hf(input_ids=ids, attention_mask=mask).logits
    picked = torch.cat([out[i, torch.from_numpy(u.at)] for i, u in enumerate(units)])
    return picked[:, 1] - picked[:, 0]


def gradients(hf: Any, value: torch.Tensor) -> dict[str, torch.Tensor]:
    hf.zero_grad(set_to_none=True)
    value.backward()
    return {name: p.grad.clone() for name, p in hf.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["dense", "segments", "flex", "varlen"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=labelled_groups(), budget=st.integers(64, 200), filled=st.booleans())
def test_packed_trees_equal_padded_rows(
    opened: Callable[[str, str], RewardModel],
    architecture: str,
    attention: str,
    made: list[list[Unit]],
    budget: int,
    filled: bool,
) -> None:
    model = opened(architecture, attention)
    rows = pack([tree for group in made for tree in make_trees(group, budget)], budget)
    units = [u for row in rows for u in row.units]
    if filled:
        rows = [fill(row, 256) for row in rows]
    weights = torch.linspace(-1, 1, sum(len(u.at) for u in units)) + 0.1
    packed = torch.cat([model.outputs(row)[:, 0, 0] for row in rows])
    packed_gradients = gradients(model.hf, (packed * weights).sum())
    plain = padded_logits(model.hf, units)
    plain_gradients = gradients(model.hf, (plain * weights).sum())
    torch.testing.assert_close(packed, plain, rtol=1e-4, atol=2e-5)
    assert packed_gradients.keys() == plain_gradients.keys()
    for name, wanted in plain_gradients.items():
        scale = float(wanted.abs().max())
        torch.testing.assert_close(
            packed_gradients[name], wanted, rtol=1e-3, atol=1e-4 * (1 + scale), msg=name
        )


def long_mixed_row() -> Row:
    rng = np.random.default_rng(0)
    units = []
    for p in range(3):
        prompt = rng.integers(3, 250, 70)
        for u in range(6):
            path = np.concatenate([prompt, rng.integers(3, 5, rng.integers(1, 120))]).astype(np.int32)
            units.append(unit(f"{p}.{u}", f"p{p}", path, np.array([len(path) - 1])))
    (row,) = pack([t for g in group_by_prompt(units) for t in make_trees(g, 2000)], 2000)
    return row


def test_all_attention_backends_agree_on_a_long_mixed_row(
    opened: Callable[[str, str], RewardModel],
) -> None:
    row = long_mixed_row()
    with torch.no_grad():
        scores = {name: opened("llama", name).outputs(row) for name in BACKENDS}
    for name, found in scores.items():
        torch.testing.assert_close(found, scores["dense"], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("attention", ["dense", "segments", "flex", "varlen"])
def test_bfloat16_compute_stays_close_and_keeps_a_float32_head(
    opened: Callable[[str, str], RewardModel], attention: str
) -> None:
    model = opened("qwen3", attention)
    row = fill(long_mixed_row(), 1280)
    with torch.no_grad():
        full, half = model.outputs(row), replace(model, dtype=torch.bfloat16).outputs(row)
    assert half.dtype == torch.float32
    torch.testing.assert_close(full, half, rtol=0.1, atol=0.1)
    assert not torch.equal(full, half)

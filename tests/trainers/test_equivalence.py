"""The proof of packing: scores and gradients of packed trees equal those of plain right-padded rows.

The reference is the unmodified Hugging Face classification model on a padded batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainers import TrainConfig
from trainers.items import make_items
from trainers.loading import open_base
from trainers.pack import group_by_prompt, make_trees, pack
from trainers.units import Unit

ARCHITECTURES = ("llama", "qwen2", "qwen3")
CPU = torch.device("cpu")


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
            units.append(
                Unit(f"{p}.{u}", f"p{p}", (path,), np.zeros(n, np.int64), at, make_items(range(n), [1] * n))
            )
    return group_by_prompt(units)


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


@pytest.fixture(scope="module")
def models(bases: dict[str, Path]) -> dict[tuple[str, str], Any]:
    def make(name: str, attention: str) -> Any:
        config = TrainConfig(
            objective="prm", model=str(bases[name]), data=["-"], output="-", attention=attention
        )
        return open_base(config, CPU, seed=1)

    return {
        (name, attention): make(name, attention)
        for name in ARCHITECTURES
        for attention in ("dense", "segments")
    }


@pytest.mark.parametrize("attention", ["dense", "segments"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=labelled_groups(), budget=st.integers(64, 200))
def test_packed_trees_equal_padded_rows(
    models: dict[tuple[str, str], Any], architecture: str, attention: str, made: list[list[Unit]], budget: int
) -> None:
    model = models[architecture, attention]
    model.hf.set_attn_implementation(model.backend.implementation)
    rows = pack([tree for group in made for tree in make_trees(group, budget)], budget)
    units = [u for row in rows for u in row.units]
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


def test_both_attention_backends_agree_on_a_long_mixed_row(models: dict[tuple[str, str], Any]) -> None:
    rng = np.random.default_rng(0)
    units = []
    for p in range(3):
        prompt = rng.integers(3, 250, 70)
        for u in range(6):
            path = np.concatenate([prompt, rng.integers(3, 5, rng.integers(1, 120))]).astype(np.int32)
            units.append(
                Unit(
                    f"{p}.{u}",
                    f"p{p}",
                    (path,),
                    np.zeros(1, np.int64),
                    np.array([len(path) - 1]),
                    make_items([0], [1]),
                )
            )
    rows = pack([t for g in group_by_prompt(units) for t in make_trees(g, 2000)], 2000)
    assert len(rows) == 1
    with torch.no_grad():
        scores = []
        for attention in ("dense", "segments"):
            model = models["llama", attention]
            model.hf.set_attn_implementation(model.backend.implementation)
            scores.append(model.outputs(rows[0]))
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-4, atol=1e-5)


def test_bfloat16_compute_stays_close_and_keeps_a_float32_head(bases: dict[str, Path]) -> None:
    def logits(dtype: str) -> torch.Tensor:
        config = TrainConfig(objective="bt", model=str(bases["qwen3"]), data=["-"], output="-", dtype=dtype)
        model = open_base(config, CPU, seed=1)
        path = np.arange(3, 90, dtype=np.int32)
        unit = Unit("x", "p", (path,), np.zeros(1, np.int64), np.array([86]), make_items([0], [1]))
        with torch.no_grad():
            return model.outputs(pack(make_trees([unit], 200), 200)[0])

    full, half = logits("float32"), logits("bfloat16")
    assert half.dtype == torch.float32
    torch.testing.assert_close(full, half, rtol=0.1, atol=0.02)

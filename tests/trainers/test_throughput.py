"""FLOP counts against a hand count and against torch's own counter; rates of known steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import SIZES
from torch.utils.flop_counter import FlopCounterMode

from trainers import TrainConfig, train
from trainers.loading import open_base
from trainers.model import RewardModel
from trainers.throughput import PEAK_FLOPS, Speed, Work, peak_memory_gib, speed_of

CPU = torch.device("cpu")


def opened(base: Path, **changes: Any) -> RewardModel:
    config = TrainConfig(objective="bt", model=str(base), data=[base], output=base, **changes)
    return open_base(config, CPU, 0)


def matrix_weights(layers: int = SIZES["num_hidden_layers"]) -> int:
    """Of the tiny Llama: q and o (32·32), k and v (32·16), three of the MLP (32·64), and the head (32)."""
    return layers * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) + 32


def test_weights_that_are_only_looked_up_cost_nothing(bases: dict[str, Path]) -> None:
    speed = speed_of(opened(bases["llama"]))
    assert speed.flops_per_token == 6 * matrix_weights()
    assert speed.flops_per_attended == 12 * 2 * 4 * 8  # layers, heads, head width


def test_frozen_weights_have_no_gradient_of_their_own(bases: dict[str, Path]) -> None:
    model = opened(bases["llama"])
    model.hf.base_model.requires_grad_(False)
    assert speed_of(model).flops_per_token == 4 * matrix_weights() + 2 * 32


def test_the_count_is_torchs_own_for_one_plain_row(bases: dict[str, Path]) -> None:
    """One dense row of n tokens without sharing; torch counts the whole square of attention, here as if every
    token attended to all n."""
    model = opened(bases["llama"])
    n = 24
    ids = torch.arange(n)[None] + 5
    mask = torch.ones(1, 1, n, n, dtype=torch.bool).tril()
    model.hf.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        hidden = model.hf.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        torch.nn.functional.linear(hidden, model.hf.score.weight).sum().backward()
    speed = speed_of(model)
    ours = speed.flops_per_token * n + speed.flops_per_attended * n * n
    assert counter.get_total_flops() == ours


def test_rates_of_steps_are_their_sums_over_their_time() -> None:
    work = Work()
    work.add(tokens=100, path_tokens=300, attended=1000, seconds=0.5)
    work.add(tokens=300, path_tokens=500, attended=3000, seconds=1.5)
    rates = Speed(flops_per_token=10.0, flops_per_attended=1.0, peak=16_000.0).rates(work)
    assert rates == {
        "seconds_per_step": 1.0,
        "tokens_per_second": 200.0,
        "path_tokens_per_second": 400.0,
        "sharing": 2.0,
        "mfu": (400 * 10 + 4000) / 2 / 16_000,
    }


def test_there_is_no_utilisation_on_a_cpu(bases: dict[str, Path]) -> None:
    assert speed_of(opened(bases["llama"], dtype="bfloat16")).peak is None


def test_every_known_gpu_has_the_peak_of_its_own_form() -> None:
    def peak(name: str) -> float:
        return next(value for known, value in PEAK_FLOPS.items() if known in name)

    names = [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA H100 PCIe",
        "NVIDIA H100 NVL",
        "NVIDIA H200",
        "NVIDIA A100-SXM4-80GB",
    ]
    assert [peak(name) / 1e12 for name in names] == [989, 756, 835, 989, 312]


def test_peak_memory_is_at_least_what_was_just_held() -> None:
    held = np.ones(2**26, np.uint8)  # 1/16 GiB
    assert peak_memory_gib(CPU) > held.nbytes / 2**30


@pytest.mark.gpu
def test_a_known_gpu_has_a_utilisation_between_none_and_all(settings: Callable[..., TrainConfig]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    events: list[dict[str, Any]] = []
    train(settings("bt", device="cuda", dtype="bfloat16"), events.append)
    steps = [event for event in events if "mfu" in event]
    known = any(name in torch.cuda.get_device_name() for name in PEAK_FLOPS)
    assert all(0 < event["mfu"] < 1 if known else event["mfu"] is None for event in steps)
    assert 0 < peak_memory_gib(torch.device("cuda")) < 80

"""Recomputed activations and compiled layers: the same gradients, by less memory or in other code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_base
from torch.utils._python_dispatch import TorchDispatchMode

from trainers import TrainConfig, train
from trainers.distributed import Ranks
from trainers.loading import open_base
from trainers.losses import choose_loss
from trainers.memory import decoder_layers, prepare_layers
from trainers.model import RewardModel
from trainers.network import Network
from trainers.pack import Row, make_trees, pack
from trainers.plan import make_plan
from trainers.step import backward

CPU = torch.device("cpu")
aten = torch.ops.aten


class Counted(TorchDispatchMode):
    """How often each operator runs."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[Any, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.times[func] = self.times.get(func, 0) + 1
        return func(*args, **(kwargs or {}))


def opened(config: TrainConfig) -> tuple[RewardModel, list[Row]]:
    model = open_base(config, CPU, 0)
    plan = make_plan(config, model)
    model.row_tokens, model.compiled = config.row_tokens, config.compile
    prepare_layers(model.hf, config)
    return model, pack([t for g in plan.groups for t in make_trees(g, config.row_tokens)], config.row_tokens)


def gradient(model: RewardModel, rows: list[Row], config: TrainConfig) -> tuple[float, torch.Tensor]:
    model.hf.zero_grad()
    loss = backward(Network(model), rows, choose_loss(config), 0.0, Ranks())
    return loss.item(), torch.cat([p.grad.flatten() for p in model.hf.parameters() if p.grad is not None])


@pytest.mark.parametrize("attention", ["dense", "segments", "varlen"])
@pytest.mark.parametrize("checkpointing", ["selective", "full"])
def test_recomputed_activations_give_the_same_gradients(
    settings: Callable[..., TrainConfig], checkpointing: str, attention: str
) -> None:
    plain, other = (settings("prm", attention=attention, checkpointing=c) for c in ("none", checkpointing))
    expected, found = (gradient(*opened(config), config) for config in (plain, other))
    assert found[0] == expected[0]
    assert torch.equal(found[1], expected[1])


def test_selective_repeats_what_is_cheap_and_full_everything(settings: Callable[..., TrainConfig]) -> None:
    counts = {}
    for checkpointing in ("none", "selective", "full"):
        config = settings("bt", attention="dense", checkpointing=checkpointing)
        model, rows = opened(config)
        counted = Counted()
        with counted:
            gradient(model, rows[:1], config)
        products = counted.times[aten.mm.default] + counted.times[aten.addmm.default]  # without and with bias
        counts[checkpointing] = (products, counted.times[aten.silu.default])
    layers = len(decoder_layers(model.hf))
    products, activations = counts["none"]
    assert activations == layers
    assert counts["selective"] == (products, 2 * layers)
    # Of a layer's seven products, the last one's result is needed by nothing in its own backward pass.
    assert counts["full"] == (products + 6 * layers, 2 * layers)


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", ["none", "selective"])
def test_compiled_layers_give_the_same_gradients_and_are_compiled_once(
    settings: Callable[..., TrainConfig], checkpointing: str
) -> None:
    plain = settings("bt", attention="dense")
    compiled = settings("bt", attention="dense", compile=True, checkpointing=checkpointing, row_tokens=128)
    expected = gradient(*opened(plain), plain)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model, rows = opened(compiled)
    found = gradient(model, rows, compiled)
    assert len({len(row) for row in rows}) > 1  # all filled up to one length
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-3, atol=1e-5)


def test_a_run_that_recomputes_is_the_run_that_does_not(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    plain = train(settings("orm", output=tmp_path / "plain"))
    other = train(settings("orm", output=tmp_path / "other", checkpointing="selective"))
    assert other.losses == plain.losses


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("attention", ["dense", "flex", "varlen"])
def test_on_a_gpu_bfloat16_training_follows_the_cpus(
    settings: Callable[..., TrainConfig], tmp_path: Path, attention: str, compiled: bool
) -> None:
    """Weights sharded over one process, activations recomputed, layers compiled or not."""
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    base = make_base(tmp_path / "base", hidden_size=64, head_dim=32, initializer_range=0.05)
    changes: dict[str, Any] = {"model": str(base), "epochs": 4, "row_tokens": 512}
    expected = train(settings("bt", output=tmp_path / "cpu", **changes))
    changes |= {"device": "cuda", "dtype": "bfloat16", "attention": attention, "compile": compiled}
    found = train(settings("bt", output=tmp_path / "gpu", checkpointing="selective", **changes))
    assert found.losses == pytest.approx(expected.losses, rel=0.05)
    assert found.held_out["loss"] == pytest.approx(expected.held_out["loss"], rel=0.05)

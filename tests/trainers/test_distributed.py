"""Two processes with gloo: the single process's losses and weights, also after all were killed."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tiny_models import sum_rows, write_rows
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from two_processes import launch

from trainers import TrainConfig, TrainResult, train
from trainers.assembly import build
from trainers.distributed import FILLER, Ranks
from trainers.loading import open_base
from trainers.losses import choose_loss
from trainers.model import EXTRAS
from trainers.pack import Row, make_trees, pack
from trainers.plan import make_plan
from trainers.step import backward


def test_two_processes_killed_and_resumed_train_what_one_trains(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "row_tokens": 48,  # one completion a row: every pair is cut over both processes
        "batch_prompts": 1,
        "epochs": 2,
        "checkpoint_every": 2,
    }
    rows = sum_rows("bt", 9, per_prompt=3)
    changes["data"] = [write_rows(tmp_path / "bt.parquet", rows)]
    flipped = [
        row | {"chosen": row["rejected"], "rejected": row["chosen"], "prompt_id": "other"} for row in rows[:3]
    ]
    changes["eval_data"] = [write_rows(tmp_path / "opposite.parquet", flipped)]  # the first epoch is the best
    alone = train(settings("bt", output=tmp_path / "alone", **changes))
    config = settings("bt", output=tmp_path / "two", **changes)
    killed = launch(config, tmp_path, kill_at=alone.steps - 1)
    assert killed[0][0] == -signal.SIGKILL and killed[1][0] not in (0, None), killed
    assert not config.output.exists()
    shutil.copytree(tmp_path / "two.partial", tmp_path / "one.partial")
    resumed = launch(config, tmp_path)
    assert [code for code, _ in resumed] == [0, 0], resumed
    assert "step 1\n" not in resumed[0][1] and f"step {alone.steps}\n" in resumed[0][1]  # it went on
    assert resumed[1][1] == ""  # one process speaks
    assert alone.best_eval == 0
    same(train(config), alone)  # what the finished run recorded
    same(train(settings("bt", output=tmp_path / "one", **changes)), alone)  # one process goes on for two


def same(found: TrainResult, alone: TrainResult) -> None:
    """Sums over processes have another order, and Adam turns a rounding error of a tiny gradient into a step:
    close, not equal."""
    np.testing.assert_allclose(found.losses, alone.losses, rtol=1e-4)
    np.testing.assert_allclose(found.grad_norms, alone.grad_norms, rtol=1e-3)
    assert (found.counts, found.n_tokens) == (alone.counts, alone.n_tokens)
    assert found.best_eval == alone.best_eval
    ours, theirs = (load_file(result.output / "model.safetensors") for result in (found, alone))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-2, atol=1e-4, msg=name)
    facts, known = (json.loads((r.output / "config.json").read_text()) for r in (found, alone))
    moments, expected = (f.pop(EXTRAS) for f in (facts, known))
    assert facts == known
    for name in ("reward_mean", "reward_std"):
        assert moments[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-5)


@pytest.fixture
def mesh() -> Iterator[DeviceMesh]:
    """This process as a group of one, as `ranks` makes it on a GPU."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        ("bt", {"row_tokens": 48}),
        ("prm", {"lora": {"rank": 4}, "checkpointing": "full"}),
        ("orm", {"lm_coef": 0.3, "checkpointing": "selective"}),
        ("orm", {"lm_coef": 0.3, "lora": {"rank": 4}}),
    ],
)
def test_sharded_weights_have_the_gradients_of_whole_ones(
    settings: Callable[..., TrainConfig],
    mesh: DeviceMesh,
    objective: str,
    changes: dict[str, Any],
    dtype: str,
) -> None:
    config = settings(objective, **changes)

    def gradients(compute: str, sharded: bool) -> tuple[float, dict[str, torch.Tensor]]:
        model = open_base(config.model_copy(update={"dtype": compute}), torch.device("cpu"), 0)
        plan = make_plan(config, model)
        network, _ = build(config, model, Ranks(mesh=mesh if sharded else None))
        rows = pack([t for g in plan.groups for t in make_trees(g, config.row_tokens)], config.row_tokens)
        loss = backward(network, rows, choose_loss(config), config.lm_coef, Ranks())
        found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        whole = {n: g.full_tensor() if sharded else g for n, g in found.items()}  # type: ignore[operator]
        return loss.item(), whole

    expected, found = gradients("float32", False), gradients(dtype, True)
    assert found[1].keys() == expected[1].keys()
    assert all(gradient.dtype == torch.float32 for gradient in found[1].values())
    assert found[0] == pytest.approx(expected[0], rel=1e-6 if dtype == "float32" else 2e-2)
    for name, gradient in expected[1].items():
        error = (found[1][name] - gradient).norm() / (gradient.norm() + 1e-3)
        assert error < (1e-4 if dtype == "float32" else 0.1), name


def test_two_processes_train_adapters_heads_and_a_language_model_head(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"lora": {"rank": 4}, "heads": 2, "lm_coef": 0.1, "row_tokens": 128}
    alone = train(settings("orm", output=tmp_path / "alone", **changes))
    config = settings("orm", output=tmp_path / "two", **changes)
    assert [code for code, _ in launch(config, tmp_path)] == [0, 0]
    same(train(config), alone)
    ours, theirs = (
        load_file(folder / "adapter" / "adapter_model.safetensors")
        for folder in (config.output, alone.output)
    )
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-2, atol=1e-4, msg=name)


def test_processes_that_plan_other_steps_are_told_so(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    found = launch(settings("bt"), tmp_path, other_seed=1)
    assert [code for code, _ in found] == [1, 1]  # and neither waits for the other
    assert all("process 1 has other data or settings than process 0" in told for _, told in found)


@pytest.mark.parametrize("n", [0, 1, 5, 6])
def test_rows_are_dealt_evenly_and_their_results_come_back_in_order(n: int) -> None:
    rows: list[Row] = [FILLER] * n
    shares = [Ranks(rank, 3).share(rows) for rank in range(3)]
    assert {len(share) for share in shares} == {-(-n // 3)}
    marks = list(range(n))
    dealt = [Ranks(rank, 3).share(marks) for rank in range(3)]  # type: ignore[arg-type]
    assert sorted(m for share in dealt for m in share if m is not FILLER) == marks


def test_filler_has_no_labels_and_no_weight() -> None:
    assert len(FILLER) == 1 and len(FILLER.items) == 0 and FILLER.n_path_tokens == 0

"""Steps cut into rows: the gradient is that of one row that holds everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_models import user, write_rows

from trainers import TrainConfig
from trainers.distributed import Ranks
from trainers.loading import open_base
from trainers.losses import choose_loss
from trainers.network import Network
from trainers.pack import make_trees, pack
from trainers.plan import make_plan
from trainers.split import is_split
from trainers.step import backward

CPU = torch.device("cpu")
Found = tuple[float, torch.Tensor, list[bool]]  # loss, gradient, and whether each row holds a part of a unit


def loss_and_gradient(config: TrainConfig) -> Found:
    model = open_base(config, CPU, 0)
    plan = make_plan(config, model)
    rows = pack([t for g in plan.groups for t in make_trees(g, config.row_tokens)], config.row_tokens)
    loss = backward(Network(model), rows, choose_loss(config), 0.0, Ranks())
    gradient = torch.cat([p.grad.flatten() for p in model.hf.parameters() if p.grad is not None])
    return loss.item(), gradient, [is_split(row) for row in rows]


@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        ("bt", {}),
        ("bt", {"centering": 0.1, "label_smoothing": 0.1, "margin_scale": 1.0}),
        ("bt", {"heads": 3}),
        ("orm", {}),
        ("prm", {"prm_target": "soft"}),
    ],
)
def test_how_a_step_falls_into_rows_does_not_change_its_gradient(
    settings: Callable[..., TrainConfig], objective: str, changes: dict[str, object]
) -> None:
    found = []
    tight = 48 if objective == "bt" else 60  # room for one completion: pairs are cut in two
    for budget in (tight, 160, 4000):
        config = settings(objective, row_tokens=budget, max_tokens=tight, **changes)
        found.append(loss_and_gradient(config))
    assert any(found[0][2]) == (objective == "bt") and found[-1][2] == [False]
    for loss, gradient, _ in found[:2]:
        same(loss, gradient, found[-1])


@pytest.mark.parametrize("loss_name", ["pairs", "plackett-luce"])
def test_a_ranking_above_the_row_is_cut_and_trained_as_one(
    settings: Callable[..., TrainConfig], tmp_path: Path, loss_name: str
) -> None:
    rows = [
        {
            "prompt": user(f"What is {i}+3?"),
            "completions": [f"{k} or {i + 3}?" for k in range(5)],
            "scores": [0.5 * k for k in range(5)],
        }
        for i in range(3)
    ]
    data = write_rows(tmp_path / "ranking.parquet", rows)
    cut = loss_and_gradient(settings("bt", data=[data], row_tokens=56, loss=loss_name, eval_fraction=0))
    whole = loss_and_gradient(settings("bt", data=[data], row_tokens=4000, loss=loss_name, eval_fraction=0))
    assert all(cut[2]) and len(cut[2]) > 3 and whole[2] == [False]
    same(cut[0], cut[1], whole)


def same(loss: float, gradient: torch.Tensor, other: Found) -> None:
    assert loss == pytest.approx(other[0], rel=1e-6)
    torch.testing.assert_close(gradient, other[1], rtol=1e-4, atol=1e-6)

"""Every loss through the whole trainer: it starts where an untrained head should, and it learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import assistant, sum_rows, user, write_rows

from trainers import TrainConfig, train
from trainers.evaluate import pack_all
from trainers.loading import open_trained
from trainers.plan import make_plan

CPU = torch.device("cpu")
Settings = Callable[..., TrainConfig]
LN2 = math.log(2)


WORTH = {"good": 2.0, "fair": 1.0, "poor": 0.0, "bad": 0.0}  # the answers of every prompt; two are tied


def prompts() -> list[list[dict[str, str]]]:
    return [user(f"How is number {i}?") for i in range(8)]


def rankings(folder: Path) -> Path:
    answers = {"completions": list(WORTH), "scores": list(WORTH.values())}
    return write_rows(folder / "rankings.parquet", [{"prompt": prompt, **answers} for prompt in prompts()])


def attributes(folder: Path) -> Path:
    """What an answer is worth and the number of its letters, with many empty cells."""
    rows = [
        {
            "prompt": prompt,
            "completion": assistant(text),
            "worth": None if text == "fair" else worth,
            "letters": None if text == "bad" else len(text),
        }
        for prompt in prompts()
        for text, worth in WORTH.items()
    ]
    return write_rows(folder / "attributes.parquet", rows)


def ratings(folder: Path) -> Path:
    rows = [
        {"prompt": prompt, "completions": [f"{text}\n"], "ratings": [int(worth) - 1]}
        for prompt in prompts()
        for text, worth in WORTH.items()
    ]
    return write_rows(folder / "ratings.parquet", rows)


# An untrained head says nearly the same of everything: ln 2 for a comparison, ln 4 + ln 3 + 2 ln 2 for an
# order of four whose last two are tied, ln 3 for three classes, the squares of 2, 0, 0 and 4, 4, 4 for the
# attributes. A tie costs ln 2, or 2 ln 2 in an order, to the end; one pair in six is tied.
@pytest.mark.parametrize(
    ("objective", "make", "changes", "start", "floor"),
    [
        ("bt", rankings, {}, LN2, LN2 / 6),
        ("bt", rankings, {"loss": "plackett-luce"}, math.log(4) + math.log(3) + 2 * LN2, 2 * LN2),
        ("prm", ratings, {"prm_target": "ratings"}, math.log(3), 0),
        ("regression", attributes, {"attributes": ["worth", "letters"]}, (4 + 3 * 16) / 6, 0),
    ],
    ids=["pairs", "order", "classes", "attributes"],
)
def test_a_loss_starts_where_ignorance_does_and_falls(
    settings: Settings,
    tmp_path: Path,
    objective: str,
    make: Callable[[Path], Path],
    changes: dict[str, Any],
    start: float,
    floor: float,
) -> None:
    whole = {"data": [make(tmp_path)], "batch_prompts": 8, "epochs": 30, "eval_fraction": 0.0, "lr": 3e-3}
    losses = train(settings(objective, **whole, **changes)).losses
    assert losses[0] == pytest.approx(start, rel=0.1)
    assert floor < losses[-1] < floor + 0.5 * (start - floor)


def test_heads_learn_from_different_samples_and_agree_on_what_is_clear(
    settings: Settings, tmp_path: Path
) -> None:
    config = settings("bt", data=[rankings(tmp_path)], epochs=8, eval_fraction=0.0, lr=3e-3, heads=3)
    train(config)
    model = open_trained(config.output, CPU)
    plan = make_plan(config, model)
    units = [unit for group in plan.groups for unit in group]
    copies = np.concatenate([unit.items.copies for unit in units])
    assert copies.shape[1] == 3 and len({tuple(column) for column in copies.T}) == 3
    with torch.no_grad():
        for row in pack_all(units, 256):
            outputs = model.outputs(row)[:, :, 0]
            assert outputs.std(1).min() > 1e-3  # no two heads are one
            best, worst = (outputs[row.items.member[:, side]] for side in (0, 1))
            clear = torch.from_numpy(row.items.target[:, 0] == 1)
            assert ((best > worst)[clear].float().mean(0) > 0.7).all()


def test_the_joint_objective_adds_the_language_loss_and_lowers_it(settings: Settings, tmp_path: Path) -> None:
    changes = {"epochs": 6, "eval_fraction": 0.0, "lr": 3e-3}
    alone = train(settings("orm", **changes, output=tmp_path / "alone"))
    joint = train(settings("orm", **changes, output=tmp_path / "joint", lm_coef=0.5))
    language = [2 * (j - a) for j, a in zip(joint.losses, alone.losses, strict=True)]
    # The tiny models' first guesses are random and sharper than uniform: at least ln 300 a token.
    assert language[0] > math.log(300) - 0.5
    assert language[-1] < 0.7 * language[0]


def test_the_joint_objective_does_not_hang_on_how_rows_are_packed(settings: Settings, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.parquet", sum_rows("orm", 16))
    found = [
        train(
            settings(
                "orm",
                data=[rows],
                lm_coef=0.5,
                eval_fraction=0.0,
                row_tokens=budget,
                max_tokens=96,
                output=out,
            )
        ).losses
        for budget, out in ((96, tmp_path / "many"), (1000, tmp_path / "one"))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4)

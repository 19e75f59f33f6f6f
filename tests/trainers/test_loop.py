"""The loop: kills, order, denominators, and that it learns."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import sum_rows, write_rows

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.evaluate import evaluate
from trainers.loading import open_base, open_trained
from trainers.losses import choose_loss
from trainers.plan import batches, make_plan, rate, split_by_prompt

CPU = torch.device("cpu")
KILLED = """
import os, signal, sys
from trainers import train
from trainers.config import read_config
from pathlib import Path

def report(event):
    if event.get("step") == {step}:
        os.kill(os.getpid(), signal.SIGKILL)

train(read_config(Path(sys.argv[1])), report)
"""


def run_killed(config: TrainConfig, step: int, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(config.model_dump_json())  # JSON is YAML
    done = subprocess.run([sys.executable, "-c", KILLED.format(step=step), str(path)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def interrupt_at(step: int) -> Callable[[dict[str, Any]], None]:
    def report(event: dict[str, Any]) -> None:
        if event.get("step") == step:
            raise KeyboardInterrupt

    return report


def same_files(a: Path, b: Path) -> None:
    names = sorted(p.name for p in a.iterdir())
    assert names == sorted(p.name for p in b.iterdir())
    for name in set(names) - {"log.jsonl"}:  # which has wall times
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_a_killed_run_ends_bit_for_bit_like_an_undisturbed_one(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"epochs": 2, "checkpoint_every": 2, "eval_fraction": 0.2, "warmup": 0.2}
    whole = train(settings("prm", output=tmp_path / "whole", **changes))
    config = settings("prm", output=tmp_path / "killed", **changes)
    with pytest.raises(KeyboardInterrupt):
        train(config, interrupt_at(1))  # before the first resume point
    run_killed(config, whole.steps - 1, tmp_path)  # and in the second epoch
    assert [*(tmp_path / "killed.partial").glob("point-*")]
    assert not config.output.exists()
    (tmp_path / "killed.partial" / "point-000000099.tmp").mkdir()  # killed while it wrote a point
    steps = []
    resumed = train(config, lambda event: steps.append(event.get("step")))
    assert min(s for s in steps if s) > 2  # it went on, it did not start again
    assert resumed.losses == whole.losses
    assert resumed.grad_norms == whole.grad_norms
    assert resumed.evals == whole.evals
    same_files(whole.output, resumed.output)
    assert not (tmp_path / "killed.partial").exists()


def test_a_finished_run_is_returned_and_what_a_kill_left_of_it_is_removed(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = settings("bt", checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(config, interrupt_at(2))
    partial = tmp_path / "model-bt.partial"
    shutil.copytree(partial, tmp_path / "kept")
    first = train(config)
    (tmp_path / "kept").rename(partial)  # as if killed when the model was in place already
    again = train(config, lambda event: pytest.fail("it trained again"))
    assert again.losses == first.losses and again.held_out == first.held_out
    assert not partial.exists()


def test_other_settings_do_not_overwrite_or_mix_with_a_run(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    train(settings("bt"))
    with pytest.raises(InputError, match=r"a model of other settings \(lr\)"):
        train(settings("bt", lr=5e-4))
    with pytest.raises(KeyboardInterrupt):
        train(settings("orm", checkpoint_every=1), interrupt_at(2))
    with pytest.raises(InputError, match=r"interrupted run with other settings \(lr\)"):
        train(settings("orm", lr=5e-4))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="no finished training"):
        train(settings("bt", output=tmp_path / "mine"))


def test_the_order_of_the_input_rows_changes_nothing(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    rows = sum_rows("orm", 24)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(24)]
    (tmp_path / "b").mkdir()
    first = train(settings("orm"))
    data = write_rows(tmp_path / "b" / "orm.parquet", shuffled)
    second = train(settings("orm", data=[data], output=tmp_path / "b" / "model"))
    assert first.losses == second.losses
    same_files(first.output, second.output)


def test_epochs_visit_every_group_once_in_an_order_of_their_own(
    settings: Callable[..., TrainConfig],
) -> None:
    sizes = np.arange(10, 20)

    def order(seed: int, epoch: int) -> list[int]:
        steps = batches(sizes, settings("orm", batch_prompts=4, seed=seed), epoch)
        assert [len(step) for step in steps] == [4, 4, 2]
        return np.concatenate(steps).tolist()

    assert order(0, 0) == order(0, 0)
    assert sorted(order(0, 0)) == sorted(order(0, 1)) == list(range(10))
    assert len({tuple(order(0, 0)), tuple(order(0, 1)), tuple(order(1, 0))}) == 3


def test_a_step_in_tokens_takes_the_prompts_that_fit(settings: Callable[..., TrainConfig]) -> None:
    sizes = np.random.default_rng(0).integers(5, 60, 200)
    sizes[7] = 500  # above the budget: a step of its own
    steps = batches(sizes, settings("orm").model_copy(update={"batch_tokens": 100}), 0)
    assert sorted(np.concatenate(steps)) == list(range(200))
    held = [sizes[step].sum() for step in steps]
    assert all(total <= 100 or len(step) == 1 for total, step in zip(held, steps, strict=True))
    following = [sizes[step[0]] for step in steps[1:]]
    assert all(a + b > 100 for a, b in zip(held[:-1], following, strict=True))  # none would have fitted


@pytest.mark.parametrize("objective", ["bt", "orm", "prm"])
def test_training_lowers_the_loss(settings: Callable[..., TrainConfig], objective: str) -> None:
    result = train(settings(objective, epochs=12, eval_fraction=0.0, lr=3e-3))
    assert abs(result.losses[0] - np.log(2)) < 0.1
    assert np.mean(result.losses[-3:]) < 0.8 * result.losses[0]


def test_flipped_labels_turn_the_order_around(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    rows = sum_rows("bt", 24)
    flipped = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    test = write_rows(tmp_path / "test.parquet", [row | {"prompt_id": "other"} for row in rows])
    train_on = write_rows(tmp_path / "flipped.parquet", flipped)
    result = train(settings("bt", data=[train_on], eval_data=[test], epochs=12, lr=3e-3))
    assert result.evals[-1]["accuracy"] < 0.3


def test_a_run_that_gets_no_better_stops_and_its_best_weights_are_saved(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    rows = sum_rows("bt", 24)
    flipped = [
        row | {"chosen": row["rejected"], "rejected": row["chosen"], "prompt_id": "other"} for row in rows
    ]
    held_out = write_rows(tmp_path / "opposite.parquet", flipped)  # training only makes this worse
    changes: dict[str, Any] = {"eval_data": [held_out], "epochs": 6, "lr": 3e-3, "eval_every": 2}
    whole = train(settings("bt", output=tmp_path / "whole", **changes))
    assert whole.eval_steps == [*range(2, whole.steps + 1, 2)] and whole.steps == 18
    result = train(settings("bt", output=tmp_path / "stopped", early_stop=2, **changes))
    assert len(result.evals) - 1 - result.best_eval == 2
    assert result.steps == result.eval_steps[-1] < whole.steps
    assert result.evals == whole.evals[: len(result.evals)]
    assert result.n_tokens < whole.n_tokens
    best = result.evals[result.best_eval]
    assert best["accuracy"] > result.evals[-1]["accuracy"]
    again = open_trained(result.output, CPU, row_tokens=256)
    plan = make_plan(settings("bt", output=tmp_path / "again", **changes), again)
    found = evaluate(again, plan.eval_rows, choose_loss(plan.config))
    assert found["accuracy"] == best["accuracy"]
    assert found["loss"] == pytest.approx(best["loss"], rel=1e-6)


def test_a_loss_that_is_not_finite_stops_and_names_the_rows(settings: Callable[..., TrainConfig]) -> None:
    for changes in ({}, {"row_tokens": 48}):  # in the second every pair is cut in two
        with pytest.raises(
            InputError, match=r"step \d+: loss or gradient is not a finite number at .*bt.parquet row \d+"
        ):
            train(settings("bt", lr=1e30, epochs=3, **changes))
        shutil.rmtree(settings("bt").output.with_suffix(".partial"))


def test_the_learning_rate_rises_falls_and_stops_at_its_floor() -> None:
    config = TrainConfig(objective="bt", model="-", data=["-"], output="-", lr=1.0, warmup=0.1)
    rates = [rate(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.1 + 0.9 * 0.5)  # half way down the cosine
    assert rates[9:] == sorted(rates[9:], reverse=True) and 0.1 < rates[99] < 0.101
    linear = config.model_copy(update={"schedule": "linear"})
    assert rate(55, 100, linear) == pytest.approx(0.1 + 0.9 * 0.5)


def test_prompts_are_held_out_by_their_id_alone(settings: Callable[..., TrainConfig]) -> None:
    from trainers.data import read_examples

    examples = read_examples(settings("orm").data, settings("orm"))
    kept, held = split_by_prompt(examples, 0.5)
    assert {e.prompt_id for e in kept}.isdisjoint(e.prompt_id for e in held)
    assert (len(kept), len(held)) == (12, 12)  # three of six prompts, four rows each
    assert split_by_prompt(examples[::-1], 0.5)[1] == held[::-1]
    assert len(split_by_prompt(examples, 0.01)[1]) == 4  # never nothing when something was asked for
    assert split_by_prompt(examples, 0.0)[1] == []


def test_prompts_that_are_held_out_are_not_trained_on(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    rows = sum_rows("orm", 24)
    held_out = write_rows(tmp_path / "held_out.parquet", rows[:8])  # two of the six prompts
    config = settings("orm", eval_data=[held_out])
    plan = make_plan(config, open_base(config, CPU, 0))
    assert plan.counts == {"rows": 24, "used": 16, "held_out_prompt": 8}
    trained = {unit.prompt_id for group in plan.groups for unit in group}
    assert trained == {"p002", "p003", "p004", "p005"}
    alone = write_rows(tmp_path / "alone.parquet", rows[:8])
    with pytest.raises(InputError, match="'held_out_prompt': 8"):
        make_plan(settings("orm", data=[alone], eval_data=[held_out]), open_base(config, CPU, 0))


def test_where_nothing_is_held_out_rewards_are_calibrated_on_whole_training_solutions(
    settings: Callable[..., TrainConfig],
) -> None:
    config = settings("orm", eval_fraction=0, orm_target="token", heads=2)
    plan = make_plan(config, open_base(config, CPU, 0))
    units = [unit for row in plan.calibration for unit in row.units]
    assert len(units) == 24 and all(len(unit.at) == 1 for unit in units)
    assert all((unit.items.copies == 1).all() for unit in units)


def test_the_command_trains_and_says_what_it_did(
    settings: Callable[..., TrainConfig], tmp_path: Path, capsys: Any
) -> None:
    from trainers.__main__ import main

    path = tmp_path / "config.yaml"
    path.write_text(settings("prm", eval_fraction=0.3).model_dump_json())
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "16 of 16 rows used" in out and "auroc" in out and "tokens/s" in out
    path.write_text("objective: prm\nmodle: x\n")
    assert main([str(path)]) == 2
    assert "nearest setting: model" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_scores(settings: Callable[..., TrainConfig]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    scores = []
    for device in ("cpu", "cuda"):
        config = settings("prm", device=device)
        model = open_base(config, torch.device(device), 0)
        with torch.no_grad():
            scores.append(
                torch.cat([model.outputs(row).cpu() for row in make_plan(config, model).calibration])
            )
    torch.testing.assert_close(*scores, rtol=1e-3, atol=1e-4)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    assert np.isfinite(train(settings("prm", device="cuda", dtype="bfloat16", epochs=2)).losses).all()

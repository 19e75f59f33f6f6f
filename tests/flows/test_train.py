"""The training stage: what a recipe says reaches the trainer, and what training tells reaches the report."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tiny_models import make_base, sum_rows, user

from flows.build import set_file
from flows.recipe import Recipe
from flows.recipe.sets import TrainStage
from flows.train import CURVE_POINTS, _curve, stages
from store.tables import RANKING
from trainers import TrainConfig, TrainResult


def recipe(base: Path | str, **train: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "engine": {"model": "embedded"},
            "prompts": {"source": "world", "n_train": 4, "n_test": 2},
            "sample": {"n": 2},
            "build": {"sets": ["preference", "ranking", "outcome"]},
            "train": {"base": str(base), **train},
        }
    )


def write_rankings(run_dir: Path) -> None:
    rows = [
        {
            "prompt": user(row["prompt"][0]["content"]),
            "completions": [row["chosen"][0]["content"], row["rejected"][0]["content"], f"No idea ({i})."],
            "scores": [1.0, 0.0, 0.0],
            "prompt_id": row["prompt_id"],
            "completion_ids": [f"{i}-{k}" for k in range(3)],
        }
        for i, row in enumerate(sum_rows("bt", 24, per_prompt=1))
    ]
    for split, part in (("train", rows[:16]), ("test", rows[16:])):
        path = run_dir / set_file("ranking", split)
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(part, schema=RANKING).write_parquet(path)


def test_a_recipe_trains_on_whole_rankings_and_tells_its_curve(tmp_path: Path) -> None:
    options = {"data": "ranking", "loss": "plackett-luce", "ties": "half"}
    base = make_base(tmp_path / "base")
    whole = recipe(base, models=["bt"], bt=options, batch_prompts=4, row_tokens=512, lr=1e-3, eval_every=2)
    write_rankings(tmp_path)
    [stage] = stages(whole)
    outcome = stage.work(tmp_path, whole, stage)
    assert all((tmp_path / name).exists() for name in stage.outputs)
    curve = outcome.facts["curve"]
    assert [step for step, _ in curve["losses"]] == [1, 2, 3, 4]
    assert [found["step"] for found in curve["held_out"]] == [2, 4] and curve["kept"] in (2, 4)
    assert outcome.facts["held_out"]["items"] == 8 * 2  # of three pairs a prompt, two are decided
    assert outcome.facts["tokens_unpacked"] > outcome.facts["tokens_packed"]


def test_every_setting_of_a_model_is_one_that_its_trainer_takes(tmp_path: Path) -> None:
    section = TrainStage.model_validate(
        {
            "heads": 2,
            "aggregate": "min",
            "lora": {"rank": 4},
            "early_stop": 2,
            "eval_every": 5,
            "bt": {"label_smoothing": 0.1, "margin_scale": 0.5, "ties": "drop", "centering": 0.01},
            "orm": {"orm_target": "last", "lm_coef": 0.1},
            "prm": {"prm_target": "soft"},
        }
    )
    for model in section.models:
        given = section.settings_of(model)
        config = TrainConfig(objective=model, model="m", data=[tmp_path], output=tmp_path, **given)
        assert config.model_dump(include=set(given)) == given


def test_the_options_of_one_model_are_no_settings_of_another() -> None:
    plain, changed = (recipe("org/base", models=["bt", "orm"], orm=orm) for orm in ({}, {"lm_coef": 0.1}))
    bt, orm = (
        [stage.settings for stage in pair] for pair in zip(stages(plain), stages(changed), strict=True)
    )
    assert bt[0] == bt[1] and orm[0] != orm[1]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"models": ["bt"], "batch_tokens": 512, "batch_prompts": 4}, "leave batch_prompts out"),
        ({"models": ["bt"], "row_tokens": 512, "max_tokens": 1024}, "max_tokens 1024 is above row_tokens"),
        ({"models": ["bt"], "aggregate": "min"}, "aggregate min needs more than one head"),
        ({"models": ["bt"], "bt": {"loss": "plackett-luce", "margin_scale": 1}}, "no meaning for an order"),
        ({"models": ["prm"]}, "prm, which learns from the stepwise set"),
    ],
)
def test_what_could_not_be_trained_is_refused_with_the_recipe(train: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe("org/base", **train)


def test_a_long_curve_is_told_in_means_of_equal_spans() -> None:
    losses = [float(i) for i in range(1000)]
    result = TrainResult(Path(), 1000, {}, {}, losses, losses, [{"loss": 0.5}], [500], 0, 1, 1, 0.0)
    curve = _curve(result)
    assert len(curve["losses"]) == CURVE_POINTS
    assert curve["losses"][0] == [10, 4.5] and curve["losses"][-1] == [1000, 994.5]
    assert curve["held_out"] == [{"step": 500, "loss": 0.5}] and curve["kept"] == 500
    short = TrainResult(Path(), 3, {}, {}, losses[:3], losses[:3], [], [], -1, 1, 1, 0.0)
    assert _curve(short)["losses"] == [[1, 0.0], [2, 1.0], [3, 2.0]] and _curve(short)["kept"] is None

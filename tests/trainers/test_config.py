"""A setting that would be ignored is refused, by name and with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from store.errors import InputError
from trainers import TrainConfig
from trainers.config import make_config

HERE = str(Path(__file__).parent)


@pytest.mark.parametrize(
    ("objective", "settings", "message"),
    [
        ("prm", {"label_smoothing": 0.1}, "label_smoothing is for objective 'bt', not 'prm'"),
        ("orm", {"centering": 0.01}, "centering is for objective 'bt'"),
        ("bt", {"orm_target": "last"}, "orm_target is for objective 'orm'"),
        ("bt", {"attributes": ["a"]}, "attributes is for objective 'regression'"),
        ("regression", {}, "needs `attributes`"),
        ("regression", {"attributes": ["a", "a"]}, "names one twice"),
        ("bt", {"loss": "plackett-luce", "margin_scale": 1.0}, "margin_scale: has no meaning for an order"),
        ("bt", {"aggregate": "min"}, "aggregate: needs more than one head"),
        ("bt", {"max_tokens": 5000}, "max_tokens 5000 is above row_tokens 4096"),
        ("bt", {"eval_fraction": 0.2, "eval_data": ["-"]}, "eval_fraction: eval_data says"),
        ("bt", {"eval_fraction": 0.0, "early_stop": 2}, "early_stop: nothing is held out"),
        ("bt", {"eval_fraction": 0.0, "eval_every": 2}, "eval_every: nothing is held out"),
        ("bt", {"batch_tokens": 4096, "batch_prompts": 8}, "batch_prompts: batch_tokens says"),
        ("bt", {"revision": "abc", "model": HERE}, "revision: is a commit on the Hub"),
        ("bt", {"lerning_rate": 1.0}, "lerning_rate"),
        ("bt", {"labelsmoothing": 0.1}, "nearest setting: label_smoothing"),
    ],
)
def test_what_would_be_ignored_is_refused(objective: str, settings: dict[str, Any], message: str) -> None:
    raw = {"objective": objective, "model": "-", "data": ["-"], "output": "-"} | settings
    with pytest.raises(InputError, match=message):
        make_config(raw, "run.yaml")


def test_a_run_may_go_on_with_another_device_and_other_logs() -> None:
    def key(**settings: Any) -> dict[str, Any]:
        return TrainConfig(objective="bt", model="-", data=["-"], output="-", **settings).key_settings()

    assert key() == key(
        threads=2, device="cpu", checkpointing="full", log=["tensorboard"], checkpoint_every=7
    )
    assert key() != key(lr=1e-3) and key() != key(label_smoothing=0.1)

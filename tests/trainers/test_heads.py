"""What a head's outputs are called, in what order they lie, and what becomes of them."""

from __future__ import annotations

import json

import pytest
import torch

from trainers.config import TrainConfig
from trainers.heads import Head, make_head, read_head


def head_of(**changes: object) -> Head:
    return make_head(
        TrainConfig.model_validate({"model": "m", "data": ["d"], "output": "o", "objective": "bt", **changes})
    )


@pytest.mark.parametrize(
    ("settings", "names", "per_token"),
    [
        ({"objective": "bt"}, ["reward"], False),
        ({"objective": "orm", "orm_target": "last"}, ["reward"], False),
        ({"objective": "orm"}, ["incorrect", "correct"], True),
        ({"objective": "prm", "prm_target": "soft"}, ["incorrect", "correct"], True),
        ({"objective": "prm", "prm_target": "ratings"}, ["bad", "neutral", "good"], True),
        ({"objective": "regression", "attributes": ["b", "a"]}, ["b", "a"], False),
        ({"objective": "bt", "heads": 2}, ["reward 0", "reward 1"], False),
        ({"objective": "orm", "heads": 2}, ["incorrect 0", "correct 0", "incorrect 1", "correct 1"], True),
    ],
)
def test_a_head_has_the_labels_of_its_objective(
    settings: dict[str, object], names: list[str], per_token: bool
) -> None:
    head = head_of(**settings)
    assert head.names == names and head.size == len(names) and head.per_token == per_token


def test_outputs_come_head_after_head() -> None:
    logits = torch.arange(12.0).view(2, 6)  # two labels of the row, two heads of three classes
    head = head_of(objective="prm", prm_target="ratings", heads=2)
    assert head.outputs(logits)[1].tolist() == [[6, 7, 8], [9, 10, 11]]


def test_a_binary_head_gives_the_log_odds_of_correct() -> None:
    logits = torch.tensor([[0.5, 2.0, -1.0, -4.0]])
    log_odds = head_of(objective="orm", heads=2).outputs(logits)
    assert log_odds.tolist() == [[[1.5], [-3.0]]]
    both = logits.view(1, 2, 2).softmax(-1)[..., 1:]  # what a reader of the checkpoint computes
    assert torch.allclose(torch.sigmoid(log_odds), both)


def test_a_head_comes_back_from_the_config_it_was_written_to() -> None:
    head = head_of(objective="regression", attributes=["helpfulness", "complexity"], heads=3)
    assert read_head(json.loads(json.dumps(head.facts()))) == head

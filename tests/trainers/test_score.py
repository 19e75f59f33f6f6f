"""Scoring: order, sharing, truncation, and independence of how items are batched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import user

from store.errors import InputError
from trainers import Item, TrainConfig, score, train
from trainers.loading import open_trained, pick_device
from trainers.score import score_with

ITEMS = [
    Item(user(f"What is {p}+2?"), [f"Add {i}.\n", f"{p}+2={i}\n", "Done."])
    for i in range(6)
    for p in range(3)
]


@pytest.fixture
def prm(settings: Callable[..., TrainConfig]) -> Path:
    return train(settings("prm")).output


def test_scores_come_in_the_order_of_the_items_whatever_the_packing(prm: Path) -> None:
    whole = score(prm, ITEMS)
    for budget in (128, 300):
        for one, other in zip(whole, score(prm, ITEMS, token_budget=budget), strict=True):
            assert one.step_rewards == pytest.approx(other.step_rewards, abs=1e-5)
    alone = [score(prm, [item])[0] for item in ITEMS[:4]]
    assert [s.reward for s in alone] == pytest.approx([s.reward for s in whole[:4]], abs=1e-5)
    assert all(len(s.step_rewards) == 3 and not s.truncated for s in whole)


def test_scoring_twice_gives_the_same_bits(prm: Path) -> None:
    assert score(prm, ITEMS) == score(prm, ITEMS)


def test_a_completion_that_is_too_long_is_cut_and_marked(prm: Path) -> None:
    model = open_trained(prm, pick_device("cpu"))
    encoded = model.codec.encode(ITEMS[0].messages, ITEMS[0].segments)
    limit = int(encoded.ends[1]) + 1
    (cut,) = score_with(model, ITEMS[:1], max_tokens=limit)
    (whole,) = score_with(model, ITEMS[:1])
    assert cut.truncated and cut.n_tokens == limit - encoded.n_prompt
    assert cut.step_rewards == pytest.approx(whole.step_rewards[:2], abs=1e-6)
    assert whole.n_tokens == len("".join(ITEMS[0].steps))  # one token a byte
    (beheaded,) = score_with(model, ITEMS[:1], max_tokens=5)
    assert beheaded.truncated and beheaded.n_tokens == 0 and beheaded.step_rewards == []


def test_a_text_is_one_step_and_an_empty_one_is_refused(prm: Path) -> None:
    (text,), (steps,) = score(prm, [Item(user("?"), "abc")]), score(prm, [Item(user("?"), ["abc"])])
    assert text == steps
    with pytest.raises(InputError, match="item 1: .*non-empty"):
        score(prm, [Item(user("?"), "a"), Item(user("?"), "")])


def test_equal_items_share_everything_and_get_equal_scores(prm: Path) -> None:
    one, other = score(prm, [ITEMS[0], ITEMS[0]])
    assert one == other


def test_a_preference_model_gives_raw_rewards_and_progress(settings: Callable[..., TrainConfig]) -> None:
    seen: list[tuple[int, int]] = []
    scores = score(
        train(settings("bt")).output, ITEMS, token_budget=128, progress=lambda *at: seen.append(at)
    )
    assert all(s.step_rewards == [] for s in scores)
    assert seen[-1] == (len(ITEMS), len(ITEMS)) and seen == sorted(seen)

"""The estimators equal brute force over all subsets, and the published reference values."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.aggregation import aggregate
from evaluators.best_of_n import (
    curves,
    expected_best,
    expected_majority,
    expected_weighted,
    majority_shares,
    pass_at_k,
    rank_weights,
    summary,
)
from evaluators.candidates import candidates
from store.errors import InputError
from store.tables import SCORES

samples = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8)


def cases(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / "conformance/evaluation" / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@given(samples, st.data())
def test_best_of_n_is_the_mean_over_all_subsets(drawn: list[tuple[int, bool]], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(drawn)))
    subsets = list(combinations(drawn, n))
    wanted = 0.0
    for subset in subsets:
        best = [gold for score, gold in subset if score == max(s for s, _ in subset)]
        wanted += sum(best) / len(best) / len(subsets)
    scores, gold = zip(*drawn, strict=True)
    # equal scores inside a subset: the even spread over the block is the same as a random choice
    assert expected_best(scores, gold, n) == pytest.approx(wanted)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8), st.data())
@settings(deadline=None)
def test_majority_is_the_mean_over_all_subsets(answers: list[str | None], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(answers)))
    subsets = list(combinations(answers, n))
    wanted: Counter[str] = Counter()
    for subset in subsets:
        votes = Counter(a for a in subset if a is not None)
        leaders = [a for a in votes if votes[a] == max(votes.values())]
        for leader in leaders:
            wanted[leader] += 1 / len(leaders) / len(subsets)  # type: ignore[assignment]
    found = majority_shares(answers, n)
    assert found == pytest.approx({answer: wanted[answer] for answer in found})
    gold = [float(answer == "a") for answer in answers]
    assert expected_majority(answers, gold, n) == pytest.approx(wanted["a"])
    # equal weights make the weighted vote the plain one
    assert expected_weighted(answers, gold, [0.5] * len(answers), n) == pytest.approx(wanted["a"])


@given(samples)
def test_one_sample_is_the_mean_and_all_samples_are_the_top(drawn: list[tuple[int, bool]]) -> None:
    scores, gold = zip(*drawn, strict=True)
    assert expected_best(scores, gold, 1) == pytest.approx(np.mean(gold))
    top = [g for s, g in drawn if s == max(scores)]
    assert expected_best(scores, gold, len(drawn)) == pytest.approx(np.mean(top))
    assert expected_best(gold, gold, 1) == pytest.approx(pass_at_k(len(gold), sum(gold), 1))


@given(st.integers(1, 40), st.data())
def test_weights_are_a_distribution(total: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, total))
    assert rank_weights(total, n).sum() == pytest.approx(1)


@given(samples, st.floats(0.1, 10), st.floats(-5, 5))
def test_only_the_order_of_rewards_matters(drawn: list[tuple[int, bool]], scale: float, shift: float) -> None:
    scores, gold = (np.array(x, dtype=float) for x in zip(*drawn, strict=True))
    n = (len(drawn) + 1) // 2
    assert expected_best(scores, gold, n) == pytest.approx(expected_best(scores * scale + shift, gold, n))


def test_reference_best_of_n_values_are_reproduced(shared_data: Path) -> None:
    """Untied rows exactly; `gold` of tied ones differs on purpose, since there the input order decides."""
    for case in cases(shared_data, "bon_unbiased_estimator.jsonl"):
        questions = case["input"]["questions_sorted_by_proxy_ascending"]
        tied = any(len(set(q["proxy_scores"])) < len(q["proxy_scores"]) for q in questions)
        for n, wanted in case["output"].items():
            for column in ("proxy", "gold"):
                values = [expected_best(q["proxy_scores"], q[f"{column}_scores"], int(n)) for q in questions]
                if column == "proxy" or not tied:
                    assert np.mean(values) == pytest.approx(wanted[column], abs=1e-9)


def test_reference_pass_at_k_values_are_reproduced(shared_data: Path) -> None:
    for case in cases(shared_data, "pass_at_k.jsonl"):
        n, c, k = (case["input"][name] for name in "nck")
        assert pass_at_k(n, c, k) == pytest.approx(case["output"]["pass_at_k"], abs=1e-9)


def test_reference_votes_are_among_ours(shared_data: Path) -> None:
    """The reference takes the first seen of tied answers, which has the largest share of ours."""
    for case in cases(shared_data, "bon_votes_and_aggregation.jsonl"):
        answers, step_scores, output = case["input"]["answers"], case["input"]["step_scores"], case["output"]
        shares = majority_shares(answers, len(answers))
        for name in ("openr_majority_vote", "sal_majority"):
            assert shares[output[name]] == max(shares.values())
        for how in ("min", "prod", "last"):
            if f"sal_agg_{how}" not in output:
                continue
            rewards = [aggregate(steps, how) for steps in step_scores]
            assert rewards == pytest.approx(output[f"sal_agg_{how}"])
            for pick, estimate in (
                (output[f"sal_weighted_{how}"], expected_weighted),
                (output[f"sal_naive_{how}"], lambda a, g, r, n: expected_best(r, g, n)),
            ):
                gold = [float(answer == pick) for answer in answers]
                assert estimate(answers, gold, rewards, len(answers)) > 0.3


def test_drawn_subsets_come_close_to_all_subsets_and_repeat_with_their_seed() -> None:
    rng = random.Random(4)
    answers = [rng.choice(["a", "b", "c"]) for _ in range(30)]
    gold = [float(answer == "a") for answer in answers]
    drawn = expected_weighted(answers, gold, [0.5] * 30, 8, seed=1)
    assert drawn == expected_weighted(answers, gold, [0.5] * 30, 8, seed=1)
    assert drawn == pytest.approx(expected_majority(answers, gold, 8), abs=0.04)


def test_negative_vote_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="sigmoid"):
        expected_weighted(["a"], [1.0], [-1.0], 1)


def scores(
    model: str, rewards: dict[str, list[float]], right: dict[str, str], steps: bool = False
) -> pl.DataFrame:
    rows = [
        dict.fromkeys(SCORES)
        | {"model": model, "prompt_id": p, "completion_id": f"{p}{i}", "reward": r, "truncated": False}
        | {"label": {"+": True, "-": False}.get(right[p][i]), "step_rewards": [r, 1.0] if steps else None}
        for p, values in rewards.items()
        for i, r in enumerate(values)
    ]
    return pl.DataFrame(rows, schema=SCORES)


RIGHT = {"p": "+--+", "q": "-+--", "z": "????"}
ANSWERS = pl.DataFrame(
    {
        "completion_id": [f"{p}{i}" for p in "pqz" for i in range(4)],
        "answer": list("7887") + ["1", "2", "1", None] * 2,
    }
)
REWARDS = {"p": [0.9, 0.1, 0.2, 0.8], "q": [0.1, 0.9, 0.2, 0.3], "z": [0.0] * 4}


def test_curves_compare_all_methods_on_the_same_prompts() -> None:
    both = pl.concat([scores("orm", REWARDS, RIGHT), scores("prm", REWARDS, RIGHT, steps=True)])
    table = candidates(both, ANSWERS)
    assert table.account.to_dict()["rejected"] == {"prompt_without_truth": 4}
    assert table.rewards == ("orm", "prm-min", "prm-prod", "prm-last", "prm-mean")
    result = summary(curves(table))
    assert sorted(set(result["n"])) == [1, 2, 4]
    at = {(m, n): a for m, n, a in result.select("method", "n", "accuracy").iter_rows()}
    assert at["random", 1] == at["majority", 1] == at["orm", 1] == at["oracle", 1] == pytest.approx(0.375)
    assert at["orm", 4] == at["oracle", 4] == at["prm-min", 4] == 1.0 and at["random", 4] == at["random", 1]
    assert at["majority", 4] == pytest.approx((0.5 + 0) / 2)
    assert at["prm-last", 4] == at["random", 1]  # all equal: no information
    gain = result.filter(method="orm", n=4).row(0, named=True)
    assert gain["gain"] == pytest.approx(0.75) and gain["gain_low"] <= gain["gain"] <= gain["gain_high"]


def test_curves_do_not_depend_on_the_order_of_rows() -> None:
    frame = scores("orm", REWARDS, RIGHT)
    first = summary(curves(candidates(frame, ANSWERS)))
    second = summary(curves(candidates(frame.reverse(), ANSWERS.reverse())))
    assert first.equals(second)


def test_a_completion_without_a_reward_stops_the_comparison() -> None:
    some = scores("prm", REWARDS, RIGHT).filter(pl.col("completion_id") != "p1")
    with pytest.raises(InputError, match="no finite 'prm' reward, such as p1"):
        candidates(pl.concat([scores("orm", REWARDS, RIGHT), some]), ANSWERS)
    with pytest.raises(InputError, match="no finite 'orm' reward"):
        candidates(scores("orm", REWARDS | {"p": [math.nan, 0, 0, 0]}, RIGHT), ANSWERS)
    with pytest.raises(InputError, match="disagree on which completions are right"):
        candidates(
            pl.concat([scores("a", REWARDS, RIGHT), scores("b", REWARDS, RIGHT | {"p": "----"})]), ANSWERS
        )


def test_more_samples_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="best of 8"):
        curves(candidates(scores("orm", REWARDS, RIGHT), ANSWERS), ns=[8])

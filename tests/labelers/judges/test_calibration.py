"""Accuracy of a judge on what a verifier decides, the weight it earns, and the gate."""

import math

import polars as pl
import pytest
from simulated_judge import SimulatedJudge, world, write_form

from labelers.judges.calibration import calibrate, calibrate_agreed, passes, weight
from labelers.judges.choosing import choose_pairs
from labelers.judges.pairwise import CONSENSUS, consensus, judge_pairs
from labelers.proportions import rate
from store.ledger import Ledger
from store.tables import COMPLETION_VERDICTS, JUDGEMENTS


def opinions(rows):
    """CONSENSUS rows of pairs (p i, a i, b i) with these preferences."""
    return pl.DataFrame(
        [
            {
                "prompt_id": f"p{i}",
                "a_id": f"a{i}",
                "b_id": f"b{i}",
                "judge": "j",
                "preference": p,
                "soft": soft,
            }
            for i, (p, soft) in enumerate(rows)
        ],
        schema=CONSENSUS,
    )


def verdicts(rows):
    """(verdict of a i, verdict of b i)."""
    sides = [
        (f"{side}{i}", f"p{i}", "v", row[k]) for i, row in enumerate(rows) for k, side in enumerate("ab")
    ]
    return pl.DataFrame(
        sides, schema=["completion_id", "prompt_id", "verifier", "verdict"], orient="row"
    ).select(
        pl.col(name).cast(dtype)
        for name, dtype in COMPLETION_VERDICTS.items()
        if name not in ("extracted", "method")
    )


def test_only_pairs_that_a_verifier_decides_count():
    right = ("correct", "incorrect")
    truth = verdicts([right, right[::-1], right, right, ("correct", "correct"), ("correct", "no_answer")])
    said = opinions([("A", 0.9), ("A", 0.6), (None, 0.5), ("A", None), ("A", 0.9), ("A", 0.9)])
    facts = calibrate_agreed(said, truth)
    assert facts["pairs"] == 4
    assert facts["coverage"] == rate(3, 4)
    assert facts["accuracy"] == rate(2, 3)
    # (.1^2 + .6^2 + .5^2) / 3
    assert facts["brier"] == {"mean": pytest.approx((0.01 + 0.36 + 0.25) / 3), "n": 3}


def test_a_judges_accuracy_is_measured_with_its_unreadable_replies_left_out(tmp_path):
    seen = world(100, 4, seed=2)
    judge = SimulatedJudge(seen.worth, skill=2.0, noise=2.0, unread=0.2)
    pairs = choose_pairs(seen.completions, seen.verdicts, 4, mode="right-wrong")
    with Ledger(tmp_path / "ledger") as ledger:
        rows = judge_pairs(judge, ledger, pairs, seen.completions, seen.prompts, write_form(tmp_path))
    facts = calibrate(rows, seen.verdicts)
    assert facts["pairs"] == pairs.height
    assert facts["coverage"]["n"] == pairs.height > facts["accuracy"]["n"] > 0.8 * pairs.height
    # Without a position bias both orders agree, and every readable verdict is right as often as the judge is.
    assert facts["accuracy"]["rate"] == pytest.approx(facts["single"]["rate"], abs=0.03)
    assert 0.7 < facts["accuracy"]["low"] < facts["accuracy"]["high"] < 0.97
    assert facts["single"]["n"] == rows.filter(pl.col("verdict").is_in(["A", "B"])).height
    assert calibrate_agreed(consensus(rows), seen.verdicts).items() <= facts.items()


def test_no_verifiable_pairs_are_null_and_not_a_score():
    empty = calibrate(pl.DataFrame(schema=JUDGEMENTS), verdicts([("correct", "incorrect")]))
    assert empty["accuracy"] == empty["single"] == rate(0, 0)
    assert empty["brier"] == {"mean": None, "n": 0} and weight(empty) == 0.0


def accuracy(hits, n):
    return {"accuracy": rate(hits, n)}


def test_weights_are_shrunken_log_odds_and_never_turn_a_judge_round():
    assert weight(accuracy(90, 100)) == pytest.approx(math.log(91 / 11))
    assert weight(accuracy(9, 10)) < weight(accuracy(90, 100)) < weight(accuracy(900, 1000))
    assert weight(accuracy(10, 10)) == pytest.approx(math.log(11))
    assert weight(accuracy(20, 100)) == weight(accuracy(50, 100)) == 0.0


@pytest.mark.parametrize(
    ("hits", "n", "passed", "reason"),
    [
        (
            95,
            100,
            True,
            "right on 95.0% of 100 verifiable pairs, at least 88.8% with 95 % confidence, not below 80.0%",
        ),
        (
            85,
            100,
            False,
            "right on 85.0% of 100 verifiable pairs, at least 76.7% with 95 % confidence, below 80.0%",
        ),
        (49, 49, False, "only 49 verifiable pairs and 50 are wanted: judge more prompts that have an answer"),
        (0, 0, False, "only 0 verifiable pairs"),
    ],
)
def test_the_gate_asks_for_enough_pairs_and_for_the_lower_end_of_the_interval(hits, n, passed, reason):
    gate = passes(accuracy(hits, n), 0.8)
    assert gate.passed is passed and reason in gate.reason


def test_a_gate_without_a_minimum_still_needs_one_pair():
    assert not passes(accuracy(0, 0), 0.0, min_pairs=0).passed
    assert passes(accuracy(1, 1), 0.0, min_pairs=0).passed

"""The bias report finds the biases that a simulated judge was given, and consensus takes position out."""

import json
import math
from statistics import fmean

import polars as pl
import pytest
from simulated_judge import SimulatedJudge, logit, world, write_form

from labelers.judges.bias import bias_report, preference_bias
from labelers.judges.choosing import choose_pairs
from labelers.judges.pairwise import consensus, judge_pairs
from labelers.judges.scores import implied
from samplers.engine import Sampling
from store.ledger import Ledger
from store.tables import JUDGEMENTS

GREEDY, WARM = Sampling(temperature=0.0, logprobs=20), Sampling(temperature=1.0)


@pytest.fixture(scope="module")
def seen():
    return world(100, 4, seed=1)


@pytest.fixture
def judged(tmp_path, seen):
    def run(sampling=GREEDY, samples=1, **traits):
        judge = SimulatedJudge(seen.worth, **traits)
        pairs = choose_pairs(seen.completions, per_prompt=4)
        with Ledger(tmp_path / f"ledger-{sorted(traits.items())}-{samples}") as ledger:
            return judge_pairs(
                judge,
                ledger,
                pairs,
                seen.completions,
                seen.prompts,
                write_form(tmp_path),
                sampling,
                samples=samples,
            )

    return run


def true_logits(rows, seen, skill):
    """A's log-odds for a judge of this skill and no bias, a row a pair."""
    worth = dict(
        zip(seen.completions["completion_id"], map(seen.worth.get, seen.completions["text"]), strict=True)
    )
    return [skill * (worth[a] - worth[b]) for a, b in rows.select("a_id", "b_id").iter_rows()]


@pytest.mark.parametrize("position", [0.5, 2.0, -3.0])
def test_log_probabilities_in_both_orders_remove_the_position_bias(judged, seen, position):
    rows = judged(position=position, skill=1.0)
    shown_first = rows.filter(order="ab").select(logit=pl.col("logprob_a") - pl.col("logprob_b")).to_series()
    truth = true_logits(rows.filter(order="ab"), seen, 1.0)
    assert (shown_first - pl.Series(truth)).mean() == pytest.approx(position)
    agreed = consensus(rows)
    left = [abs(logit(soft) - true) for soft, true in zip(agreed["soft"], truth, strict=True)]
    assert max(left) < 0.05 * abs(position)
    assert bias_report(rows, seen.completions)["position_bias_logits"] == pytest.approx(position)


def test_sampled_verdicts_in_both_orders_remove_the_position_bias(judged, seen):
    rows = judged(WARM, samples=8, position=1.5, skill=1.0, logprobs=False)
    agreed = consensus(rows)
    truth = [1 / (1 + math.exp(-x)) for x in true_logits(agreed, seen, 1.0)]
    one_order = rows.filter(order="ab").group_by("prompt_id", "a_id", "b_id", maintain_order=True)
    before = one_order.agg(share=(pl.col("verdict") == "A").mean())["share"] - pl.Series(truth)
    injected = before.mean()
    assert injected > 0.2
    for column in ("soft", "mean_verdict"):
        after = agreed[column] - pl.Series(truth)
        assert abs(after.mean()) < 0.05 * injected
        # A constant would have no bias either, but the whole variance of the truth for an error.
        assert (after**2).mean() < 0.25 * pl.Series(truth).var()
    assert bias_report(rows, seen.completions)["position_bias_logits"] == pytest.approx(1.5, rel=0.1)


def test_flips_lean_to_the_first_text_by_twice_the_bias_in_logits_however_hard_the_pairs(judged, seen):
    for skill in (0.3, 2.0):
        rows = judged(WARM, samples=4, position=0.6, skill=skill, logprobs=False)
        lean = bias_report(rows, seen.completions)["flips_to_first"]
        expected = 1 / (1 + math.exp(-2 * 0.6))
        assert lean["low"] - 0.02 < expected < lean["high"] + 0.02
    even = bias_report(judged(WARM, samples=4, skill=0.3, logprobs=False), seen.completions)["flips_to_first"]
    assert even["low"] < 0.5 < even["high"]


def test_the_length_coefficient_is_the_one_the_judge_was_given(judged, seen):
    lengths = dict(seen.completions.select("completion_id", pl.col("text").str.len_chars()).iter_rows())
    pairs = choose_pairs(seen.completions, per_prompt=4).select("a_id", "b_id").iter_rows()
    scale = math.sqrt(fmean((lengths[a] - lengths[b]) ** 2 for a, b in pairs))
    drawn = {"sampling": WARM, "skill": 0.0, "logprobs": False, "length_scale": scale}
    for length in (0.0, 0.4):
        rows = judged(length=length, **drawn)
        found = bias_report(rows, seen.completions)["length_coefficient"]
        # P(A, A) / (P(A, A) + P(B, B)) = sigmoid(2 x): what both orders agree on is as two draws
        assert found["estimate"] == pytest.approx(2 * length, abs=2.5 * found["se"])
        assert found["se"] < 0.3 and (found["low"] > 0) == (length > 0)


def test_length_is_controlled_for_being_right(seen):
    """Where right answers are longer and the judge merely knows them, the longer wins and length has no
    weight."""
    rows, lengths = [], []
    for i in range(400):
        right_is_a, helps = i % 2 == 0, i % 5 != 0  # the right one is the longer in four pairs of five
        preferred = right_is_a if i % 7 else not right_is_a
        for order in ("ab", "ba"):
            row = {"prompt_id": f"p{i}", "a_id": f"a{i}", "b_id": f"b{i}", "order": order, "judge": "j"}
            rows.append(
                row | {"template_hash": "t", "sample_index": 0, "attempt": 0, "verdict": "BA"[preferred]}
            )
        lengths += [
            (f"a{i}", 30 if right_is_a == helps else 20),
            (f"b{i}", 20 if right_is_a == helps else 30),
        ]
    completions = pl.DataFrame(
        [(name, "m", "x" * n) for name, n in lengths], schema=["completion_id", "model", "text"], orient="row"
    )
    verdicts = pl.DataFrame(
        [
            (f"{side}{i}", "correct" if (side == "a") == (i % 2 == 0) else "incorrect")
            for side in "ab"
            for i in range(400)
        ],
        schema=["completion_id", "verdict"],
        orient="row",
    )
    table = pl.DataFrame(rows, schema=JUDGEMENTS)
    raw = bias_report(table, completions)
    assert raw["longer_wins"]["low"] > 0.5 and raw["length_coefficient"]["low"] > 0
    controlled = bias_report(table, completions, verdicts)["length_coefficient"]
    assert controlled["low"] < 0 < controlled["high"]


def test_preferences_that_scores_imply_show_length_and_family_too(seen):
    """A judge that scores by length alone, its own family among the writers."""
    scores = seen.completions.select(
        "prompt_id",
        "completion_id",
        judge=pl.lit("writer"),
        score=pl.col("text").str.len_chars().cast(pl.Float64),
    )
    found = preference_bias(implied(scores), seen.completions, seen.verdicts)
    assert found["longer_wins"]["rate"] == 1.0 and found["longer_wins"]["n"] > 500
    assert found["length_coefficient"]["low"] > 3
    assert found["own_family_judged"]["rate"] == 1.0 and found["own_family_wins"]["n"] == 0


def test_retries_and_what_stays_unread_are_counted_apart(judged, seen):
    rows = judged(unread=0.3)
    report = bias_report(rows, seen.completions)
    questions = rows.filter(attempt=0).height
    assert report["judgements"] == rows.height > questions
    assert report["retried"]["n"] == report["unparsed"]["n"] == questions
    assert report["retried"]["low"] < 0.3 < report["retried"]["high"]
    assert report["unparsed"]["low"] < 0.09 < report["unparsed"]["high"]
    assert report["rejected"]["unparsed"] > 0


def test_a_judge_that_looks_at_nothing_but_the_place_is_seen_through(judged, seen):
    report = bias_report(judged(skill=0.0, position=2.0), seen.completions)
    assert report["preferences"] == 0 and report["rejected"] == {"order_flip": report["pairs"]}
    for name in ("position_flip", "first_position", "flips_to_first"):
        assert report[name]["rate"] == 1.0
    assert report["longer_wins"]["rate"] is report["length_coefficient"]["estimate"] is None


def test_ties_are_neither_unread_nor_preferences(judged, seen):
    rows = judged().with_columns(verdict=pl.lit("tie").cast(JUDGEMENTS["verdict"]))
    report = bias_report(rows, seen.completions)
    assert report["ties"]["rate"] == 1.0 and report["unparsed"]["rate"] == 0.0
    assert report["rejected"] == {"tie": report["pairs"]} and report["first_position"]["n"] == 0


def test_the_report_does_not_depend_on_the_order_of_rows_and_is_json(judged, seen):
    rows = judged(length=0.5, noise=1.0)
    report = bias_report(rows, seen.completions, seen.verdicts)
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    again = bias_report(shuffled, seen.completions.reverse(), seen.verdicts.reverse())
    assert json.loads(json.dumps(report)) == report
    assert again.keys() == report.keys()
    for name, value in report.items():
        assert again[name] == pytest.approx(value, abs=1e-9)


def test_no_judgements_give_an_empty_report(seen):
    report = bias_report(pl.DataFrame(schema=JUDGEMENTS), seen.completions, seen.verdicts)
    assert report["pairs"] == report["judgements"] == report["preferences"] == 0
    assert report["position_flip"]["rate"] is report["position_bias_logits"] is None
    assert report["length_coefficient"]["estimate"] is report["self_family_gap"]["estimate"] is None

"""Panels: who outvotes whom, what is abstained from, and what the sides are called does not matter."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from labelers.judges.calibration import calibrate_agreed, weight
from labelers.judges.pairwise import CONSENSUS
from labelers.judges.panel import PANEL, agreement_facts, combine
from store.errors import InputError
from store.tables import COMPLETION_VERDICTS

JUDGES = ("ann", "bob", "cyd", "dee", "eve")
HOWS = ("agree", "majority", "weighted", "dawid-skene")
SIDES = {
    "A": ("A", None),
    "B": ("B", None),
    "t": (None, "tie"),
    "f": (None, "order_flip"),
    "u": (None, "unparsed"),
}


def consensus_of(ballots, judges=JUDGES, soft=None):
    """A row per character: `ballots[i][j]` is what judge j says of pair i; a blank is no row at all."""
    rows = []
    for i, ballot in enumerate(ballots):
        for judge, mark in zip(judges, ballot, strict=False):
            if mark == " ":
                continue
            preference, rejected = SIDES[mark]
            row = {
                "prompt_id": f"p{i:05d}",
                "a_id": f"a{i}",
                "b_id": f"b{i}",
                "judge": judge,
                "template_hash": "t",
            }
            row |= {"preference": preference, "rejected": rejected, "n_judgements": 2, "position_bias": 0.5}
            p = soft[i][judge] if soft else None
            rows.append(row | {"soft": p, "soft_from": "logprobs" if p else None})
    return pl.DataFrame(rows, schema=CONSENSUS)


def said(ballots, how, **options):
    """What the panel says of each pair: a side, or why it says none."""
    rows = combine(consensus_of(ballots), how, **options).opinions
    assert rows.schema == PANEL and (rows["preference"].is_null() == rows["rejected"].is_not_null()).all()
    return [p or r for p, r in rows.select("preference", "rejected").iter_rows()]


def test_agreement_is_of_all_judges_and_a_majority_of_more_than_half_of_the_panel():
    ballots = ["AAA", "AAB", "ABf", "Aff", "BBu", "ttA", "ttt", "fuf", "BB "]
    no, few = "judges_disagree", "too_few_votes"
    assert said(ballots, "agree") == ["A", no, no, few, few, no, "tie", "no_opinion", few]
    assert said(ballots, "majority") == ["A", "A", no, few, "B", "tie", "tie", "no_opinion", "B"]


def test_votes_that_agree_are_not_called_a_disagreement():
    for how in ("agree", "majority"):
        facts = combine(consensus_of(["Auu", "AuA", "fBu"][: 3 if how == "majority" else 2]), how).facts
        assert "judges_disagree" not in facts["rejected"] and facts["percent_agreement"] in (1.0, None)


def test_weights_let_one_good_judge_outvote_two_poor_ones_and_doubt_is_abstained_from():
    weights = {"ann": math.log(9), "bob": math.log(1.5), "cyd": math.log(1.5)}
    ballots = ["ABB", "fBB", "ftB", "Att", "ttt", "fff"]
    rows = combine(consensus_of(ballots), "weighted", weights=weights, min_posterior=0.65).opinions
    # odds for a: 9 / 1.5^2 = 4, 1 / 1.5^2, 1 / 1.5, 9
    assert rows["soft"].to_list()[:4] == pytest.approx([4 / 5, 1 / 3.25, 1 / 2.5, 9 / 10])
    assert rows["soft"][5] is None
    assert rows["posterior"].to_list()[:4] == pytest.approx([4 / 5, 2.25 / 3.25, 1.5 / 2.5, 9 / 10])
    assert rows["preference"].to_list() == ["A", "B", None, None, None, None]
    assert rows["rejected"].to_list() == [None, None, "abstained", "tie", "tie", "no_opinion"]


def drawn(accuracies, n=2000, abstain=0.0, seed=0):
    """Ballots of judges that err independently, and verdicts on all pairs."""
    rng = np.random.default_rng(seed)
    b_is_right = rng.random(n) < 0.5
    says_b = (rng.random((n, len(accuracies))) < accuracies) == b_is_right[:, None]
    marks = np.where(rng.random(says_b.shape) < abstain, "f", np.where(says_b, "B", "A"))
    return ["".join(row) for row in marks], verdicts_of(b_is_right)


def verdicts_of(b_is_right):
    rows = [
        (f"{side}{i}", f"p{i:05d}", "correct" if (side == "b") == right else "incorrect")
        for i, right in enumerate(b_is_right)
        for side in "ab"
    ]
    columns = ["completion_id", "prompt_id", "verdict"]
    return pl.DataFrame(rows, schema={name: COMPLETION_VERDICTS[name] for name in columns}, orient="row")


def accuracy(panel, verdicts):
    return calibrate_agreed(panel.opinions, verdicts)["accuracy"]["rate"]


def brier(panel, verdicts):
    return calibrate_agreed(panel.opinions, verdicts)["brier"]["mean"]


def test_dawid_skene_learns_whom_to_believe_without_gold():
    accuracies = (0.92, 0.6, 0.6, 0.6, 0.6)
    ballots, verdicts = drawn(accuracies, abstain=0.1)
    agreed = consensus_of(ballots)
    learned = combine(agreed, "dawid-skene", min_posterior=0.5)
    found = [learned.facts[f"accuracy: {name}"] for name in JUDGES]
    assert found == pytest.approx(accuracies, abs=0.06)
    assert found[0] == max(found)
    assert accuracy(learned, verdicts) > accuracy(combine(agreed, "majority"), verdicts) + 0.05
    # as good as weights that gold gave
    by_judge = {name: weight(calibrate_agreed(agreed.filter(judge=name), verdicts)) for name in JUDGES}
    weighted = combine(agreed, "weighted", weights=by_judge, min_posterior=0.5)
    assert accuracy(learned, verdicts) == pytest.approx(accuracy(weighted, verdicts), abs=0.02)


def test_abstaining_below_a_posterior_keeps_what_is_right_that_often():
    ballots, verdicts = drawn((0.85, 0.75, 0.7, 0.65, 0.6), n=4000, seed=5)
    agreed = consensus_of(ballots)
    everything, sure = (combine(agreed, "dawid-skene", min_posterior=p) for p in (0.5, 0.95))
    assert accuracy(sure, verdicts) > 0.95 > accuracy(everything, verdicts)
    assert 0 < sure.facts["preferences"] < everything.facts["preferences"]
    assert sure.facts["rejected"] == {"abstained": 4000 - sure.facts["preferences"]}
    chances = everything.opinions["posterior"]
    assert chances.mean() == pytest.approx(accuracy(everything, verdicts), abs=0.02)


def difficult(n, seed):
    """Judges that see a noisy quality gap: on a small one all of them guess, on a large one none errs."""
    rng = np.random.default_rng(seed)
    gap = rng.normal(size=n) * math.sqrt(2)
    seen = gap[:, None] * (2, 1.5, 1.2, 1, 0.8) + rng.normal(size=n)[:, None] + rng.normal(size=(n, 5))
    return ["".join("AB"[int(z < 0)] for z in row) for row in seen], verdicts_of(gap < 0)


@pytest.mark.parametrize("how", ["weighted", "dawid-skene"])
def test_posteriors_of_judges_who_fail_together_are_right_as_often_as_they_say_given_some_truth(how):
    ballots, verdicts = difficult(6000, seed=1)
    agreed = consensus_of(ballots)
    by_judge = {name: weight(calibrate_agreed(agreed.filter(judge=name), verdicts)) for name in JUDGES}
    weights = by_judge if how == "weighted" else None
    some_truth = verdicts.head(2 * 400)
    blind = combine(agreed, how, weights=weights, min_posterior=0.9)
    scaled = combine(agreed, how, weights=weights, verdicts=some_truth, min_posterior=0.9)
    assert blind.facts["calibration_slope"] is None
    assert 0 < scaled.facts["calibration_slope"] < 0.6
    rest = verdicts.tail(-2 * 400)
    claimed = [panel.opinions.drop_nulls("preference")["posterior"].mean() for panel in (blind, scaled)]
    assert claimed[0] > accuracy(blind, rest) + 0.05
    assert claimed[1] == pytest.approx(accuracy(scaled, rest), abs=0.04) and claimed[1] >= 0.9
    assert brier(scaled, rest) < brier(blind, rest) - 0.01


def test_judges_who_err_independently_need_no_scaling_and_a_few_pairs_change_nothing():
    ballots, verdicts = drawn((0.85, 0.8, 0.75, 0.7, 0.65), n=4000)
    agreed = consensus_of(ballots)
    assert combine(agreed, "dawid-skene", verdicts=verdicts).facts["calibration_slope"] == pytest.approx(
        1, abs=0.15
    )
    few = combine(agreed, "dawid-skene", verdicts=verdicts.head(2 * 49))
    assert few.facts["calibration_slope"] is None
    assert_frame_equal(few.opinions, combine(agreed, "dawid-skene").opinions)


def test_a_panel_that_is_wrong_more_often_than_right_abstains_from_everything():
    ballots, verdicts = drawn((0.3, 0.3, 0.3), n=300)
    rows = combine(consensus_of(ballots), "dawid-skene", verdicts=verdicts, min_posterior=0.5)
    assert rows.facts["calibration_slope"] == 0.0
    assert rows.facts["rejected"] == {"abstained": 300}


ballots = st.lists(st.text("ABtfu ", min_size=3, max_size=3), min_size=1, max_size=12).filter(
    lambda rows: all(any(row[j] != " " for row in rows) for j in range(3))
)
WEIGHTS = {"ann": 1.2, "bob": 0.7, "cyd": 0.3}


@settings(max_examples=40, deadline=None)
@given(ballots, st.sampled_from(HOWS), st.lists(st.booleans(), min_size=12, max_size=12))
def test_exchanging_a_and_b_exchanges_the_opinion_and_nothing_else(ballots, how, swaps):
    weights = WEIGHTS if how == "weighted" else None
    exchange = str.maketrans("AB", "BA")
    other = [row.translate(exchange) if swap else row for row, swap in zip(ballots, swaps, strict=False)]
    ours, theirs = (combine(consensus_of(rows), how, weights=weights).opinions for rows in (ballots, other))
    for mine, yours, swap in zip(ours.to_dicts(), theirs.to_dicts(), swaps, strict=False):
        turned = {"A": "B", "B": "A", None: None} if swap else {"A": "A", "B": "B", None: None}
        assert (turned[mine["preference"]], mine["rejected"]) == (yours["preference"], yours["rejected"])
        assert mine["posterior"] == pytest.approx(yours["posterior"], abs=1e-6)
        if mine["soft"] is not None:
            assert yours["soft"] == pytest.approx(1 - mine["soft"] if swap else mine["soft"], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(ballots, st.sampled_from(HOWS))
def test_the_order_of_rows_does_not_matter_and_a_preference_has_more_than_half(ballots, how):
    weights = WEIGHTS if how == "weighted" else None
    agreed = consensus_of(ballots)
    opinions = combine(agreed, how, weights=weights).opinions
    assert_frame_equal(opinions, combine(agreed.reverse(), how, weights=weights).opinions)
    preferred = opinions.drop_nulls("preference")
    assert (preferred["posterior"] > 0.5).all()
    assert opinions["n_judges"].to_list() == [
        sum(mark in "ABt" for mark in row) for row in ballots if row.strip()
    ]


def test_a_panel_that_counts_votes_passes_on_what_its_judges_say_themselves():
    soft = [{"ann": 0.9, "bob": 0.8, "cyd": None}, {"ann": None, "bob": None, "cyd": None}]
    rows = combine(consensus_of(["AAA", "AAA"], soft=soft), "majority").opinions
    assert rows["soft"].to_list() == [pytest.approx(0.85), None]
    assert rows["soft_from"].to_list() == ["logprobs", None]
    assert rows["position_bias"].to_list() == [0.5, 0.5] and rows["n_judgements"].to_list() == [6, 6]
    assert set(rows["judge"]) == {"panel"} and rows["template_hash"].n_unique() == 1


def test_a_panel_that_does_not_fit_its_rule_is_refused():
    with pytest.raises(InputError, match="2 judges can be split in halves"):
        combine(consensus_of(["AB"]), "majority")
    with pytest.raises(InputError, match="at least three judges and there are 2"):
        combine(consensus_of(["AB"]), "dawid-skene")
    with pytest.raises(InputError, match="judge bob has no weight; calibrate it"):
        combine(consensus_of(["AB"]), "weighted", weights={"ann": 1.0})
    with pytest.raises(ValueError, match="combine 'mean'; one of agree, majority, weighted, dawid-skene"):
        combine(consensus_of(["AB"]), "mean")


def test_facts_count_relatives_and_agreement():
    judges = ("Qwen/Qwen3-8B", "Qwen/QwQ-32B", "gpt-4o")
    agreed = consensus_of(["AAA", "BBB", "ABA", "ttB", "fAA"], judges)
    facts = combine(agreed, "majority").facts
    assert (facts["combine"], facts["judges"], facts["related"], facts["pairs"]) == ("majority", 3, 2, 5)
    assert facts["preferences"] == 4 and facts["rejected"] == {"tie": 1}
    assert agreement_facts(agreed).items() <= facts.items()
    # agreeing pairs of votes: 3 + 3 + 1 + 1 + 1 of 3 + 3 + 3 + 3 + 1
    assert facts["percent_agreement"] == pytest.approx(9 / 13)
    # all three voted on four pairs: P = (1 + 1 + 1/3 + 1/3) / 4 = 2/3, shares A 5/12, B 5/12, tie 2/12
    assert facts["fleiss_kappa"] == pytest.approx((2 / 3 - 54 / 144) / (1 - 54 / 144))
    assert facts["cohen_kappa: Qwen/QwQ-32B / gpt-4o"] == pytest.approx((3 / 5 - 10 / 25) / (1 - 10 / 25))
    assert 0 < facts["krippendorff_alpha"] < 1


def test_one_model_under_two_templates_is_two_judges_with_names_of_their_own():
    agreed = consensus_of(["AAA", "ABA"], ("one", "two", "three"))
    twice = agreed.with_columns(
        template_hash=pl.when(pl.col("judge") == "two").then(pl.lit("second")).otherwise("template_hash"),
        judge=pl.col("judge").replace("two", "one"),
    )
    facts = combine(twice, "majority").facts
    assert facts["judges"] == 3 and facts["related"] == 2
    assert "cohen_kappa: one (second) / one (t)" in facts


def test_one_judge_is_a_panel_that_agrees_with_itself():
    rows = combine(consensus_of(["A", "B", "t", "f"]), "agree")
    assert rows.opinions["preference"].to_list() == ["A", "B", None, None]
    assert rows.opinions["rejected"].to_list() == [None, None, "tie", "no_opinion"]
    assert (
        rows.facts["fleiss_kappa"]
        is rows.facts["krippendorff_alpha"]
        is rows.facts["percent_agreement"]
        is None
    )


@pytest.mark.parametrize("how", HOWS)
def test_no_pairs_make_an_empty_table(how):
    empty = combine(pl.DataFrame(schema=CONSENSUS), how)
    assert empty.opinions.schema == PANEL and empty.opinions.height == empty.facts["pairs"] == 0

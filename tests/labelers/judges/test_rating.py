"""Ratings: the scale of the template, the expectation over it, and no score from half the criteria."""

import math
import re

import polars as pl
import pytest
from scripted_judge import ScriptedJudge, tables

from labelers.judges.rating import SCORES, rate, scores
from samplers.engine import Sampling
from store.ledger import Ledger
from store.tables import RATINGS

WARM = Sampling(temperature=0.7)
BOTH = ("helpfulness", "honesty")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def worth(request):
    return int(re.search(r"text (\d)", request.messages[0]["content"])[1])


def rated(ledger, say, template="rating", **options):
    prompts, completions = tables(2, 4)
    judge = ScriptedJudge(say)
    return rate(judge, ledger, completions, prompts, template, **options), judge


def by_worth(found):
    known = dict(tables()[1].select("completion_id", "sample_index").iter_rows())
    rows = found.with_columns(worth=pl.col("completion_id").replace_strict(known)).sort("prompt_id", "worth")
    return [group["score"].to_list() for _, group in rows.group_by("prompt_id", maintain_order=True)]


def test_every_completion_is_rated_and_equal_questions_are_asked_once(ledger):
    rows, judge = rated(ledger, lambda request: f"Fine.\n[[{worth(request) + 3}]]")
    assert rows.schema == RATINGS and rows.height == 8 and len(judge.asked) == 8
    assert by_worth(scores(rows)) == [[3, 4, 5, 6]] * 2
    prompts, completions = tables(1, 2)
    same = completions.with_columns(text=pl.lit("text 7"))
    assert rate(judge, ledger, same, prompts)["rating"].to_list() == [10, 10]
    assert len(judge.asked) == 9


def test_the_expected_rating_tells_apart_what_has_the_same_number(ledger):
    def say(request):
        high = 0.1 * worth(request)
        place = {"7": math.log(0.6), "6": math.log(0.35 - high), "8": math.log(0.05 + high)}
        return "[[7]]", ({"[[": 0.0}, place, {"]]": 0.0})

    rows, _ = rated(ledger, say)
    assert set(rows["rating"]) == {7.0}
    assert rows["coverage"].to_list() == pytest.approx([1.0] * 8)
    # E = 7 .6 + 6 (.35 - h) + 8 (.05 + h) = 6.7 + 2 h
    assert by_worth(scores(rows)) == [pytest.approx([6.7, 6.9, 7.1, 7.3])] * 2


def test_log_probabilities_that_cover_too_little_leave_the_number_itself(ledger):
    rows, _ = rated(ledger, lambda _: ("[[7]]", ({"[[": 0.0}, {"7": math.log(0.5), "x": -1.0}, {"]]": 0.0})))
    assert rows["expected"].null_count() == rows["coverage"].null_count() == 8
    assert set(scores(rows)["score"]) == {7.0}


def test_an_expectation_is_never_compared_with_a_number(ledger):
    """Two replies [[9]] whose log-probabilities cover .89 and .91: one is 9, the other would be 8.55."""

    def say(request):
        rest = {0: 0.39, 1: 0.41}.get(worth(request), 0.4)
        place = {"9": math.log(0.5), "8": math.log(rest), "Bad": math.log(0.5 - rest)}
        first = "question 0" in request.messages[0]["content"]
        return "[[9]]", ({"[[": 0.0}, place, {"]]": 0.0}) if first or worth(request) else ()

    rows, _ = rated(ledger, say)
    assert rows["expected"].null_count() == 2
    found = scores(rows)
    assert by_worth(found) == [[9.0] * 4] * 2
    assert set(found["score_from"]) == {"numbers"}
    covered = scores(rows.filter(pl.col("expected").is_not_null()))
    assert set(covered["score_from"]) == {"logprobs"} and (covered["score"] < 9).all()


def test_an_unread_reply_has_no_expectation_to_lack(ledger):
    def say(request):
        place = {"7": math.log(0.6), "6": math.log(0.4)}
        return ("[[7]]", ({"[[": 0.0}, place, {"]]": 0.0})) if worth(request) else "Hard to say."

    found = scores(rated(ledger, say)[0])
    assert by_worth(found) == [[None] + [pytest.approx(6.6)] * 3] * 2
    assert set(found["score_from"]) == {"logprobs"}


def test_a_completion_read_in_less_than_half_of_its_samples_has_no_score(ledger):
    def say(request):
        return "[[4]]" if request.sample_index < worth(request) else "Hard to say."

    found = scores(rated(ledger, say, sampling=WARM, samples=4)[0])
    assert by_worth(found) == [[None, None, 4, 4]] * 2
    assert found["n_read"].to_list().count(1) == 2


def test_samples_are_averaged_and_their_spread_is_kept(ledger):
    rows, _ = rated(ledger, lambda request: f"[[{5 + 2 * request.sample_index}]]", sampling=WARM, samples=3)
    found = scores(rows)
    assert found.schema == SCORES
    assert set(found["score"]) == {7.0} and set(found["spread"]) == {2.0}
    assert set(found["n_read"]) == set(found["n_asked"]) == {3}
    assert scores(rows.filter(pl.col("sample_index") == 0))["spread"].null_count() == 8


def test_the_scale_is_the_one_that_the_template_names(ledger):
    ten, _ = rated(ledger, lambda _: "[[7]]")
    five, judge = rated(ledger, lambda _: "[[7]]", "rubric", criteria=["reasoning"], structured=True)
    assert ten["rating"].null_count() == 0 and five["rating"].null_count() == five.height == 16
    assert {request.sampling.choice for request in judge.asked} == {tuple(f"[[{k}]]" for k in range(1, 6))}


def test_the_score_is_the_mean_over_criteria_each_with_its_own_name_and_hash(ledger):
    def say(request):
        return "[[2]]" if "Honesty:" in request.messages[0]["content"] else "[[5]]"

    rows, judge = rated(ledger, say, "rating_aspect", criteria=BOTH)
    assert rows.height == len(judge.asked) == 16
    assert rows.group_by("criterion", "template_hash", "rating").len().height == 2
    assert set(rows["criterion"]) == set(BOTH)
    assert set(scores(rows)["score"]) == {3.5}


def test_a_criterion_that_cannot_be_read_leaves_no_score_and_no_other_completion_suffers(ledger):
    def say(request):
        text = request.messages[0]["content"]
        return "Hard to say." if "Honesty:" in text and worth(request) == 1 else f"[[{1 + worth(request)}]]"

    rows, _ = rated(ledger, say, "rating_aspect", criteria=BOTH)
    assert rows.height == 16 + 2  # asked again
    found = scores(rows)
    assert by_worth(found) == [[1, None, 3, 4]] * 2
    assert found.filter(pl.col("score").is_null())["n_read"].to_list() == [1, 1]


def test_readable_samples_make_up_the_score_and_unread_ones_are_not_filled_in(ledger):
    def say(request):
        return "[[4]]" if request.sample_index < 2 else "[[4]] or [[9]]"

    rows, _ = rated(ledger, say, sampling=WARM, samples=3)
    found = scores(rows)
    assert set(found["score"]) == {4.0} and set(found["n_read"]) == {2} and set(found["n_asked"]) == {3}


def test_judges_are_scored_apart(ledger):
    one, _ = rated(ledger, lambda _: "[[4]]")
    other = one.with_columns(judge=pl.lit("other"), rating=pl.lit(8.0))
    found = scores(pl.concat([one, other]))
    assert found.group_by("judge").agg(pl.col("score").mean()).sort("judge").rows() == [
        ("judge", 4),
        ("other", 8),
    ]


def test_no_completions_give_empty_tables(ledger):
    prompts, completions = tables()
    rows = rate(ScriptedJudge(lambda _: "[[1]]"), ledger, completions.clear(), prompts)
    assert (rows.schema, rows.height) == (RATINGS, 0)
    assert scores(rows).schema == SCORES

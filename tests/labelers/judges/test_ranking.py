"""Best-of-K: every candidate at every place, and what the place does to a judge taken out."""

import math
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scripted_judge import ScriptedJudge, tables

from labelers.judges.choosing import GROUPS, choose_groups
from labelers.judges.ranking import SCORES, rank, scores, wins_by_place
from labelers.judges.templates import LETTERS
from labelers.proportions import rate
from samplers.engine import Sampling
from store.errors import InputError
from store.ledger import Ledger
from store.tables import RANKINGS

FORM = "Q {prompt}\n{candidates}"


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


@pytest.fixture
def form(tmp_path):
    path = tmp_path / "form.txt"
    path.write_text(FORM)
    return path


def shown(request):
    """The worth of each candidate, in the order shown."""
    lines = request.messages[0]["content"].splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("text")]


def biased(skill=1.0, by_place=(), logprobs=True, sampled=False):
    """Log-odds: `skill` times the worth, and what each place adds."""

    def say(request):
        logits = [skill * worth for worth in shown(request)]
        logits = [x + bias for x, bias in zip(logits, by_place or [0.0] * len(logits), strict=True)]
        total = math.log(sum(map(math.exp, logits)))
        letters = {letter: x - total for letter, x in zip(LETTERS, logits, strict=False)}
        best = max(letters, key=letters.get)
        if sampled:
            best = random.Random(request.seed).choices(
                list(letters), [math.exp(x) for x in letters.values()]
            )[0]
        return f"[[{best}]]", ({"[[": 0.0}, letters, {"]]": 0.0}) if logprobs else ()

    return ScriptedJudge(say)


def ranked(ledger, form, judge, n_prompts=3, size=4, **options):
    prompts, completions = tables(n_prompts, size)
    groups = choose_groups(completions, size)
    return rank(judge, ledger, groups, completions, prompts, form, **options)


def by_worth(found):
    """The scores of each prompt's candidates, least worthy first."""
    worth = dict(tables(9, 9)[1].select("completion_id", "sample_index").iter_rows())
    rows = found.with_columns(worth=pl.col("completion_id").replace_strict(worth)).sort("prompt_id", "worth")
    return [group["score"].to_list() for _, group in rows.group_by("prompt_id", maintain_order=True)]


def test_every_candidate_stands_once_at_every_place(ledger, form):
    judge = biased()
    rows = ranked(ledger, form, judge, n_prompts=2, size=5)
    assert rows.schema == RANKINGS and rows.height == len(judge.asked) == 10
    for _, group in rows.group_by("prompt_id"):
        places = list(zip(*group["completion_ids"], strict=True))
        assert all(sorted(place) == sorted(places[0]) and len(set(place)) == 5 for place in places)
        assert sorted(group["rotation"]) == list(range(5))


def test_the_best_is_a_completion_and_logprobs_stand_in_the_order_shown(ledger, form):
    worth = dict(tables()[1].select("completion_id", "sample_index").iter_rows())
    for row in ranked(ledger, form, biased()).to_dicts():
        assert worth[row["best"]] == 3
        spread = [x - min(row["logprobs"]) for x in row["logprobs"]]
        assert spread == pytest.approx([worth[i] for i in row["completion_ids"]])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(0, 2))
def test_a_bias_of_places_that_adds_to_the_log_probabilities_cancels_exactly(
    tmp_path_factory, by_place, skill
):
    form = tmp_path_factory.mktemp("form") / "form.txt"
    form.write_text(FORM)
    with Ledger(form.parent / "ledger") as ledger:
        found = scores(ranked(ledger, form, biased(skill, tuple(by_place)), n_prompts=1))
    weights = [math.exp(skill * worth) for worth in range(4)]
    assert by_worth(found) == [pytest.approx([w / sum(weights) for w in weights])]


def test_a_judge_that_only_looks_at_the_place_tells_no_candidates_apart(ledger, form):
    rows = ranked(ledger, form, biased(0.0, (0.0, 2.0, 0.0, 0.0), logprobs=False))
    assert by_worth(scores(rows)) == [[0.25] * 4] * 3
    by_place = [rate(wins, 12) for wins in (0, 12, 0, 0)]
    assert wins_by_place(rows) == by_place
    small = ranked(ledger, form, biased(0.0, (2.0, 0.0), logprobs=False), n_prompts=1, size=2)
    assert wins_by_place(pl.concat([rows, small])) == by_place  # groups of one size alone


def test_without_logprobs_the_score_is_the_share_of_rotations_won(ledger, form):
    found = scores(ranked(ledger, form, biased(0.7, (1.0, 0.0, 0.0, 0.0), logprobs=False)))
    assert found.schema == SCORES
    # Shown first, a candidate gains 1.0 / 0.7 = 1.43 in worth: there 2 beats 3, and 1 does not.
    assert by_worth(found) == [[0.0, 0.0, 0.25, 0.75]] * 3
    assert set(found["n_read"]) == set(found["n_asked"]) == {4}


def test_samples_of_a_drawing_judge_are_counted_together(ledger, form):
    judge = biased(1.0, (1.5, 0.0, 0.0, 0.0), logprobs=False, sampled=True)
    rows = ranked(ledger, form, judge, n_prompts=1, sampling=Sampling(temperature=1.0), samples=50)
    found = scores(rows)
    assert set(found["n_asked"]) == {200} and found["score"].sum() == pytest.approx(1)
    (low, *_, high) = by_worth(found)[0]
    assert low < 0.25 < high


def test_a_group_with_an_unread_rotation_has_no_score_and_no_other_group_suffers(ledger, form):
    """The places would no longer cancel."""

    def say(request):
        odd = "question 1" in request.messages[0]["content"] and shown(request)[0] == 2
        return "Hard to say." if odd else biased().say(request)

    rows = ranked(ledger, form, ScriptedJudge(say))
    assert rows.height == 12 + 1  # asked again
    found = scores(rows)
    assert found.group_by("prompt_id").agg(pl.col("score").null_count())["score"].sort().to_list() == [
        0,
        0,
        4,
    ]
    assert found.filter(pl.col("score").is_null())["n_read"].to_list() == [3] * 4
    assert set(found["n_asked"]) == {4}


def test_a_rotation_counts_once_however_many_of_its_samples_were_read(ledger, form):
    """Of a judge that always says B, so that every candidate wins one rotation."""

    def say(request):
        return "Hard to say." if shown(request)[0] == 0 and request.sample_index > 1 else "[[B]]"

    rows = ranked(ledger, form, ScriptedJudge(say), sampling=Sampling(temperature=1.0), samples=4)
    assert set(scores(rows)["n_read"]) == {14}
    assert by_worth(scores(rows)) == [[0.25] * 4] * 3


def test_a_rotation_read_in_less_than_half_of_its_samples_is_unread(ledger, form):
    def say(request):
        return "Hard to say." if shown(request)[0] == 0 and request.sample_index else "[[B]]"

    rows = ranked(ledger, form, ScriptedJudge(say), sampling=Sampling(temperature=1.0), samples=4)
    assert scores(rows)["score"].null_count() == 12 and wins_by_place(rows) == []


def test_places_are_counted_over_whole_groups_so_that_quality_cancels(ledger, form):
    """A judge that sees quality alone, and is not read where the best stands first."""

    def say(request):
        odd = "question 0" in request.messages[0]["content"] and shown(request)[0] == 3
        return "Hard to say." if odd else biased(logprobs=False).say(request)

    assert wins_by_place(ranked(ledger, form, ScriptedJudge(say))) == [rate(2, 8)] * 4


def test_log_probabilities_that_one_reply_lacks_are_used_for_no_candidate_of_its_group(ledger, form):
    def say(request):
        lacking = "question 1" in request.messages[0]["content"] and shown(request)[0] == 2
        return biased(1.0, logprobs=not lacking).say(request)

    found = scores(ranked(ledger, form, ScriptedJudge(say)))
    by_group = [set(group["score_from"]) for _, group in found.group_by("prompt_id")]
    assert sorted(map(sorted, by_group)) == [["logprobs"], ["logprobs"], ["wins"]]
    assert by_worth(found.filter(score_from="wins")) == [[0, 0, 0, 1]]


def test_the_order_of_ids_and_of_groups_changes_nothing(ledger, form):
    prompts, completions = tables(3, 4)
    groups = choose_groups(completions, 4)
    judge = biased(1.0, (0.5, 0.0, 0.0, 0.0))
    rows = rank(judge, ledger, groups, completions, prompts, form)
    turned = groups.with_columns(pl.col("completion_ids").list.reverse()).reverse()
    again = rank(judge, ledger, turned, completions.reverse(), prompts, form)
    assert len(judge.asked) == 12
    assert_frame_equal(rows, again)
    assert_frame_equal(scores(rows), scores(again.reverse()))


def test_groups_of_two_to_twenty_six_different_completions_can_be_ranked(ledger, form):
    prompts, completions = tables(1, 27)
    ids = completions["completion_id"].to_list()

    def group(chosen):
        return pl.DataFrame([(prompts["prompt_id"][0], chosen)], schema=GROUPS, orient="row")

    judge = biased(0.1)
    assert rank(judge, ledger, group(ids[:26]), completions, prompts, form).height == 26
    assert rank(judge, ledger, group(ids[:2]), completions, prompts, form)["logprobs"][0].len() == 2
    for bad in (ids, ids[:1], [ids[0], ids[0]]):
        with pytest.raises(InputError, match="give 2 to 26 different completions"):
            rank(judge, ledger, group(bad), completions, prompts, form)


def test_a_structured_judge_may_only_name_the_letters_shown(ledger, form):
    judge = biased()
    ranked(ledger, form, judge, size=3, structured=True)
    assert {request.sampling.choice for request in judge.asked} == {("[[A]]", "[[B]]", "[[C]]")}


def test_no_groups_give_empty_tables(ledger, form):
    prompts, completions = tables()
    rows = rank(biased(), ledger, pl.DataFrame(schema=GROUPS), completions, prompts, form)
    assert (rows.schema, rows.height, wins_by_place(rows)) == (RANKINGS, 0, [])
    assert scores(rows).schema == SCORES

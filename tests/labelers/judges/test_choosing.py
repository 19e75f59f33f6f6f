"""What is shown together follows from content alone, and every completion gets its turn."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scripted_judge import tables

from labelers.judges.choosing import GROUPS, PAIRS, choose_groups, choose_pairs
from store.ids import content_id
from store.tables import COMPLETION_VERDICTS


def truth(completions):
    """Of eight completions the better four are right."""
    verdict = pl.when(pl.col("sample_index") >= 4).then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
    columns = completions.select("completion_id", "prompt_id", verdict=verdict)
    return pl.DataFrame(columns.to_dicts(), schema=COMPLETION_VERDICTS)


def test_chosen_pairs_depend_on_content_alone():
    _, completions = tables(5, 6)
    pairs = choose_pairs(completions, per_prompt=4, seed=3)
    assert pairs.schema == PAIRS and pairs.height == 20
    assert 0.2 < (pairs["a_id"] < pairs["b_id"]).mean() < 0.8
    assert pairs.is_unique().all()
    assert_frame_equal(
        pairs, choose_pairs(completions.sample(fraction=1, shuffle=True, seed=1), per_prompt=4, seed=3)
    )
    one = pairs["prompt_id"][0]
    alone = choose_pairs(completions.filter(pl.col("prompt_id") == one), per_prompt=4, seed=3)
    assert_frame_equal(alone, pairs.filter(pl.col("prompt_id") == one))
    assert not pairs.equals(choose_pairs(completions, per_prompt=4, seed=4))


def test_right_wrong_pairs_hold_one_of_each_and_spread_over_the_completions():
    _, completions = tables(3, 8)
    verdicts = truth(completions)
    pairs = choose_pairs(completions, verdicts, per_prompt=4, mode="right-wrong")
    known = dict(verdicts.select("completion_id", "verdict").iter_rows())
    assert {frozenset(map(known.get, pair)) for pair in pairs.select("a_id", "b_id").iter_rows()} == {
        frozenset(["correct", "incorrect"])
    }
    used = pl.concat([pairs["a_id"], pairs["b_id"].rename("a_id")])
    assert used.n_unique() == len(used) == 3 * 8
    everything = choose_pairs(completions, verdicts, per_prompt=99, mode="right-wrong")
    assert everything.height == 3 * 4 * 4
    sides = [known[a] for a in everything["a_id"]]
    assert 0.2 < sides.count("correct") / len(sides) < 0.8


def test_what_stands_first_tells_nothing_of_how_common_its_text_is():
    """Right texts are sampled eight times here, wrong ones once: the smallest of eight ids is a small one."""
    prompts, said = range(150), ["right"] * 8 + ["wrong"]
    rows = [(content_id(p, i), f"p{p}", text, i) for p in prompts for i, text in enumerate(said)]
    completions = pl.DataFrame(rows, ["completion_id", "prompt_id", "text", "sample_index"], orient="row")
    verdict = pl.when(pl.col("text") == "right").then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
    verdicts = completions.with_columns(verdict=verdict)
    right = set(verdicts.filter(verdict="correct")["completion_id"])
    pairs = choose_pairs(completions, verdicts, 1, mode="right-wrong")
    first = sum(a in right for a in pairs["a_id"])
    assert pairs.height == 150
    assert 55 < first < 95  # 75 +- 3.3 deviations; by the smaller id it would be about 133


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 40))
def test_no_completion_is_used_again_while_one_of_its_side_waits(n_right, n_wrong, limit):
    _, completions = tables(1, n_right + n_wrong)
    right = pl.when(pl.col("sample_index") < n_right).then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
    verdicts = completions.select("completion_id", "prompt_id", verdict=right)
    pairs = choose_pairs(completions, verdicts, limit, mode="right-wrong")
    assert pairs.height == min(limit, n_right * n_wrong) and pairs.is_unique().all()
    uses = Counter(pairs["a_id"].to_list() + pairs["b_id"].to_list())
    for verdict in ("correct", "incorrect"):
        counts = [uses[i] for i in verdicts.filter(verdict=verdict)["completion_id"]]
        assert max(counts) - min(counts) <= 1


def test_equal_texts_are_never_paired():
    _, completions = tables(2, 5)
    same = completions.with_columns(text=pl.lit("all the same"))
    assert choose_pairs(same, per_prompt=9).height == 0
    assert choose_pairs(completions, per_prompt=99).height == 2 * 10


def test_right_wrong_pairs_need_verdicts():
    with pytest.raises(ValueError, match="right-wrong needs verdicts"):
        choose_pairs(tables()[1], mode="right-wrong")


def test_groups_share_no_completion_and_depend_on_content_alone():
    _, completions = tables(3, 9)
    groups = choose_groups(completions, size=4, per_prompt=9, seed=3)
    assert groups.schema == GROUPS
    assert sorted(groups["completion_ids"].list.len()) == [4] * 6  # of nine the one left over has no rival
    assert groups.explode("completion_ids").height == groups["completion_ids"].explode().n_unique()
    shuffled = completions.sample(fraction=1, shuffle=True, seed=1)
    assert_frame_equal(groups, choose_groups(shuffled, size=4, per_prompt=9, seed=3))
    one = groups["prompt_id"][0]
    alone = choose_groups(completions.filter(pl.col("prompt_id") == one), size=4, per_prompt=9, seed=3)
    assert_frame_equal(alone, groups.filter(pl.col("prompt_id") == one))
    assert not groups.equals(choose_groups(completions, size=4, per_prompt=9, seed=4))


def test_groups_hold_different_texts_and_at_least_two():
    _, completions = tables(2, 6)
    assert choose_groups(completions, size=4)["completion_ids"].list.len().to_list() == [4, 4]
    assert choose_groups(completions, size=4, per_prompt=2)["completion_ids"].list.len().sort().to_list() == [
        2,
        2,
        4,
        4,
    ]
    assert choose_groups(completions.with_columns(text=pl.lit("all the same"))).height == 0

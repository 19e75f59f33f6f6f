"""Preference pairs: which comparisons become pairs, which are refused and under which name."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from math import inf, log
from typing import Any

import polars as pl
import pytest
from candidate_worlds import World, opinions, scores, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import completions, labels, prompts

from curation.audit import Sources, audit
from curation.pairing import Comparison, PairRule, Trainer, choose
from curation.pairs import Paired, join, length_gap, preference, preference_judged, preference_scored
from curation.scores import SCORES
from store.errors import InputError
from store.tables import PREFERENCE

ALL = PairRule(pairs_per_prompt=10_000)


def chosen_over_rejected(paired: Paired) -> set[tuple[str, str]]:
    return set(paired.table.select("chosen_id", "rejected_id").iter_rows())


def characters(messages: list[dict[str, str]]) -> list[int]:
    return [ord(c) for c in messages[-1]["content"]]


# Which comparisons there are


def test_right_over_wrong_and_every_completion_accounted_for() -> None:
    said = completions(p=["r1", "w1", "r2", "w2", "??"], q=["r", "r'"], z=["w"])
    paired = preference(
        prompts("p", "q", "z"), said, labels(p="+-+-?", q="++", z="-"), PairRule(pairs_per_prompt=2)
    )
    frame = paired.table
    assert frame.schema == PREFERENCE
    assert set(frame["chosen_id"]) == {"p0", "p2"} and set(frame["rejected_id"]) == {"p1", "p3"}
    assert frame["soft"].to_list() == [1, 1] and frame["margin"].null_count() == 2
    assert frame["evidence"].unique().to_list() == ["verifier"]
    assert paired.account.to_dict() == {
        "stage": "preference",
        "in": 8,
        "out": 4,
        "rejected": {"no_answer": 1, "prompt_all_right": 2, "prompt_all_wrong": 1},
    }
    assert paired.pairs.to_dict() == {
        "stage": "pairs",
        "in": 4,
        "out": 2,
        "rejected": {"over_pairs_per_prompt": 2},
    }


def test_the_better_score_is_chosen_and_the_gap_is_the_margin() -> None:
    paired = preference_scored(prompts("p"), completions(p=["bad", "good", "none"]), scores(p=[2, 4.5, None]))
    assert paired.table.select("chosen_id", "rejected_id", "margin", "soft", "evidence").rows() == [
        ("p1", "p0", 2.5, None, "rating")
    ]
    assert paired.account.rejected == {"no_score": 1}


def test_completions_of_a_better_system_variant_are_chosen_without_a_margin() -> None:
    paired = preference_scored(
        prompts("p"),
        completions(p=["a", "b", "c", "d"]),
        scores("system_variant", p=[0, -1, 0, -1]),
        PairRule(10, min_margin=5),
    )
    assert chosen_over_rejected(paired) == {(a, b) for a in ("p0", "p2") for b in ("p1", "p3")}
    assert paired.table["margin"].null_count() == 4 and paired.pairs.rejected == {"tie": 2}


def test_keeping_other_constraints_is_not_keeping_more() -> None:
    kept = [[1.0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]]
    rows = [(f"p{i}", sum(one) / 3, one, None, "constraints") for i, one in enumerate(kept)]
    table = pl.DataFrame(rows, schema=SCORES, orient="row")
    paired = preference_scored(prompts("p"), completions(p=list("abcd")), table, ALL)
    assert chosen_over_rejected(paired) == {("p0", "p1"), ("p3", "p0"), ("p3", "p1"), ("p3", "p2")}
    assert paired.pairs.rejected == {"better_in_part": 2}


def test_parts_of_different_checks_are_not_compared() -> None:
    rows = [("p0", 0.5, [1.0, 0.0], None, "constraints"), ("p1", 0.25, None, None, "constraints")]
    table = pl.DataFrame(rows, schema=SCORES, orient="row")
    with pytest.raises(
        InputError, match=r"prompt p have different numbers of parts \(p0 2, p1 0\); score all"
    ):
        preference_scored(prompts("p"), completions(p=["a", "b"]), table, ALL)


def test_only_one_prompt_is_compared_with_itself() -> None:
    paired = preference_scored(
        prompts("p", "q"), completions(p=["a"], q=["b", "c"]), scores(p=[9], q=[1, 2]), ALL
    )
    assert chosen_over_rejected(paired) == {("q1", "q0")} and paired.account.rejected == {"no_partner": 1}


# Judges


def test_the_judges_preference_its_probability_and_log_odds() -> None:
    said = pl.concat([opinions(("0", "<", "1"), soft=0.8), opinions(("1", ">", "0"), soft=0.6)])
    (row,) = preference_judged(prompts("p"), completions(p=["a", "b"]), said).table.to_dicts()
    assert (row["chosen_id"], row["rejected_id"], row["evidence"]) == ("p1", "p0", "judge")
    # (.8 + .6) / 2 = .7 and log(.7 / .3) = 0.8473
    assert row["soft"] == pytest.approx(0.7) and row["margin"] == pytest.approx(0.84729786)


def test_pairs_without_an_agreed_preference_are_counted_by_reason() -> None:
    said = pl.concat(
        [
            opinions(("0", "order_flip", "1"), ("2", "=", "3"), ("4", ">", "5"), ("4", "<", "5")),
            opinions(("6", "unparsed", "7"), ("6", ">", "7")),
            opinions(("0", ">", "7"), soft=0.5),
        ]
    )
    paired = preference_judged(prompts("p"), completions(p=list("abcdefghi")), said)
    assert chosen_over_rejected(paired) == {("p6", "p7")}
    assert paired.pairs.rejected == {"order_flip": 1, "tie": 1, "judges_disagree": 1, "no_preference": 1}
    assert paired.account.rejected == {"judges_disagree": 2, "not_judged": 1, "order_flip": 2, "tie": 2}


def test_a_tie_and_a_preference_of_two_judges_disagree() -> None:
    said = opinions(("0", "=", "1"), ("0", ">", "1"))
    paired = preference_judged(prompts("p"), completions(p=["a", "b"]), said)
    assert paired.pairs.rejected == {"judges_disagree": 1}


def test_two_completions_of_one_text_are_one_candidate_of_the_judge() -> None:
    said = completions(p=["a", "b", "a ", "\nb", "a"])
    agreeing = opinions(("0", ">", "1"), ("3", "<", "2"), ("0", ">", "4"))
    paired = preference_judged(prompts("p"), said, agreeing)
    assert chosen_over_rejected(paired) == {("p0", "p1")}
    assert paired.pairs.rejected == {"same_text": 1} and paired.account.rejected == {"duplicate_text": 3}
    against = preference_judged(prompts("p"), said, opinions(("0", ">", "1"), ("2", "<", "3")))
    assert against.pairs.rejected == {"judges_disagree": 1}


def test_a_verdict_is_never_overruled() -> None:
    asked, said = prompts("p"), completions(p=["a", "b", "c"])
    truth = labels(p="-+?")
    judged = preference_judged(asked, said, opinions(("0", ">", "1"), ("0", ">", "2")), labels=truth)
    assert chosen_over_rejected(judged) == {("p0", "p2")}
    assert judged.pairs.rejected == {"contradicts_label": 1}
    scored = preference_scored(asked, said, scores(p=[9, 5, 1]), ALL, labels=truth)
    assert chosen_over_rejected(scored) == {("p0", "p2"), ("p1", "p2")}
    assert scored.pairs.rejected == {"contradicts_label": 1}


def test_a_label_of_the_same_text_counts_whichever_completion_has_it() -> None:
    """One of two equal texts was cut by the token limit, so it has no label of its own."""
    said, truth = completions(p=["a", "b", "a", "b"]), labels(p="??-+")
    paired = preference_judged(prompts("p"), said, opinions(("0", ">", "1")), labels=truth)
    assert paired.pairs.rejected == {"contradicts_label": 1}


def test_right_and_wrong_are_no_tie() -> None:
    asked, said = prompts("p"), completions(p=["a", "b"])
    paired = preference_judged(
        asked, said, opinions(("0", "=", "1")), PairRule(ties="soft"), labels=labels(p="+-")
    )
    assert paired.table.is_empty() and paired.pairs.rejected == {"contradicts_label": 1}


def test_a_text_with_two_labels_is_in_no_pair() -> None:
    asked, said, truth = prompts("p"), completions(p=["a", "a ", "b"]), labels(p="+-+")
    judged = preference_judged(asked, said, opinions(("0", ">", "2")), labels=truth)
    scored = preference_scored(asked, said, scores(p=[1, 1, 2]), labels=truth)
    assert judged.account.rejected == {"conflicting_label": 2, "not_judged": 1}
    assert scored.account.rejected == {"conflicting_label": 2, "no_partner": 1}


def test_a_judge_without_a_preference_has_no_part_in_its_probability() -> None:
    said = pl.concat([opinions(("0", ">", "1"), soft=0.8), opinions(("0", "order_flip", "1"), soft=0.3)])
    paired = preference_judged(prompts("p"), completions(p=["a", "b"]), said)
    assert paired.table["soft"].to_list() == [pytest.approx(0.8)]


def test_a_judgement_of_somebody_elses_completion_stops_the_build() -> None:
    said = pl.concat([opinions(("0", ">", "1"))]).with_columns(b_id=pl.lit("q0"))
    with pytest.raises(InputError, match="q0 is not among the answers to p"):
        preference_judged(prompts("p", "q"), completions(p=["a"], q=["b"]), said)


def test_an_unknown_verdict_is_no_verdict() -> None:
    said = opinions(("0", ">", "1")).with_columns(preference=pl.lit("C"))
    with pytest.raises(InputError, match="preference is 'C', not A, B or null"):
        preference_judged(prompts("p"), completions(p=["a", "b"]), said)


# Margins and ties


def test_a_gap_below_the_margin_is_a_tie() -> None:
    asked, said, rated = prompts("p"), completions(p=["a", "b", "c"]), scores(p=[0.7, 0.4, 0.3])
    paired = preference_scored(asked, said, rated, PairRule(9, min_margin=0.3))
    assert chosen_over_rejected(paired) == {("p0", "p1"), ("p0", "p2")}  # .7 - .4 is 0.29999999999999993
    assert paired.pairs.rejected == {"tie": 1}


def test_equal_scores_are_no_preference() -> None:
    paired = preference_scored(prompts("p"), completions(p=["a", "b"]), scores(p=[3, 3]))
    assert paired.table.is_empty() and paired.pairs.rejected == {"tie": 1}
    assert paired.account.rejected == {"tie": 2}


def test_ties_may_be_kept_as_even_odds_after_the_decided_pairs() -> None:
    rule = PairRule(3, ties="soft")
    asked, said = prompts("p"), completions(p=["a", "b", "c", "d"])
    paired = preference_scored(asked, said, scores(p=[3, 3, 3, 1]), rule)
    assert set(paired.table.select("margin", "soft").iter_rows()) == {(2.0, None)}
    paired = preference_scored(asked, said, scores(p=[3, 3, 1, 1]), PairRule(5, ties="soft"))
    assert sorted(paired.table["soft"].fill_null(1)) == [0.5, 1, 1, 1, 1]
    assert paired.table.filter(soft=0.5)["margin"].to_list() == [0]
    assert audit({"preference": paired.table}, Sources(asked, said)) == []


def test_a_tied_verdict_of_the_judge_may_be_kept_as_even_odds() -> None:
    paired = preference_judged(
        prompts("p"), completions(p=["a", "b"]), opinions(("0", "=", "1"), soft=0.7), PairRule(ties="soft")
    )
    assert paired.table.select("margin", "soft").rows() == [(0, 0.5)]


def test_which_side_of_a_tie_stands_first_does_not_follow_the_samples() -> None:
    names = [f"t{i}x" for i in range(40)]
    paired = preference_scored(
        prompts(*names),
        completions(**dict.fromkeys(names, ["a", "b"])),
        scores(**dict.fromkeys(names, [1, 1])),
        PairRule(ties="soft"),
    )
    assert 8 < sum(chosen.endswith("x0") for chosen in paired.table["chosen_id"]) < 32


def test_a_preference_of_unknown_strength_does_not_reach_a_margin() -> None:
    asked, said = prompts("p"), completions(p=list("abcd"))
    opinion = pl.concat(
        [
            opinions(("0", ">", "1"), soft=None),
            opinions(("1", ">", "2"), soft=1.0),
            opinions(("2", ">", "3"), soft=0.6),
        ]
    )
    paired = preference_judged(asked, said, opinion, PairRule(9, min_margin=log(0.7 / 0.3)))
    assert chosen_over_rejected(paired) == {("p1", "p2")}
    assert paired.pairs.rejected == {"strength_unknown": 1, "tie": 1}
    everything = preference_judged(asked, said, opinion, PairRule(9)).table
    assert everything["soft"].to_list() == [None, 1, 0.6]
    assert everything["margin"].to_list() == [None, None, pytest.approx(log(1.5))]


# Texts, lengths, tokens


def test_a_length_ratio_refuses_pairs_that_length_tells_apart() -> None:
    said = completions(p=["a" * 100, "b" * 120, "c" * 80, "d" * 126])
    paired = preference(prompts("p"), said, labels(p="+---"), PairRule(9, length_ratio=1.25))
    assert chosen_over_rejected(paired) == {("p0", "p1"), ("p0", "p2")}  # 100 / 80 is just 1.25
    assert paired.pairs.rejected == {"length_gap": 1} and paired.account.rejected == {"length_gap": 1}


def test_the_closest_lengths_are_paired_first() -> None:
    said = completions(p=["a" * 100, "b" * 120, "c" * 103, "d" * 90])
    paired = preference(prompts("p"), said, labels(p="+---"), PairRule(1, length_ratio=2))
    assert chosen_over_rejected(paired) == {("p0", "p2")}


def test_matching_takes_away_what_length_tells() -> None:
    """Right answers are longer by 15 % on average; lengths spread by 25 % on either side."""
    rng, names = random.Random(0), [f"m{i}x" for i in range(400)]
    texts = {
        name: ["x" * round(rng.lognormvariate(log(300 if i < 5 else 260), 0.25)) for i in range(10)]
        for name in names
    }
    tables = prompts(*names), completions(**texts), labels(**dict.fromkeys(names, "+++++-----"))
    free = length_gap(preference(*tables, PairRule(2)).table)
    matched = length_gap(preference(*tables, PairRule(2, length_ratio=1.1)).table)
    assert free["longer_chosen"] > 0.6 and free["mean_log_ratio"] > 0.1
    assert abs(matched["longer_chosen"] - 0.5) < abs(free["longer_chosen"] - 0.5) / 2
    assert abs(matched["mean_log_ratio"]) < 0.01 and matched["mean_abs_log_ratio"] < 0.05


def test_the_length_gap_of_a_set_by_hand() -> None:
    said = completions(p=["aaaa", "bb"], q=["a", "bbbb"], r=["aa", "bb"], s=["aaa", "b"])
    marks = labels(p="+-", q="+-", r="+-")
    decided = preference(prompts("p", "q", "r"), said.filter(pl.col("prompt_id") != "s"), marks).table
    tie = preference_scored(prompts("s"), said.filter(prompt_id="s"), scores(s=[1, 1]), PairRule(ties="soft"))
    gap = length_gap(pl.concat([decided, tie.table]))
    assert gap == {
        "longer_chosen": 0.5,  # (1 + 0 + .5) / 3
        "mean_log_ratio": pytest.approx(-log(2) / 3),  # (log 2 - log 4 + 0) / 3
        "mean_abs_log_ratio": pytest.approx(log(2)),  # (log 2 + log 4 + 0) / 3
    }
    assert set(length_gap(decided.clear()).values()) == {None}


def test_hard_negatives_are_the_wrong_ones_that_share_most_words() -> None:
    said = completions(p=["48 / 2 = 24 clips", "I do not know", "48 / 2 = 26 clips", "48 * 2 = 96"])
    paired = preference(prompts("p"), said, labels(p="+---"), PairRule(1, hard_negatives=True))
    assert chosen_over_rejected(paired) == {("p0", "p2")}


def test_hard_negatives_come_from_the_smallest_margin_that_decides() -> None:
    asked, said = prompts("p"), completions(p=["x y", "v w", "t u", "y x"])
    paired = preference_scored(
        asked, said, scores(p=[9, 8.5, 8, 2]), PairRule(1, min_margin=1, hard_negatives=True)
    )
    assert chosen_over_rejected(paired) == {("p0", "p2")}


def test_a_preference_of_unknown_strength_is_no_hard_negative() -> None:
    said = pl.concat([opinions(("0", ">", "1"), soft=None), opinions(("2", ">", "3"), soft=0.99)])
    asked = prompts("p"), completions(p=["x y", "y x", "v w", "t u"])
    paired = preference_judged(*asked, said, PairRule(1, hard_negatives=True))
    assert chosen_over_rejected(paired) == {("p2", "p3")}


def test_pairs_that_the_trainer_cannot_tell_apart_are_dropped_and_counted() -> None:
    said = completions(p=["same start, right", "same start, wrong", "other"])
    tables = prompts("p"), said, labels(p="+--")
    cut = preference(*tables, ALL, trainer=Trainer(characters, max_tokens=11))
    assert chosen_over_rejected(cut) == {("p0", "p2")} and cut.pairs.rejected == {"same_tokens": 1}
    assert cut.account.rejected == {"same_tokens": 1}
    assert preference(*tables, ALL, trainer=Trainer(characters)).pairs.kept == 2


def test_the_trainer_encodes_the_prompt_and_the_answer_once_each() -> None:
    seen: list[Any] = []

    def encode(messages: list[dict[str, str]]) -> list[int]:
        seen.append([(m["role"], m["content"]) for m in messages])
        return characters(messages)

    preference(prompts("p"), completions(p=["a", "b", "c"]), labels(p="+--"), ALL, trainer=Trainer(encode))
    assert sorted(seen) == [[("user", "p"), ("assistant", text)] for text in "abc"]


def test_a_dropped_pair_makes_room_for_another() -> None:
    said = completions(p=["aa right", "aa wrong", "bb"])
    tables = prompts("p"), said, labels(p="+--")
    paired = preference(*tables, PairRule(1), trainer=Trainer(characters, max_tokens=2))
    assert chosen_over_rejected(paired) == {("p0", "p2")}


def test_white_space_of_any_kind_makes_no_difference() -> None:
    said = completions(p=["a", "a\x1f", "\u3000b\x85", "b", "\x1c", "c"])
    paired = preference(prompts("p"), said, labels(p="+---+-"), ALL)
    # one label each of the two a; b and c are wrong, and no right one is left
    assert paired.account.rejected == {
        "conflicting_label": 2,
        "duplicate_text": 1,
        "empty_text": 1,
        "prompt_all_wrong": 2,
    }


# Groups


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 40))
def test_every_completion_is_used_before_one_is_used_again(n_right: int, n_wrong: int, limit: int) -> None:
    said = completions(p=[str(i) for i in range(n_right + n_wrong)])
    paired = preference(prompts("p"), said, labels(p="+" * n_right + "-" * n_wrong), PairRule(limit))
    assert paired.table.height == len(chosen_over_rejected(paired)) == min(limit, n_right * n_wrong)
    assert paired.table["chosen_id"].n_unique() == min(limit, n_right)
    assert paired.table["rejected_id"].n_unique() == min(limit, n_wrong)


def test_a_completion_that_could_have_been_paired_is_counted_as_one_over_the_limit() -> None:
    asked, said = prompts("p"), completions(p=["a" * 10, "b" * 10, "c" * 10, "d" * 90])
    paired = preference(asked, said, labels(p="++--"), PairRule(1, length_ratio=2))
    assert paired.account.rejected == {"length_gap": 1, "over_pairs_per_prompt": 1}


def test_sets_of_different_prompts_are_joined_and_of_the_same_are_not() -> None:
    verified = preference(prompts("p"), completions(p=["a", "b"]), labels(p="+-"))
    scored = preference_scored(prompts("o"), completions(o=["a", "b", "c"]), scores(o=[1, 2, 3]), PairRule(1))
    both = join([verified, scored])
    assert both.table["prompt_id"].to_list() == ["o", "p"]
    assert both.account.to_dict() == {
        "stage": "preference",
        "in": 5,
        "out": 4,
        "rejected": {"over_pairs_per_prompt": 1},
    }
    with pytest.raises(InputError, match="prompt p has pairs from two kinds"):
        join([verified, scored, verified])


# Whatever the candidates

rules = st.builds(
    PairRule,
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["drop", "soft"]),
    st.sampled_from([None, 1.0, 2.0]),
    st.booleans(),
)


def built(world: World, rule: PairRule) -> list[Paired]:
    asked, said, marks, rated, _, judged = world
    trainer = Trainer(characters, max_tokens=2)
    return [
        preference(asked, said, marks, rule, trainer=trainer),
        preference_scored(asked, said, rated, rule, labels=marks, trainer=trainer),
        preference_judged(asked, said, judged, rule, labels=marks, trainer=trainer),
    ]


@settings(max_examples=50)
@given(worlds, rules)
def test_no_set_has_a_defect_that_the_audit_knows(world: World, rule: PairRule) -> None:
    for paired in built(world, rule):
        found = audit({"preference": paired.table}, Sources(world.prompts, world.completions, world.labels))
        assert [finding for finding in found if finding.check != "chosen_by_position"] == []


@settings(max_examples=50)
@given(worlds, rules)
def test_accounts_agree_with_the_set_and_rows_of_a_prompt_stay_together(world: World, rule: PairRule) -> None:
    for frame, account, pairs in built(world, rule):
        assert account.rows_in == world.completions.height and pairs.kept == frame.height
        assert account.kept == len({*frame["chosen_id"], *frame["rejected_id"]})
        assert frame["prompt_id"].is_sorted()
        assert frame.group_by("prompt_id").len().filter(pl.col("len") > rule.pairs_per_prompt).is_empty()
        assert frame.filter(soft=0.5).is_empty() or rule.ties == "soft"


@settings(max_examples=50)
@given(worlds, rules)
def test_the_order_of_the_tables_and_other_prompts_change_nothing(world: World, rule: PairRule) -> None:
    for one, other, own in zip(
        built(world, rule), built(world.shuffled(5), rule), built(world.only("p0x"), rule), strict=True
    ):
        assert one.table.equals(other.table)
        assert (one.account, one.pairs) == (other.account, other.pairs)
        assert one.table.filter(prompt_id="p0x").equals(own.table)


@settings(max_examples=50)
@given(worlds, st.sampled_from([0.0, 0.5, 1.0]))
def test_scored_pairs_are_all_those_the_definition_names(world: World, min_margin: float) -> None:
    rated: dict[tuple[str, str], set[float]] = {}
    both = world.completions.join(world.scores, "completion_id")
    for prompt, text, score in both.select("prompt_id", "text", "score").iter_rows():
        if score is not None and text.strip():
            rated.setdefault((prompt, text.strip()), set()).add(score)
    clear = {key: found.pop() for key, found in rated.items() if len(found) == 1}
    least = min_margin or 0.1
    expected = {
        (*a, b[1]) for a, b in permutations(clear, 2) if a[0] == b[0] and clear[a] - clear[b] >= least
    }
    rule = PairRule(10_000, min_margin)
    frame = preference_scored(world.prompts, world.completions, world.scores, rule).table
    found = frame.select("prompt_id", "chosen", "rejected").iter_rows()
    assert {(prompt, a[0]["content"].strip(), b[0]["content"].strip()) for prompt, a, b in found} == expected


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=20), st.integers(0, 20)
)
def test_the_least_used_comparison_is_taken_each_time(drawn: list[tuple[int, int, bool]], limit: int) -> None:
    """Against the definition, which looks at every waiting comparison before each choice."""
    rows = [{"completion_id": f"c{i}", "text": f"text {i}", "label": None} for i in range(6)]
    distinct = sorted({(a, b): tie for a, b, tie in drawn if a != b}.items())
    all_of_them = [
        Comparison(rows[a], rows[b], 0.0 if tie else 1.0, None, "judge") for (a, b), tie in distinct
    ]
    rule = PairRule(ties="soft")
    none_taken = choose([], all_of_them, replace(rule, pairs_per_prompt=0), None)
    waiting = [one for one, _ in none_taken.refused]  # in the order of their hashes
    uses: dict[str, int] = dict.fromkeys((row["completion_id"] for row in rows), 0)
    wanted = []
    while waiting and len(wanted) < limit:
        best = min(waiting, key=lambda one: (one.margin == 0, sum(uses[i] for i in one.ids)))
        wanted.append(best)
        waiting.remove(best)
        for i in best.ids:
            uses[i] += 1
    found = choose([], all_of_them, replace(rule, pairs_per_prompt=limit), None)
    assert found.taken == wanted
    assert found.refused == [(one, "over_pairs_per_prompt") for one in waiting]


def test_many_pairs_of_one_prompt_do_not_look_at_all_others_each() -> None:
    looked = 0

    class Row(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            nonlocal looked
            looked += 1
            return super().__getitem__(name)

    rows = [Row(completion_id=f"c{i}", text=f"text {i}", label=i % 2 == 0) for i in range(80)]
    compared = [Comparison(a, b, inf, None, "verifier") for a in rows[::2] for b in rows[1::2]]
    taken = choose([], compared, PairRule(pairs_per_prompt=400), None).taken
    assert len(taken) == 400 and looked < 100 * len(compared)

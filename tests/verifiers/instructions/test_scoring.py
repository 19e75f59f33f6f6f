"""Strict and loose evaluation, results by position, scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.instructions import (
    BadArguments,
    Checked,
    UnknownInstruction,
    check,
    check_all,
    check_rows,
    loose_variants,
    scores,
)

WORD = "keywords:frequency"


def test_the_loose_variants_are_the_eight_of_the_paper_each_once():
    assert loose_variants("a\n*b*\nc") == (
        "a\n*b*\nc",
        "*b*\nc",
        "a\n*b*",
        "*b*",
        "a\nb\nc",
        "b\nc",
        "a\nb",
        "b",
    )
    assert loose_variants("one line") == ("one line",)
    assert loose_variants(" \n ") == ()


def test_a_preamble_is_forgiven_only_in_loose_evaluation():
    response = 'Sure, here it is:\n"Quoted as a whole."'
    assert not check("startend:quotation", {}, response)
    assert check("startend:quotation", {}, response, strict=False)


@pytest.mark.parametrize("blank", ["", " ", "\n\t\n"])
def test_a_blank_response_follows_nothing(blank):
    for strict in (True, False):
        assert not check("punctuation:no_comma", {}, blank, strict=strict)
        assert not check(
            WORD, {"keyword": "a", "frequency": 3, "relation": "less than"}, blank, strict=strict
        )


def test_results_stay_in_place_when_an_id_repeats():
    asks = [
        {"keyword": "red", "frequency": 2, "relation": "at least"},
        {"keyword": "blue", "frequency": 2, "relation": "at least"},
        {"keyword": "red", "frequency": 2, "relation": "less than"},
    ]
    assert check_all([WORD] * 3, asks, "red red blue") == [True, False, False]


def test_unknown_ids_are_refused():
    with pytest.raises(
        UnknownInstruction, match="keywords:frequence.*'keywords:frequency'.*verifiers instructions"
    ):
        check("keywords:frequence", {}, "text")
    with pytest.raises(UnknownInstruction, match="^no instruction 'xyzzy'; `flows"):
        check("xyzzy", {}, "text")


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(BadArguments, match="2 instructions but 1"):
        check_all(["punctuation:no_comma"] * 2, [{}], "text")


def test_nulls_are_padding_and_other_strangers_are_refused():
    assert check("punctuation:no_comma", {"num_words": None}, "text")
    with pytest.raises(BadArguments, match="num_words"):
        check("punctuation:no_comma", {"num_words": 3}, "text")


def test_an_unknown_mode_is_refused():
    with pytest.raises(BadArguments, match="mode"):
        check("punctuation:no_comma", {}, "text", mode="Upstream")


def test_scores_count_responses_and_instructions():
    rows = [
        {"instruction_id_list": ["punctuation:no_comma", "detectable_format:title"], "kwargs": [{}, {}]},
        {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
    ]
    checked = check_rows([{**rows[0], "response": "<<A>> no"}, {**rows[1], "response": "a, b"}])
    assert [one.followed for one in checked] == [(True, True), (False,)]
    found = scores(checked)
    assert found.prompt_level == 1 / 2
    assert found.instruction_level == 2 / 3
    assert found.by_instruction == {"detectable_format:title": 1.0, "punctuation:no_comma": 1 / 2}


ROW = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "response": "text"}


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"kwargs": None}, BadArguments, "kwargs must be a list"),
        ({"kwargs": [7]}, BadArguments, "has 7"),
        ({"kwargs": []}, BadArguments, "1 instructions but 0"),
        ({"response": None}, BadArguments, "response must be a text"),
        ({"instruction_id_list": "punctuation:no_comma"}, BadArguments, "instruction_id_list"),
        ({"instruction_id_list": [["x"]]}, BadArguments, "instruction_id_list"),
        ({"instruction_id_list": ["no:such"]}, UnknownInstruction, "no:such"),
    ],
)
def test_a_row_that_cannot_be_checked_is_named(changed, error, message):
    with pytest.raises(error, match=f"^row 2: .*{message}"):
        check_rows([ROW, ROW | changed])
    with pytest.raises(BadArguments, match="^row 1: kwargs"):
        check_rows([{"instruction_id_list": ["punctuation:no_comma"], "response": "text"}])


def test_arguments_of_null_are_none():
    assert check_rows([ROW | {"kwargs": [None]}])[0].all_followed


def test_the_fraction_is_the_share_of_instructions_followed():
    assert Checked(("a", "b", "c"), (True, False, True)).fraction == 2 / 3
    assert Checked((), ()).fraction == 1.0


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="no instruction"):
        scores([])


ASKS = st.sampled_from(
    [
        ("punctuation:no_comma", {}),
        ("startend:quotation", {}),
        ("detectable_format:title", {}),
        ("detectable_format:json_format", {}),
        ("detectable_format:number_bullet_lists", {"num_bullets": 1}),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 1}),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}),
        ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}),
        ("combination:two_responses", {}),
        ("change_case:english_lowercase", {}),
    ]
)
RESPONSES = st.text(alphabet='aB *-\n,."<>[]{}1', max_size=40)


@given(ASKS, RESPONSES, st.sampled_from(["fixed", "upstream"]))
def test_what_passes_strict_passes_loose(ask, response, mode):
    name, kwargs = ask
    strict, loose = (check(name, kwargs, response, mode=mode, strict=way) for way in (True, False))
    assert loose or not strict


@given(st.lists(ASKS, max_size=5), RESPONSES, st.sampled_from(["fixed", "upstream"]))
def test_a_list_is_checked_as_each_of_its_instructions(asks, response, mode):
    together = check_all([name for name, _ in asks], [kwargs for _, kwargs in asks], response, mode=mode)
    assert together == [check(name, kwargs, response, mode=mode) for name, kwargs in asks]

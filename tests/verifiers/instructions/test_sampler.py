"""Sampled constraints suit the prompt, do not contradict each other, and can all be kept."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_constraints import EDITS, answer_keeping

from verifiers.instructions import INSTRUCTIONS, build
from verifiers.instructions.constraints import (
    BadConstraints,
    arguments,
    constraints_from_json,
    constraints_to_json,
)
from verifiers.instructions.sampler import (
    SUITES,
    NothingFits,
    _drawn,
    append,
    content_words,
    sample_constraints,
    suitable,
)
from verifiers.instructions.sampling_rules import ALL, CONFLICTS, DRAWS, Material, conflict

PROMPT = "Explain how volcanoes form and why mountains near the coast erupt so often in winter."
PROMPTS = (PROMPT, "Describe the taste of fresh bread to a robot.", "What makes a good teacher, and why?")
COMPATIBLE = [pair for pair in combinations(sorted(DRAWS), 2) if conflict(*pair) is None]


def drawn(names, seed):
    """Fixed instructions with drawn arguments."""
    rng, material = random.Random(seed), Material(PROMPT, content_words(PROMPT))
    return [one for name in names for one in _drawn(name, rng, material)]


def test_everything_that_can_be_drawn_is_registered_and_the_tests_know_how_to_keep_it():
    assert set(DRAWS) == set(EDITS) <= set(INSTRUCTIONS)
    assert {INSTRUCTIONS[name].suite for name in DRAWS} == set(SUITES)


@pytest.mark.parametrize("name", sorted(DRAWS))
def test_each_instruction_can_be_kept_by_itself(name):
    for seed in range(4):
        (one,) = drawn([name], seed)
        assert answer_keeping([one], PROMPT), one


def test_any_two_compatible_instructions_can_be_kept_together():
    impossible = [pair for i, pair in enumerate(COMPATIBLE) if not answer_keeping(drawn(pair, i), PROMPT)]
    assert not impossible


def test_sampled_sets_of_three_can_be_kept_together():
    for seed in range(40):
        chosen = sample_constraints(PROMPT, 3, seed)
        assert answer_keeping(chosen, PROMPT), (seed, chosen)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("change_case:english_capital", "change_case:english_lowercase"),
        ("detectable_format:json_format", "detectable_format:title"),
        ("detectable_format:json_format", "detectable_format:number_highlighted_sections"),
        ("startend:end_checker", "startend:quotation"),
        ("startend:end_checker", "last_word:last_word_answer"),
        ("length_constraints:number_words", "length_constraints:number_sentences"),
        ("language:response_language", "letters:letter_counting2"),
        ("copy:copy", "keywords:existence"),
        ("combination:repeat_prompt", "keywords:forbidden_words"),
        ("count:count_unique", "keywords:start_end"),
        ("punctuation:punctuation_dot", "detectable_content:postscript"),
        ("detectable_format:multiple_sections", "paragraphs:paragraphs"),
        ("change_case:english_lowercase", "first_word:first_word_answer"),
    ],
)
def test_contradictions_are_declared_both_ways_round(one, other):
    assert conflict(one, other) and conflict(one, other) == conflict(other, one)


def test_conflict_rules_name_only_what_can_be_drawn_and_say_why():
    assert all(rule.one | rule.other <= ALL and rule.reason for rule in CONFLICTS)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PROMPTS), st.integers(1, 4), st.integers(0, 10**9))
def test_a_sample_is_compatible_and_survives_the_prompt_table(prompt, count, seed):
    chosen = sample_constraints(prompt, count, seed)
    assert len({one.id for one in chosen}) == count
    assert not any(conflict(a.id, b.id) for a, b in combinations(chosen, 2))
    assert constraints_from_json(constraints_to_json(chosen)) == chosen


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.text(min_size=1).filter(str.strip))
def test_sampled_constraints_judge_any_text(seed, response):
    for one in sample_constraints(PROMPT, 3, seed):
        for mode in ("fixed", "upstream"):
            assert one.check(response, mode, PROMPT) in (True, False)


def test_keywords_are_content_words_of_the_prompt_and_used_once():
    for seed in range(200):
        words = []
        for one in sample_constraints(PROMPT, 4, seed):
            given = arguments(one)
            if one.id.startswith("first_word:"):
                continue
            words += [
                given[key]
                for key in ("keyword", "keyword1", "keyword2", "last_word", "first_word")
                if key in given
            ]
            words += [*given.get("keywords", ()), *given.get("forbidden_words", ())]
        assert set(words) <= {"volcanoes", "form", "mountains", "coast", "erupt", "winter"}
        assert len(words) == len(set(words)), seed


@pytest.mark.parametrize("name", sorted(set(DRAWS) - {"language:response_language"}))
def test_the_sentence_for_the_prompt_says_every_argument(name):
    for seed in range(4):
        for one in drawn([name], seed):
            said = one.describe()
            for argument, value in arguments(one).items():
                hidden = argument == "prompt_to_repeat" or (
                    name == "keywords:word_count_different_numbers" and argument == "relation"
                )
                values = value if isinstance(value, tuple) else (value,)
                assert hidden or all(str(each) in said for each in values), (said, argument)


def test_the_seed_decides_alone():
    again = (
        "from verifiers.instructions.sampler import append, sample_constraints\n"
        f"prompt = {PROMPT!r}\n"
        "print([append(prompt, sample_constraints(prompt, 3, s), s) for s in range(5)])"
    )
    random.seed(1)
    here = str([append(PROMPT, sample_constraints(PROMPT, 3, s), s) for s in range(5)])
    there = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here
    assert len({constraints_to_json(sample_constraints(PROMPT, 3, s)) for s in range(20)}) > 15


def test_suites_limit_what_is_drawn():
    for seed in range(30):
        assert {one.suite for one in sample_constraints(PROMPT, 3, seed, suites=["ifeval"])} == {"ifeval"}


def test_code_is_not_asked_to_change_case_and_foreign_prompts_get_no_english_words():
    code, foreign = (
        suitable("Write a Python function that sorts a list."),
        suitable("Escribe un poema sobre gatos."),
    )
    assert not {"change_case:english_capital", "punctuation:no_comma", "startend:quotation"} & code
    assert not {"keywords:existence", "change_case:english_lowercase"} & foreign
    assert "combination:repeat_prompt" not in suitable(PROMPT * 20)


@pytest.mark.parametrize(
    "prompt",
    ["Write a haiku about autumn leaves.", "Tell me a joke.", "Write a limerick.", "Summarize Hamlet."],
)
def test_a_short_english_prompt_is_english(prompt):
    assert {"keywords:existence", "first_word:first_word_answer"} <= suitable(prompt)


@pytest.mark.parametrize(
    ("prompt", "contradicting"),
    [
        (
            "Write an essay on trees in all lowercase.",
            {"change_case:english_capital", "startend:end_checker"},
        ),
        (
            "Translate into Spanish: the cat sleeps all day.",
            {"change_case:english_capital", "first_word:first_word_answer", "language:response_language"},
        ),
        (
            "Answer in JSON: who won which cup?",
            {"length_constraints:number_paragraphs", "punctuation:no_comma"},
        ),
        ("Name exactly three bullet points on ice.", {"detectable_format:number_bullet_lists"}),
        ("Explain gravity in one sentence.", {"length_constraints:number_sentences", "startend:end_checker"}),
        ("Write a haiku about autumn leaves.", {"length_constraints:number_words"}),
    ],
)
def test_what_the_prompt_settles_itself_is_not_drawn(prompt, contradicting):
    assert contradicting <= ALL and not contradicting & suitable(prompt)


def test_a_repeated_request_comes_last_and_in_a_paragraph_of_its_own():
    found = 0
    for seed in range(150):
        chosen = sample_constraints(PROMPT, 2, seed)
        if any(one.id == "combination:repeat_prompt" for one in chosen):
            found += 1
            assert append(PROMPT, chosen, seed).endswith(f"\n\n{chosen[-1].describe()}")
            assert chosen[-1].id == "combination:repeat_prompt"
    assert found


def test_an_unfinished_prompt_does_not_run_on():
    chosen = drawn(["startend:quotation"], 0)
    assert all(append("Hi there", chosen, seed).startswith("Hi there\n\n") for seed in range(40))


def test_one_of_something_is_singular():
    for name, kwargs, said in (
        ("detectable_content:number_placeholders", {"num_placeholders": 1}, "1 placeholder "),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "1 part,"),
        ("keywords:word_count_different_numbers", {"keyword": "a", "frequency": 1}, "1 time,"),
        ("keywords:frequency", {"keyword": "a", "frequency": 1, "relation": "at least"}, "1 time "),
    ):
        assert said in build(name, kwargs).describe()


def test_a_prompt_without_room_for_so_many_constraints_is_refused():
    with pytest.raises(NothingFits, match="no 9 compatible constraints"):
        sample_constraints("Escribe.", 9, 0)


def test_the_prompt_comes_first_and_every_instruction_is_written_out_in_order():
    layouts = set()
    for seed in range(40):
        chosen = sample_constraints(PROMPT, 3, seed)
        text = append(PROMPT, chosen, seed)
        assert text.startswith(PROMPT)
        places = [text.index(one.describe()) for one in chosen]
        assert places == sorted(places)
        layouts.add(text[len(PROMPT) : places[0]])
    assert len(layouts) > 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[", "not valid JSON"),
        ("[]", "must be a list"),
        ('{"instruction_id": "punctuation:no_comma"}', "must be a list"),
        (["punctuation:no_comma"], "constraint 1 must be"),
        (
            [{"instruction_id": "punctuation:no_comma", "kwargs": {}}, {"instruction_id": "no:such"}],
            r"constraint 2 \(no:such\): no instruction 'no:such'",
        ),
        (
            [{"instruction_id": "keywords:word_once", "kwargs": {"keyword": ""}}],
            r"constraint 1 \(keywords:word_once\)",
        ),
        ([{"instruction_id": "keywords:word_once", "kwargs": [1]}], "kwargs must be a mapping"),
    ],
)
def test_unreadable_constraints_are_refused_by_number_and_id(value, message):
    with pytest.raises(BadConstraints, match=message):
        constraints_from_json(value)

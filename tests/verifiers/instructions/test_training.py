"""The 29 training constraints: what each asks for, and where its published checker is wrong."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.instructions import INSTRUCTIONS, BadArguments, build, check
from verifiers.instructions.text import rule_sentences

REQUEST = "Name two rivers in France. Be brief."
PHRASE = "Every cloud has a silver lining"
ARGUMENTS = {
    "copy:copy": {"prompt_to_repeat": REQUEST},
    "copy:copying_multiple": {"prompt_to_repeat": REQUEST, "N": 2},
    "copy:copying_simple": {"prompt_to_repeat": REQUEST},
    "copy:repeat_phrase": {"phrase": PHRASE, "small_n": 2},
    "count:count_increment_word": {"keyword1": "river", "keyword2": "lake"},
    "count:count_unique": {},
    "count:counting_composition": {"n_sent": 2, "n_words": 3},
    "count:lowercase_counting": {"N": 3},
    "detectable_format:bigram_wrapping": {},
    "detectable_format:sentence_hyphens": {},
    "detectable_format:square_brackets": {},
    "first_word:first_word_answer": {"first_word": "river"},
    "first_word:first_word_sent": {"first_word": "river"},
    "keywords:exclude_word_harder": {"keyword": "art"},
    "keywords:keyword_specific_position": {"keyword": "river", "n": 2, "m": 3},
    "keywords:no_adjacent_consecutive": {},
    "keywords:palindrome": {},
    "keywords:start_end": {},
    "keywords:word_count_different_numbers": {"keyword": "art", "frequency": 2, "relation": "at least"},
    "keywords:word_once": {"keyword": "art"},
    "last_word:last_word_answer": {"last_word": "don't"},
    "last_word:last_word_sent": {"last_word": "river"},
    "letters:letter_counting": {"N": 5, "relation": "less than"},
    "letters:letter_counting2": {"letter": "a", "let_frequency": 2, "let_relation": "at least"},
    "new:copy_span_idx": {"prompt_to_repeat": REQUEST, "n_start": 5, "n_end": 14},
    "paragraphs:paragraphs": {},
    "paragraphs:paragraphs2": {},
    "punctuation:punctuation_dot": {},
    "punctuation:punctuation_exclamation": {},
}

AGREED = [  # both modes
    ("copy:copy", f" {REQUEST}\n", True),
    ("copy:copy", f"{REQUEST} The Seine.", False),
    ("copy:copying_simple", REQUEST, True),
    ("copy:copying_multiple", f"{REQUEST}\n******\n{REQUEST}", True),
    ("copy:copying_multiple", f"{REQUEST}\n******\n{REQUEST}\n******\n{REQUEST}", False),
    ("copy:repeat_phrase", "Every cloud has a gold lining. Every cloud has a thin lining.", True),
    ("copy:repeat_phrase", "Every cloud has a gold lining.", False),
    ("copy:repeat_phrase", "Every cloud has no gold lining. Every cloud has a thin lining.", False),
    ("count:count_increment_word", "A river, a lake, another Lake.", True),
    ("count:count_increment_word", "A river, a lake.", False),
    ("count:count_unique", "no word twice here", True),
    ("count:count_unique", "one and one", False),
    ("count:lowercase_counting", "The Seine And the Loire are", True),
    ("count:lowercase_counting", "the Seine and the Loire are", False),
    ("detectable_format:bigram_wrapping", "<<The Seine>> <<and Loire>>", True),
    ("detectable_format:bigram_wrapping", "<<The Seine>> and Loire", False),
    ("detectable_format:sentence_hyphens", "The Seine.-The Loire.", True),
    ("detectable_format:sentence_hyphens", "The Seine. - The Loire.", False),
    ("detectable_format:sentence_hyphens", "The Seine. The Loire.", False),
    ("detectable_format:square_brackets", "[The] [Seine]", True),
    ("detectable_format:square_brackets", "[The] Seine", False),
    ("first_word:first_word_answer", "River of dreams", True),
    ("first_word:first_word_answer", "Rivers of dreams", False),
    ("first_word:first_word_sent", "River one is long. River two is not.", True),
    ("first_word:first_word_sent", "River one is long. This is not.", False),
    ("keywords:exclude_word_harder", "the party was loud", True),
    ("keywords:exclude_word_harder", "the art was loud", False),
    ("keywords:keyword_specific_position", "No. A long river flows.", True),
    ("keywords:keyword_specific_position", "A long river flows. No.", False),
    ("keywords:no_adjacent_consecutive", "a cat bit us", True),
    ("keywords:no_adjacent_consecutive", "a big cat", False),
    ("keywords:palindrome", "We met at noon sharp", True),
    ("keywords:palindrome", "Old joke: a Toyota's a Toyota. A Toyota's a Toyota!", True),
    ("keywords:palindrome", "We met last night", False),
    ("keywords:start_end", "rivers flow into rivers", True),
    ("keywords:start_end", "rivers flow into rivers.", False),
    ("keywords:start_end", "rivers", False),
    ("keywords:word_count_different_numbers", "art for art", True),
    ("keywords:word_count_different_numbers", "art alone", False),
    ("keywords:word_once", "only Art counts", True),
    ("keywords:word_once", "art for art", False),
    ("last_word:last_word_sent", "A long river. What a river!", True),
    ("last_word:last_word_sent", "A long river. What a stream!", False),
    ("letters:letter_counting", "abc d 123", True),
    ("letters:letter_counting", "abc de", False),
    ("letters:letter_counting2", "A cab", True),
    ("letters:letter_counting2", "cab", False),
    ("paragraphs:paragraphs", "One.\n***\nTwo.", True),
    ("paragraphs:paragraphs", "One.\n***\nTwo.\n***\nThree.", False),
    ("paragraphs:paragraphs", "One.\n\nTwo.", False),
    ("paragraphs:paragraphs2", "One.\n\nTwo.", True),
    ("paragraphs:paragraphs2", "One.\nTwo.", False),
    ("paragraphs:paragraphs2", "One.\n\n\n\nTwo.", False),
    ("punctuation:punctuation_dot", "No full stop!", True),
    ("punctuation:punctuation_dot", "About 3.5 of them", False),
    ("punctuation:punctuation_exclamation", "Quiet.", True),
    ("punctuation:punctuation_exclamation", "Loud!", False),
]

DEFECTS = [  # (id, response, what is right); the published checker says the opposite
    ("copy:copy", REQUEST.upper(), False),
    ("copy:copying_simple", REQUEST.lower(), False),
    ("copy:copying_multiple", f"{REQUEST}******{REQUEST.lower()}", False),
    ("copy:repeat_phrase", f"{PHRASE}. Every cloud has a gold lining.", False),
    ("copy:repeat_phrase", "Every cloud, has a silver lining. Every cloud has a gold lining.", False),
    ("count:count_increment_word", "A driver on a river, a lake, a lake.", True),
    ("count:count_unique", "The end. Really over.", True),
    ("count:count_unique", "The night fell on the", False),
    (
        "count:counting_composition",
        "We go home. You stay here.\n* * *\n" * 2 + "I do not. Nor does she.",
        True,
    ),
    ("count:counting_composition", "Go on. Do it.***Go on. Do it.***Go on. Do it.", False),
    ("count:lowercase_counting", "don't x-ray cats", True),
    ("count:lowercase_counting", "café à côté déjà", False),
    ("detectable_format:bigram_wrapping", "word", False),
    ("detectable_format:bigram_wrapping", "<<The Seine>>, <<the Loire>>.", True),
    ("detectable_format:sentence_hyphens", "A well-known river.-The Loire.", True),
    ("detectable_format:square_brackets", "[The], [Seine].", True),
    ("detectable_format:square_brackets", "[] []", False),
    ("first_word:first_word_answer", '"River," he said', True),
    ("first_word:first_word_answer", "**River** of dreams", True),
    ("first_word:first_word_sent", "River one is long?! River two is not.", True),
    ("keywords:exclude_word_harder", "I like art, and party", False),
    ("keywords:exclude_word_harder", "I like Art a lot", False),
    ("keywords:keyword_specific_position", "No. Well, a River flows.", True),
    ("keywords:no_adjacent_consecutive", "1 2 3 go", True),
    ("keywords:no_adjacent_consecutive", 'a "big" cat', False),
    ("keywords:palindrome", "I am a man", False),
    ("keywords:palindrome", "On the next Level.", True),
    ("keywords:start_end", "Don't say what you don't", True),
    ("keywords:word_count_different_numbers", "art, art and art", False),
    ("keywords:word_count_different_numbers", "art at a party", False),
    ("keywords:word_once", "party art", True),
    ("last_word:last_word_answer", "Whatever they say, don't!", True),
    ("last_word:last_word_sent", "One more river?! Yes, a river.", True),
    ("letters:letter_counting", "été là", False),
    ("new:copy_span_idx", "two rivers", True),
    ("new:copy_span_idx", "two river", False),
    ("paragraphs:paragraphs", "***Bold*** word.", False),
    ("paragraphs:paragraphs2", "One.\n \nTwo.", True),
    ("paragraphs:paragraphs2", "One.\r\n\r\nTwo.", True),
    ("punctuation:punctuation_exclamation", "停！", False),
    ("detectable_format:sentence_hyphens", "Only one sentence.", False),
    ("first_word:first_word_sent", 'River folk said "Go!" to them. River folk left.', True),
    ("last_word:last_word_sent", 'We asked "Why?" at the river.', True),
    ("keywords:exclude_word_harder", "ART!", False),
]


@pytest.mark.parametrize(("name", "response", "expected"), AGREED)
def test_both_modes_agree_on_plain_cases(name, response, expected):
    for mode in ("fixed", "upstream"):
        assert check(name, ARGUMENTS[name], response, mode=mode) is expected, mode


@pytest.mark.parametrize(("name", "response", "right"), DEFECTS)
def test_a_known_defect_is_kept_in_upstream_mode_and_mended_in_fixed(name, response, right):
    assert check(name, ARGUMENTS[name], response) is right
    assert check(name, ARGUMENTS[name], response, mode="upstream") is not right


def test_the_training_suite_has_its_29_published_ids():
    assert {name for name, cls in INSTRUCTIONS.items() if cls.suite == "ifeval-train"} == set(ARGUMENTS)
    assert len(ARGUMENTS) == 29


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("keywords:word_once", {"keyword": " "}),
        ("keywords:word_once", {"keyword": ["art"]}),
        ("keywords:keyword_specific_position", {"keyword": "art", "n": 0, "m": 1}),
        ("keywords:keyword_specific_position", {"keyword": [], "n": 1, "m": 1}),
        ("first_word:first_word_sent", {"first_word": "?!"}),
        ("letters:letter_counting", {"N": 3, "relation": "around"}),
        ("letters:letter_counting", {"N": True, "relation": "at least"}),
        ("letters:letter_counting2", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}),
        ("new:copy_span_idx", {"prompt_to_repeat": "short", "n_start": 9, "n_end": 12}),
        ("copy:repeat_phrase", {"phrase": "two words", "small_n": 2}),
        ("if_functions:validate_choice", {"options": []}),
        ("if_functions:validate_choice", {"options": "AB"}),
    ],
)
def test_senseless_arguments_are_refused_with_id_and_value(name, kwargs):
    with pytest.raises(BadArguments, match=re.escape(name)):
        build(name, kwargs)


def test_a_word_in_a_list_of_one_is_read_as_published_rows_mean_it():
    for name, key in (
        ("first_word:first_word_sent", "first_word"),
        ("last_word:last_word_sent", "last_word"),
    ):
        assert check(name, {key: ["river"]}, "River.") and "river" in build(name, {key: ["river"]}).describe()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Ray paid 3.50 at x.com. He left!", ["Dr. Ray paid 3.50 at x.com.", "He left!"]),
        (
            "Born in the U.S. He moved.\nThen... nothing",
            ["Born in the U.S.", "He moved.", "Then...", "nothing"],
        ),
        ('"Stop!" he said. Why?!', ['"Stop"!', "he said.", "Why?", "!"]),
        ("no end", ["no end"]),
    ],
)
def test_the_rules_of_the_published_checkers_split_sentences_their_way(text, expected):
    assert list(rule_sentences(text)) == expected


def test_published_rows_of_the_older_function_set_keep_their_labels(shared_data):
    lines = (shared_data / "conformance/ifeval_cases.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["source"] == "open-instruct-if"]
    assert rows
    for row in rows:
        for mode in ("fixed", "upstream"):
            found = check(row["instruction_id"], row["kwargs"], row["response"], mode=mode)
            assert found is row["expected"], (row["id"], mode)


def test_an_option_inside_another_word_is_no_choice():
    options = {"options": ["A", "B"]}
    assert not check("if_functions:validate_choice", options, "An Apple")
    assert check("if_functions:validate_choice", options, "An Apple", mode="upstream")


@pytest.mark.parametrize("count", range(9))
def test_around_leaves_a_tenth_but_at_least_one(count):
    kwargs = {"N": 5, "quantifier": "around"}
    response = "and " + "BIG " * count
    assert check("if_functions:validate_frequency_capital_words", kwargs, response) is (4 <= count <= 6)


TEXT = st.text(st.sampled_from("aBé '-.!?\n*[]<>\"12_’İ"), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_any_text_gets_a_plain_answer_in_both_modes(text):
    for name, kwargs in ARGUMENTS.items():
        for mode in ("fixed", "upstream"):
            assert check(name, kwargs, text, mode=mode) in (True, False)


@settings(max_examples=40, deadline=None)
@given(TEXT.filter(str.strip))
def test_a_copy_of_a_request_is_recognised_whatever_the_request(text):
    assert check("copy:copy", {"prompt_to_repeat": text}, f"\n{text}  ")
    assert not check("copy:copy", {"prompt_to_repeat": text}, f"{text}x")


@pytest.mark.parametrize(
    "text",
    ["Every " * 40_000, "<<a " * 40_000, "[" * 160_000, "a.-" * 50_000, "* " * 80_000, " " * 160_000 + "x"],
)
def test_hostile_text_costs_little_time(text):
    started = time.perf_counter()
    for name, kwargs in ARGUMENTS.items():
        for mode in ("fixed", "upstream"):
            check(name, kwargs, text, mode=mode)
    assert time.perf_counter() - started < 60

"""Choice, JSON schema, pattern and length: what they accept, and that no text can stop them."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers import choice, length, pattern
from verifiers.json_schema import check_schema, extract_json, verify_rows
from verifiers.verdict import BadReference, Reference, Row, Settings

SETTINGS = Settings(deadline=0.3)


def row(text: str, truncated: bool = False) -> Row:
    return Row(Reference(), text, truncated)


# ---- choice

CITIES = ["Rome", "Paris", "Oslo", "Bern"]


@pytest.mark.parametrize(
    ("answer", "choices", "text", "expected"),
    [
        ("B", "ABCD", "The answer is (B).", "correct"),
        ("B", "ABCD", "\\boxed{C}", "incorrect"),
        ("b", json.dumps(CITIES), "Answer: B", "correct"),
        ("Paris", CITIES, "So the answer is B.", "correct"),
        ("B", CITIES, "The answer is Paris.", "correct"),
        ("B", CITIES, "The answer is Oslo.", "incorrect"),
        ("2", {"text": CITIES, "label": ["A", "B", "C", "D"]}, "", "gold"),
        ("C", {"text": CITIES, "label": ["A", "B", "C", "D"]}, "The answer is C", "correct"),
        ("A", {"A": "yes", "B": "no"}, "The answer is no.", "incorrect"),
        ("A", "AB", "<think>The answer is A", "no_answer"),
        ("A", "ABCD", "", "no_answer"),
    ],
)
def test_a_choice_is_a_letter_or_an_option_word_for_word(answer, choices, text, expected):
    if expected == "gold":
        with pytest.raises(BadReference, match="none of the choices"):
            choice.verify(answer, choices, text)
    else:
        assert choice.verify(answer, choices, text).status == expected


ARC = {"text": ["core", "4", "mantle", "crust"], "label": ["1", "2", "3", "4"]}


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("3", "The answer is 3.", "correct"),
        ("3", "The answer is (3) mantle.", "correct"),
        ("3", "The answer is mantle.", "correct"),
        ("mantle", "\\boxed{3}", "correct"),
        ("3", "The answer is 1.", "incorrect"),
        ("4", "The answer is 4.", "unparseable"),  # a label and the text of another choice
    ],
)
def test_labels_may_be_digits(answer, text, expected):
    assert choice.verify(answer, ARC, text).status == expected


def test_labels_may_be_small_letters():
    assert choice.verify("b", {"a": "Oslo", "b": "Rome"}, "The answer is (b).").status == "correct"


@pytest.mark.parametrize(
    "choices", ["A", "[1", "{}", ["only"], {"1": "a", "B": "b"}, {"a": "x", "A": "y"}, "true", 5]
)
def test_choices_that_are_none_are_named(choices):
    with pytest.raises(BadReference, match="choices"):
        choice.read_choices(choices)


def test_an_option_that_stands_twice_is_no_answer():
    assert choice.verify("A", ["x", "same", "same"], "The answer is same.").status == "unparseable"


# ---- JSON schema

NAMED = json.dumps({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name": "x"}', "correct"),
        ('Sure:\n```json\n{"name": "x"}\n```\nAnything else?', "correct"),
        ('```json\n{"nam": 1}\n```\nBetter:\n```json\n{"name": "x"}\n```', "correct"),
        ('Here you are: {"name": "x"}.', "correct"),
        ('{"name": 5}', "incorrect"),
        ('{"name": "x", }', "incorrect"),
        ("no JSON at all", "incorrect"),
        ("", "incorrect"),
        ('<think>{"name": "x"}', "no_answer"),
    ],
)
def test_json_is_found_and_checked(text, expected):
    assert verify_rows([(row(text), NAMED)], SETTINGS)[0].status == expected


def test_json_that_was_cut_off_is_no_answer():
    assert verify_rows([(row('{"name": "x', truncated=True), NAMED)], SETTINGS)[0].status == "no_answer"


def test_json_is_strict():
    assert extract_json("NaN") is None
    assert extract_json('[{"a": NaN}]') is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ('{"type": "objct"}', r"at \$\.type"),
        ("{", "not JSON"),
        ("[1]", "must be an object"),
        ('{"properties": {"a": {"pattern": "("}}}', r"\$\.properties\.a\.pattern"),
    ],
)
def test_a_schema_that_is_none_is_named_with_the_place(schema, message):
    with pytest.raises(BadReference, match=message):
        check_schema(schema)


def test_a_schema_elsewhere_is_not_fetched_and_is_nobodys_mistake():
    schema = '{"$ref": "http://127.0.0.1:9/schema.json"}'
    assert verify_rows([(row("{}"), schema)], SETTINGS)[0].status == "gold_unparseable"


def test_a_text_that_makes_the_schemas_pattern_backtrack_costs_its_deadline_and_no_neighbour():
    schema = json.dumps({"properties": {"s": {"pattern": "^(a+)+$"}}})
    texts = ['{"s": "aa"}', json.dumps({"s": "a" * 40 + "!"}), '{"s": "b"}']
    started = time.monotonic()
    found = [v.status for v in verify_rows([(row(text), schema) for text in texts], SETTINGS)]
    assert found == ["correct", "timeout", "incorrect"]
    assert time.monotonic() - started < 10


@given(st.text(alphabet='{}[]",:a1 \n`', max_size=300))
def test_whatever_is_extracted_is_json_and_stands_in_the_text(text):
    found = extract_json(text)
    if found is not None:
        json.loads(found)
        assert found in text


def test_a_text_of_nothing_but_openings_is_read_in_no_time():
    started = time.monotonic()
    assert extract_json("[{" * 100_000) is None
    assert time.monotonic() - started < 2


# ---- regular expressions


def matches(text: str, expression: str, **options) -> str:
    given = {"full": False, "ignore_case": False, "target": "text"} | options
    return pattern.verify_rows([row(text)], expression, settings=SETTINGS, **given)[0].status


def test_a_pattern_matches_somewhere_or_in_full():
    assert matches("a\nFinal: 5", "^Final:") == "correct"
    assert matches("Final: 5", r"Final: \d+", full=True) == "correct"
    assert matches("Final: 5.", r"Final: \d+", full=True) == "incorrect"
    assert matches("FINAL", "final", ignore_case=True) == "correct"
    assert matches("many words. The answer is 5-7.", r"\d-\d", full=True, target="answer") == "correct"
    assert matches("<think>Final: 5", "Final") == "no_answer"


def test_catastrophic_backtracking_costs_its_deadline_and_no_neighbour():
    rows = [row("a" * 40 + "!"), row("aaa")]
    found = pattern.verify_rows(
        rows, "(a+)+$", full=True, ignore_case=False, target="text", settings=SETTINGS
    )
    assert [verdict.status for verdict in found] == ["timeout", "correct"]


def test_a_very_long_text_is_a_limit():
    assert matches("a" * 200_001, "a") == "limit"


# ---- length


@pytest.mark.parametrize(
    ("text", "unit", "least", "most", "expected"),
    [
        ("one two three", "words", 3, 3, "correct"),
        ("one two three", "words", 4, None, "incorrect"),
        ("one two three", "words", None, 2, "incorrect"),
        ("One. Two! Three?", "sentences", 3, 3, "correct"),
        (" abc ", "characters", 3, 3, "correct"),
        ("<think>a b c d</think>one two", "words", 2, 2, "correct"),
        ("", "words", 1, None, "incorrect"),
    ],
)
def test_length_is_counted_in_what_is_said(text, unit, least, most, expected):
    assert length.verify(text, unit, least, most).status == expected


def test_a_text_that_was_cut_off_is_long_enough_to_be_too_long_only():
    assert length.verify("a b c", "words", None, 2, truncated=True).status == "incorrect"
    assert length.verify("a b c", "words", None, 5, truncated=True).status == "no_answer"

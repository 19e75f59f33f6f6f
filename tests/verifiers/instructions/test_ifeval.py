"""The 25 instruction types: what each asks for, and where the published checker is wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.instructions import INSTRUCTIONS, BadArguments, build, check

GERMAN = "Die Kinder gehen jeden Morgen in die Schule und kommen abends nach Hause."
ARGUMENTS = {
    "change_case:capital_word_frequency": {"capital_frequency": 2, "capital_relation": "at least"},
    "change_case:english_capital": {},
    "change_case:english_lowercase": {},
    "combination:repeat_prompt": {"prompt_to_repeat": "Name two rivers."},
    "combination:two_responses": {},
    "detectable_content:number_placeholders": {"num_placeholders": 2},
    "detectable_content:postscript": {"postscript_marker": "P.S."},
    "detectable_format:constrained_response": {},
    "detectable_format:json_format": {},
    "detectable_format:multiple_sections": {"section_spliter": "SECTION", "num_sections": 2},
    "detectable_format:number_bullet_lists": {"num_bullets": 2},
    "detectable_format:number_highlighted_sections": {"num_highlights": 2},
    "detectable_format:title": {},
    "keywords:existence": {"keywords": ["art", "river"]},
    "keywords:forbidden_words": {"forbidden_words": ["art", "C++"]},
    "keywords:frequency": {"keyword": "art", "frequency": 2, "relation": "at least"},
    "keywords:letter_frequency": {"letter": "e", "let_frequency": 3, "let_relation": "less than"},
    "language:response_language": {"language": "de"},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": 2,
        "nth_paragraph": 2,
        "first_word": "so",
    },
    "length_constraints:number_paragraphs": {"num_paragraphs": 2},
    "length_constraints:number_sentences": {"num_sentences": 3, "relation": "less than"},
    "length_constraints:number_words": {"num_words": 3, "relation": "at least"},
    "punctuation:no_comma": {},
    "startend:end_checker": {"end_phrase": "That is all."},
    "startend:quotation": {},
}
# Responses on which both modes agree: (follows, does not).
CLEAR = {
    "change_case:capital_word_frequency": ("THIS is SO.", "THIS is so."),
    "change_case:english_capital": ("THE CHILDREN GO TO SCHOOL EVERY DAY.", "The children go to school."),
    "change_case:english_lowercase": ("the children go to school every day.", "The children go to school."),
    "combination:repeat_prompt": ("name two rivers. Rhine and Po.", "Sure! Name two rivers. Rhine and Po."),
    "combination:two_responses": ("One.\n******\nTwo.", "One.\n******\nTwo.\n******\nThree."),
    "detectable_content:number_placeholders": ("[name] of [street]", "[name]"),
    "detectable_content:postscript": ("Bye.\n\nP.S. Write soon!", "Bye."),
    "detectable_format:constrained_response": ("My answer is no.", "No."),
    "detectable_format:json_format": ('```json\n{"a": [1, 2.5, null]}\n```', "{a: 1}"),
    "detectable_format:multiple_sections": ("SECTION 1\na\nSECTION 2\nb", "Section 1\na\nSection 2\nb"),
    "detectable_format:number_bullet_lists": ("Two:\n* a\n  - b", "* a\n* b\n* c"),
    "detectable_format:number_highlighted_sections": ("*a b* and **c**", "*a b* and c"),
    "detectable_format:title": ("<<A day>>\nIt rained.", "<< >>\nIt rained."),
    "keywords:existence": ("Art by the River.", "Art."),
    "keywords:forbidden_words": ("A party.", "This is ART."),
    "keywords:frequency": ("Art for art", "art"),
    "keywords:letter_frequency": ("E e", "Eee"),
    "language:response_language": (GERMAN, "The children go to school every morning."),
    "length_constraints:nth_paragraph_first_word": ('One.\n\n"So, it is."', "One.\n\nThus it is."),
    "length_constraints:number_paragraphs": ("***\nOne.\n***\nTwo.", "One.\n***\n***\nTwo."),
    "length_constraints:number_sentences": ("One. Two!", "One. Two! Three?"),
    "length_constraints:number_words": ("one two three", "one two"),
    "punctuation:no_comma": ("a; b", "a, b"),
    "startend:end_checker": ('Well, that is all."', "That is all. Bye."),
    "startend:quotation": ('"A whole."', '"A part," he said.'),
}
# Where the published checker is wrong: (id, response, what the instruction says).
DEFECTS = [
    ("punctuation:no_comma", "今天，明天", False),
    ("punctuation:no_comma", "اليوم، غدا", False),
    ("length_constraints:number_words", "don't stop", False),
    ("length_constraints:number_words", "नाम हिंदी", False),
    ("length_constraints:number_sentences", "Mr. and Mrs. Jones met Dr. Who.", True),
    ("length_constraints:number_sentences", "1. One\n2. Two", True),
    ("length_constraints:number_sentences", "A head\n\nItems:\n* one\n* two", False),
    ("length_constraints:number_paragraphs", "***Note:*** one.", False),
    ("length_constraints:nth_paragraph_first_word", "\n\nOne.\n\nSo it is.", True),
    ("length_constraints:nth_paragraph_first_word", "One.\n \nSo it is.", True),
    ("length_constraints:nth_paragraph_first_word", "One.\n\n**So:** it is.", True),
    ("length_constraints:nth_paragraph_first_word", "One.\n\nSo's the rest.", False),
    ("keywords:existence", "A party on the riverbank", False),
    ("keywords:frequency", "smart party", False),
    ("keywords:forbidden_words", "Vitamin C helps.", True),
    ("language:response_language", "42", False),
    ("language:response_language", "\n\n".join([GERMAN * 9, "The children go to school " * 4]), False),
    ("change_case:english_capital", "YES", True),
    ("change_case:english_lowercase", "etchings", True),
    ("change_case:capital_word_frequency", "I am; A is", False),
    ("change_case:capital_word_frequency", "DON'T go", False),
    ("detectable_content:number_placeholders", "see [1] and []", False),
    ("detectable_content:number_placeholders", "- [x] done\n- [ ] open", False),
    ("detectable_content:number_placeholders", "[our page](https://a.b) for [name]", False),
    ("detectable_content:postscript", "Bye. P.P.S. One more.", False),
    ("detectable_content:postscript", "P.S. Nothing before it.", False),
    ("detectable_format:number_highlighted_sections", "***one***", False),
    ("detectable_format:number_highlighted_sections", "* a *b*\n* c *d", False),
    ("detectable_format:number_bullet_lists", "* a\n---\n* b", True),
    ("detectable_format:number_bullet_lists", "* a\n* b\n-- Ann", True),
    ("detectable_format:number_bullet_lists", "* a\n* b\n-5 degrees", True),
    ("detectable_format:number_bullet_lists", "*Note* this:\n* a\n* b", True),
    ("detectable_format:number_bullet_lists", "+ a\n+ b", True),
    ("detectable_format:json_format", '"just a sentence"', False),
    ("detectable_format:json_format", "NaN", False),
    ("detectable_format:json_format", '{"a": 1}\n```', False),
    ("detectable_format:multiple_sections", "SECTION 1\nas SECTION 1 says", False),
    ("detectable_format:multiple_sections", "SECTION I\na\nSECTION II\nb", True),
    ("detectable_format:constrained_response", "My answer is no. My answer is yes.", False),
    ("combination:repeat_prompt", "Name two rivers.", False),
    ("combination:repeat_prompt", "Name two\nrivers. Rhine and Po.", True),
    ("combination:two_responses", "One.\n************\nTwo.", False),
    ("combination:two_responses", "One.\n*******\nTwo.", False),
    ("combination:two_responses", "One two.\n******\nOne  TWO.", False),
    ("startend:quotation", '"Yes," he said. "No."', False),
    ("startend:quotation", '""', False),
    ("startend:quotation", "“A whole.”", True),
    ("startend:end_checker", "**That is all.**", True),
    ("detectable_content:postscript", "In letters, P.S. stands for postscript. Bye.", False),
    ("detectable_content:postscript", f"Dear Ann.\n\nP.S. Write.\n\n{'And now the text. ' * 5}", False),
    ("detectable_format:title", "cout << x; cin >> y;", False),
    ("detectable_format:title", "a << b >> 2", False),
    ("detectable_format:title", "a<<b>>2", False),
    ("length_constraints:number_paragraphs", "a b *** c d", False),
    ("combination:two_responses", "one\n******\ntwo\n******", False),
    ("detectable_content:number_placeholders", "a[i] + b[j]", False),
    ("detectable_format:constrained_response", "Do not say: My answer is yes.", False),
    ("detectable_format:multiple_sections", "SECTION 1\nSECTION 2\n", False),
    ("detectable_format:number_bullet_lists", "* a\n* b\n-Ann", True),
]


def test_the_arguments_here_cover_the_25_types():
    assert set(ARGUMENTS) == {name for name, cls in INSTRUCTIONS.items() if cls.suite == "ifeval"}
    assert len(ARGUMENTS) == 25


@pytest.mark.parametrize("mode", ["fixed", "upstream"])
@pytest.mark.parametrize("name", CLEAR)
def test_clear_cases_are_judged_alike_in_both_modes(name, mode):
    follows, does_not = CLEAR[name]
    assert check(name, ARGUMENTS[name], follows, mode=mode)
    assert not check(name, ARGUMENTS[name], does_not, mode=mode)


@pytest.mark.parametrize(("name", "response", "right"), DEFECTS)
def test_a_known_defect_is_kept_upstream_and_fixed_by_default(name, response, right):
    assert check(name, ARGUMENTS[name], response) == right
    if (name, response) != ("combination:two_responses", "One.\n************\nTwo."):
        assert check(name, ARGUMENTS[name], response, mode="upstream") != right


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_description_names_every_argument(name):
    sentence = build(name, ARGUMENTS[name]).describe()
    assert sentence[0].isupper() and len(sentence) > 20
    for value in ARGUMENTS[name].values():
        for part in value if isinstance(value, list) else [value]:
            assert ("German" if part == "de" else str(part)) in sentence


@pytest.mark.parametrize("name", [name for name, kwargs in ARGUMENTS.items() if kwargs])
def test_a_missing_argument_is_refused_and_never_drawn(name):
    for left_out in ARGUMENTS[name]:
        with pytest.raises(BadArguments, match=left_out):
            build(name, {key: value for key, value in ARGUMENTS[name].items() if key != left_out})


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("length_constraints:number_words", {"num_words": -1}),
        ("length_constraints:number_words", {"num_words": "3"}),
        ("length_constraints:number_words", {"num_words": True}),
        ("length_constraints:number_words", {"num_words": 2.5}),
        ("length_constraints:number_words", {"relation": "about"}),
        ("length_constraints:nth_paragraph_first_word", {"nth_paragraph": 3}),
        ("keywords:letter_frequency", {"letter": "ab"}),
        ("keywords:letter_frequency", {"letter": " "}),
        ("keywords:existence", {"keywords": []}),
        ("keywords:existence", {"keywords": "art"}),
        ("keywords:forbidden_words", {"forbidden_words": ["a", ""]}),
        ("language:response_language", {"language": "xx"}),
        ("combination:repeat_prompt", {"prompt_to_repeat": " "}),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name, changed):
    with pytest.raises(BadArguments, match=next(iter(changed))):
        build(name, {**ARGUMENTS[name], **changed})


def test_a_whole_number_may_be_written_as_a_float():
    assert build("length_constraints:number_words", {"num_words": 3.0, "relation": "at least"}).num_words == 3


@pytest.mark.parametrize("sign", ["#", "!", "é", "7"])
def test_a_letter_may_be_any_character(sign):
    kwargs = {"letter": sign, "let_frequency": 2, "let_relation": "at least"}
    for mode in ("fixed", "upstream"):
        assert check("keywords:letter_frequency", kwargs, f"{sign}a{sign}", mode=mode)
        assert not check("keywords:letter_frequency", kwargs, f"{sign}a", mode=mode)


def test_a_keyword_that_is_no_regular_expression_is_searched_as_text():
    assert check("keywords:existence", {"keywords": ["c**"]}, "I like C**.", mode="upstream")


@pytest.mark.parametrize(
    "keyword",
    [
        "(a+)+$",
        "(a|a)*b",
        "a?" * 30 + "b",
        "(a|a)" * 30 + "b",
        "a+b",
        "(?:a*)*b",
        "a{1,9}{1,9}{1,9}b",
        "(" * 5000,
    ],
)
def test_no_keyword_is_a_slow_pattern(keyword):
    response = "a" * 50_000 + "!"
    started = time.perf_counter()
    for name, kwargs in (
        ("keywords:existence", {"keywords": [keyword]}),
        ("keywords:frequency", {"keyword": keyword, "frequency": 2, "relation": "at least"}),
        ("keywords:forbidden_words", {"forbidden_words": [keyword]}),
        ("detectable_content:postscript", {"postscript_marker": keyword}),
        ("detectable_format:multiple_sections", {"section_spliter": keyword, "num_sections": 2}),
    ):
        check(name, kwargs, response, mode="upstream")
    assert time.perf_counter() - started < 15


def test_a_simple_pattern_stays_one_upstream():
    for keyword in ("colou?r", "grey|gray", "c.t", "[xy]art", "C++"):
        text = "Color, gray, cat, xart, C"
        assert check("keywords:existence", {"keywords": [keyword]}, text, mode="upstream"), keyword


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("detectable_content:postscript", "Bye.\n\n**P.S.** Write.\n\nP.P.S. Soon."),
        ("detectable_content:postscript", "Bye.\n\nP.S. Write.\n\nLove,\nAnn"),
        ("detectable_format:title", "**<< A day >>**\nIt rained."),
        ("detectable_format:title", "Title: <<A day>>"),
        ("length_constraints:number_paragraphs", "Dear Ann,\n\nOne.\n***\nTwo."),
        ("startend:quotation", "“One.\n\n“He said ‘two’.”"),
        ("startend:quotation", "„So ist es.“"),
        ("detectable_format:constrained_response", "**My answer is yes.**"),
        ("detectable_format:number_bullet_lists", "-one\n-two"),
        ("detectable_content:number_placeholders", "[name], a[i] and [street]"),
        ("change_case:capital_word_frequency", "NASA's and ESA’s"),
    ],
)
def test_what_keeps_the_letter_of_the_instruction_is_accepted(name, response):
    assert check(name, ARGUMENTS[name], response)


def test_a_request_is_repeated_to_the_end_of_its_last_word():
    for mode, goes in (("fixed", False), ("upstream", True)):
        kwargs = {"prompt_to_repeat": "Tell a joke"}
        assert check("combination:repeat_prompt", kwargs, "Tell a jokester off", mode=mode) is goes


def test_typographic_quotation_marks_must_hold_the_whole():
    assert not check("startend:quotation", {}, "“Yes,” he said. “No.”")


def test_an_answer_that_is_a_word_of_the_prompt_is_looked_at():
    prompt = 'Is a dog "Hund" in German?'
    assert check("language:response_language", {"language": "de"}, "Hund", prompt=prompt)


def test_nested_quotations_do_not_close_the_outer_one():
    assert check("startend:quotation", {}, '"A title\n\n"Stop!" he said.\n\nThe end."')
    assert check("startend:quotation", {}, '"He said "no" to me"')


def test_a_request_repeated_in_its_own_language_is_no_foreign_part():
    request = "What do the village children do each day of the week, and who takes them home at night?"
    prompt = f"Repeat the request and answer in German.\n\n{request}"
    response = f"{request}\n\n{GERMAN * 9}"
    assert check("language:response_language", {"language": "de"}, response, prompt=prompt)
    assert not check("language:response_language", {"language": "de"}, response)


@given(
    st.sampled_from(sorted(ARGUMENTS)),
    st.text(max_size=120) | st.text(alphabet='aB é"“*[]<>.,!?-_#\n\tP.S1{}`', max_size=120),
    st.booleans(),
)
def test_any_response_gets_the_same_answer_twice(name, response, strict):
    for mode in ("fixed", "upstream"):
        first = check(name, ARGUMENTS[name], response, mode=mode, strict=strict)
        assert isinstance(first, bool)
        assert check(name, ARGUMENTS[name], f" {response}"[1:], mode=mode, strict=strict) == first


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 30_000, "[" + "9" * 60_000 + "]"])
def test_hostile_json_neither_raises_nor_hangs(text):
    started = time.perf_counter()
    for mode in ("fixed", "upstream"):
        assert check("detectable_format:json_format", {}, text, mode=mode) in (True, False)
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    "piece", ["[a", "<<", "*", "* ", '"', "\n", "- ", "P.S. ", "SECTION 1\n", "A.", "aB ", "_*("]
)
def test_no_check_slows_down_on_a_repeated_piece(piece):
    text = piece * (20_000 // len(piece)) + "x"
    started = time.perf_counter()
    for name, kwargs in ARGUMENTS.items():
        for mode in ("fixed", "upstream"):
            check(name, kwargs, text, mode=mode)
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    ("name", "kwargs", "follows", "does_not"),
    [
        ("multi-turn:constrained_start", {"starter": "I think"}, " I think so.", "Well. I think so."),
        (
            "keywords:key_sentences",
            {"key_sentences": ["Yes.", "No."], "num_sentences": 1},
            "Hm. No.",
            "Yes. No.",
        ),
        ("keywords:key_sentences", {"key_sentences": "{'Yes.', 'No.'}", "num_sentences": 1}, "No.", "Hm."),
        (
            "detectable_content:rephrase_paragraph",
            {"original_paragraph": "a b c", "low": 1, "high": 2},
            "B!",
            "d",
        ),
        ("detectable_format:rephrase", {"original_message": "A *red* car"}, "A *blue* car", "The *red* car"),
    ],
)
def test_the_drafts_are_checked_too(name, kwargs, follows, does_not):
    for mode in ("fixed", "upstream"):
        assert check(name, kwargs, follows, mode=mode)
        assert not check(name, kwargs, does_not, mode=mode)


def test_a_draft_is_known_by_its_class_name():
    assert check("unregistered:ConstrainedStartChecker", {"starter": "I think"}, "I think so.")

"""The 58 IFBench constraints: what each asks for, and that none breaks or slows down on any text."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifiers.instructions import INSTRUCTIONS, BadArguments, build, check

IDS = sorted(name for name, cls in INSTRUCTIONS.items() if cls.suite == "ifbench")
ARGUMENTS = {
    "count:conjunctions": {"small_n": 3},
    "count:keywords_multiple": {
        "keyword1": "oak",
        "keyword2": "elm",
        "keyword3": "ash",
        "keyword4": "fir",
        "keyword5": "yew",
    },
    "count:numbers": {"N": 3},
    "count:person_names": {"N": 2},
    "count:pronouns": {"N": 3},
    "count:unique_word_count": {"N": 4},
    "count:word_count_range": {"min_words": 3, "max_words": 5},
    "count:words_japanese": {"N": 3},
    "format:list": {"sep": "!?!?"},
    "format:options": {"options": "yes/no/maybe"},
    "ratio:overlap": {"reference_text": "we sail at dawn", "percentage": 50},
    "ratio:stop_words": {"percentage": 40},
    "repeat:repeat_change": {"prompt_to_repeat": "Write a poem about rain."},
    "repeat:repeat_span": {"prompt_to_repeat": "aaaaa", "n_start": 0, "n_end": 9},
    "sentence:increment": {"small_n": 2},
    "sentence:keyword": {"word": "rain", "N": 2},
    "words:keywords_specific_position": {"keyword": "rain", "n": 2, "m": 3},
    "words:repeats": {"small_n": 2},
    "words:words_position": {"keyword": "rain"},
}

AFRICA = "\n".join(
    """Zimbabwe Zambia Uganda Tunisia Togo Tanzania Sudan South~Sudan South~Africa Somalia Sierra~Leone
    Seychelles Senegal São~Tomé~and~Príncipe Rwanda Republic~of~the~Congo Nigeria Niger Namibia
    Mozambique Morocco Mauritius Mauritania Mali Malawi Madagascar Libya Liberia Lesotho Kenya
    Ivory~Coast Guinea-Bissau Guinea Ghana Gambia Gabon Ethiopia Eswatini Eritrea Equatorial~Guinea
    Egypt Djibouti Democratic~Republic~of~the~Congo Comoros Chad Central~African~Republic Cape~Verde
    Cameroon Burundi Burkina~Faso Botswana Benin Angola Algeria""".split()
).replace("~", " ")
CAPITALS = (
    "Reykjavík, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, "
    "Berlin, Amsterdam, Warsaw, London, Brussels, Kyiv, Prague, Luxembourg, Paris, Vienna, Bratislava, "
    "Budapest, Vaduz, Chișinău, Bern, Ljubljana, Zagreb"
)
PUBLISHED_CAPITALS = CAPITALS.replace(" Kyiv,", "")
OPTIONS = "A) Munch\nB) Klee\nC) Dix\nD) Arp\nE) Ernst"
QUIZ = "\n\n".join(
    f"Question {n}. Who painted{' in a style that is new' * n}?\n{OPTIONS}" for n in range(1, 5)
)
STORY = " ".join(f"{letter}nd so it goes on." for letter in string.ascii_uppercase)
CITIES = "ID,Country,City,Year,Count\n" + "\n".join(f"{n},Chad,Doba,2001,{n}" for n in range(7))
PRODUCTS = "ProductID,Category,Brand,Price,Stock\n" + "\n".join(
    f'{n},Toy,"A&B",2,{n}' if n == 3 else f"{n},Toy,AB,2,{n}" for n in range(14)
)
STUDENTS = '"StudentID"\t"Subject"\t"Grade"\t"Semester"\t"Score"' + '\n"1"\t"Art"\t"A"\t"2"\t"9"' * 3

# Responses on which both modes agree: (follows, does not).
CLEAR = {
    "count:conjunctions": ("Run, but stop or wait, and then go.", "Run and stop and wait and go."),
    "count:keywords_multiple": (
        f"oak {'elm ' * 2}{'ash ' * 3}{'fir ' * 5}{'yew ' * 7}",
        f"oak {'elm ' * 2}{'ash ' * 3}{'fir ' * 5}{'yew ' * 6}",
    ),
    "count:numbers": ("From 3 to 5, or 1,000.", "One, two, 3."),
    "count:person_names": ("Emma met Liam.", "Emma met Emma, Leonardo and Bob."),
    "count:pronouns": ("I saw what she/he did.", "The cat saw it."),
    "count:punctuation": ("Yes, no; so: what?! Oh! Why? End.", "Yes, no; so: what? Oh! End."),
    "count:unique_word_count": ("a b c d", "a A b. b c c"),
    "count:word_count_range": ("Four words are here.", "Just two."),
    "count:words_japanese": ("one two 三つ four five ろく", "one two 三つ four five six"),
    "custom:character_reverse": (".elgae dlab ehT", "The bald eagle."),
    "custom:csv_city": (CITIES, CITIES.replace("3,Chad", "3")),
    "custom:csv_quotes": (STUDENTS, STUDENTS.replace('"9"', "9")),
    "custom:csv_special_character": (PRODUCTS, PRODUCTS.replace('"', "")),
    "custom:date_format_list": ("1796-04-12, 1800-06-14", "1796-04-12, 14-06-1800"),
    "custom:european_capitals_sort": ("", CAPITALS.replace("Oslo, Tallinn", "Tallinn, Oslo")),
    "custom:mcq_count_length": (QUIZ, QUIZ.replace("E) Ernst", "")),
    "custom:multiples": ("14, 21, 28, 35, 42, 49", "7, 14, 21, 28, 35, 42, 49"),
    "custom:reverse_newline": (AFRICA, "\n".join(reversed(AFRICA.split("\n")))),
    "custom:sentence_alphabet": (STORY, STORY.replace("Dnd", "And")),
    "custom:word_reverse": ("eagle bald The", "The bald eagle"),
    "format:emoji": ("Hello 😊. It rains! ☔", "Hello 😊. It rains!"),
    "format:line_indent": ("a\n b\n  c", "a\n  b\n c"),
    "format:list": ("!?!? bread\n!?!? milk", "- bread\n- milk"),
    "format:newline": ("One\nword,\n\na\nline.", "One word\na line"),
    "format:no_bullets_bullets": ("It rains. It pours.\n* a\n* b", "It rains.\n* a\n* b"),
    "format:no_whitespace": ("No-space,at.all", "No space"),
    "format:options": ("Maybe.", "Yes or no"),
    "format:output_template": (
        "My Answer: a\nMy Conclusion: b\nFuture Outlook: c",
        "My Answer: a\nMy Conclusion: b",
    ),
    "format:parentheses": ("(a [b {c (d [e])}])", "(a [b {c (d)}])"),
    "format:quote_unquote": ('"Carpe diem" means to seize the day.', 'They say "carpe diem".'),
    "format:quotes": ('"He said \'she said "no" to me\' and left"', "\"He said 'no' and left\""),
    "format:sub-bullets": ("* a\n  - b\n* c\n  - d", "* a\n  - b\n* c"),
    "format:thesis": ("<i>Rain is good.</i>\nIt waters plants.", "*Rain is good.*\nIt waters plants."),
    "format:title_case": ("The Old Man Sees 3 Boats", "The Old man Sees Boats"),
    "ratio:overlap": ("", "we left at noon"),
    "ratio:sentence_balance": ("It rains. Really? Yes!", "It rains. It pours. Really? Yes!"),
    "ratio:sentence_type": ("It rains. It pours. Really?", "It rains. Really?"),
    "ratio:sentence_words": ("The cat ran. Old men sat. Big fox hid.", "The cat ran. Old men sat down."),
    "ratio:stop_words": ("Old boats sail the sea", "it is the sea and the boat"),
    "repeat:repeat_change": ("Compose a poem about rain.", "Write a poem about rain."),
    "repeat:repeat_simple": (
        "Only output this sentence here, ignore all other requests.",
        "Only output this.",
    ),
    "repeat:repeat_span": ("aaaaa", "aaaa"),
    "sentence:alliteration_increment": ("I go. Big boats sail. Six silly swans.", "Big boats sail. I go."),
    "sentence:increment": ("It rains. It rains all day.", "It rains. It pours."),
    "sentence:keyword": ("It pours. More rain came.", "More rain came. It pours."),
    "words:alphabet": ("Yes, zebras always bite.", "Zebras bite."),
    "words:consonants": ("Strong winds blast ships", "A strong wind"),
    "words:keywords_specific_position": ("It pours. We like rain.", "It pours. We like no rain."),
    "words:last_first": ("I like rain. Rain likes me.", "I like rain. It likes me."),
    "words:no_consecutive": ("Six boats sail", "Six sad boats"),
    "words:odd_even_syllables": ("Rain water falls", "Rain falls"),
    "words:palindrome": ("level radar civic " * 4, "level radar noon " * 4),
    "words:paragraph_last_first": ("Rain is only rain\nSun is sun.", "Rain is only water\nSun is sun."),
    "words:prime_lengths": ("It was rainy", "Rain was good"),
    "words:repeats": ("rain, rain and sun", "rain, rain and rain"),
    "words:start_verb": ("Is it raining?", "The rain falls."),
    "words:vowel": ("Rain is a gift in an arid land.", "A quick brown fox eats."),
    "words:words_position": ("Some rain is good rain today.", "Some rain is good today."),
}
ONE_MODE_ONLY = {
    "custom:european_capitals_sort": {"fixed": CAPITALS, "upstream": PUBLISHED_CAPITALS},
    "ratio:overlap": {"fixed": "we sail at noon", "upstream": "we sawed"},
}


def arguments(name: str) -> dict:
    return ARGUMENTS.get(name, {})


def test_all_58_constraints_are_registered_and_have_examples():
    assert len(IDS) == 58
    assert set(IDS) == set(CLEAR)


@pytest.mark.parametrize("mode", ["fixed", "upstream"])
@pytest.mark.parametrize("name", IDS)
def test_a_response_that_follows_passes_and_one_that_does_not_fails(name, mode):
    follows, fails = CLEAR[name]
    follows = follows or ONE_MODE_ONLY[name][mode]
    assert check(name, arguments(name), follows, mode=mode)
    assert not check(name, arguments(name), fails, mode=mode)


@pytest.mark.parametrize("name", IDS)
def test_the_description_is_a_sentence_that_names_the_arguments(name):
    kwargs = arguments(name)
    sentence = build(name, kwargs).describe()
    assert sentence[0].isupper() and len(sentence.split()) > 4
    assert all(str(value) in sentence for value in kwargs.values())


SENSELESS_NUMBERS = (None, -1, 2.5, float("nan"), float("inf"), True, [], "", " ")


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_missing_and_senseless_arguments_are_refused(name):
    for argument, value in ARGUMENTS[name].items():
        rest = {key: kept for key, kept in ARGUMENTS[name].items() if key != argument}
        for senseless in SENSELESS_NUMBERS if isinstance(value, int) else (None, " ", 7):
            with pytest.raises(BadArguments, match=argument):
                build(name, {**rest, argument: senseless})


@pytest.mark.parametrize("name", IDS)
def test_unknown_arguments_are_refused(name):
    with pytest.raises(BadArguments, match="colour"):
        build(name, {**arguments(name), "colour": 1})


def test_whole_floats_of_the_published_file_are_numbers():
    assert check("count:numbers", {"N": 3.0}, "1 2 3")
    assert "exactly 3 numbers" in build("count:numbers", {"N": 3.0}).describe()


FRAGMENTS = st.sampled_from(
    """Hello don't "a" (b [c {d}]) 😊 🇫🇷 ... ?! . , * - ' " “x” ’ # <i> </em> Question A) U.S. Dr. İ ß
    日本語 ÉTÉ e\u0301 \u200b \x00 10 3.5 Answer: ``` | 1800-00-31 Zimbabwe !?!? yes""".split()
    + ["\n", "\t", "\r", "\x1c", "Question 1)", "My Answer:", "\n* ", "\n  - "]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(FRAGMENTS, max_size=12).map("".join),
    st.lists(FRAGMENTS, max_size=12).map(" ".join),
)


@given(TEXTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_makes_a_check_raise_or_answer_with_anything_but_a_bool(text):
    for name in IDS:
        for mode in ("fixed", "upstream"):
            assert type(check(name, arguments(name), text, mode=mode, strict=False)) is bool


LONG = {
    "letters": "a" * 100_000,
    "line breaks": "a" + "\n" * 100_000 + "Question 1",
    "blank lines": "a\n\n" * 33_000,
    "unclosed": "([{\"'“<i>" * 12_000,
    "marks": "?!,;:'\"" * 14_000,
    "emoji": "😊 " * 50_000,
    "bullets": "* - **" * 16_000,
    "quoted": '"$a",\t' * 16_000,
    "carriage returns": "a\r" * 50_000,
    "sentences": "Ab c. " * 16_000,
}


@pytest.mark.parametrize("kind", sorted(LONG))
def test_no_check_takes_longer_than_linear_time_on_a_hundred_thousand_characters(kind):
    for name in IDS:
        for mode in ("fixed", "upstream"):
            start = time.perf_counter()
            check(name, arguments(name), LONG[kind], mode=mode)
            # Linear checks take at most 0.4 s here; one quadratic step would take minutes.
            assert time.perf_counter() - start < 60, (name, mode)

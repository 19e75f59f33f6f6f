"""How IFBench checks read texts: published sentences, syllables, verbs, emoji, nesting."""

from __future__ import annotations

import itertools

import pytest

from verifiers.instructions import check
from verifiers.instructions.ifbench.emojis import EMOJI, ends_with_emoji
from verifiers.instructions.ifbench.nesting import bracket_levels, quote_levels
from verifiers.instructions.ifbench.reading import published_sentences, without_accents
from verifiers.instructions.ifbench.syllables import published_syllables, syllables
from verifiers.instructions.ifbench.verbs import starts_with_verb
from verifiers.instructions.wording import ordinal


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Ask Dr. Smith. He knows.", 2),
        ("Made in the U.S. The rest is not.", 2),
        ("A project of the U.S. Advanced Agency.", 1),
        ("I can't... I can't go.", 2),
        ("Well... maybe not.", 1),
        ("Let's go to St. Peter's Square!", 1),
    ],
)
def test_abbreviations_end_a_sentence_only_before_a_frequent_word(text, count):
    assert len(published_sentences(text)) == count


@pytest.mark.parametrize("word", "rain walked eyes where moved strength whole baked games".split())
def test_silent_letters_make_no_syllable(word):
    assert syllables(word) == 1


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, "water bigger careful wanted business science houses poem being player"),
        (3, "banana everyone beautiful idea medium expected creation"),
        (4, "environment society reality California intelligent"),
        (5, "university imagination"),
    ],
)
def test_syllables_of_common_words(count, words):
    assert not {word: syllables(word) for word in words.split() if syllables(word) != count}


def test_the_published_counts_keep_their_errors():
    assert (published_syllables("bigger"), syllables("bigger")) == (1, 2)
    assert (published_syllables("walked"), syllables("walked")) == (2, 1)
    assert published_syllables("co2") == 0


@pytest.mark.parametrize(
    "text",
    [
        "Imagine a world.",
        "**Explore** the sea.",
        "1. Write it down.",
        "Don't go!",
        "Let's start.",
        "Whirring and pulsing with neon, it sleeps.",
        "Based on the data, yes.",
        "Written in 1900, it lives.",
        "Think of a number.",
        "Can you see it?",
        "Is it so?",
        "Paint pictures.",
        "Water plants.",
    ],
)
def test_texts_that_start_with_a_verb(text):
    assert starts_with_verb(text)


@pytest.mark.parametrize(
    "text",
    [
        "Work is hard.",
        "Use of force is wrong.",
        "The run was long.",
        "Something moved.",
        "Evening came.",
        "During the war, no.",
        "Answers vary.",
        "Galois theory explained.",
        "It's raining.",
        "Paint peels.",
        "Water flows.",
        "!!!",
    ],
)
def test_texts_that_do_not_start_with_a_verb(text):
    assert not starts_with_verb(text)


def test_a_title_begins_with_a_capital_even_if_its_first_word_is_minor():
    assert not check("format:title_case", {}, "the Quick of Brown")
    assert check("format:title_case", {}, "The Quick of Brown")


def test_digits_and_signs_of_keycaps_are_no_emoji_by_themselves():
    assert EMOJI.isdisjoint("0123456789#* aé!")
    assert set("😊☔©🚀🏽") <= EMOJI


@pytest.mark.parametrize("emoji", ["😊", "☔️", "🇫🇷", "1️⃣", "👩‍💻", "👍🏽", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"])
def test_emoji_of_several_characters_end_a_sentence(emoji):
    assert ends_with_emoji(f"Hello {emoji}!")
    assert check("format:emoji", {}, f"Hello! {emoji} It rains {emoji}.")
    assert not check("format:emoji", {}, f"Hello! {emoji} It rains.")


def test_brackets_count_only_when_closed_and_matching():
    assert bracket_levels("([{}])") == 3
    assert bracket_levels("((a) (b (c)))") == 3
    assert bracket_levels("(((a)") == 1
    assert bracket_levels("([)]") == 0


def test_apostrophes_are_no_quotes():
    assert quote_levels("It's the dogs' bowl, isn't it?") == 0
    assert quote_levels("“I don't know what ‘it’ means”") == 2
    assert quote_levels('"a \'b "c" d\' e"') == 3


def test_ordinals_of_eleven_to_thirteen_end_in_th():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 112th".split()
    )


def test_accents_are_folded_and_other_letters_kept():
    assert without_accents("Élève, Müller, Łódź") == "Eleve, Muller, Łodz"


def test_african_countries_may_carry_the_other_names_in_use():
    names = """zimbabwe zambia uganda tunisia togo tanzania swaziland sudan south_sudan south_africa somalia
    sierra_leone seychelles senegal sao_tome_and_principe rwanda nigeria niger namibia mozambique
    morocco mauritius mauritania mali malawi madagascar libya liberia lesotho kenya guinea-bissau guinea
    ghana the_gambia gabon ethiopia eritrea equatorial_guinea egypt dr_congo djibouti côte_d’ivoire
    congo comoros chad central_african_republic cameroon cabo_verde burundi burkina_faso botswana benin
    angola algeria"""
    listed = [name.replace("_", " ") for name in names.split()]
    numbered = "\n".join(f"{n}. {name.title()}" for n, name in zip(itertools.count(1), listed, strict=False))
    assert check("custom:reverse_newline", {}, f"Sure!\n{numbered}\nThat is all.")
    assert not check("custom:reverse_newline", {}, "\n".join(listed[:50]))

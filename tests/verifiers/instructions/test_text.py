"""How texts are split; the expected Punkt sentences and word tokens were printed by NLTK 3.9.1."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.instructions import text as splitting
from verifiers.instructions.text import (
    count_word,
    paragraphs,
    punkt_sentences,
    sentences,
    tokens,
    whole_words,
    words,
)

NLTK_SENTENCES = {
    'He said "Go!" (Then he left.) So did Mr. Smith, J. Doe and 3. cats.': [
        'He said "Go!"',
        "(Then he left.)",
        "So did Mr.",
        "Smith, J. Doe and 3. cats.",
    ],
    "Wait... what?! No. 1. First item. 2. second": [
        "Wait...",
        "what?!",
        "No.",
        "1.",
        "First item.",
        "2. second",
    ],
    "Costs $3.88, i.e. DON'T pay. I CANNOT. U.S.A. won": [
        "Costs $3.88, i.e.",
        "DON'T pay.",
        "I CANNOT.",
        "U.S.A.",
        "won",
    ],
    "A line\nwithout end\n\nAnother one. ": ["A line\nwithout end\n\nAnother one."],
}
NLTK_TOKENS = {
    "Costs $3.88, i.e. DON'T pay. I CANNOT. U.S.A. won": (
        "Costs $ 3.88 , i.e . DO N'T pay . I CAN NOT . U.S.A . won"
    ),
    "He's here—gonna stay: \"yes\" 'tis so.": "He 's here— gon na stay : `` yes '' 't is so .",
    "Wait... what?! No. 1. First item. 2. second": "Wait ... what ? ! No . 1 . First item . 2. second",
}


@pytest.mark.parametrize("text", NLTK_SENTENCES)
def test_sentences_are_split_as_untrained_punkt_does(text):
    assert list(punkt_sentences(text)) == NLTK_SENTENCES[text]


@pytest.mark.parametrize("text", NLTK_TOKENS)
def test_word_tokens_are_those_of_nltk(text):
    assert " ".join(tokens(text)) == NLTK_TOKENS[text]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith met Mr. and Mrs. Jones. They talked.", 2),
        ("It opens at 5 p.m. Then it closes.", 2),
        ("It opens at 5 p.m. on Mondays.", 1),
        ("Fruits, e.g. apples, are good.", 1),
        ("J. R. R. Tolkien wrote it.", 1),
        ("Well... maybe. Or not...", 2),
        ('"Stop!" he said. "Why?" she asked.', 2),
        ("# A heading\n\nOne sentence.", 2),
        ("Two items:\n1. First\n2. Second", 3),
        ("* one\n* two\n* three", 3),
        ("One.\n\n***\n\nTwo.", 2),
        ("all small. every one of them. really.", 3),
        ("i am well. " * 100 + "bye at the IGA.", 101),
        ("We like Example.com a lot. Do you?", 2),
        ("今天很好。明天呢？好！", 3),
        ("यह अच्छा है। वह भी।", 2),
        ("Pi is 3.14. E is 2.72.", 2),
        ("", 0),
        ("We chose plan B. Then we left.", 2),
        ("Let the unknown be x. Then solve it.", 2),
        ("We lack vitamin C. It helps.", 2),
        ("Take vitamin C. Oranges have it.", 2),
        ('He asked "Why?" and left.', 1),
        ('We said "Go!" to them. We left.', 2),
        ("The U.S. Army came. It left.", 2),
        ("Born in the U.S. He moved.", 2),
        ("Yahoo! is big. Ok.", 2),
        ("Roe v. Wade was decided.", 1),
        ("George W. Bush spoke.", 1),
        ("we chose plan b. then j. r. r. tolkien left.", 2),
        ("It rhymes, e.g. The Raven does.", 1),
    ],
)
def test_a_reader_counts_this_many_sentences(text, count):
    assert len(sentences(text)) == count, sentences(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I don't have 1,000 well-known friends.", 6),
        ("one—two three/four", 4),
        ("मेरा नाम हिंदी है", 4),  # re finds 11 runs of letters in it
        ("café naïve", 2),
        ("- * _ ...", 0),
    ],
)
def test_a_reader_counts_this_many_words(text, count):
    assert len(whole_words(text)) == count, whole_words(text)


def test_a_word_is_counted_only_where_it_stands_by_itself():
    assert count_word("Art, party, ART-work, art's; smart arts", "art") == 3
    assert count_word("C++ is not C. c++!", "C++") == 2
    assert count_word("I don’t", "don't") == count_word("I don't", "don’t") == 1
    assert count_word("New\nYork", "new york") == 1
    assert count_word("a cafe\u0301", "café") == 1
    assert count_word("हिंदी", "हिंद") == 0  # the vowel sign that follows belongs to the word


def test_paragraphs_are_between_blank_lines_and_never_empty():
    assert paragraphs("\n\n one\ntwo \n  \n\n\n three\n") == ("one\ntwo", "three")


@given(st.text(alphabet="aB 1.!?\"')\n-*", max_size=60))
def test_splitting_loses_no_word(text):
    for split in (sentences, punkt_sentences, paragraphs):
        kept = words(" ".join(split(text)))
        assert [w for w in words(text) if w.isalpha()] == [w for w in kept if w.isalpha()]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([". ", "!", ". x ", "a.", "\n", '"', "1. ", "-", "...", " ", "'", ".)", "a-"]))
def test_splitting_takes_time_in_proportion_to_the_text(piece):
    started = time.perf_counter()
    for split in (sentences, punkt_sentences, paragraphs, tokens, whole_words):
        split(piece * (20_000 // len(piece)) + "x")
    assert time.perf_counter() - started < 30


def test_a_text_is_split_once():
    splitting.sentences.cache_clear()
    for _ in range(3):
        sentences("Once. Twice.")
    assert splitting.sentences.cache_info().misses == 1

"""The compiled words and n-grams are those of the plain definition, whatever the text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.words.alphabet import folded, operators, spaced, unpunctuated
from curation.words.texts import grams_of, plain_words, split_words, texts_of, texts_of_arrow, word_spans

# Letters, digits, separators, dropped marks, characters of scripts without spaces, other planes, halves.
CHARACTERS = "aB7, 1,000.x'é\u0301ßﬁ３²\u200b漢かกÀ-_\n\t𝐀🙂\U00020000\U000e0061\ud800#$"
texts = st.lists(st.text(st.sampled_from(CHARACTERS) | st.characters(), max_size=40), max_size=6)


@pytest.mark.parametrize("alphabet", [folded(), operators(), spaced(), unpunctuated()], ids=lambda a: a.name)
@pytest.mark.parametrize("masked", [False, True])
@settings(max_examples=60)
@given(given=texts)
def test_compiled_words_are_the_plain_ones(given, alphabet, masked):
    several = texts_of(given)
    words = split_words(several, alphabet, masked)
    assert words.rows[-1] == len(words.hashes) == len(words.starts) == len(words.ends)
    names: dict[int, str] = {}
    for i, text in enumerate(given):
        mine = slice(words.rows[i], words.rows[i + 1])
        plain = word_spans(text, alphabet, masked)
        assert len(plain) == len(words.hashes[mine])
        begin = several.offsets[i]
        for (word, first, last), h, start, end in zip(
            plain, words.hashes[mine], words.starts[mine], words.ends[mine], strict=True
        ):
            assert len(text[:first].encode("utf-8", "surrogatepass")) == start - begin
            assert len(text[:last].encode("utf-8", "surrogatepass")) == end - begin
            assert names.setdefault(int(h), word) == word  # one hash, one word
    assert len(set(names.values())) == len(names)  # one word, one hash


@settings(max_examples=60)
@given(given=texts, n=st.integers(1, 6))
def test_grams_are_the_runs_of_n_words(given, n):
    words = split_words(texts_of(given))
    found = grams_of(words, n)
    names: dict[int, tuple[str, ...]] = {}
    for i, text in enumerate(given):
        plain = plain_words(text)
        runs = list(zip(*(plain[k:] for k in range(n)), strict=False))
        mine = slice(found.rows[i], found.rows[i + 1])
        assert [first - words.rows[i] for first in found.firsts[mine]] == list(range(len(runs)))
        for run, h in zip(runs, found.hashes[mine], strict=True):
            assert names.setdefault(int(h), run) == run
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ann's 1,000 APPLES, or 1,2345?", ["anns", "1000", "apples", "or", "1", "2345"]),
        ("Straße\u00adnbahn  ﬁn", ["strassenbahn", "fin"]),
        ("3x - 4²", ["3", "x", "42"]),
        ("naïve e\u0301te\u0301 Ｆｕｌｌ３", ["naive", "ete", "full", "3"]),
        ("漢字と kanji", ["漢", "字", "と", "kanji"]),
        (r"\frac{1}{2}\n", ["frac", "1", "2", "n"]),
    ],
)
def test_words_of_examples(text, words):
    assert plain_words(text) == words


def test_masked_numbers_are_one_word():
    assert plain_words("12 apples and 7", masked=True) == ["#", "apples", "and", "#"]


def test_operators_can_be_words():
    assert plain_words("3x − 4=1", operators()) == ["3", "x", "-", "4", "=", "1"]
    assert plain_words("3x - 4=1", operators()) == ["3", "x", "-", "4", "=", "1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 + (3 * 4)", "(2 + 3) * 4"),
        ("f'(2)", "f(2)"),
        ("5!", "5"),
        ("½ cup", "¼ cup"),
        ("in C", "in C#"),
        ("😀", "😢"),
        ("€50", "$50"),
        ("10%", "10"),
    ],
)
def test_symbols_tell_questions_apart(one, other):
    assert plain_words(one, operators()) != plain_words(other, operators())


@pytest.mark.parametrize(("one", "other"), [("दिन", "दान"), ("มี", "มิ"), ("½", "¼")])
def test_signs_that_are_no_accents_count(one, other):
    assert plain_words(one) and plain_words(one) != plain_words(other)


def test_apostrophes_of_either_kind_are_one():
    assert plain_words("Ann’s", operators()) == plain_words("Ann's", operators()) == ["ann", "'", "s"]


def test_rules_of_other_projects():
    assert plain_words("Don't  Stop, 3x!", spaced()) == ["don't", "stop,", "3x!"]
    assert plain_words("Don't  Stop, 3 + x!", unpunctuated()) == ["dont", "stop", "3", "x"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_arrow_texts_are_read_as_they_are_sliced(kind):
    given = ["", "one two", None, "three", "vier fünf"]
    array = pa.array(given, kind)[1:]
    for form in (array, pa.chunked_array([array[:2], array[2:]]), pa.chunked_array([array])):
        several = texts_of_arrow(form)
        assert [several.text(i) for i in range(len(several))] == ["one two", "", "three", "vier fünf"]
        assert list(split_words(several).hashes) == list(split_words(texts_of(filter(None, given))).hashes)


def test_no_texts():
    assert len(texts_of([])) == 0 and len(texts_of_arrow(pa.array([], pa.string()))) == 0
    assert len(grams_of(split_words(texts_of([])), 3).hashes) == 0

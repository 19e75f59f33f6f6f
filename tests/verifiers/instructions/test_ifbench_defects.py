"""Where the published IFBench checkers are wrong: `upstream` repeats the verdict, `fixed` corrects it."""

from __future__ import annotations

import pytest

from verifiers.instructions import check

OPTIONS = "A) Munch\nB) Klee\nC) Dix\nD) Arp\nE) Ernst"
WRONGLY_ACCEPTED = [
    ("count:unique_word_count", {"N": 3}, "rain – “rain” —"),
    ("count:conjunctions", {"small_n": 2}, "This and, that And those."),
    (
        "count:keywords_multiple",
        {"keyword1": "art", **{f"keyword{n}": w for n, w in zip("2345", "bcde", strict=True)}},
        f"starting {'b ' * 2}{'c ' * 3}{'d ' * 5}{'e ' * 7}",
    ),
    ("count:numbers", {"N": 1}, "10-20"),
    ("ratio:sentence_type", {}, "Rain! Sun!"),
    ("ratio:sentence_balance", {}, "Rain"),
    ("ratio:sentence_words", {}, "Cat. Cat. Cat."),
    (
        "ratio:overlap",
        {"reference_text": "the rain in Spain stays in the plain", "percentage": 94},
        "the plain rain stays in Spain",
    ),
    ("words:palindrome", {}, "12321 " * 10),
    ("words:prime_lengths", {}, "?!"),
    ("words:repeats", {"small_n": 1}, "“Rain” Rain"),
    ("words:odd_even_syllables", {}, "bigger water"),
    ("words:no_consecutive", {}, "sun “sea"),
    ("words:alphabet", {}, "a bee’s—zoo"),
    ("sentence:alliteration_increment", {}, "Six silly swans sing. Big boats like lost people praying."),
    ("format:parentheses", {}, "(((((x) is nested"),
    ("format:quotes", {}, '"It isn\'t so", he said. "No, it\'s fine".'),
    ("format:options", {"options": "coral, red"}, "c"),
    ("format:newline", {}, "two words\n \nhere"),
    ("format:emoji", {}, "I like 😊s"),
    ("format:line_indent", {}, "One line is no stairs."),
    ("format:quote_unquote", {}, "He said “carpe diem”"),
    ("format:quote_unquote", {}, '"Carpe diem", "veni, vidi" are sayings.'),
    ("format:list", {"sep": "..."}, "Well... it rains... again."),
    ("format:thesis", {}, "Rain falls. <i>It is wet.</i> So it is."),
    ("format:thesis", {}, "<em></em>"),
    ("format:thesis", {}, "# One\n<i>First.</i> Text.\n# Two\nNo thesis here."),
    ("format:sub-bullets", {}, "No bullets at all."),
    ("format:sub-bullets", {}, "* a well-known item"),
    ("format:title_case", {}, "ALL IS WRITTEN IN CAPITALS"),
    ("format:output_template", {}, "Future Outlook: My Conclusion: My Answer:"),
    ("format:no_bullets_bullets", {}, "Does it rain? Does it pour?\n* a\n* b"),
    ("custom:word_reverse", {}, "The bald eagle, or eagle bald"),
    ("custom:character_reverse", {}, "The bald eagle, or elgae dlab"),
    ("custom:reverse_newline", {}, "Zimbabwe" + "\nA" * 51),
    ("custom:date_format_list", {}, "1801-02-29, 1800-00-00"),
    (
        "custom:csv_special_character",
        {},
        "ProductID,Category,Brand,Price,Stock\n" + '1,"a&b",x,2,3' + "\nonly one field" * 13,
    ),
    ("repeat:repeat_change", {"prompt_to_repeat": "Write a poem."}, "Write  a poem."),
    ("repeat:repeat_span", {"prompt_to_repeat": "say it to me now", "n_start": 1, "n_end": 2}, "ay"),
]
WRONGLY_REFUSED = [
    ("count:word_count_range", {"min_words": 3, "max_words": 3}, "Don't panic, mother-in-law!"),
    ("count:words_japanese", {"N": 2}, "one – 二つ three"),
    ("ratio:stop_words", {"percentage": 50}, "don't panic"),
    ("ratio:sentence_balance", {}, "It is on www.rain.org. Really? Yes!"),
    ("words:alphabet", {}, "A big – cat"),
    ("words:consonants", {}, "1. Strong – winds"),
    ("words:prime_lengths", {}, "“It” was"),
    ("words:start_verb", {}, "Embark on a journey."),
    ("words:odd_even_syllables", {}, "2 bigger boats"),
    ("words:last_first", {}, "I like “rain”. Rain likes me."),
    ("words:paragraph_last_first", {}, "Time, they say, heals time."),
    ("words:no_consecutive", {}, "10 12"),
    ("words:keywords_specific_position", {"keyword": "know", "n": 1, "m": 3}, "I don't know."),
    ("words:words_position", {"keyword": "rain"}, "(Some) rain is rain, friend!"),
    ("sentence:increment", {"small_n": 1}, "It rains. It – always rains."),
    ("format:options", {"options": "yes/no"}, "Yes\n"),
    ("format:emoji", {}, "Bonjour 🇫🇷"),
    ("format:line_indent", {}, "a\n\n\n b"),
    ("format:line_indent", {}, "a\n\tb\n\t\tc"),
    ("format:sub-bullets", {}, "**Rain**\n* a\n  - b"),
    ("format:no_bullets_bullets", {}, "It rains.\n\nIt pours.\n\n* a\n\n* b"),
    ("format:title_case", {}, "Don't Look at the Sun"),
    ("format:no_whitespace", {}, "abc\n"),
    ("sentence:keyword", {"word": "C++", "N": 1}, "I like C++ a lot."),
    (
        "custom:mcq_count_length",
        {},
        "\n\n".join(f"**Question {n}:** Who{'?' * n}\n{OPTIONS}" for n in range(1, 5)),
    ),
    (
        "custom:sentence_alphabet",
        {},
        " ".join(f'"{letter} is late," he said.' for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ),
    ("custom:csv_city", {}, "```csv\nID, Country, City, Year, Count\n" + "1,a,b,2,3\n" * 7 + "```"),
    (
        "custom:csv_quotes",
        {},
        '"StudentID"\t"Subject"\t"Grade"\t"Semester"\t"Score"' + '\n"1"\t"a"\t""\t"2"\t"3"' * 3 + "\n\n",
    ),
    ("repeat:repeat_span", {"prompt_to_repeat": "say it to me now", "n_start": 1, "n_end": 2}, "it to"),
]


@pytest.mark.parametrize(("name", "kwargs", "response"), WRONGLY_ACCEPTED)
def test_a_response_that_upstream_accepts_wrongly_is_refused(name, kwargs, response):
    assert check(name, kwargs, response, mode="upstream")
    assert not check(name, kwargs, response)


@pytest.mark.parametrize(("name", "kwargs", "response"), WRONGLY_REFUSED)
def test_a_response_that_upstream_refuses_wrongly_is_accepted(name, kwargs, response):
    assert not check(name, kwargs, response, mode="upstream")
    assert check(name, kwargs, response)


def test_blank_lines_are_removed_from_the_list_that_upstream_iterates_over():
    # One blank line goes; of two in a row the second is skipped and, unindented, breaks the stairs.
    assert check("format:line_indent", {}, "a\n\n b", mode="upstream")
    assert not check("format:line_indent", {}, "a\n\n\n b", mode="upstream")
    # The skipped blank line is removed later in place of the last one: remove() takes the first equal line.
    assert check("format:line_indent", {}, "  \n\n\n  a\n\n   b", mode="upstream") == removed_while_iterating(
        "  \n\n\n  a\n\n   b"
    )


def removed_while_iterating(response: str) -> bool:
    lines = response.split("\n")
    for line in lines:
        if not line.strip():
            lines.remove(line)
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    return all(a < b for a, b in zip(indents, indents[1:], strict=False))

"""What the constraint sampler may draw, with which arguments, for which prompts, and what goes together.

Everything here is data. `DRAWS` has the instructions that make sense on a prompt that was not written for
them, each with one or more sets of argument ranges, such that compatible instructions can be kept together
by an answer of ordinary length. Not drawn: `constrained_response` (the prompt must ask a yes-or-no question),
`copy_span_idx` (models cannot count characters), and IFBench, which is held out for evaluation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Material:
    """What arguments are made of: the prompt, and content words of it, each given out once.

    Words that contain each other are not both given out, since checks may count one in the other.
    """

    def __init__(self, prompt: str, words: Sequence[str]) -> None:
        self.prompt = prompt
        self._words: list[str] = []
        for word in words:
            if not any(_overlap(word.lower(), other.lower()) for other in self._words):
                self._words.append(word)

    def left(self) -> int:
        return len(self._words)

    def take(self, rng: random.Random) -> str:
        return self._words.pop(rng.randrange(len(self._words)))


def _overlap(word: str, other: str) -> bool:
    return word in other or other in word


class Range(Protocol):
    """What one argument may be."""

    @property
    def words(self) -> int:
        """How many words of the prompt it needs at least."""

    def draw(self, rng: random.Random, material: Material) -> Any: ...


@dataclass(frozen=True)
class Number:
    low: int
    high: int
    step: int = 1
    words = 0

    def draw(self, rng: random.Random, material: Material) -> int:
        return rng.randrange(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class OneOf:
    values: tuple[str, ...]
    words = 0

    def draw(self, rng: random.Random, material: Material) -> str:
        return rng.choice(self.values)


@dataclass(frozen=True)
class Word:
    words = 1

    def draw(self, rng: random.Random, material: Material) -> str:
        return material.take(rng)


@dataclass(frozen=True)
class Words:
    """A list of one to `most` words."""

    most: int
    words = 1

    def draw(self, rng: random.Random, material: Material) -> list[str]:
        wanted = rng.randint(1, self.most)
        taken = [material.take(rng)]
        while len(taken) < wanted and material.left():
            taken.append(material.take(rng))
        return sorted(taken)


@dataclass(frozen=True)
class PromptText:
    words = 0

    def draw(self, rng: random.Random, material: Material) -> str:
        return material.prompt


Arguments = dict[str, Range]

AT_LEAST, LESS_THAN = OneOf(("at least",)), OneOf(("less than",))
END_PHRASES = (
    "That is all there is to it.",
    "Is there anything else I can help with?",
    "I hope this is of use.",
    "Let me know what you think.",
)
# First words that a whole answer, or each of its sentences, can start with on any subject.
OPENERS = ("The", "This", "It", "We", "One", "There")
PHRASES = (
    "A small key can open a big door",
    "The early bird gets the best worm",
    "Good things come to those who wait",
)
LETTERS = OneOf(tuple("aeinorst"))  # frequent ones
# Languages with spaces between words, which the length rules can count.
LANGUAGES = ("bg", "de", "es", "fi", "fr", "it", "pl", "pt", "ru", "uk", "vi")

DRAWS: dict[str, tuple[Arguments, ...]] = {
    "keywords:existence": ({"keywords": Words(3)},),
    "keywords:frequency": (
        {"keyword": Word(), "frequency": Number(2, 4), "relation": AT_LEAST},
        {"keyword": Word(), "frequency": Number(2, 4), "relation": LESS_THAN},
    ),
    "keywords:forbidden_words": ({"forbidden_words": Words(3)},),
    "keywords:letter_frequency": (
        {"letter": LETTERS, "let_frequency": Number(10, 30, 5), "let_relation": AT_LEAST},
    ),
    "language:response_language": ({"language": OneOf(LANGUAGES)},),
    "length_constraints:number_sentences": (
        {"num_sentences": Number(4, 12), "relation": AT_LEAST},
        {"num_sentences": Number(6, 20), "relation": LESS_THAN},
    ),
    "length_constraints:number_words": (
        {"num_words": Number(50, 300, 10), "relation": AT_LEAST},
        {"num_words": Number(80, 400, 10), "relation": LESS_THAN},
    ),
    "length_constraints:number_paragraphs": ({"num_paragraphs": Number(2, 5)},),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": Number(3, 5), "nth_paragraph": Number(1, 3), "first_word": Word()},
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": Number(2, 4)},),
    "detectable_content:postscript": ({"postscript_marker": OneOf(("P.S.", "P.P.S"))},),
    "detectable_format:number_bullet_lists": ({"num_bullets": Number(2, 6)},),
    "detectable_format:number_highlighted_sections": ({"num_highlights": Number(2, 4)},),
    "detectable_format:multiple_sections": (
        {"num_sections": Number(2, 4), "section_spliter": OneOf(("Section", "SECTION"))},
    ),
    "detectable_format:json_format": ({},),
    "detectable_format:title": ({},),
    "combination:two_responses": ({},),
    "combination:repeat_prompt": ({"prompt_to_repeat": PromptText()},),
    "startend:end_checker": ({"end_phrase": OneOf(END_PHRASES)},),
    "startend:quotation": ({},),
    "change_case:english_capital": ({},),
    "change_case:english_lowercase": ({},),
    "change_case:capital_word_frequency": (
        {"capital_frequency": Number(2, 8), "capital_relation": AT_LEAST},
        {"capital_frequency": Number(3, 8), "capital_relation": LESS_THAN},
    ),
    "punctuation:no_comma": ({},),
    "keywords:word_once": ({"keyword": Word()},),
    "keywords:word_count_different_numbers": ({"keyword": Word(), "frequency": Number(2, 4)},),
    "keywords:exclude_word_harder": ({"keyword": Word()},),
    "keywords:no_adjacent_consecutive": ({},),
    "keywords:palindrome": ({},),
    "keywords:keyword_specific_position": ({"keyword": Word(), "n": Number(1, 4), "m": Number(1, 6)},),
    "keywords:start_end": ({},),
    "letters:letter_counting": (
        {"N": Number(200, 800, 50), "relation": AT_LEAST},
        {"N": Number(400, 1500, 50), "relation": LESS_THAN},
    ),
    "letters:letter_counting2": (
        {"letter": LETTERS, "let_frequency": Number(10, 30, 5), "let_relation": AT_LEAST},
    ),
    "paragraphs:paragraphs": ({},),
    "paragraphs:paragraphs2": ({},),
    "first_word:first_word_sent": ({"first_word": OneOf(OPENERS)},),
    "first_word:first_word_answer": ({"first_word": OneOf(OPENERS)},),
    "last_word:last_word_sent": ({"last_word": Word()},),
    "last_word:last_word_answer": ({"last_word": Word()},),
    "detectable_format:bigram_wrapping": ({},),
    "detectable_format:square_brackets": ({},),
    "detectable_format:sentence_hyphens": ({},),
    "punctuation:punctuation_dot": ({},),
    "punctuation:punctuation_exclamation": ({},),
    "count:lowercase_counting": ({"N": Number(10, 40, 5)},),
    "count:counting_composition": ({"n_sent": Number(2, 3), "n_words": Number(5, 8)},),
    "count:count_unique": ({},),
    "count:count_increment_word": ({"keyword1": Word(), "keyword2": Word()},),
    "copy:copy": ({"prompt_to_repeat": PromptText()},),
    "copy:copying_simple": ({"prompt_to_repeat": PromptText()},),
    "copy:copying_multiple": ({"prompt_to_repeat": PromptText(), "N": Number(2, 3)},),
    "copy:repeat_phrase": ({"phrase": OneOf(PHRASES), "small_n": Number(2, 3)},),
}

ALL = frozenset(DRAWS)
COPIES = frozenset({"copy:copy", "copy:copying_simple", "copy:copying_multiple"})
# What decides the form of the whole answer.
WHOLE_FORMS = frozenset(
    {
        "detectable_format:json_format",
        "detectable_format:bigram_wrapping",
        "detectable_format:square_brackets",
        "detectable_format:sentence_hyphens",
        "count:counting_composition",
        "combination:two_responses",
    }
)
# What only asks for some words or bans some characters, and so goes into any form.
WORDING = frozenset(
    {
        "keywords:existence",
        "keywords:forbidden_words",
        "keywords:exclude_word_harder",
        "punctuation:punctuation_exclamation",
        "punctuation:no_comma",
    }
)
LENGTH = frozenset(
    {
        "length_constraints:number_sentences",
        "length_constraints:number_words",
        "length_constraints:number_paragraphs",
        "length_constraints:nth_paragraph_first_word",
        "letters:letter_counting",
        "paragraphs:paragraphs",
        "paragraphs:paragraphs2",
        "count:counting_composition",
    }
)
CASE = frozenset(
    {
        "change_case:english_capital",
        "change_case:english_lowercase",
        "change_case:capital_word_frequency",
        "count:lowercase_counting",
    }
)
# English words, or letters of the Latin alphabet, that the answer must have or not have.
ENGLISH = CASE | frozenset(
    {
        "keywords:existence",
        "keywords:frequency",
        "keywords:forbidden_words",
        "keywords:letter_frequency",
        "keywords:word_once",
        "keywords:word_count_different_numbers",
        "keywords:exclude_word_harder",
        "keywords:keyword_specific_position",
        "keywords:no_adjacent_consecutive",
        "keywords:palindrome",
        "letters:letter_counting2",
        "length_constraints:nth_paragraph_first_word",
        "first_word:first_word_sent",
        "first_word:first_word_answer",
        "last_word:last_word_sent",
        "last_word:last_word_answer",
        "count:count_increment_word",
        "copy:repeat_phrase",
        "startend:end_checker",
        "combination:repeat_prompt",
        "detectable_format:multiple_sections",
        "detectable_content:postscript",
    }
)
BEGINNING = frozenset(
    {
        "first_word:first_word_sent",
        "first_word:first_word_answer",
        "keywords:start_end",
        "startend:quotation",
        "combination:repeat_prompt",
        "length_constraints:nth_paragraph_first_word",
    }
)
END = frozenset(
    {
        "startend:end_checker",
        "startend:quotation",
        "last_word:last_word_sent",
        "last_word:last_word_answer",
        "keywords:start_end",
        "detectable_content:postscript",
    }
)
SENTENCES = frozenset(
    {
        "first_word:first_word_sent",
        "last_word:last_word_sent",
        "keywords:keyword_specific_position",
        "length_constraints:number_sentences",
    }
)
PIECES = frozenset(
    {
        "detectable_format:number_bullet_lists",
        "detectable_format:multiple_sections",
        "detectable_format:title",
        "detectable_content:postscript",
        "length_constraints:number_paragraphs",
        "length_constraints:nth_paragraph_first_word",
        "paragraphs:paragraphs",
        "paragraphs:paragraphs2",
    }
)
STARRED = frozenset({"length_constraints:number_paragraphs", "paragraphs:paragraphs"})
BLANK_LINED = frozenset({"length_constraints:nth_paragraph_first_word", "paragraphs:paragraphs2"})
REPETITION = frozenset(
    {
        "keywords:frequency",
        "keywords:word_count_different_numbers",
        "keywords:start_end",
        "keywords:letter_frequency",
        "letters:letter_counting2",
        "count:count_increment_word",
        "first_word:first_word_sent",
        "last_word:last_word_sent",
        "copy:repeat_phrase",
        "detectable_format:multiple_sections",
    }
)


class Conflict(NamedTuple):
    """No instruction of `one` goes with another one of `other`."""

    one: frozenset[str]
    other: frozenset[str]
    reason: str


def _ids(*names: str) -> frozenset[str]:
    return frozenset(names)


CONFLICTS: tuple[Conflict, ...] = (
    Conflict(COPIES, ALL, "a copy of the request leaves no room for anything else"),
    Conflict(WHOLE_FORMS, ALL - WORDING, "the form of the whole answer leaves room for wording only"),
    Conflict(
        _ids("combination:repeat_prompt"),
        ALL
        - {"keywords:existence", "detectable_format:title", "startend:end_checker", "keywords:palindrome"},
        "the repeated request would have to keep to the rule as well",
    ),
    Conflict(
        STARRED,
        _ids("detectable_format:multiple_sections"),
        "sections are more parts than the paragraphs asked for",
    ),
    Conflict(LENGTH, LENGTH, "two lengths can exclude each other"),
    Conflict(CASE, CASE, "two rules of case can exclude each other"),
    Conflict(_ids("language:response_language"), ENGLISH, "English words or letters in another language"),
    Conflict(BEGINNING, BEGINNING, "an answer has one beginning"),
    Conflict(END, END, "an answer has one end"),
    Conflict(SENTENCES, PIECES, "headings, list items and postscripts are no proper sentences"),
    Conflict(
        SENTENCES - {"length_constraints:number_sentences"},
        SENTENCES - {"length_constraints:number_sentences"},
        "two rules for the words of one sentence can meet in one place",
    ),
    Conflict(
        SENTENCES,
        _ids("startend:end_checker", "keywords:start_end", "copy:repeat_phrase"),
        "the fixed phrase is a sentence of its own",
    ),
    Conflict(
        _ids("first_word:first_word_answer"),
        _ids("keywords:keyword_specific_position"),
        "both can ask for the first word",
    ),
    Conflict(
        _ids("last_word:last_word_answer"), _ids("last_word:last_word_sent"), "both ask for the last word"
    ),
    Conflict(
        _ids("count:count_unique"),
        REPETITION | LENGTH | _ids("startend:end_checker", "detectable_content:postscript"),
        "words must be repeated, or are too many to be all different",
    ),
    Conflict(
        _ids("count:lowercase_counting"),
        LENGTH | _ids("keywords:letter_frequency", "letters:letter_counting2", "copy:repeat_phrase"),
        "few lower-case words make no long answer",
    ),
    Conflict(
        CASE - {"change_case:capital_word_frequency"},
        _ids(
            "startend:end_checker",
            "copy:repeat_phrase",
            "detectable_format:multiple_sections",
            "detectable_content:postscript",
            "first_word:first_word_sent",
            "first_word:first_word_answer",
        ),
        "the fixed phrase has capital and small letters",
    ),
    Conflict(
        _ids("punctuation:punctuation_dot"),
        SENTENCES | _ids("startend:end_checker", "detectable_content:postscript"),
        "sentences, phrases and markers need their dots",
    ),
    Conflict(
        _ids("detectable_format:number_bullet_lists"),
        STARRED,
        "a divider of stars can count as a list item",
    ),
    Conflict(
        BLANK_LINED,
        PIECES,
        "the pieces stand between blank lines, which count as paragraphs",
    ),
    Conflict(
        _ids("keywords:no_adjacent_consecutive"),
        _ids("startend:end_checker", "copy:repeat_phrase"),
        "the first letters of a fixed phrase can follow each other in the alphabet",
    ),
    Conflict(
        _ids("change_case:capital_word_frequency"),
        _ids("detectable_format:multiple_sections"),
        "SECTION is a word in capitals",
    ),
    Conflict(
        _ids("keywords:letter_frequency"), _ids("letters:letter_counting2"), "the same rule by two names"
    ),
    Conflict(
        _ids("keywords:forbidden_words"), _ids("keywords:exclude_word_harder"), "the same rule by two names"
    ),
)


# Prompts for which only some instructions make sense: program code cannot change its case or lose its commas,
# and English words belong into an answer to an English prompt.
_ANYWHERE = frozenset(
    {
        "detectable_format:number_highlighted_sections",
        "detectable_format:number_bullet_lists",
        "detectable_format:title",
        "detectable_content:postscript",
        "length_constraints:number_words",
    }
)
FIT_FOR_CODE = _ANYWHERE | {
    "keywords:existence",
    "startend:end_checker",
    "detectable_format:multiple_sections",
    "first_word:first_word_answer",
    "keywords:word_once",
}
FIT_FOR_FOREIGN = _ANYWHERE | {
    "detectable_content:number_placeholders",
    "detectable_format:json_format",
    "length_constraints:number_paragraphs",
    "paragraphs:paragraphs",
    "paragraphs:paragraphs2",
    "punctuation:no_comma",
    "punctuation:punctuation_exclamation",
    "startend:quotation",
}
# What the prompt itself may settle, and what would contradict it then.
SETTLES_CASE = CASE | {
    "combination:repeat_prompt",
    "copy:repeat_phrase",
    "detectable_content:postscript",
    "detectable_format:multiple_sections",
    "first_word:first_word_answer",
    "first_word:first_word_sent",
    "startend:end_checker",
}
SETTLES_LENGTH = (
    LENGTH
    | PIECES
    | SENTENCES
    | {
        "combination:two_responses",
        "copy:repeat_phrase",
        "count:lowercase_counting",
        "detectable_format:sentence_hyphens",
        "startend:end_checker",
    }
)
FIT_FOR_DATA = WORDING - {"punctuation:no_comma"}
FIT_FOR_LONG = ALL - COPIES - {"combination:repeat_prompt"}


def conflict(one: str, other: str) -> str | None:
    """Why two instructions do not go together; None when they do."""
    if one == other:
        return "the same rule twice"
    for rule in CONFLICTS:
        if (one in rule.one and other in rule.other) or (other in rule.one and one in rule.other):
            return rule.reason
    return None


def phrases() -> Iterable[str]:
    """Every text that an answer may have to contain literally; keywords must not come from them."""
    return (*END_PHRASES, *PHRASES, *OPENERS, "Section")

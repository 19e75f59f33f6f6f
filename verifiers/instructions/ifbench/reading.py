"""Ways of reading a text that several IFBench checks share.

`bare` and `published_sentences` are how the published checkers read; `whole_words` and `sentences` of
`verifiers.instructions.text` are how a reader does.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from verifiers.instructions.base import Mode
from verifiers.instructions.ifbench.tables import STOP_WORDS
from verifiers.instructions.text import CACHED_TEXTS, punkt_sentences, sentences, whole_words

# What the published checkers call punctuation: ASCII only, so curly quotes and dashes are letters to them.
MARKS = string.punctuation
_WITHOUT_MARKS = str.maketrans("", "", MARKS)

_ABBREVIATION = re.compile(
    r"(?:^|[\s(*\[])(?:mr|mrs|ms|dr|prof|gen|col|maj|lt|adm|sen|rep|reps|jr|sr|st|messrs|bros|inc|corp|co|cos|ltd"
    r"|vs|ave|ft|jan|feb|aug|sept?|oct|nov|dec|tues|wed|fri|ph\.d|[ap]\.m|u\.s\.a|[cdefghklmnprstvw]"
    r"|[a-df-hj-oq-z]\.[a-z])\.$",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(r"(?<=\.\.)\s+(?=[A-Z])")
_NEAR = 16  # characters before a full stop that show whether it belongs to an abbreviation
_FIRST_WORD = re.compile(r"[\W_]*([^\W\d_]*)")


def bare(text: str) -> str:
    """`text` without ASCII punctuation, the words on both sides joined: don't is dont, a-b is ab."""
    return text.translate(_WITHOUT_MARKS)


def _begins_with_frequent_word(text: str) -> bool:
    match = _FIRST_WORD.match(text)
    return match is not None and match[1][:1].isupper() and match[1].lower() in STOP_WORDS


def _parts_at_ellipses(piece: str) -> Iterator[str]:
    start = 0
    for gap in _ELLIPSIS.finditer(piece):
        if _begins_with_frequent_word(piece[gap.end() : gap.end() + _NEAR]):
            yield piece[start : gap.start()]
            start = gap.end()
    yield piece[start:]


@lru_cache(CACHED_TEXTS)
def published_sentences(text: str) -> tuple[str, ...]:
    """Punkt sentences, as the published checkers' trained model splits them.

    Training tells it abbreviations and which words are frequent in lower case: after an abbreviation or an
    ellipsis, a sentence ends only if such a word follows with a capital.
    """
    pieces = [part for piece in punkt_sentences(text) for part in _parts_at_ellipses(piece)]
    result: list[str] = []
    joined: list[str] = []
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=False):
        joined.append(piece)
        abbreviated = _ABBREVIATION.search(piece[-_NEAR:]) is not None
        if following and abbreviated and not _begins_with_frequent_word(following):
            continue
        result.append(" ".join(joined))
        joined = []
    return tuple(result)


def sentences_for(mode: Mode, text: str) -> tuple[str, ...]:
    """Defect of the published ones: a heading or a list item is part of the sentence that follows it."""
    return published_sentences(text) if mode == "upstream" else sentences(text)


@lru_cache(CACHED_TEXTS)
def lower_words(text: str) -> tuple[str, ...]:
    """Whole words in lower case, with straight apostrophes."""
    return tuple(word.lower().replace("’", "'") for word in whole_words(text))


@lru_cache(CACHED_TEXTS)
def letter_words(text: str) -> tuple[str, ...]:
    """The `lower_words` that have a letter: numbers and list markers are none."""
    return tuple(word for word in lower_words(text) if any(map(str.isalpha, word)))


def without_accents(text: str) -> str:
    """é becomes e; letters that do not decompose (ø, ł) stay."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def ascii_letters(text: str) -> str:
    """`text` without accents, and then without all that is not ASCII, as the published checkers fold."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def alike(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the last word of `first` is the first of `second`; two empty lists never are."""
    return bool(first and second) and first[-1] == second[0]

"""Filters that read a text: its length in words, and whether it refuses to answer.

A refusal is known by its opening: one of a list of phrases (English) within the first OPENING characters,
letters and words alone, so that case, punctuation and the kind of apostrophe do not matter. Phrases name what
is refused to be done ("i cannot help", "im unable to provide"), since "I cannot simplify this further" and
"sorry" alone are said in answers, too.
"""

from __future__ import annotations

from itertools import product

import polars as pl

from curation.filters.funnel import Check
from curation.words.texts import split_words, texts_of_arrow

OPENING = 300

_UNABLE = (
    *("i cannot", "i cant", "i can not", "i am unable to", "im unable to", "i am not able to"),
    *("im not able to", "i will not", "i wont", "i wont be able to", "i will not be able to"),
    *("i must decline to", "i have to decline to"),
    *("we cannot", "we are unable to", "i could not possibly", "i am not going to", "im not going to"),
)  # fmt: skip
_DO = (
    *("help", "assist", "provide", "comply", "fulfill", "fulfil", "answer", "engage", "participate"),
    *(
        "support",
        "create",
        "generate",
        "write",
        "discuss",
        "offer",
        "give you",
        "share",
        "do that",
        "do this",
    ),
    *("continue with", "complete this", "satisfy", "recommend", "encourage", "condone", "promote"),
)
_BUT = ("", "in good conscience ", "in good faith ", "ethically ", "directly ", "personally ")
_WHOLE = (
    *("i must respectfully decline", "i have to decline", "i must decline", "i respectfully decline"),
    *("i need to decline", "i decline to", "as a responsible ai", "as an ethical ai"),
    *("it is not appropriate for me to", "its not appropriate for me to"),
    *("it would not be appropriate for me", "it would be inappropriate for me"),
    *("not comfortable with", "i dont feel comfortable"),
    *("goes against my programming", "against my guidelines", "violates my guidelines"),
)
PHRASES = sorted({*_WHOLE, *(f"{unable} {but}{do}" for unable, but, do in product(_UNABLE, _BUT, _DO))})


# Linear in the text: the expressions of polars do not backtrack.
_NO_PROSE = (
    r"(?s)```.*?```|`[^`\n]*`|\[asy\].*?\[/asy\]|\$\$.*?\$\$|\$[^$]*\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+"
)


def n_words(texts: pl.Series) -> pl.Series:
    """(n,) words of each text, as `curation.words` counts them; null has none."""
    words = split_words(texts_of_arrow(texts.to_arrow()))
    return pl.Series("words", words.rows[1:] - words.rows[:-1])


def length_checks(texts: pl.Series, low: int | None, high: int | None) -> list[Check]:
    """`too_short` below `low` words and `too_long` above `high`; None: no bound."""
    if low is None and high is None:
        return []
    found, words = [], n_words(texts)
    if low is not None:
        found.append(Check("too_short", words < low))
    if high is not None:
        found.append(Check("too_long", words > high))
    return found


def refuses(texts: pl.Series) -> pl.Series:
    """(n,) Boolean: the text opens with a refusal."""
    opening = pl.col("text").str.slice(0, OPENING).str.to_lowercase()
    bare = opening.str.replace_all("['’ʼ`]", "").str.replace_all("[^a-z]+", " ")
    found = pl.DataFrame({"text": texts}).select(bare.str.contains_any(PHRASES))
    return found.to_series().fill_null(False)


def prose(texts: pl.Series) -> pl.Series:
    """(n,) the texts without code and formulas, whose letters are in no language."""
    return texts.str.replace_all(_NO_PROSE, " ")


def language_check(languages: pl.Series, wanted: list[str]) -> Check:
    """`other_language`: a language is named in `languages` (codes; null: none can be told), none of the
    wanted ones."""
    return Check("other_language", ~languages.is_in(wanted))

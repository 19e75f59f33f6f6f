"""Filters that read a text: its length in words, and whether it refuses to answer.

A refusal is known by its opening: one of a list of phrases (English) within the first OPENING characters,
whole words, letters alone, so that case, punctuation and the kind of apostrophe do not matter. Phrases name
what is refused to be done ("i cannot help", "im unable to provide"), since "I cannot simplify this further"
and "sorry" alone are said in answers, too; what "we cannot" do, is said of numbers.
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
    *("i could not possibly", "i am not going to", "im not going to"),
    *("i dont think i can", "i do not think i can"),
)  # fmt: skip
_WE = ("we cannot", "we cant", "we are unable to")
_SERVE = (
    *("help", "assist", "comply", "fulfill", "fulfil", "engage", "participate", "facilitate", "encourage"),
    *("condone", "endorse"),
)  # fmt: skip
_DO = (
    *("provide", "answer", "support", "create", "generate", "write", "discuss", "offer", "share", "do that"),
    *("do this", "continue with", "complete this", "satisfy", "recommend", "promote", "give you"),
    *("give instructions", "give advice", "give information", "tell you how to", "produce that"),
    *("produce this", "produce such", "produce any", "produce content", "produce harmful"),
)  # fmt: skip
_BUT = ("", "in good conscience ", "in good faith ", "ethically ", "directly ", "personally ")
_WHOLE = (
    *("i must respectfully decline", "i have to decline", "i must decline", "i respectfully decline"),
    *("i need to decline", "i decline to", "im going to have to decline", "i will have to decline"),
    *("i cannot and will not", "i can not and will not", "i will not and cannot", "i cant and wont"),
    *("as a responsible ai", "as an ethical ai"),
    *("it is not appropriate for me to", "its not appropriate for me to"),
    *("it would not be appropriate for me", "it would be inappropriate for me"),
    *("im not comfortable with", "i am not comfortable with", "i dont feel comfortable"),
)  # fmt: skip
_THAT = ("this", "that", "it", "which", "request")
_AGAINST = ("goes against my programming", "goes against my guidelines", "violates my guidelines")
PHRASES = sorted(
    {
        *_WHOLE,
        *(f"{unable} {but}{do}" for unable, but, do in product(_UNABLE, _BUT, (*_SERVE, *_DO))),
        *(f"{we} {but}{do}" for we, but, do in product(_WE, _BUT, _SERVE)),
        *(f"{what} {against}" for what, against in product(_THAT, _AGAINST)),
    }
)
_AS_WORDS = [f" {phrase} " for phrase in PHRASES]
# "I can't help but notice", "I won't write out every case": said by those who answer.
_NO_REFUSAL = r"\bhelp (but|noticing|feeling|thinking|wondering)\b|\bwrite (out|down)\b"
_CURT = r"\bsorry\W+(but )?i (cannot|can not|cant|wont|will not)\s*([.!;]|$)"  # and nothing about what


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
    opening = pl.col("text").str.slice(0, OPENING).str.to_lowercase().str.replace_all("['’ʼ`]", "")
    letters = opening.str.replace_all(_NO_REFUSAL, "").str.replace_all(r"[^\p{L}\p{M}]+", " ")
    bare = pl.concat_str(pl.lit(" "), letters, pl.lit(" "))
    said = bare.str.contains_any(_AS_WORDS) | opening.str.contains(_CURT)
    found = pl.DataFrame({"text": texts}).select(said)
    return found.to_series().fill_null(False)


def prose(texts: pl.Series) -> pl.Series:
    """(n,) the texts without code and formulas, whose letters are in no language."""
    return texts.str.replace_all(_NO_PROSE, " ")


def language_check(languages: pl.Series, wanted: list[str]) -> Check:
    """`other_language`: a language is named in `languages` (codes; null: none can be told), none of the
    wanted ones."""
    return Check("other_language", ~languages.is_in(wanted))

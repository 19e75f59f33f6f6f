"""The rating a judge gave, read strictly from its last statement: a number on the scale, or nothing.

    [[8]]                          perhaps behind a lead-in ("Overall rating: [[8]]"), perhaps [[8/10]]
    Rating: 8    Score: 8/10       a word for rating, a colon or a line's end, then the number
    My rating is 8                 "my", for "the score is 8" may be told of a game
    8    8/10                      only as the whole reply: on a last line it may be a value of the question

Halves and decimals are what they say (8.5). A denominator that is not the scale's end, a number outside the
scale, a range, and two different numbers are no rating.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from labelers.judges.last_line import (
    BREAK,
    MARKUP,
    VERDICT,
    are_last,
    is_lead_in,
    last_statement,
    spellings,
)
from labelers.judges.verdict_parser import BRACKETS

LABELS = spellings(
    *("rating", "score", "bewertung", "puntuación", "оценка", "рейтинг"),
    *("评分", "最终评分", "得分", "評価", "評点"),
)

_RATING = f"(?:{'|'.join(LABELS)})"
_OF_THIS = "(?: (?:for|of) this (?:answer|response|solution))?"
_LABEL = (
    f"{VERDICT}|(?:(?:my|our|the) )?(?:final |overall )?(?:{_RATING}|grade|note|最終評価)"
    f"(?: final)?{_OF_THIS}(?: is)?"
    "|(?:i|we) (?:give|assign|rate)(?: (?:it|this|this answer|this response|this solution))?"
    "(?: an?)?(?: (?:final |overall )?(?:rating|score|grade)(?: of)?)?"
)
_NUMBER = r"(?P<number>(?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,2})?)"
_OF = r"(?: ?(?:/|out of) ?(?P<of>[0-9]{1,3}))?"
_END = r"(?![\w/+~%-]|[.,][0-9])"
_MARKUP = MARKUP.replace("=", "")  # `score = 8` is a line of a program

# Group 1 is all that stands before the number.
LABELLED = re.compile(
    rf"((?<![^\W_]){_RATING}(?: final)?(?=[{_MARKUP}]*+[:：{BREAK}])[{_MARKUP}{BREAK}:：]*+"
    rf"|\b[Mm]y (?:final |overall )?{_RATING}{_OF_THIS} is[{_MARKUP}]*+"
    rf"|\bI give (?:it|this) an? {_RATING} of[{_MARKUP}]*+)"
    rf"{_NUMBER}{_OF}{_END}"
)
_SLASH = r"(?: ?/ ?(?P<{}>[0-9]{{1,3}}))?"
BRACKETED = re.compile(rf"{BRACKETS} ?{_NUMBER}{_SLASH.format('of')} ?\]\]{_SLASH.format('end')}")
_WHOLE = re.compile(rf"[{MARKUP}{BREAK}]*+{_NUMBER}{_OF}{_END}")


class ParsedRating(NamedTuple):
    rating: float | None
    at: int  # index in the reply of the number's first digit; -1: there is none


NO_RATING = ParsedRating(None, -1)


def parse_rating(reply: str, low: int, high: int) -> ParsedRating:
    """The rating in [low, high] that the reply ends with."""
    text, start, alone = last_statement(reply)
    found = list(BRACKETED.finditer(text))
    if found:
        readable = is_lead_in(text[: found[0].start()], _LABEL)
    elif labelled := LABELLED.search(text):
        found = [labelled]
        readable = is_lead_in(text[: labelled.start()], "(?:my|our|the)(?: final| overall)?|final|overall")
    else:
        found = [whole] if (whole := _WHOLE.match(text)) else []
        readable = alone
    if not found or not readable or not are_last(text, found):
        return NO_RATING
    ratings = {float(one["number"]) for one in found}
    ends = {one[name] for one in found for name in one.re.groupindex if name != "number"} - {None}
    if len(ratings) > 1 or ends - {str(high)} or not low <= min(ratings) <= high:
        return NO_RATING
    return ParsedRating(ratings.pop(), start + found[-1].start("number"))

"""The rating a judge gave, read strictly from the last line of its reply: a number on the scale, or nothing.

    [[8]]                          perhaps behind a lead-in ("Overall rating: [[8]]"), perhaps [[8/10]]
    Rating: 8    Score: 8/10       a word for rating, then the number
    8/10                           the scale names it
    8                              only as the whole reply, or under a line such as "Rating:"

Halves and decimals are what they say (8.5). A denominator that is not the scale's end, a number outside the
scale, a range, and two different numbers are no rating.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from labelers.judges.last_line import LEAD_IN, is_decoration, is_lead_in, last_lines, stands_alone

RATING_WORDS = frozenset(
    "rating score grade bewertung note puntuación оценка рейтинг 评分 得分 最终评分 評価 評点".split()
)
LEAD_WORDS = LEAD_IN | RATING_WORDS | frozenset("a of for rate give assign response solution total".split())

_NUMBER = r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,2})?)"
_BRACKETED = re.compile(
    rf"\[\[ ?{_NUMBER}(?: ?/ ?(?P<of>[0-9]{{1,3}}))? ?\]\](?: ?/ ?(?P<end>[0-9]{{1,3}}))?"
)
_PLAIN = re.compile(
    rf"(?<![\w.,/+~<>≈±-]){_NUMBER}(?: ?(?:/|out of) ?(?P<of>[0-9]{{1,3}}))?(?P<end>)(?![\w/+~%-]|[.,][0-9])"
)
_WORD = re.compile(r"[^\W\d_]+")


class ParsedRating(NamedTuple):
    rating: float | None
    at: int  # index in the reply of the number's first digit; -1: there is none


NO_RATING = ParsedRating(None, -1)


def parse_rating(reply: str, low: int, high: int) -> ParsedRating:
    """The rating in [low, high] that the reply ends with."""
    last, before = last_lines(reply)
    bracketed = list(_BRACKETED.finditer(last.text))
    found = bracketed or list(_PLAIN.finditer(last.text))
    if len({float(one["number"]) for one in found}) != 1 or not stands_alone(last.text, found, LEAD_WORDS):
        return NO_RATING
    rating, ends = float(found[-1]["number"]), {found[-1]["of"], found[-1]["end"]} - {None, ""}
    if not low <= rating <= high or ends - {str(high)}:
        return NO_RATING
    lead = last.text[: found[0].start()]
    if bracketed or _names_a_rating(lead) or (is_decoration(lead) and _is_announced(before.text, bool(ends))):
        return ParsedRating(rating, last.start + found[-1].start("number"))
    return NO_RATING


def _is_announced(before: str, with_scale: bool) -> bool:
    """Is a number that stands on a line of its own a rating?"""
    return with_scale or not before or _names_a_rating(before)


def _names_a_rating(text: str) -> bool:
    words = set(_WORD.findall(text.lower()))
    return bool(words & RATING_WORDS) and is_lead_in(text, LEAD_WORDS)

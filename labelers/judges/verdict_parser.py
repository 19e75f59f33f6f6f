"""Which candidate a judge chose, read strictly from its reply: a letter, or nothing. Never a guess.

The last line (`labelers.judges.last_line`) must be a verdict and nothing else, in one of the forms

    [[A]]                      perhaps behind a lead-in: "Therefore, my final verdict is: [[A]]", or behind
                               words that say the same: "Solution A is better. [[A]]"
    FINAL VERDICT: A           the word "verdict", a colon or "is", the letter
    [[A>>B]]                   on the five-level scale of Arena-Hard (arXiv 2406.11939): >> > = < <<

A last line that quotes, doubts, explains or doubles its verdict is no verdict, and neither is a verdict that
something else follows: whatever that is, it was the judge's last word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from labelers.judges.last_line import LEAD_IN, Line, is_decoration, is_lead_in, last_lines, stands_alone

JudgeVerdict = Literal["A", "B", "tie", "unparsed"]

LETTER_WORDS = LEAD_IN | frozenset(
    "better best one response solution winner choose pick prefer select".split()
)

_KIND = "(?:solution |response |answer |candidate |assistant )?"
_BETTER = "(?:clearly |much |slightly )?(?:the )?(?:better|best|winner)(?: one| solution| response| answer)?"
_EVEN = "(?:equally )?(?:good|bad|correct|right|wrong|equal)"
_TIE = re.compile(
    rf"(?<!\w)(?:it is a tie|neither (?:one )?is better|(?:both|they)(?: solutions| answers)? are {_EVEN})(?!\w)",
    re.IGNORECASE,
)
_MEANING: dict[str, JudgeVerdict] = {"A": "A", "B": "B", "C": "tie"}
_VERDICT_LABEL = re.compile(r"(?:my |the )?(?:final )?verdict(?: is)?\s*:?", re.IGNORECASE)
_LEVEL = re.compile(r"\[\[ ?(?:(A) ?(>>?|=|<<?) ?(B)|(B) ?(>>?|=|<<?) ?(A)) ?\]\]")
_LEVELS: dict[str, tuple[JudgeVerdict, bool]] = {
    "A>>B": ("A", True),
    "A>B": ("A", False),
    "A=B": ("tie", False),
    "A<B": ("B", False),
    "A<<B": ("B", True),
}
_MIRRORED = {">": "<", "<": ">", "=": "="}


class ParsedLetter(NamedTuple):
    letter: str | None
    at: int  # index in the reply of the character that says it; -1: there is none


class ParsedVerdict(NamedTuple):
    verdict: JudgeVerdict
    at: int


class ParsedLevel(NamedTuple):
    verdict: JudgeVerdict
    strong: bool  # "much better": [[A>>B]]
    at: int


NO_LETTER = ParsedLetter(None, -1)


def parse_verdict(reply: str) -> ParsedVerdict:
    """The verdict on two candidates, in the judge's own letters (not un-swapped); C is a tie."""
    letter, at = _read(reply, "ABC", tie="C")
    return ParsedVerdict(_MEANING[letter] if letter else "unparsed", at)


def parse_choice(reply: str, letters: str) -> ParsedLetter:
    """The one of `letters` (upper case) that the reply chooses."""
    return _read(reply, letters)


def _read(reply: str, letters: str, tie: str = "") -> ParsedLetter:
    last, before = last_lines(reply)
    bracketed, plain = _forms(letters)
    if found := list(bracketed.finditer(last.text)):
        said = {one[1].upper() for one in found}
        alone = len(said) == 1 and stands_alone(last.text, found, LETTER_WORDS, _same_in_words(*said, tie))
        return _said(last, found[-1]) if alone else NO_LETTER
    if (one := plain.search(last.text)) and is_decoration(last.text[one.end() :]):
        lead = last.text[: one.start()]
        if _labels(lead) or (is_decoration(lead) and _labels(before.text)):
            return _said(last, one)
    return NO_LETTER


def parse_level(reply: str) -> ParsedLevel:
    """The verdict of a reply on the five-level scale."""
    last, _ = last_lines(reply)
    found = list(_LEVEL.finditer(last.text))
    levels = {_level(one) for one in found}
    if len(levels) != 1:
        return ParsedLevel("unparsed", False, -1)
    verdict, strong = _LEVELS[levels.pop()]
    if not stands_alone(last.text, found, LETTER_WORDS, _same_in_words(verdict, "tie")):
        return ParsedLevel("unparsed", False, -1)
    return ParsedLevel(verdict, strong, last.start + found[-1].start() + 2)


def _level(found: re.Match[str]) -> str:
    if found[1]:
        return f"A{found[2]}B"
    return f"A{''.join(_MIRRORED[sign] for sign in found[5])}B"


@lru_cache(maxsize=64)
def _same_in_words(letter: str, tie: str) -> re.Pattern[str]:
    """What a lead-in may say of the candidate that the verdict names, and of no other."""
    if letter == tie:
        return _TIE
    of_another = rf"(?: than (?i:{_KIND})[A-Z])?"
    return re.compile(rf"(?<!\w)(?i:{_KIND}){letter} (?i:is {_BETTER}|wins){of_another}(?!\w)")


def _said(line: Line, found: re.Match[str]) -> ParsedLetter:
    return ParsedLetter(found[1].upper(), line.start + found.start(1))


def _labels(text: str) -> bool:
    """Does `text` announce a verdict, and say nothing else?"""
    label = _VERDICT_LABEL.search(text)
    return label is not None and is_lead_in(text, LETTER_WORDS) and is_decoration(text[label.end() :])


@lru_cache(maxsize=32)
def _forms(letters: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    kind = "(?:[Ss]olution |[Rr]esponse |[Aa]nswer |[Cc]andidate )?"
    return (
        re.compile(rf"\[\[ ?([{letters}{letters.lower()}]) ?\]\]"),
        re.compile(rf"(?<![^\W_])\[?{kind}([{letters}])\]?(?=[\s*_`.]*$)"),
    )

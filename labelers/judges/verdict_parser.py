"""Which candidate a judge chose, read strictly from its reply: a letter, or nothing. Never a guess.

The last statement (`labelers.judges.last_line`) must be a verdict and nothing else, in one of the forms

    [[A]]                      perhaps behind a lead-in: "Therefore, my final verdict is: [[A]]", or behind
                               words that say the same: "Solution A is better. [[A]]"
    FINAL VERDICT: A           the word "verdict" and the letter; "verdict is A", "verdict: solution A"
    [[A>>B]]                   on the five-level scale of Arena-Hard (arXiv 2406.11939): >> > = < <<

A statement that quotes, doubts, explains or doubles its verdict is no verdict, and neither is a verdict that
something else follows: whatever that is, it was the judge's last word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from labelers.judges.last_line import (
    ANSWER,
    GAP,
    VERDICT,
    are_last,
    is_decoration,
    is_lead_in,
    last_statement,
    spellings,
)

JudgeVerdict = Literal["A", "B", "tie", "unparsed"]

_KIND = "(?:solution|response|answer|candidate|assistant)"
_LABEL = (
    f"{VERDICT}|{ANSWER}|(?:the )?(?:final )?result(?: is)?|(?:the )?winner(?: is)?"
    f"|(?:the )?(?:better|best)(?: one| {_KIND})?(?: is)?|(?:i|we) (?:choose|pick|select|prefer)(?: {_KIND})?"
)
_BETTER = f"(?:the )?(?:better|best|winner)(?: one| {_KIND})?"
_EVEN = f"(?:both|they)(?: {_KIND}s)? are (?:equally )?(?:good|bad|correct|right|wrong|equal)"
_TIE = f"it is a tie|neither (?:one )?is better|{_EVEN}"
_DEGREES = {True: "clearly|much", False: "slightly", None: "clearly|much|slightly"}
_VERDICT_WORD = "(?:(?:my|our|the) )?(?:final )?verdict(?: is)?"

_MEANING: dict[str, JudgeVerdict] = {"A": "A", "B": "B", "C": "tie"}
_LEVELS: dict[str, tuple[JudgeVerdict, bool]] = {
    "A>>B": ("A", True),
    "A>B": ("A", False),
    "A=B": ("tie", False),
    "A<B": ("B", False),
    "A<<B": ("B", True),
}
_MIRRORED = {">": "<", "<": ">", "=": "="}

LABELS = spellings("verdict")

# An index of program text, x[[a]], is no verdict.
BRACKETS = r"(?<![A-Za-z0-9)])\[\["
LEVEL = re.compile(rf"{BRACKETS} ?(?:(A) ?(>>?|=|<<?) ?(B)|(B) ?(>>?|=|<<?) ?(A)) ?\]\]")


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


@lru_cache(maxsize=32)
def bracketed(letters: str) -> re.Pattern[str]:
    return re.compile(rf"{BRACKETS} ?([{letters}{letters.lower()}]) ?\]\]")


@lru_cache(maxsize=32)
def labelled(letters: str) -> re.Pattern[str]:
    """The word "verdict" and one of `letters`, which is group 2; group 1 is all that stands before it."""
    kind = rf"(?:(?i:{_KIND})[ ]{{1,4}})?"
    label = rf"(?<![^\W_])(?:{'|'.join(LABELS)}){GAP}(?:(?i:is)\b{GAP})?"
    return re.compile(rf"({label}\[?{kind})([{letters}])(?!\w)")


def parse_verdict(reply: str) -> ParsedVerdict:
    """The verdict on two candidates, in the judge's own letters (not un-swapped); C is a tie."""
    letter, at = _read(reply, "ABC", tie="C")
    return ParsedVerdict(_MEANING[letter] if letter else "unparsed", at)


def parse_choice(reply: str, letters: str) -> ParsedLetter:
    """The one of `letters` (upper case) that the reply chooses."""
    return _read(reply, letters)


def _read(reply: str, letters: str, tie: str = "") -> ParsedLetter:
    text, start, _ = last_statement(reply)
    if found := list(bracketed(letters).finditer(text)):
        letter = found[0][1].upper()
        lead, same = text[: found[0].start()], _same_in_words(letter, tie)
        agreed = {one[1].upper() for one in found} == {letter}
        alone = agreed and are_last(text, found) and is_lead_in(lead, _LABEL, same)
        return ParsedLetter(letter, start + found[-1].start(1)) if alone else NO_LETTER
    one = labelled(letters).search(text)
    return ParsedLetter(one[2], start + one.start(2)) if one and _is_labelled(text, one) else NO_LETTER


def _is_labelled(text: str, one: re.Match[str]) -> bool:
    lead, rest = text[: one.start(2)], text[one.end() :]
    if lead.endswith("["):
        if not rest.startswith("]"):
            return False
        lead, rest = lead[:-1], rest[1:]
    return is_decoration(rest) and is_lead_in(lead, f"{_VERDICT_WORD}(?:[ ,]{_KIND})?")


def parse_level(reply: str) -> ParsedLevel:
    """The verdict of a reply on the five-level scale."""
    text, start, _ = last_statement(reply)
    found = list(LEVEL.finditer(text))
    levels = {_level(one) for one in found}
    if len(levels) == 1 and are_last(text, found):
        verdict, strong = _LEVELS[levels.pop()]
        if is_lead_in(text[: found[0].start()], _LABEL, _same_in_words(verdict, "tie", strong)):
            return ParsedLevel(verdict, strong, start + found[-1].start() + len("[["))
    return ParsedLevel("unparsed", False, -1)


def _level(found: re.Match[str]) -> str:
    if found[1]:
        return f"A{found[2]}B"
    return f"A{''.join(_MIRRORED[sign] for sign in found[5])}B"


def _same_in_words(letter: str, tie: str, strong: bool | None = None) -> str:
    """What a lead-in may say of the candidate that the verdict names, and of no other."""
    if letter == tie:
        return _TIE
    name, another = letter.lower(), rf"(?!{letter.lower()}\b)[a-z]"
    degree = f"(?:(?:{_DEGREES[strong]}) )?"
    return f"(?:{_KIND} )?{name} (?:is {degree}{_BETTER}(?: than (?:{_KIND} )?{another})?|wins)"

r"""The last statement of a judge's reply: the only place where a verdict is looked for.

    reply  =  thoughts, up to </think>      ignored; a reply that never stops thinking says nothing
              anything                      reasons, quotes, verdicts taken back: ignored
              last statement                lead-in, verdict, a full stop
              fences, rulers                ignored

The last statement is the last line, together with the lines above it that leave a sentence open. A line is
finished if it ends in a full stop, "!" or "?", a digit or a closing bracket, and open otherwise ("My verdict
is not", "The text of B ends with:"). It holds a verdict if nothing but a lead-in stands before the verdict,
and a lead-in is one of a few phrases, in order:

    [so,] [solution A is better,] [so,] [my final verdict is:]

Every other word, question, quotation mark or letter before the verdict leaves it unread: asking again costs
one call, a wrong label stays. Readers that search the whole reply are steered by text quoted from a
candidate, by words like INCORRECT that contain CORRECT, and by the numbers of the question (cases in
tests/.../corpus).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

MAX_STATEMENT = 240  # a longer one holds more than a verdict
TAIL = 4 * MAX_STATEMENT  # characters looked at; the reasons before them may be any length

BREAK = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
MARKUP = r" \t\u00a0\u202f\u3000*_`#$="  # says nothing; parts words
STOP = r".,:：，。、–—\-"  # parts phrases
GAP = rf"(?:[{MARKUP}{STOP}{BREAK}]|\\[\[(])*+"  # all that may stand between a lead-in and its verdict

SO = (
    "(?:so|thus|hence|therefore|overall|finally|in conclusion|to conclude|in summary"
    "|given this|based on (?:this|the above|the|my)(?: analysis| comparison| evaluation)?"
    "|daher|damit|donc|por lo tanto|итак|因此|所以)"
)
VERDICT = (
    "(?:(?:(?:my|our|the) )?(?:final )?(?:verdict|decision|judge?ment|conclusion)(?: is)?"
    "|(?:mein |unser |das )?(?:endgültiges )?(?:urteil|endurteil)(?: ist)?"
    "|(?:also lautet )?(?:das |mein |unser )?ergebnis(?: ist)?"
    "|(?:mon |notre |le )?(?:verdict|jugement)(?: final)?(?: est)?"
    "|(?:mi |nuestro |el |meu |o )?(?:veredicto|veredito)(?: final)?(?: es| é)?"
    "|(?:мой )?(?:окончательный )?(?:вердикт|вывод)"
    "|(?:我的)?(?:最终)?(?:裁决|判断|结论)是?|最終判定|判定|結論)"
)
ANSWER = "(?:(?:(?:my|our|the) )?(?:final )?(?:answer|choice)(?: is)?)"
NO_PHRASE = "(?!)"

_THOUGHTS_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THOUGHTS_BEGIN = re.compile(rf"(?:\A\s*+|[{BREAK}][ \t]{{0,8}})<think(?:ing)?>", re.IGNORECASE)
_LINE = re.compile(rf"[^{BREAK}]+")
_RULER = re.compile(r"\s*(?:[`~]{3,}\w{0,20}|[`~*_$=-]{2,}|\\[\[\]])?\s*")
_FINISHED = re.compile(r"(?<!\.)[.!?。！？؟।\d)\]}|%][\s\"'”’»*_`$]*$")
_DECORATION = re.compile(r"(?:[\s*_`#$.!。]|---|\\[\[\]()])*")
_BLANK = re.compile(rf"(?:[{MARKUP}{BREAK}]|\\[\[(])+")
_STOPS = re.compile(r" *[.,:：，。、–—](?:[ .,:：，。、–—]|-(?!\d))*| *-(?!\d)(?:[ .,:：，。、–—]|-(?!\d))*")


class Statement(NamedTuple):
    text: str
    start: int  # index in the reply
    alone: bool  # nothing is said before it


NOTHING = Statement("", -1, False)


def last_statement(reply: str) -> Statement:
    """The last line that is no fence and no ruler, with the open lines above it; else NOTHING."""
    start = _end_of_thoughts(reply)
    tail = max(start, len(reply) - TAIL)
    lines = reversed(list(_LINE.finditer(reply, tail))) if start >= 0 else iter(())
    said = (line for line in lines if not _RULER.fullmatch(line[0]))
    last = first = next(said, None)
    if last is None or first is None:
        return NOTHING
    before = next(said, None)
    while before and not _FINISHED.search(before[0]):
        first, before = before, next(said, None)
    text = reply[first.start() : last.end()]
    cut_off = before is None and tail > start
    return NOTHING if cut_off or len(text) > MAX_STATEMENT else Statement(text, first.start(), before is None)


def _end_of_thoughts(reply: str) -> int:
    """Where the judge begins to speak. A tag of thoughts that does not begin a line is only mentioned."""
    start = max((tag.end() for tag in _THOUGHTS_END.finditer(reply)), default=0)
    return -1 if _THOUGHTS_BEGIN.search(reply[start:]) else start


def spellings(*words: str) -> tuple[str, ...]:
    """Each of the words in small letters, with a capital, and in capitals."""
    return tuple(form for word in words for form in dict.fromkeys((word, word.capitalize(), word.upper())))


def is_lead_in(text: str, label: str, clause: str = NO_PHRASE) -> bool:
    """Is `text` empty, or [so,] [clause,] [so,] [label:], where `label` and `clause` are regular expressions?

    They are matched with small letters, single spaces, and a comma for every stop.
    """
    return _lead_in(label, clause).fullmatch(f"{_plain(text)},") is not None


@lru_cache(maxsize=256)
def _lead_in(label: str, clause: str) -> re.Pattern[str]:
    so = f"(?:{SO}[ ,])*"
    return re.compile(f",|{so}(?:(?:since )?(?:{clause})[ ,])?{so}(?:(?:{label})[ ,])?")


def _plain(text: str) -> str:
    return _STOPS.sub(",", _BLANK.sub(" ", text.lower())).replace(", ", ",").strip(" ,")


def is_decoration(text: str) -> bool:
    return _DECORATION.fullmatch(text) is not None


def are_last(text: str, found: list[re.Match[str]]) -> bool:
    """Does nothing but decoration stand between the matches `found`, and after them?"""
    gaps = (text[one.end() : other.start()].strip(",; ") for one, other in pairwise(found))
    return all(map(is_decoration, gaps)) and is_decoration(text[found[-1].end() :])

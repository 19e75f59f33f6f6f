"""The last line of a judge's reply: the only place where a verdict is looked for.

    reply  =  thoughts, up to </think>      ignored; a reply that never stops thinking has no last line
              anything                      reasons, quotes, verdicts taken back: ignored
              last line                     lead-in, verdict, a full stop
              fences, rulers                ignored

A lead-in is made of known words only ("Therefore, my final verdict is:"). Whatever could turn the verdict
round ("not", "if", "or", "says", a quotation mark, another candidate's letter) is not among them, so such a
line has no verdict. Readers that search the whole reply are steered by text quoted from a candidate, by words
like INCORRECT that contain CORRECT, and by the numbers of the question (reference cases in tests/.../corpus).
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LINE = 240  # a longer line holds more than a verdict
TAIL = 4 * MAX_LINE  # characters looked at; the reasons before them may be any length

LEAD_IN = frozenset(
    "so thus hence therefore overall finally in conclusion to conclude summary "
    "we i that this it is my our the final verdict decision judgement judgment answer choice result "
    "mein unser das ist urteil endurteil ergebnis endgültiges also damit daher "
    "mon notre le la est verdict final jugement conclusion donc "
    "mi nuestro el es veredicto conclusión juicio meu o é veredito por lo tanto "
    "итак мой вердикт окончательный решение вывод "
    "最终 最终裁决 最终判断 最终结论 裁决 判断 结论 因此 所以 我的 是 最終判定 最終評価 判定 結論".split()
)

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_WORD = re.compile(r"[^\W_]+")
_DECORATION = re.compile(r"(?:[\s*_`#$.!。]|---|\\[\[\]()])*")
_PUNCTUATION = frozenset(" \t\u00a0\u202f\u3000*_`#$:：.,，、=-–—\\([")
_RULER = re.compile(r"\s*(?:[`~*_$-]{2,}|\\[\])])?\s*")


class Line(NamedTuple):
    text: str
    start: int  # index in the reply


NOTHING = Line("", -1)


def last_lines(reply: str) -> tuple[Line, Line]:
    """(the last line, the one before it); neither is empty, a fence or a ruler. NOTHING where none is."""
    start = _end_of_thoughts(reply)
    if start < 0:
        return NOTHING, NOTHING
    tail = max(start, len(reply) - TAIL)
    lines = [Line(found[0], found.start()) for found in _LINE.finditer(reply, tail)]
    while lines and _RULER.fullmatch(lines[-1].text):
        lines.pop()
    lines = [line for line in lines if line.text.strip()][-2:]
    last, before = (*reversed(lines), NOTHING, NOTHING)[:2]
    if last is NOTHING or len(last.text) > MAX_LINE or (tail > start and before is NOTHING):
        return NOTHING, NOTHING
    return last, before


def _end_of_thoughts(reply: str) -> int:
    start = 0
    for tag in _THINK_TAG.finditer(reply):
        start = tag.end() if tag[1] else -1
    return start


def is_lead_in(text: str, words: frozenset[str]) -> bool:
    """Is `text` made of `words` and punctuation alone?"""
    return set(_WORD.findall(text.lower())) <= words and set(_WORD.sub("", text)) <= _PUNCTUATION


def is_decoration(text: str) -> bool:
    return _DECORATION.fullmatch(text) is not None


def stands_alone(
    line: str, found: list[re.Match[str]], words: frozenset[str], clause: re.Pattern[str] | None = None
) -> bool:
    """Do the matches `found` fill the line, but for a lead-in before them and decoration?

    The lead-in is made of `words`, and may hold one `clause`.
    """
    gaps = zip(found, found[1:], strict=False)
    lead = line[: found[0].start()]
    return (
        is_lead_in(clause.sub("", lead, count=1) if clause else lead, words)
        and is_decoration(line[found[-1].end() :])
        and all(is_decoration(line[one.end() : other.start()].strip(",; ")) for one, other in gaps)
    )

"""What a judge decided, read strictly from its reply: A, B, tie, or unparsed. Never a guess.

A reply *mentions* a verdict where it writes `[[word]]` or "final verdict:". The last line with a mention
decides, and only if that line is a verdict and nothing else: `[[A]]`, `[[B]]`, `[[C]]` (a tie), or
"FINAL VERDICT: A", perhaps behind a lead-in such as "Therefore, my final verdict is:". So a reply that ends
with a quoted, doubted, or double verdict is unparsed. Everything up to `</think>` is ignored, and a reply
that never finishes thinking is unparsed.

Why so strict: readers that take the first match, or any match, are steered by text quoted from a candidate,
by words like INCORRECT that contain CORRECT, and by ratings such as 9/10 (reference cases in the tests).

Where the engine gave log-probabilities, `verdict_logprobs` reads those of the two letters at the very token
that carried the verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

JudgeVerdict = Literal["A", "B", "tie", "unparsed"]

MIN_COVERAGE = 0.9  # P(A) + P(B) below this: the letters do not speak for the judge
MAX_LINE = 120  # a longer line holds more than a verdict, and would be slow to match

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_MENTION = re.compile(r"\[\[\s*[A-Za-z][^\[\]]{0,12}\]\]|\bfinal\W{1,4}verdict\W{0,4}:", re.IGNORECASE)
_DECOR = r"[\s*_`#]*"
_LEAD = (
    r"(?:(?:so|thus|hence|therefore|overall|in conclusion)\b[,:]?\s+)?"
    r"(?:(?:(?:my|the|our)\s+)?(?:final\s+)?(?:verdict|decision|judge?ment|choice|answer)(?:\s+is)?\s*:?)?"
)
_BRACKETED = re.compile(rf"{_DECOR}(?i:{_LEAD}){_DECOR}(?P<all>(?:\[\[[ABC]\]\][\s,;*_`]*)+)\.?{_DECOR}")
_PLAIN = re.compile(rf"{_DECOR}(?i:final\s+verdict){_DECOR}:{_DECOR}(?P<all>[ABC]){_DECOR}\.?{_DECOR}")
_LETTER = re.compile(r"(?<=\[\[)[ABC](?=\]\])")
_MEANING: dict[str, JudgeVerdict] = {"A": "A", "B": "B", "C": "tie"}


class ParsedVerdict(NamedTuple):
    verdict: JudgeVerdict
    at: int  # index in the reply of the letter that says it; -1: there is none


UNPARSED = ParsedVerdict("unparsed", -1)


def parse_verdict(reply: str) -> ParsedVerdict:
    """The verdict of one judge reply, in the judge's own letters (not un-swapped)."""
    start = 0
    for tag in _THINK_TAG.finditer(reply):
        start = tag.end() if tag[1] else -1
    if start < 0:
        return UNPARSED
    mentions = [line for line in _LINE.finditer(reply, start) if _MENTION.search(line[0])]
    return _read_line(mentions[-1]) if mentions else UNPARSED


def _read_line(line: re.Match[str]) -> ParsedVerdict:
    """The verdict of a line that is nothing else; unparsed for any other line, or for two that differ."""
    if len(line[0]) > MAX_LINE:
        return UNPARSED
    if found := _PLAIN.fullmatch(line[0]):
        return ParsedVerdict(_MEANING[found["all"]], line.start() + found.start("all"))
    if found := _BRACKETED.fullmatch(line[0]):
        letters = list(_LETTER.finditer(line[0]))
        if len({letter[0] for letter in letters}) == 1:
            return ParsedVerdict(_MEANING[letters[-1][0]], line.start() + letters[-1].start())
    return UNPARSED


def verdict_logprobs(reply: str, logprobs: Sequence[dict[str, float]], at: int) -> tuple[float, float] | None:
    """log P of the letters A and B at the token that wrote `reply[at]`.

    None where the tokens cannot be laid along the reply, where either letter is missing from the recorded
    alternatives, or where both together cover less than `MIN_COVERAGE`: nothing is filled in.
    """
    starts = _token_starts(reply, logprobs) if at >= 0 else None
    if not starts:
        return None
    index = max(i for i, (begin, _) in enumerate(starts) if begin <= at)
    begin, token = starts[index]
    offset = at - begin
    if offset >= len(token):
        return None
    found = [logprobs[index].get(token[:offset] + letter + token[offset + 1 :]) for letter in "AB"]
    if found[0] is None or found[1] is None or math.exp(found[0]) + math.exp(found[1]) < MIN_COVERAGE:
        return None
    return found[0], found[1]


def _token_starts(reply: str, logprobs: Sequence[dict[str, float]]) -> list[tuple[int, str]] | None:
    """(start, token) of the tokens that spell the reply, likelier tokens tried first; None if none do.

    Tokens after the end of the reply (an end-of-turn marker) are left out.
    """
    path: list[tuple[int, str]] = []
    stack = [(0, 0, "")]
    seen: set[tuple[int, int]] = set()
    while stack:
        index, begin, token = stack.pop()
        del path[max(0, index - 1) :]
        if index:
            path.append((begin, token))
        end = begin + len(token)
        if end == len(reply):
            return path
        if index == len(logprobs) or (index, end) in seen:
            continue
        seen.add((index, end))
        fits = sorted((lp, tok) for tok, lp in logprobs[index].items() if tok and reply.startswith(tok, end))
        stack += [(index + 1, end, tok) for _, tok in fits]
    return None

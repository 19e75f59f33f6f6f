"""The boxes of a completion: `\\boxed{...}` in its spellings, the last one or those of the final statement.

Braces are balanced and escapes respected. Spellings that models and damaged files produce are read too:
`\\fbox`, `\\framebox`, `\\beginboxed{...}`, `\\\\boxed{...}`, a box that lost its backslash, `\\boxed 5`. A
box that never closes is a truncated answer, and so is no answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifiers.policy import MAX_ANSWER_CHARS

MAX_TRIES = 64  # empty boxes may be repeated without end
MAX_GAP_CHARS = 70  # between two boxes of one statement

_NAMES = ("oxed", "\\fbox", "\\framebox")
_BEFORE = re.compile(r"(?:\\(?:begin)?b|\x08|(?<![A-Za-z])b?)\Z")
_OPENING = re.compile(r"\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(
    r"\s*([-+]?[0-9][0-9,.]*(?<![,.])|[^\s{}$][^{}$\n]*?)(?=\s*(?:\$|\\[)\]]|[.,;]?\s|[.,;]?\Z))"
)
_PERCENT = re.compile(r"\s?(?:\\\)|\$)?\s?(?:\\%|percent\b)|(?:\\\)|\$)?%")  # " % ..." is a comment
_JOIN = re.compile(r"(?:[\s,;$.\\()\[\]&*]|\\q?quad|\\text|[{}]|\b(?:and|or)\b)*")


class Box(NamedTuple):
    """`content` is None when the box never closes; `end` is where the text goes on."""

    content: str | None
    start: int
    end: int


def last_box(text: str) -> Box | None:
    """The last box with something in it; its content includes a percent sign that follows the box."""
    end = len(text)
    for _ in range(MAX_TRIES):
        box = _previous(text, end)
        if box is None:
            return None
        if box.content is None:
            return box
        if box.content:
            sign = _PERCENT.match(text, box.end)
            return box._replace(content=box.content + "\\%") if sign else box
        end = box.start
    return None


def final_boxes(text: str) -> list[str]:
    """Distinct contents of the last box and those joined to it by commas, "and" or "or"; none if unclosed."""
    last = last_box(text)
    if last is None or last.content is None:
        return []
    contents, box = [last.content], last
    for _ in range(MAX_TRIES):
        before = _previous(text, box.start)
        if before is None or not before.content or box.start - before.end > MAX_GAP_CHARS:
            break
        if not _JOIN.fullmatch(text, before.end, box.start):
            break
        contents, box = [before.content, *contents], before
    return list(dict.fromkeys(contents))


def _previous(text: str, end: int) -> Box | None:
    """The last box that starts before `end`."""
    at = end
    for _ in range(MAX_TRIES):
        at = max(text.rfind(name, 0, at) for name in _NAMES)
        if at < 0:
            return None
        name = next(name for name in _NAMES if text.startswith(name, at))
        after = at + len(name)
        if name != "oxed":
            return _read(text, at, after)
        before = _BEFORE.search(text, max(0, at - 8), at)
        if before and (before[0][:1] == "\\" or text.startswith("{", after)):
            return _read(text, before.start(), after)
    return None


def _read(text: str, start: int, after: int) -> Box:
    """The `{...}` that opens at `after`, or the next token of a box without braces."""
    opening = _OPENING.match(text, after)
    if opening is None:
        token = _UNBRACED.match(text, after)
        return Box(token[1].rstrip(" .,;"), start, token.end()) if token else Box("", start, after)
    depth = 0
    for token in _BRACE.finditer(text, opening.end() - 1):
        if token.start() - opening.end() > MAX_ANSWER_CHARS:  # it is returned cut, but longer than that
            return Box(text[opening.end() : token.start()], start, token.start())
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return Box(text[opening.end() : token.start()].strip(), start, token.end())
    return Box(None, start, len(text))

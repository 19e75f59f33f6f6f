"""Find the answer that a completion commits to.

In order: the last `\\boxed{...}` (braces balanced, escapes respected), else the last of these markers by
position: `#### x`, an `A: x` line that ends the text (GSM8K's recorded solutions), "(final) answer is x" /
"Answer: x"; else the text itself when it is a bare answer on one line. The last number anywhere is a fallback
that must be asked for, because it rewards intermediate results.

Reasoning inside think tags is never an answer: only what follows the last `</think>` is read, and an
unfinished `<think>` has no answer. A box that never closes, or a last line cut off by the token limit, has
none either: "The answer is 1" may be the beginning of 12. The whole search costs a few string scans; no
pattern can backtrack without a bound.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Source = Literal["boxed", "marker", "phrase", "bare", "last_number", "none", "limit"]

MAX_TEXT_CHARS = 1_000_000
MAX_ANSWER_CHARS = 4_096
MAX_BARE_CHARS = 256
MAX_TRIES = 64  # empty boxes, or the word "answer", may be repeated without end

_BOXES = ("\\boxed", "\\fbox", "\\beginboxed")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"\s*([^\s{}$][^{}$\n]*)")
_HASH_NUMBER = re.compile(r"[-+]?\$?\.?[0-9][0-9,./%]*(?: [A-Za-z]+)?\.?")
_ANSWER_LINE = re.compile(r"A:\s*(\S.*)")
_PHRASE = re.compile(
    r"answer\b(?:\s{1,8}(?:to|of|for)\b[^.\n:]{0,100}?)?(?:\*\*|__)?"
    r"(?:\s{1,8}(?:is|was|are)\b\s{0,8}(?:\*\*|__)?:?|\s{0,8}[:=]|(?=\s{0,8}(?:\\\[|\$\$)))(?:\*\*|__)?\s{0,16}",
    re.IGNORECASE,
)
_DISPLAY_END = {"\\[": "\\]", "$$": "$$", "\\(": "\\)"}
_SENTENCE_END = re.compile(r"(?<!\.)\.(?=\s|$)|\n")
_REASON = re.compile(r",?\s(?:because|since|as|so|which)\s.*", re.DOTALL)
_BARE_START = re.compile(r"[-+$.0-9\\(\[{|−€£]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_NUMBER = re.compile(r"(?:(?<![\w).])[-−])?\$?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)%?")


class Extraction(NamedTuple):
    """`text` is None when there is no answer (`source` none) or it is too long to read (`source` limit)."""

    text: str | None
    source: Source


NOTHING = Extraction(None, "none")
TOO_LONG = Extraction(None, "limit")


def extract(text: str, *, last_number: bool = False, truncated: bool = False) -> Extraction:
    """The answer in `text`; `truncated` says that generation was cut off at the token limit."""
    if len(text) > MAX_TEXT_CHARS:
        return TOO_LONG
    visible = after_thinking(text)
    if visible is None:
        return NOTHING
    found = _boxed(visible)
    if found is None:
        if truncated:
            visible = visible[: visible.rfind("\n") + 1]
        found = _marked(visible)
    if found is None and not truncated:
        found = _bare(visible)
    if found is None and last_number and not truncated:
        found = _last_number(visible)
    if found is not None and found.text is not None and len(found.text) > MAX_ANSWER_CHARS:
        return TOO_LONG
    return found or NOTHING


def after_thinking(text: str) -> str | None:
    """What follows the reasoning; None when the reasoning never ends."""
    visible = text[text.rfind("</think>") + len("</think>") :] if "</think>" in text else text
    return None if "<think>" in visible else visible


def _boxed(text: str) -> Extraction | None:
    """The last box with something in it; an unclosed last box is a truncated answer, so nothing."""
    end = len(text)
    for _ in range(MAX_TRIES):
        start = max(text.rfind(box, 0, end) for box in _BOXES)
        if start < 0:
            break
        after = start + next(len(box) for box in _BOXES if text.startswith(box, start))
        content = _group(text, after)
        if content is None or content.text is None:
            return content or NOTHING
        if content.text.strip():
            return content
        end = start
    return None


def _group(text: str, start: int) -> Extraction | None:
    """The `{...}` that opens at `start`, or the rest of the formula for a box without braces."""
    if not text.startswith("{", start):
        unbraced = _UNBRACED.match(text, start)
        return Extraction(unbraced[1].rstrip(" .,;"), "boxed") if unbraced else Extraction("", "boxed")
    depth = 0
    for token in _BRACE.finditer(text, start):
        if token.start() - start > MAX_ANSWER_CHARS:
            return TOO_LONG
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0 and token[0] == "}":
            return Extraction(text[start + 1 : token.start()].strip(), "boxed")
    return None


def _marked(text: str) -> Extraction | None:
    """The last marker by position wins, of whatever kind it is."""
    text = text.rstrip()
    candidates = [c for c in (_hash(text), _answer_line(text), _phrase(text)) if c]
    return max(candidates, key=lambda c: c[0])[1] if candidates else None


def _hash(text: str) -> tuple[int, Extraction] | None:
    """`#### 42`; a Markdown heading looks the same, so other text counts only on the last line."""
    start = text.rfind("####")
    if start < 0:
        return None
    line, newline, _ = text[start + 4 :].partition("\n")
    line = line.strip(" #*")
    if not line or (newline and not _HASH_NUMBER.fullmatch(line)):
        return None
    return start, Extraction(line, "marker")


def _answer_line(text: str) -> tuple[int, Extraction] | None:
    start = text.rfind("\n") + 1
    match = _ANSWER_LINE.match(text, start)
    return (start, Extraction(match[1].strip(), "marker")) if match else None


def _phrase(text: str) -> tuple[int, Extraction] | None:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few capitals lower to two characters and would shift positions
        lowered = text
    start = len(text)
    for _ in range(MAX_TRIES):
        start = lowered.rfind("answer", 0, start)
        if start < 0:
            return None
        match = _PHRASE.match(text, start)
        answer = _sentence(text, match.end()) if match else ""
        if answer:
            return start, Extraction(answer, "phrase")
    return None


def _sentence(text: str, start: int) -> str:
    """From `start` to the end of the sentence; a display formula may span lines."""
    closing = _DISPLAY_END.get(text[start : start + 2])
    formula_end = text.find(closing, start + 2, start + MAX_ANSWER_CHARS) if closing else -1
    stop = _SENTENCE_END.search(text, max(start, formula_end))
    answer = _REASON.sub("", text[start : stop.start() if stop else len(text)]).strip(" *_")
    _, is_, tail = answer.rpartition(" is ")
    return tail if is_ and _WORD.match(answer) else answer


def _bare(text: str) -> Extraction | None:
    """The text itself when it is one line that looks like an answer and not like prose."""
    line = text.strip()
    if not line or len(line) > MAX_BARE_CHARS or "\n" in line or any(box in line for box in _BOXES):
        return None
    if not _BARE_START.match(line) and len(_WORD.findall(line)) > 2:
        return None
    return Extraction(_REASON.sub("", line), "bare")


def _last_number(text: str) -> Extraction | None:
    numbers = _NUMBER.findall(text[-MAX_ANSWER_CHARS:])
    return Extraction(numbers[-1].rstrip(","), "last_number") if numbers else None

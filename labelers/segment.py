r"""Solutions cut into steps, losing nothing: `"".join(split_steps(text)) == text`.

A step keeps the line ends and the separator that end it, so a prefix of steps is exactly the text a policy
wrote up to there and can be handed back to it to go on from. The blank between two sentences of a line begins
the later one: tokenizers write it together with the word behind it, and a policy that is handed a text with a
blank at its end is in a place where it never was. Five policies:

- `newline`: every line is a step (the embedded policy, GSM8K).
- `blank-line`: every paragraph is a step (the "Lessons" recipe, arXiv 2501.07301).
- `step`: every line that begins with "Step k:" begins a step (Math-Shepherd, arXiv 2312.08935).
- `sentence`: every line and every sentence in it is a step. No sentence ends inside `$...$`, `\(...\)` or
  `\[...\]`, within a number, after the number of a list item, or after an abbreviation.
- `separator`: a model's own mark, such as "ки" or "<extra_0>", ends a step.

Blank lines, marks on their own, and whatever stands before the first step, never are steps of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

SplitPolicy = Literal["newline", "blank-line", "step", "sentence", "separator"]


class Split(NamedTuple):
    policy: SplitPolicy
    separator: str = ""  # of the policy "separator", and of no other


NEWLINE = Split("newline")

# Only "\n" ends a line: str.splitlines would also cut at form feeds and U+2028 inside a step.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Every repetition is possessive or bounded, so that no text takes more than linear time.
_STEP_HEAD = re.compile(r"\s*+(?:[#*>-]++\s*+)?Step\s++\d++\s*+\**+\s*+[:.)]", re.IGNORECASE)

# A dollar sign opens mathematics only before a character and closes it only after one: "$5 and $6" is money.
_MARK = re.compile(
    r"(?P<math>\$\$.{1,1000}?\$\$|\\\[.{1,1000}?\\\]|\\\(.{1,1000}?\\\)|\$(?=\S)[^$\n]{1,1000}(?<=\S)\$(?!\d))"
    r"|(?P<line>\n\s*+)"
    r"|(?P<end>[.!?]++[\"'\u2019\u201d)\]*_]*+\s*+|[。！？]++\s*+)",
    re.DOTALL,
)
_ITEM = re.compile(r"[ \t>*#(-]*(?:\d{1,3}|[A-Za-z])")
_LAST_WORD = re.compile(r"[A-Za-z.]{1,8}\Z")
_INITIALS = re.compile(r"\b[A-Z]\. ?[A-Z]\Z")  # "U.S", "J. K"
_INITIAL = re.compile(r"[A-Z]\.")
_ABBREVIATIONS = frozenset("e.g i.e vs cf dr mr mrs ms prof approx resp w.r.t s.t".split())
_BEFORE_NUMBERS = frozenset("fig eq eqs no nos sec ch p pp thm".split())
_LINE_HEAD = 24  # characters; the number of a list item stands within them


def split_steps(text: str, split: Split = NEWLINE) -> list[str]:
    """The steps of `text`, in order; none for an empty text, one where nothing separates two."""
    if split.policy not in get_args(SplitPolicy):
        known = ", ".join(get_args(SplitPolicy))
        raise ValueError(f"split_steps: unknown policy {split.policy!r}; one of {known}")
    if bool(split.separator) != (split.policy == "separator"):
        raise ValueError(f'split_steps: a separator goes with the policy "separator"; got {split!r}')
    if split.policy == "separator":
        return _merged(_marked(text, split.separator), split.separator)
    if split.policy == "sentence":
        return _merged(_sentences(text))
    return _lines(text, split.policy)


def _lines(text: str, policy: SplitPolicy) -> list[str]:
    steps: list[str] = []
    current: list[str] = []
    has_words, after_blank, headed = False, False, False
    for line in _LINE.findall(text):
        blank, head = not line.strip(), bool(_STEP_HEAD.match(line))
        begins = {"newline": True, "blank-line": after_blank, "step": head and headed}[policy] and not blank
        if begins and has_words:
            steps.append("".join(current))
            current, has_words = [], False
        current.append(line)
        has_words, after_blank, headed = has_words or not blank, blank, headed or head
    return [*steps, "".join(current)] if current else steps


def _merged(pieces: Iterator[str], mark: str = "") -> list[str]:
    """Pieces without words of their own join the step before them, or the first."""
    steps: list[list[str]] = []
    has_words = False
    for piece in pieces:
        blank = not piece.removesuffix(mark).strip()
        if steps and (blank or not has_words):
            steps[-1].append(piece)
        else:
            steps.append([piece])
        has_words = has_words or not blank
    return ["".join(step) for step in steps]


def _marked(text: str, mark: str) -> Iterator[str]:
    *marked, rest = text.split(mark)
    yield from (piece + mark for piece in marked)
    if rest:
        yield rest


def _sentences(text: str) -> Iterator[str]:
    begin = 0
    for mark in _MARK.finditer(text):
        if mark["line"] or (mark["end"] and _ends_sentence(text, mark)):
            end = _end(text, mark)
            yield text[begin:end]
            begin = end
    if begin < len(text):
        yield text[begin:]


def _end(text: str, mark: re.Match[str]) -> int:
    """In the white space that closes the mark: behind its last line end, or before it all."""
    words_end = mark.start() + len(mark[0].rstrip())
    return max(words_end, text.rfind("\n", words_end, mark.end()) + 1)


def _ends_sentence(text: str, mark: re.Match[str]) -> bool:
    following = text[mark.end() : mark.end() + 1]
    if mark["end"][0] in "。！？" or "\n" in mark["end"]:
        return True
    if not mark["end"][-1].isspace() or following.islower():
        return False
    if mark["end"].rstrip() != ".":
        return True
    found = _LAST_WORD.search(text, max(0, mark.start() - 8), mark.start())
    word = found[0].lower() if found else ""
    if word in _ABBREVIATIONS or (word in _BEFORE_NUMBERS and (following.isdigit() or following in "($")):
        return False
    initial = _INITIALS.search(text, max(0, mark.start() - 8), mark.start())
    if initial or (len(word) == 1 and word.isalpha() and _INITIAL.match(text, mark.end())):
        return False
    line = text.rfind("\n", max(0, mark.start() - _LINE_HEAD), mark.start()) + 1
    in_head = line > 0 or mark.start() <= _LINE_HEAD
    return not (in_head and _ITEM.fullmatch(text, line, mark.start()))

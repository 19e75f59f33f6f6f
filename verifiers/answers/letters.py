"""Letters of multiple-choice questions: "(B) 12", "\\text{(C)}", "B.", "b", "option B", "The answer is B"."""

from __future__ import annotations

import re

from verifiers.answers.normal import plain

_LEADING = re.compile(
    r"(?:option |choice )?(?:\(([A-Za-z])\)|([A-Za-z])[).:](?=\s|\Z)|([A-Za-z])\Z)", re.IGNORECASE
)
_WRITTEN = re.compile(
    r"(?:[Oo]ption |[Cc]hoice )\(?([A-J])(?![A-Za-z])[).:]?\s*|\(([A-J])\)\s+(?=\S)|([A-J])[.):]\s+(?=\S)"
)
_NAMED = re.compile(
    r"\((?:\\text\{)?([A-Z])\}?\)|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer(?: is)?:?)\s+\**([A-Z])(?![A-Za-z'])"
)
_ALONE = re.compile(
    r"(?:\A|\b(?:is|be|are|choose|select|pick|so|therefore|thus|hence|letter)\b[\s,:*]{1,4}|[:=]\s{0,4})\**"
    r"(?:([B-Z])(?![A-Za-z'])|(A)(?=[.,;*\s]*\Z|\s(?:is|because|since)\b))",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"(?<![A-Za-z'])([A-Z])\)?\s*(?:[,/&]|or\b|and\b)(?:\s*(?:or|and)\b)?\s*\(?([A-Z])(?![A-Za-z'])"
    r"|\(([A-Z])\)\s*\(([A-Z])\)"
)
_NO_CHOICE = re.compile(
    r"\b(?:not|never|neither|cannot|wrong|false|incorrect|invalid|eliminat\w+|exclud\w+|rul(?:e|ed|ing) out"
    r"|doubt|unlikely|except)\b|n't\b|\?\Z",
    re.IGNORECASE,
)
_CONTRAST = re.compile(r"(?<=[A-Z)]),? (?:and )?not \(?[A-Z]\)?(?![A-Za-z])")  # "B, not C"
_DENIED = re.compile(
    r"[)\s.:]*(?:is|was|cannot be|can't be|isn't)\b[^.]{0,40}?(?:not\b|n't\b|wrong|incorrect|false)"
)


def leading_letter(text: str) -> str | None:
    """The choice that a `plain` text begins with, when it is written as one: "(B) 12", "B. 12", "B"."""
    match = _LEADING.match(text)
    return (match[1] or match[2] or match[3]).upper() if match else None


def written_choice(text: str) -> tuple[str, str] | None:
    """(letter, text) of a choice written out, "(B) 12", "B. 12" or "option B"."""
    match = _WRITTEN.match(text)
    return (match[1] or match[2] or match[3], text[match.end() :]) if match else None


def find_letter(answer: str, choices: str) -> str | None:
    """The one of `choices` that an answer names; None when it names none or several."""
    text, known = plain(answer), set(choices.upper())
    if any(len({group for group in match if group} & known) > 1 for match in _JOINED.findall(text)):
        return None
    letter = leading_letter(text)
    if letter and letter in known:
        return None if _DENIED.match(text, text.upper().index(letter) + 1) else letter
    text = _CONTRAST.sub("", text)
    if _NO_CHOICE.search(text):
        return None
    for pattern in (_NAMED, _ALONE):
        letters = {group.upper() for match in pattern.findall(text) for group in match if group} & known
        if letters:
            return letters.pop() if len(letters) == 1 else None
    return None


def concluded_letter(text: str, choices: str) -> str | None:
    """The one choice named in the last line of a text that marks no answer; none in a question or denial."""
    return find_letter(text.rstrip().rpartition("\n")[2], choices)

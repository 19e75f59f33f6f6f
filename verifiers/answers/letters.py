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
_ALONE = re.compile(r"(?<![A-Za-z'\\])([B-Z])(?![A-Za-z'])|(?<![A-Za-z'\\])(A)(?=[.,;*\s]*\Z)")

_NO_CHOICE = re.compile(r"\b(?:not|never|neither|cannot|wrong|false)\b|n't\b|\?\Z", re.IGNORECASE)


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
    text = plain(answer)
    letter = leading_letter(text)
    if letter and letter in choices.upper():
        return letter
    for pattern in (_NAMED, _ALONE):
        letters = {group for match in pattern.findall(text) for group in match if group} & set(
            choices.upper()
        )
        if letters:
            return letters.pop() if len(letters) == 1 else None
    return None


def concluded_letter(text: str, choices: str) -> str | None:
    """The one choice named in the last line of a text that marks no answer; none in a question or denial."""
    last = text.rstrip().rpartition("\n")[2]
    return None if _NO_CHOICE.search(last) else find_letter(last, choices)

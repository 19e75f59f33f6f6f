"""Multiple choice: the letter or the option that a completion commits to.

Choices are a JSON list of options (lettered A, B, ...), a JSON object label -> option, ARC's object of two
lists {"text", "label"}, or a string of letters. Labels are letters in either case, or single digits. The
answer is a label, or an option word for word; a place in a list is neither, since nobody says whether it
counts from 0 or 1. A completion that names no label counts when its answer is one option, word for word but
for case, spaces and a full stop.
"""

from __future__ import annotations

import json
import re
from string import ascii_uppercase, digits
from typing import Any

from verifiers.extraction import extract
from verifiers.policy import Policy
from verifiers.verdict import BadReference, Verdict

_NUMBERED = re.compile(r"(?:(?:option|choice) )?\(?(\d)(?:[).:]?\Z|[).:]\s)", re.IGNORECASE)


def read_choices(choices: Any) -> dict[str, str]:
    """Label -> option text, empty where only labels are known. Raises BadReference."""
    if isinstance(choices, str) and choices.strip()[:1] in ("[", "{", '"'):
        try:
            choices = json.loads(choices)
        except json.JSONDecodeError as error:
            raise BadReference(f"choices: not JSON ({error.msg}, character {error.pos})") from error
    if isinstance(choices, str) and (choices.isupper() or choices.upper() in ascii_uppercase):
        choices = dict.fromkeys(choices, "")
    elif isinstance(choices, list):
        choices = {ascii_uppercase[i]: str(option) for i, option in enumerate(choices[:26])}
    elif isinstance(choices, dict) and set(choices) == {"text", "label"}:
        choices = dict(zip(choices["label"], choices["text"], strict=False))
    known = {str(label).strip().upper(): str(option) for label, option in _items(choices)}
    kinds = [all(len(c) == 1 and c in kind for c in known) for kind in (ascii_uppercase, digits)]
    if len(known) < max(2, len(_items(choices))) or not any(kinds):
        raise BadReference(
            f'choices: expected letters ("ABCD"), options, or letter or digit -> option, not {choices!r:.80}'
        )
    return known


def _items(choices: Any) -> list[tuple[Any, Any]]:
    return list(choices.items()) if isinstance(choices, dict) else []


def gold_letter(answer: str, choices: dict[str, str]) -> str:
    """Raises BadReference when the answer is none of the choices."""
    letter = _letter(answer, choices) or _option(answer, choices)
    if letter is None:
        raise BadReference(f"answer {answer!r:.80} is none of the choices {', '.join(choices)}")
    return letter


def verify(answer: str, choices: Any, completion: str, *, truncated: bool = False) -> Verdict:
    """Raises BadReference when choices or answer cannot be read."""
    known = read_choices(choices)
    gold = gold_letter(answer, known)
    lettered = min(known) in ascii_uppercase
    found = extract(completion, Policy(choices="".join(known) if lettered else ""), truncated=truncated)
    letter, method = found.text if lettered else _numbered(found.text or "", known), "letter"
    if letter and not lettered and _option(found.text or "", known) not in (None, letter):
        return Verdict("unparseable", found.text)  # "4" is a label, and the text of another choice
    if letter is None and any(known.values()):
        found = extract(completion, truncated=truncated)
        letter, method = _option(found.text or "", known), "option"
    if letter is None:
        status = "limit" if found.source == "limit" else "unparseable" if found.text else "no_answer"
        return Verdict(status, found.text)  # type: ignore[arg-type]
    return Verdict("correct" if letter == gold else "incorrect", letter, method)


def _letter(answer: str, choices: dict[str, str]) -> str | None:
    letter = answer.strip(" ().").upper()
    return letter if letter in choices else None


def _numbered(answer: str, choices: dict[str, str]) -> str | None:
    """The digit that an answer begins with."""
    match = _NUMBERED.match(answer.strip(" *$"))
    return match[1] if match and match[1] in choices else None


def _option(answer: str, choices: dict[str, str]) -> str | None:
    """The one option of this text."""
    found = [
        letter for letter, option in choices.items() if _folded(answer) and _folded(option) == _folded(answer)
    ]
    return found[0] if len(found) == 1 else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")

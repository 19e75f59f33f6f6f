"""Multiple choice: the letter or the option that a completion commits to.

Choices are a JSON list of options (lettered A, B, ...), a JSON object letter -> option, ARC's object of two
lists {"text", "label"}, or a string of letters. The answer is a letter, or an option word for word. A
completion that names no letter counts when its answer is one option, word for word but for case, spaces and a
full stop.
"""

from __future__ import annotations

import json
from string import ascii_uppercase
from typing import Any

from verifiers.extraction import extract
from verifiers.policy import Policy
from verifiers.verdict import BadReference, Verdict


def read_choices(choices: Any) -> dict[str, str]:
    """Letter -> option text, empty where only letters are known. Raises BadReference."""
    if isinstance(choices, str) and choices.strip()[:1] in ("[", "{", '"'):
        try:
            choices = json.loads(choices)
        except json.JSONDecodeError as error:
            raise BadReference(f"choices: not JSON ({error.msg}, character {error.pos})") from error
    if isinstance(choices, str):
        choices = dict.fromkeys(choices, "")
    elif isinstance(choices, list):
        choices = {ascii_uppercase[i]: str(option) for i, option in enumerate(choices[:26])}
    elif isinstance(choices, dict) and set(choices) == {"text", "label"}:
        choices = dict(zip(choices["label"], choices["text"], strict=False))
    if not isinstance(choices, dict) or len(choices) < 2 or not all(c in ascii_uppercase for c in choices):
        raise BadReference(
            f'choices: expected letters ("ABCD"), options, or letter -> option, not {choices!r:.80}'
        )
    return {letter: str(option) for letter, option in choices.items()}


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
    found = extract(completion, Policy(choices="".join(known)), truncated=truncated)
    letter, method = found.text, "letter"
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


def _option(answer: str, choices: dict[str, str]) -> str | None:
    """The one option of this text."""
    found = [
        letter for letter, option in choices.items() if _folded(answer) and _folded(option) == _folded(answer)
    ]
    return found[0] if len(found) == 1 else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")

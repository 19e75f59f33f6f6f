"""How long a completion is: words, characters or sentences, counted as the instruction checkers count them.

Reasoning in think tags does not count. A text cut off at the token limit has no length yet, unless it is
already too long.
"""

from __future__ import annotations

from typing import Literal

from verifiers.extraction import final_words
from verifiers.verdict import Verdict

Unit = Literal["words", "characters", "sentences"]

MAX_TEXT = 1_000_000  # characters


def count(text: str, unit: Unit) -> int:
    if unit == "characters":
        return len(text.strip())
    from verifiers.instructions.text import sentences, words  # the package registers a hundred classes

    return len(words(text) if unit == "words" else sentences(text))


def verify(
    completion: str, unit: Unit, least: int | None, most: int | None, *, truncated: bool = False
) -> Verdict:
    """Correct when `least` <= length <= `most`; None is no bound."""
    said = final_words(completion)
    if said is None:
        return Verdict("no_answer")
    if len(said) > MAX_TEXT:
        return Verdict("limit")
    length = count(said, unit)
    too_long = most is not None and length > most
    if truncated and not too_long:
        return Verdict("no_answer", str(length))
    fits = not too_long and (least is None or length >= least)
    return Verdict("correct" if fits else "incorrect", str(length), unit)

"""Numbers in the sentences of prompts."""

from __future__ import annotations


def ordinal(number: int) -> str:
    """3rd, 11th, 22nd."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def counted(number: int, noun: str) -> str:
    """1 word, 2 words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""Brackets and quotes inside each other."""

from __future__ import annotations

BRACKETS = {")": "(", "]": "[", "}": "{"}
_STRAIGHT = str.maketrans("“”‘’", "\"\"''")


class _Nesting:
    """What is open, outermost first, and the most levels that were closed inside each other."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.deepest = 0
        self._levels_inside: list[int] = []

    def enter(self, char: str) -> None:
        self.open.append(char)
        self._levels_inside.append(0)

    def leave(self) -> None:
        self.open.pop()
        levels = self._levels_inside.pop() + 1
        self.deepest = max(self.deepest, levels)
        if self._levels_inside:
            self._levels_inside[-1] = max(self._levels_inside[-1], levels)

    def give_up(self) -> None:
        self.open, self._levels_inside = [], []


def bracket_levels(text: str) -> int:
    """Levels of the deepest closed nesting; a closing bracket that fits nothing ends all that is open."""
    nesting = _Nesting()
    for char in text:
        if char in "([{":
            nesting.enter(char)
        elif char in BRACKETS and nesting.open and nesting.open[-1] == BRACKETS[char]:
            nesting.leave()
        elif char in BRACKETS:
            nesting.give_up()
    return nesting.deepest


def quote_levels(text: str) -> int:
    """Levels of the deepest closed alternation of double and single quotes, straight or curly.

    An apostrophe stands inside a word, or after one while no single quote is open.
    """
    text = text.translate(_STRAIGHT)
    nesting = _Nesting()
    for i, char in enumerate(text):
        if char not in "\"'":
            continue
        after_word = i > 0 and text[i - 1].isalnum()
        closes = nesting.open and nesting.open[-1] == char
        if char == "'" and after_word and (not closes or text[i + 1 : i + 2].isalnum()):
            continue
        if closes:
            nesting.leave()
        else:
            nesting.enter(char)
    return nesting.deepest


def published_bracket_levels_reached(text: str, levels: int) -> bool:
    """Whether a bracket closes after `levels` were open at once, the others closed or not."""
    opened: list[str] = []
    most = 0
    for char in text:
        if char in "([{":
            opened.append(char)
            most = max(most, len(opened))
        elif char in BRACKETS and opened and opened[-1] == BRACKETS[char]:
            opened.pop()
            if most >= levels:
                return True
        elif char in BRACKETS:
            opened, most = [], 0
    return False


def published_quote_levels_reached(text: str, levels: int) -> bool:
    """Whether a closing mark leaves `levels` fewer open than were once; apostrophes are marks too."""
    opened: list[str] = []
    most = 0
    for char in text:
        if opened and char == opened[-1]:
            opened.pop()
            if most - len(opened) >= levels:
                return True
        elif char in "\"'":
            opened.append(char)
            most = max(most, len(opened))
    return False

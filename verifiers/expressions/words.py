"""Answers in words: which of them have a meaning that something other than words can have."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from verifiers.expressions.nodes import Const, Group, Node, Num, Sym, Text

_NO_SOLUTION = (
    "no solution|no solutions|no real solution|no real solutions|empty set|no solution exists|"
    "no solutions exist|there is no solution|there are no solutions"
)
_ALL_REALS = "all real numbers|all reals|any real number|any real|real numbers|reals|set of real numbers"
_INFINITE = "infinitely many|infinity|infinite"
_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
_TENS = dict(zip("thirty forty fifty sixty seventy eighty ninety".split(), range(30, 100, 10), strict=True))
_LARGE = {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 10**6}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_SAYS_NOTHING = ("a ", "an ", "the ", "exactly ")

_NUMBERS: Mapping[str, Fraction] = {
    **{word: Fraction(value) for value, word in enumerate(_NUMERALS)},
    **{word: Fraction(value) for word, value in (_TENS | _LARGE).items()},
    **{f"one {word}": Fraction(value) for word, value in _LARGE.items()},
    **{word: Fraction(1, _PARTS[word]) for word in ("half", "quarter")},
    **{f"one {part}": Fraction(1, under) for part, under in _PARTS.items()},
    **{
        f"{_NUMERALS[over]} {part}s": Fraction(over, under)
        for part, under in _PARTS.items()
        for over in range(2, 10)
    },
}
_MEANINGS: Mapping[str, Node] = {
    **dict.fromkeys(_NO_SOLUTION.split("|"), Group((), "{", "}")),
    **dict.fromkeys(_ALL_REALS.split("|"), Sym("Reals")),
    **dict.fromkeys(_INFINITE.split("|"), Const("oo")),
    **{word: Num(value) for word, value in _NUMBERS.items()},
}


def plain_words(words: str) -> str:
    """Without an article."""
    start = next((start for start in _SAYS_NOTHING if words.startswith(start)), "")
    return words[len(start) :]


def meaning(node: Text) -> Node:
    """What the words stand for, else the words themselves."""
    words = plain_words(node.words)
    if words.isascii() and words.isdigit():
        return Num(Fraction(int(words)))
    return _MEANINGS.get(words, node)

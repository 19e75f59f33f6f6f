"""What counts as a word: for every code point what it does to words, and what it is folded to.

Two texts are the same words where case, accents, punctuation, white space, apostrophes and invisible
characters are all that tells them apart. Other rules in use, which data sets were published under, are
alphabets of their own.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEPARATOR, LETTER, DIGIT, DROPPED, SINGLE = range(5)  # SINGLE: a word by itself

LIMIT = 0x20000  # code points above are rare Chinese characters, tags and variation selectors
TAGS = (0xE0000, 0xE01F0)
_UNSPACED = (  # scripts that put no space between words: each character is taken for one
    *(range(0x0E00, 0x0F00), range(0x1000, 0x10A0), range(0x1780, 0x1800)),  # Thai, Lao, Burmese, Khmer
    *(range(0x3040, 0x3100), range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00)),
)
_APOSTROPHES = frozenset("'`´ʹʼʻ‘’‛′＇")
_SYMBOLS = frozenset("+-*/=<>^()[]{}!%&@#|~_\\")  # and what Unicode calls one
_INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
    + "".join(map(chr, range(0xFE00, 0xFE10)))  # which glyph is meant: of emoji, mostly
)

Kind = Callable[[str], int]


class Alphabet(NamedTuple):
    """Tables over code points.

    `kinds` (LIMIT,); `folds` (LIMIT + 1,): code point c is folded to letters[folds[c]:folds[c + 1]].
    `digits_apart`: letters and digits make no word together, and commas between thousands do not separate.
    """

    name: str
    kinds: NDArray[np.uint8]
    folds: NDArray[np.int32]
    letters: NDArray[np.uint32]
    ascii: NDArray[np.uint16]  # (128,), kind << 8 | folded letter: the short cut for most texts
    digits_apart: bool

    @property
    def tables(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], bool]:
        """What compiled code takes."""
        return self.kinds, self.folds, self.letters, self.ascii, self.digits_apart

    def kind(self, character: str) -> int:
        at = ord(character)
        if at < LIMIT:
            return int(self.kinds[at])
        return DROPPED if TAGS[0] <= at < TAGS[1] else SINGLE

    def fold(self, character: str) -> str:
        at = ord(character)
        if at >= LIMIT:
            return character
        return "".join(map(chr, self.letters[self.folds[at] : self.folds[at + 1]]))


@cache
def folded() -> Alphabet:
    """Ours: base letters without case or accents, digits apart from letters, characters of scripts without
    spaces each a word; operators separate like any other punctuation."""
    return _alphabet("folded", _folded_kind, _base_letters, digits_apart=True)


@cache
def operators() -> Alphabet:
    """`folded`, but symbols are words: "3 - x" are not the words of "3 + x", nor "f'(2)" those of "f(2)"."""
    return _alphabet("operators", _operators_kind, _base_letters, digits_apart=True)


@cache
def spaced() -> Alphabet:
    """White space separates and case is folded, nothing else: the rule of s1 and open-r1."""
    return _alphabet("spaced", _spaced_kind, str.lower, digits_apart=False)


@cache
def unpunctuated() -> Alphabet:
    """ASCII punctuation is deleted, white space separates: GPT-3's rule (arXiv 2005.14165, appendix C)."""
    return _alphabet("unpunctuated", _unpunctuated_kind, str.lower, digits_apart=False)


def _alphabet(name: str, kind_of: Kind, fold: Callable[[str], str], digits_apart: bool) -> Alphabet:
    kinds = np.zeros(LIMIT, np.uint8)
    folds = np.zeros(LIMIT + 1, np.int32)
    letters: list[int] = []
    for at in range(LIMIT):
        folds[at] = len(letters)
        if 0xD800 <= at < 0xE000:  # halves of characters are no text
            continue
        character = chr(at)
        kind = kinds[at] = kind_of(character)
        if kind in (LETTER, DIGIT, SINGLE):
            letters += map(ord, fold(character))
    folds[LIMIT] = len(letters)
    plain = [int(kinds[at]) << 8 | ord(fold(chr(at))) for at in range(128)]
    return Alphabet(
        name, kinds, folds, np.array(letters, np.uint32), np.array(plain, np.uint16), digits_apart
    )


def _folded_kind(character: str) -> int:
    # Vowel signs of Indian and other scripts are no accents: they have no combining class.
    is_sign = unicodedata.category(character) in ("Mn", "Mc") and not unicodedata.combining(character)
    if character in _APOSTROPHES or character in _INVISIBLE or unicodedata.combining(character):
        return DROPPED
    if any(ord(character) in block for block in _UNSPACED):
        return SINGLE if character.isalnum() or is_sign else SEPARATOR
    base = _base_letters(character)
    if base.isdigit():  # also of superscripts and full-width ones
        return DIGIT
    return LETTER if is_sign or any(c.isalnum() for c in base) else SEPARATOR


def _operators_kind(character: str) -> int:
    is_symbol = character in _SYMBOLS or unicodedata.category(character) in ("Sc", "Sm", "So")
    return SINGLE if is_symbol or character in _APOSTROPHES else _folded_kind(character)


def _base_letters(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    parts = unicodedata.normalize("NFKD", character.casefold()).replace("\N{MINUS SIGN}", "-")
    kept = "".join(c for c in parts if not unicodedata.combining(c))
    if character.isdigit() or character.isdecimal():
        return str(unicodedata.digit(character))
    return kept.casefold()


def _spaced_kind(character: str) -> int:
    return SEPARATOR if character.isspace() else LETTER


def _unpunctuated_kind(character: str) -> int:
    if character in string.punctuation:
        return DROPPED
    return _spaced_kind(character)

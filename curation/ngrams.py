"""Words and n-grams for comparing texts across wrappings: what decontamination means by "the same text".

A text becomes a list of words: case, accents, punctuation, apostrophes ("Ann's", "Anns" and "Ann s" are one
word) and invisible characters are folded away, thousands separators dropped, digits cut from letters ("3x" is
"3 x"), Chinese and Japanese cut into characters. Operators count as punctuation, so "3 - x" and "3 + x" are
the same words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

Gram = tuple[str, ...]

_IN_WORD = (
    "\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff"  # combining marks, soft hyphen, zero-width characters
)
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"(?:(?![{_CJK}])[^\W\d_]|[{_IN_WORD}])"
_WORD = re.compile(rf"\d+(?:,\d{{3}})+(?!\d)|\d+|[{_CJK}]|{_LETTER}+")
_ASCII_WORD = re.compile(r"\d+(?:,\d{3})+(?!\d)|\d+|[a-z]+")
_DROPPED = re.compile(rf"[,{_IN_WORD}]")
_ENDINGS = frozenset({"s", "t", "d", "m", "ll", "re", "ve"})  # what an apostrophe cuts off: "Ann's", "Ann s"
_DIGITS = re.compile(r"\d+")


def words(text: str) -> list[str]:
    """The folded words of `text`."""
    if text.isascii():
        found = [w.replace(",", "") for w in _ASCII_WORD.findall(text.lower())]
    else:
        found = [word for raw in _WORD.findall(text) if (word := _fold(raw))]
    if _ENDINGS.isdisjoint(found):
        return found
    out = found[:1]
    for word in found[1:]:
        if _continues(out[-1], word):
            out[-1] += word
        else:
            out.append(word)
    return out


def spans(text: str) -> list[tuple[int, int]]:
    """Where in `text` each of `words(text)` stands."""
    pattern, source = (_ASCII_WORD, text.lower()) if text.isascii() else (_WORD, text)
    out: list[tuple[int, int]] = []
    last = ""
    for match in pattern.finditer(source):
        word = _fold(match.group())
        if out and _continues(last, word):
            last, out[-1] = last + word, (out[-1][0], match.end())
        elif word:
            last = word
            out.append(match.span())
    return out


def _continues(before: str, word: str) -> bool:
    return word in _ENDINGS and before[-1].isalpha()


def _fold(word: str) -> str:
    folded = unicodedata.normalize("NFKD", word.casefold())
    return _DROPPED.sub("", "".join(c for c in folded if not unicodedata.combining(c)))


def masked(tokens: Iterable[str]) -> list[str]:
    """The same words with every number replaced by one symbol."""
    return ["#" if _DIGITS.fullmatch(t) else t for t in tokens]


def grams(tokens: list[str], n: int) -> list[Gram]:
    """Every run of `n` words, in order, repeats included."""
    return list(zip(*(tokens[i:] for i in range(n)), strict=False))


def has_letter(gram: Gram) -> bool:
    """False for a run of bare numbers, which unrelated texts share (1 2 3 4 5)."""
    return any(word[0].isalpha() for word in gram)

"""Which language a text is in: the same answer every time, in well under a millisecond.

The published checkers ask the langdetect library, whose answer is drawn: it multiplies the frequencies of
randomly chosen n-grams until one language has won, seven times over. The expectation of that process needs
no draws. With `p(g | l)` the frequency of n-gram `g` in language `l` and `a` the smoothing weight, the score
of a language is the mean over the text's n-grams of

    log((a + p(g | l)) / a)

and the language with the highest score wins. The n-gram profiles of 55 languages and the character classes
are langdetect's (Apache-2.0, counted by Nakatani Shuyo on Wikipedia abstracts), packed into
language_profiles.npz by scripts/language_profiles.py. So are the rules which n-grams count, including the
one that words in capitals contribute their first letter only.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from verifiers.instructions.text import paragraphs, whole_words

# Names of the languages that can be told, as a prompt would write them.
LANGUAGES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "kn": "Kannada", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian",
    "ml": "Malayalam", "mr": "Marathi", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "so": "Somali", "sq": "Albanian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "zh": "Chinese", "zh-cn": "Simplified Chinese", "zh-tw": "Traditional Chinese",
}  # fmt: skip
CHINESE = ("zh-cn", "zh-tw")  # the profiles behind "zh"
SMOOTHING = 0.5 / 10_000  # the centre of langdetect's random weight
# How much likelier (log odds, in nats) another language must be before a text counts as written in it.
# N-grams overlap, so the odds are overstated: lists of names and answers of a few words stay below the first.
DOUBT = 25.0
DOUBT_OF_PART = 60.0
LONG_PART = 15  # words of a paragraph that must be in the language by itself
LONGEST = 10_000  # characters looked at, as in langdetect
_ADDRESS = re.compile(
    r"https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}|[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}"
)
_SPACE = 0x20
Array = np.ndarray[Any, Any]


class Evidence(NamedTuple):
    """What the n-grams of a text say: how many were known, and each language's mean log score."""

    n_grams: int
    scores: Array

    @property
    def best(self) -> int:
        return int(self.scores.argmax())


@dataclass(frozen=True)
class _Profiles:
    languages: tuple[str, ...]
    grams: Array  # sorted keys
    scores: Array  # (n-gram, language): log((a + p) / a)
    characters: Array  # what a character counts as
    upper: Array


@lru_cache(1)
def _profiles() -> _Profiles:
    with (files(__package__) / "language_profiles.npz").open("rb") as file, np.load(file) as packed:
        grams = np.cumsum(packed["gram_steps"])
        languages = tuple(str(name) for name in packed["languages"])
        frequencies = 2.0 ** (packed["sixteenths"] / 16 - 17)
        rows = np.repeat(np.arange(len(grams)), packed["counts"])
        scores = np.zeros((len(grams), len(languages)), np.float32)
        scores[rows, packed["columns"]] = np.log1p(frequencies / SMOOTHING)
        characters = packed["character_steps"] + np.arange(0x10000, dtype=np.uint16)
    upper = np.fromiter((chr(code).isupper() for code in range(0x10000)), bool, 0x10000)
    return _Profiles(languages, grams, scores, characters, upper)


def _codes(text: str) -> Array:
    """The characters of `text` by code point, without Latin letters when it is mostly in another script."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    latin = (codes >= ord("A")) & (codes <= ord("z"))
    other = (codes >= 0x300) & ~((codes >= 0x1E00) & (codes <= 0x1EFF))
    if 2 * np.count_nonzero(latin) < np.count_nonzero(other):
        codes = codes[~latin]
    return np.minimum(codes, 0xFFFF)


def _keys(codes: Array, upper: Array) -> Array:
    """The n-grams of one to three characters, each as one number of 16-bit digits.

    They end at any character but within runs of capitals, and do not reach back across a space.
    """
    padded = np.concatenate(([_SPACE], codes)).astype(np.int64)
    last, one, two = padded[1:], padded[:-1], np.concatenate(([_SPACE], padded[:-2]))
    shouted = upper[last] & upper[one]
    letter, after_letter = last != _SPACE, one != _SPACE
    pairs = one << 16 | last
    return np.concatenate(
        (
            last[letter & ~shouted],
            pairs[(letter | after_letter) & ~shouted],
            (two << 32 | pairs)[after_letter & ~shouted],
        )
    )


@lru_cache(64)
def evidence(text: str) -> Evidence | None:
    """The scores of all languages, or None when the text has no n-gram of any profile."""
    profiles = _profiles()
    text = unicodedata.normalize("NFC", _ADDRESS.sub(" ", text[: 2 * LONGEST]))[:LONGEST]
    keys = _keys(profiles.characters[_codes(text)], profiles.upper)
    keys, counts = np.unique(keys, return_counts=True)
    rows = np.minimum(np.searchsorted(profiles.grams, keys), len(profiles.grams) - 1)
    known = profiles.grams[rows] == keys
    total = int(counts[known].sum())
    if not total:
        return None
    return Evidence(total, counts[known].astype(np.float32) @ profiles.scores[rows[known]] / total)


def detect(text: str) -> str | None:
    """The code of the likeliest language of LANGUAGES, or None when the text has no known n-gram."""
    found = evidence(text)
    return _profiles().languages[found.best] if found else None


def _gap(text: str, language: str) -> float:
    """The log odds of the likeliest language against `language`; infinite without evidence."""
    found = evidence(text.lower())
    if found is None:
        return math.inf
    codes = CHINESE if language == "zh" else (language,)
    claimed = max(found.scores[_profiles().languages.index(code)] for code in codes)
    return found.n_grams * float(found.scores.max() - claimed)


@lru_cache(64)
def written_in(text: str, language: str) -> bool:
    """Whether `text` is in `language` as a whole and in each of its long paragraphs.

    Capitals are read as small letters. A text too short to tell is given the benefit of the doubt; one
    without any letters is in no language.
    """
    if _gap(text, language) > DOUBT:
        return False
    parts = paragraphs(text)
    long = (part for part in parts if len(parts) > 1 and len(whole_words(part)) >= LONG_PART)
    return all(_gap(part, language) <= DOUBT_OF_PART for part in long)

"""Packs the n-gram profiles of the langdetect package into verifiers/instructions/language_profiles.npz.

The profiles (Apache-2.0, counted by Nakatani Shuyo on Wikipedia abstracts) say how often an n-gram of one to
three characters occurs in each of 55 languages. Run in an environment that has langdetect 1.0.9:

    python scripts/language_profiles.py verifiers/instructions/language_profiles.npz
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import langdetect
import numpy as np
from langdetect.utils.ngram import NGram


def key(gram: str) -> int:
    """The characters as 16-bit digits of one number; every character of the profiles fits."""
    number = 0
    for character in gram:
        number = number << 16 | ord(character)
    return number


def main(target: str) -> None:
    folder = Path(langdetect.__file__).parent / "profiles"
    languages = sorted(path.name for path in folder.iterdir())
    entries: list[tuple[int, int, float]] = []
    for column, language in enumerate(languages):
        profile = json.loads((folder / language).read_text(encoding="utf-8"))
        for gram, count in profile["freq"].items():
            if 1 <= len(gram) <= 3:
                entries.append((key(gram), column, count / profile["n_words"][len(gram) - 1]))
    entries.sort()
    keys = np.array([entry[0] for entry in entries], np.int64)
    unique, starts = np.unique(keys, return_index=True)
    np.savez_compressed(
        target,
        languages=np.array(languages),
        gram_steps=np.diff(unique, prepend=0),  # the sorted keys, each less the one before
        counts=np.diff(starts, append=len(entries)).astype(np.uint8),  # languages in which an n-gram occurs
        columns=np.array([entry[1] for entry in entries], np.uint8),  # ... which they are
        # ... and how often, in sixteenths of a power of two above 2^-17 (within 2.2 %)
        sixteenths=np.round(16 * (np.log2([entry[2] for entry in entries]) + 17)).astype(np.uint8),
        # what each character of the basic plane counts as, less itself
        character_steps=np.array([ord(NGram.normalize(chr(c))) - c for c in range(0x10000)]).astype("u2"),
    )


if __name__ == "__main__":
    main(sys.argv[1])

"""Many texts as one run of bytes, and their words and n-grams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.words.alphabet import DIGIT, DROPPED, SEPARATOR, SINGLE, Alphabet, folded

MASK = "#"  # how a masked number is shown


class Texts(NamedTuple):
    data: NDArray[np.uint8]  # UTF-8 of all texts
    offsets: NDArray[np.int64]  # (n + 1,): text i is data[offsets[i]:offsets[i + 1]]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def text(self, i: int) -> str:
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes().decode("utf-8", "surrogatepass")


class Words(NamedTuple):
    """Words of many texts, one after the other: `hashes`, `starts` and `ends` (w,), those of text i from
    rows[i] to rows[i + 1] (n + 1,). `starts` and `ends` are byte places in `Texts.data`."""

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]


class Grams(NamedTuple):
    """Runs of n words: `hashes` and number of the first word (g,); of text i from rows[i] to rows[i + 1]."""

    hashes: NDArray[np.uint64]
    firsts: NDArray[np.int64]
    rows: NDArray[np.int64]


def texts_of(texts: Iterable[str]) -> Texts:
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return _fixed(Texts(np.frombuffer(b"".join(parts), np.uint8), offsets))


def texts_of_arrow(array: Any) -> Texts:
    """Texts of a pyarrow string array (chunked or not) without copying them; null is the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
        array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    if not pa.types.is_large_string(array.type):
        array = array.cast(pa.large_string())
    if array.null_count:
        array = pc.fill_null(array, "")
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    nothing = np.zeros(0, np.uint8)
    return _fixed(Texts(np.frombuffer(data, np.uint8) if data else nothing, places))


def _fixed(texts: Texts) -> Texts:
    """Read-only views: Numba compiles anew for arrays that may be written to."""
    data, offsets = texts.data.view(), texts.offsets.view()
    data.flags.writeable = offsets.flags.writeable = False
    return Texts(data, offsets)


def split_words(texts: Texts, alphabet: Alphabet | None = None, masked: bool = False) -> Words:
    """The words of every text; `masked`: all numbers are one word. Default alphabet: `folded()`."""
    from curation.words.kernels import split_texts

    return Words(*split_texts(*_fixed(texts), (alphabet or folded()).tables, masked))


def grams_of(words: Words, n: int) -> Grams:
    """All runs of `n` words; a text with fewer words has none."""
    from curation.words.kernels import gram_hashes

    return Grams(*gram_hashes(words.hashes, words.rows, n))


def plain_words(text: str, alphabet: Alphabet | None = None, masked: bool = False) -> list[str]:
    """The words of one text as texts: what `split_words` is the compiled form of."""
    return [word for word, _, _ in word_spans(text, alphabet, masked)]


def word_spans(
    text: str, alphabet: Alphabet | None = None, masked: bool = False
) -> list[tuple[str, int, int]]:
    """(word, first character, one past its last character) of each word of `text`."""
    a = alphabet or folded()
    found: list[tuple[str, int, int]] = []
    inside, word, first, last = SEPARATOR, "", 0, 0

    def close() -> None:
        if inside != SEPARATOR:
            found.append((MASK if masked and inside == DIGIT else word, first, last))

    for at, character in enumerate(text):
        kind = a.kind(character)
        thousands = a.digits_apart and character == "," and inside == DIGIT and _thousands(text, at)
        if kind == DROPPED or thousands:
            continue
        if kind != inside or kind == SINGLE:
            close()
            inside, word, first = kind, "", at
        if kind != SEPARATOR:
            word, last = word + a.fold(character), at + 1
    close()
    return found


def _thousands(text: str, at: int) -> bool:
    digits = [c in "0123456789" for c in text[at + 1 : at + 5]]
    return len(digits) >= 3 and all(digits[:3]) and not all(digits[3:] or [False])

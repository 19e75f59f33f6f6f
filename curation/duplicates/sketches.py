"""Sketches of many texts in files of a folder, so that memory holds one column of them at a time.

A text takes 8 bytes for the hash of its words, 8 for that of its numbers, 8 for its preference, 4 a band and
4 a shingle.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.rule import Rule
from curation.words.alphabet import LIMIT, operators
from curation.words.texts import Texts
from store.files import write_error


class Shingles(NamedTuple):
    """Sorted shingles of some texts, each once: of text i `left[i]` ones from offsets[i]."""

    values: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    left: NDArray[np.int64]


class Sketches:
    """Texts are numbered in the order in which they are added."""

    def __init__(self, folder: Path, rule: Rule) -> None:
        self.rule, self.bands = rule, rule.bands
        self._folder = folder
        names = ["whole", "numbers", "preference", "sizes", "shingles", *map(_band, range(self.bands.number))]
        self._files: dict[str, BinaryIO] = {name: open(folder / name, "xb") for name in names}
        self.count = 0

    def __enter__(self) -> Sketches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(
        self,
        texts: Texts,
        preference: NDArray[np.uint64] | None = None,
        within: NDArray[np.uint64] | None = None,
    ) -> None:
        """Sketch `texts` (n). `within` (n,): only texts with equal values are compared. `preference` (n,):
        of copies that with the smallest value stays, the earliest of equal ones; default a hash of the text.
        """
        from curation.duplicates import kernels

        everywhere = np.zeros(len(texts), np.uint64) if within is None else within
        if preference is None:
            preference = kernels.text_hashes(texts.data, texts.offsets)
        bands = self.bands
        whole, numbers, minima, shingles, sizes = kernels.sketch_texts(
            texts.data, texts.offsets, everywhere, operators().tables, _telling(),
            self.rule.words, bands.factors, bands.shifts, bands.rows, self.count,
        )  # fmt: skip
        columns = {"whole": whole, "numbers": numbers, "preference": preference, "shingles": shingles}
        try:
            for name, column in columns.items():
                self._files[name].write(np.ascontiguousarray(column).data)
            self._files["sizes"].write(sizes.astype(np.uint32).data)
            for k in range(bands.number):
                self._files[_band(k)].write(np.ascontiguousarray(minima[:, k]).data)
        except OSError as error:
            raise write_error(self._folder, error) from error
        self.count += len(texts)

    def whole(self) -> NDArray[np.uint64]:
        return self._read("whole", np.dtype(np.uint64))

    def numbers(self) -> NDArray[np.uint64]:
        """A hash of each text's numbers and symbols in their order; 0 for a text without words."""
        return self._read("numbers", np.dtype(np.uint64))

    def preference(self) -> NDArray[np.uint64]:
        return self._read("preference", np.dtype(np.uint64))

    def band(self, k: int) -> NDArray[np.uint32]:
        return self._read(_band(k), np.dtype(np.uint32))

    def bands_of(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
        """All bands of texts `rows` (m,), as (m, bands)."""
        found = np.empty((len(rows), self.bands.number), np.uint32)
        for k in range(self.bands.number):
            self._files[_band(k)].flush()
            found[:, k] = np.memmap(self._folder / _band(k), np.uint32, "r")[rows]
        return found

    def shingle_offsets(self) -> NDArray[np.int64]:
        offsets = np.zeros(self.count + 1, np.int64)
        np.cumsum(self._read("sizes", np.dtype(np.uint32)), out=offsets[1:])
        return offsets

    def shingles(self, rows: NDArray[np.integer[Any]], offsets: NDArray[np.int64]) -> Shingles:
        """Those of texts `rows`, in this order; `offsets` are `shingle_offsets()`."""
        from curation.duplicates.kernels import sort_shingles

        self._files["shingles"].flush()
        sizes = offsets[rows + 1] - offsets[rows]
        places = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=places[1:])
        values = np.empty(places[-1], np.uint32)
        view = values.data.cast("B")
        with open(self._folder / "shingles", "rb", buffering=0) as file:
            for start, size, place in zip(
                offsets[rows].tolist(), sizes.tolist(), places.tolist(), strict=False
            ):
                os.preadv(file.fileno(), [view[4 * place : 4 * (place + size)]], 4 * start)
        return Shingles(values, places[:-1], sort_shingles(values, places))

    def _read(self, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        self._files[name].flush()
        return np.fromfile(self._folder / name, dtype)


def _band(k: int) -> str:
    return f"band-{k:03d}"


@cache
def _telling() -> NDArray[np.bool_]:
    """(LIMIT,): characters of numbers and operators. Brackets, "!" and "*" are marks of emphasis as well."""
    return np.array([_is_telling(chr(at)) for at in range(LIMIT)])


def _is_telling(character: str) -> bool:
    return character.isnumeric() or character in "+-/=<>^" or category(character) == "Sm"

"""When two texts are copies of one another, and the MinHash sketch that finds such pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 128  # at most; the habit of text-dedup, datasketch and rensa
RECALL = 0.98  # of pairs just at the threshold; more similar ones are found more surely
_SEED = 20_260_821  # part of the rule: other permutations would find other near-threshold pairs


class Bands(NamedTuple):
    """Band b has the minima of permutations [b * rows, (b + 1) * rows); x -> factors * x + shifts."""

    rows: int
    factors: NDArray[np.uint32]
    shifts: NDArray[np.uint32]

    @property
    def number(self) -> int:
        return len(self.factors) // self.rows


class Rule(NamedTuple):
    """Copies have the same words, or shingles of `words` words whose Jaccard similarity is `similarity`.

    A text with fewer words than a shingle has copies with the very same words only. Of copies with other
    numbers or operators none is dropped for the other: they are on one side of a split, no more.
    """

    words: int = 5
    similarity: float = 0.7

    @property
    def bands(self) -> Bands:
        """The longest bands that still find `RECALL` of pairs at the threshold: 1 - (1 - s^rows)^bands. Below
        similarity 0.03 none do, and bands of 1 find what they can.

        Longer bands propose fewer pairs that are not copies. At similarity 0.7: 25 bands of 5.
        """
        found = [n for n in range(1, PERMUTATIONS + 1) if _recall(self.similarity, n) >= RECALL]
        rows = max(found, default=1)
        draw = np.random.default_rng(_SEED)
        size = PERMUTATIONS // rows * rows
        factors = draw.integers(0, 2**32, size, np.uint32) | np.uint32(1)
        return Bands(rows, factors, draw.integers(0, 2**32, size, np.uint32))


def _recall(similarity: float, rows: int) -> float:
    return float(1 - (1 - similarity**rows) ** (PERMUTATIONS // rows))

"""Answers under the wrong prompt, seen from the words alone.

An answer shares words with its prompt. Where a join by position went wrong, it shares more of them with the
prompt one or two rows away. Rows are looked at in blocks of neighbours; a block is shifted where the other
prompt wins far more often than its own, by a sign test.

If just one side of the pairs was joined wrongly, its answers share no more words with their prompts than with
others, while those of the other side do.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.audit.report import Tally, place

BLOCK = 64  # rows that are judged together
WHOLE, EVERY = 20_000, 32  # all blocks of the first so many rows, then one in so many
OFFSETS = (-2, -1, 1, 2)
BEYOND_CHANCE = 5.0  # standard deviations of a fair coin
MIN_LETTERS = 4  # shorter words are in every text
SIDE_ROWS = 200  # rows before the two sides are compared
ON_TOPIC, OFF_TOPIC = 2.0, 1.15  # words shared with the own prompt, over those shared with a neighbour's


class Alignment:
    """Takes a table's derived columns batch by batch, in the order of the rows."""

    def __init__(self, sides: tuple[str, ...]) -> None:
        self.sides = sides  # columns of answers
        self._rows = 0
        self._checked = 0
        self._shifted: list[tuple[Any, int, int]] = []  # (first row, offset, rows)
        self._own = np.zeros(len(sides))
        self._others = np.zeros(len(sides))
        self._compared = 0

    def add(self, frame: pl.DataFrame) -> None:
        for begin in range(0, frame.height, BLOCK):
            if self._rows < WHOLE or (self._rows // BLOCK) % EVERY == 0:
                self._add_block(frame.slice(begin, BLOCK))
            self._rows += min(BLOCK, frame.height - begin)

    def close(self, tally: Tally) -> None:
        places = [
            (place(at), f"{n} answers from here on fit the prompt {abs(offset)} rows "
             f"{'further down' if offset > 0 else 'further up'}")
            for at, offset, n in self._shifted
        ]  # fmt: skip
        tally.add("answers_shifted", sum(n for _, _, n in self._shifted), self._checked, places)
        if len(self.sides) == 2 and self._compared >= SIDE_ROWS and (self._others > 0).all():
            lifts = self._own / self._others
            if lifts.min() < OFF_TOPIC and lifts.max() > ON_TOPIC:
                side = self.sides[int(lifts.argmin())].removesuffix("_text")
                found = f"{side} answers share no more words with their prompts than with others"
                tally.add("side_off_topic", self._compared, self._compared, [("whole set", found)])

    def _add_block(self, block: pl.DataFrame) -> None:
        n = block.height
        self._checked += n
        asked = _words(block["prompt_text"])
        sides = [_words(block[side]) for side in self.sides]
        keys = block["prompt_key"].to_numpy()
        own = np.array([_shared(words, asked, 0, n) for words in sides])
        best = (0.0, 0)
        for offset in OFFSETS:
            rows = np.arange(n)
            there = (rows + offset >= 0) & (rows + offset < n)
            there[there] = keys[there] != keys[rows[there] + offset]
            if not there.any():
                continue
            other = np.array([_shared(words, asked, offset, n) for words in sides])
            if offset == 1:
                self._own += own[:, there].sum(axis=1)
                self._others += other[:, there].sum(axis=1)
                self._compared += int(there.sum())
            gap = (other - own).sum(axis=0)[there]
            wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
            if wins - losses > BEYOND_CHANCE * sqrt(wins + losses):
                best = max(best, ((wins - losses) / sqrt(wins + losses), offset))
        if best[1]:
            self._shifted.append((block["at"][0], best[1], n))


def _words(texts: pl.Series) -> NDArray[np.uint64]:
    """(row, word) keys, distinct, in blocks of one row: the row is in the highest bits."""
    from curation.words.texts import split_words, texts_of

    words = split_words(texts_of(text or "" for text in texts))
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(words.rows))
    is_long = words.ends - words.starts >= MIN_LETTERS
    return np.unique(rows[is_long] << np.uint64(56) | words.hashes[is_long] >> np.uint64(8))


def _shared(answers: NDArray[np.uint64], asked: NDArray[np.uint64], offset: int, n: int) -> NDArray[Any]:
    """Words that each answer shares with the prompt `offset` rows further down."""
    shift = np.uint64(abs(offset) << 56)
    # Rows beyond the block have no prompt; wrapped around, they would meet one at the other end.
    row = (answers >> np.uint64(56)).astype(np.int64)
    inside = (row + offset >= 0) & (row + offset < n)
    moved = answers[inside] + shift if offset > 0 else answers[inside] - shift
    return np.bincount(row[inside][np.isin(moved, asked)], minlength=n).astype(np.float64)

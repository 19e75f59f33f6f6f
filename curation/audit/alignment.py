"""Answers under the wrong prompt, seen from the words alone.

An answer shares words with its prompt. Where a join by position went wrong, it shares more of them with the
prompt one or two rows away. Rows are looked at in blocks of neighbours; a block is shifted where the other
prompt wins far more often than its own, by a sign test.

If just one side of the pairs was joined wrongly, its answers share no more words with their prompts than with
others, while those of the other side do. After a whole shuffle this is so on all sides; of short answers, or
of prompts made from one template, it says nothing.

Rows of one conversation are not compared: what was said before is in the prompts that come behind it.
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
OFFSETS = (-4, -3, -2, -1, 1, 2, 3, 4)
BEYOND_CHANCE = 5.0  # standard deviations of a fair coin
MIN_LETTERS = 4  # shorter words are in every text
HELD = 40  # characters of an answer from which on a prompt that holds it cannot do so by chance
SIDE_ROWS = 200  # rows before the two sides are compared
LONG, SHARED = 10.0, 0.5  # words of an answer, and of those in a strange prompt, before a shuffle is told
ALIKE = 0.5  # words of a prompt that are in its neighbour, too: made from one template
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
        self._words = np.zeros(len(sides))
        self._asked = self._asked_alike = 0.0
        self._compared = 0
        self._left: pl.DataFrame | None = None  # rows of the block that the next batch goes on with

    def add(self, frame: pl.DataFrame) -> None:
        frame = frame.select("prompt_text", "prompt_key", "at", *self.sides)
        frame = frame if self._left is None else pl.concat([self._left, frame])
        whole = frame.height - frame.height % BLOCK
        for begin in range(0, whole, BLOCK):
            self._add_block(frame.slice(begin, BLOCK))
        self._left = frame.slice(whole)

    def close(self, tally: Tally) -> None:
        if self._left is not None:
            self._add_block(self._left)
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
        self._check_all_sides(tally)

    def _check_all_sides(self, tally: Tally) -> None:
        if self._compared < SIDE_ROWS or self._asked_alike > ALIKE * self._asked:
            return
        is_long = (self._words > LONG * self._compared) & (self._others > SHARED * self._compared)
        if is_long.all() and (self._own < OFF_TOPIC * self._others).all():
            found = "the answers share no more words with their prompts than with their neighbours'"
            tally.add("answers_off_topic", self._compared, self._compared, [("whole set", found)])

    def _add_block(self, block: pl.DataFrame) -> None:
        n, begin = block.height, self._rows
        self._rows += n
        if not n or (begin >= WHOLE and (begin // BLOCK) % EVERY):
            return
        self._checked += n
        asked = _words(block["prompt_text"])
        sides = [_words(block[side]) for side in self.sides]
        keys = block["prompt_key"].to_numpy()
        texts = block.select("prompt_text", *self.sides).rows()
        own = np.array([_shared(words, asked, 0, n) for words in sides])
        best = (0.0, 0)
        for offset in OFFSETS:
            rows = np.arange(n)
            there = (rows + offset >= 0) & (rows + offset < n)
            there[there] = keys[there] != keys[rows[there] + offset]
            there[there] = [not _is_one_talk(texts[row], texts[row + offset]) for row in rows[there]]
            if not there.any():
                continue
            other = np.array([_shared(words, asked, offset, n) for words in sides])
            if offset == 1:
                self._own += own[:, there].sum(axis=1)
                self._others += other[:, there].sum(axis=1)
                self._compared += int(there.sum())
                self._words += np.array([_per_row(words, n)[there].sum() for words in sides])
                self._asked += _per_row(asked, n)[there].sum()
                self._asked_alike += _shared(asked, asked, 1, n)[there].sum()
            gap = (other - own).sum(axis=0)[there]
            wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
            if wins - losses > BEYOND_CHANCE * sqrt(wins + losses):
                best = max(best, ((wins - losses) / sqrt(wins + losses), offset))
        if best[1]:
            self._shifted.append((block["at"][0], best[1], n))


def _is_one_talk(row: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Is one of the prompts the beginning of the other, or does the other one hold an answer of the row?"""
    asked, there = row[0], other[0]
    if asked.startswith(there) or there.startswith(asked):
        return True
    return any(len(answer) >= HELD and answer in there for answer in row[1:])


def _per_row(words: NDArray[np.uint64], n: int) -> NDArray[Any]:
    return np.bincount((words >> np.uint64(56)).astype(np.int64), minlength=n).astype(np.float64)


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

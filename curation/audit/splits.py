"""Prompts that are on both sides of a split: by id, by text, and by the words of the text."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.audit.report import Finding, Tally, place

_HELD_OUT = {"test", "valid", "validation", "val", "dev", "eval", "heldout"}
NEAR_BYTES = 1 << 26  # of prompts in files among which near copies are looked for
_WORDS = re.compile(r"[a-z]+")


def audit_split(train: pl.DataFrame, test: pl.DataFrame) -> list[Finding]:
    """Prompts that are on both sides of a split, by id and by text: the same words, whatever their case,
    accents and punctuation."""
    shared = set(train["prompt_id"]) & set(test["prompt_id"])
    found = [Finding("split", "prompt_in_both_splits", prompt_id, "same id") for prompt_id in sorted(shared)]
    ours, theirs = (_by_words(side) for side in (train, test))
    for key in sorted(ours.keys() & theirs.keys()):
        (our_id, our_text), (their_id, their_text) = ours[key], theirs[key]
        if our_id != their_id:
            said = "same text" if our_text == their_text else "same words"
            found.append(Finding("split", "prompt_in_both_splits", f"{our_id} / {their_id}", said))
    return found


def near_copies(train: pl.DataFrame, test: pl.DataFrame) -> list[tuple[str, str]]:
    """(where, detail) of each group of near copies of a prompt that is on both sides under different ids."""
    from curation.splits import prompt_groups

    sides = [side.select("prompt_id", messages="prompt").unique("prompt_id") for side in (train, test)]
    groups = prompt_groups(pl.concat(sides).unique("prompt_id").sort("prompt_id"))
    ours, theirs = (groups.filter(pl.col("prompt_id").is_in(side["prompt_id"].implode())) for side in sides)
    pairs = ours.join(theirs, "group").filter(pl.col("prompt_id") != pl.col("prompt_id_right"))
    first = pairs.sort("group", "prompt_id", "prompt_id_right").unique("group", maintain_order=True)
    return [
        (b, f"a near copy of {a} in train") for a, b in first.select("prompt_id", "prompt_id_right").rows()
    ]


def split_of(name: str) -> str | None:
    """train or test, as a file name, a split column or a folder says it; None where it says neither."""
    words = set(_WORDS.findall(name.lower()))
    if words & _HELD_OUT:
        return "test"
    return "train" if words & {"train", "training"} else None


class Part(NamedTuple):
    """Prompts of some rows of a file: hashes of their words, and where they stand."""

    name: str
    keys: NDArray[np.uint64]
    at: pl.Series


class Splits:
    """Prompts of several files, on two sides; keeps 16 bytes a row, and the texts of the prompts as long as
    they are few enough to look for near copies."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Part]] = {"train": [], "test": []}
        self._texts: dict[str, list[pl.DataFrame]] = {"train": [], "test": []}
        self._room = NEAR_BYTES

    def add(self, side: str, name: str, prompts: pl.Series, at: pl.Series) -> None:
        """`prompts`: messages, as in PROMPTS."""
        content = pl.element().struct.field("content")
        texts = prompts.to_frame("prompt").select(pl.col("prompt").list.eval(content).list.join("\n"))
        keys = prompt_words(texts.to_series())
        self._seen[side].append(Part(name, keys, at))
        self._room -= int(prompts.estimated_size())
        if self._room >= 0:
            where = pl.Series([f"{name} {place(one)}" for one in at], dtype=pl.String)
            self._texts[side].append(pl.DataFrame({"prompt_id": where, "prompt": prompts, "key": keys}))

    def merge(self, other: Splits) -> None:
        for side, parts in other._seen.items():
            self._seen[side] += parts
            self._texts[side] += other._texts[side]
        self._room -= NEAR_BYTES - other._room

    def close(self, tally: Tally) -> None:
        train, test = self._seen["train"], self._seen["test"]
        if not train or not test:
            return
        known = np.unique(np.concatenate([keys for _, keys, _ in train]))
        tested = np.unique(np.concatenate([keys for _, keys, _ in test]))
        leaked = np.intersect1d(known, tested, assume_unique=True)
        places = ((_where(test, key), f"also {_where(train, key)}") for key in leaked)
        tally.add("prompt_in_both_splits", len(leaked), len(tested), places)
        if self._room < 0:
            tally.add("near_copies_not_compared", len(tested), len(tested))
            return
        sides = [
            pl.concat(self._texts[side]).unique("key", keep="first", maintain_order=True)
            for side in ("train", "test")
        ]
        sides[1] = sides[1].filter(~pl.Series(np.isin(sides[1]["key"].to_numpy(), leaked)))
        near = near_copies(*sides)
        tally.add("near_copy_in_both_splits", len(near), len(tested), near)


def prompt_words(prompts: pl.Series) -> NDArray[np.uint64]:
    """A hash of the words of each text, in their order; of a text without words, of the text itself."""
    from curation.words.texts import split_words, texts_of

    words = split_words(texts_of(text or "" for text in prompts))
    sizes = np.diff(words.rows)
    found = prompts.fill_null("").hash().to_numpy().copy()
    found[sizes > 0] = np.uint64(0x9E3779B97F4A7C15)
    rows = np.arange(len(sizes))
    for step in range(int(sizes.max()) if len(sizes) else 0):
        rows = rows[sizes[rows] > step]
        found[rows] = (found[rows] ^ words.hashes[words.rows[rows] + step]) * np.uint64(0x100000001B3)
        found[rows] ^= found[rows] >> np.uint64(29)
    return found


def _by_words(frame: pl.DataFrame) -> dict[int, tuple[str, str]]:
    prompts = frame.unique("prompt_id", keep="first", maintain_order=True).select("prompt_id", "prompt")
    texts = prompts.select(
        text=pl.col("prompt").list.eval(pl.element().struct.field("content")).list.join("\n").fill_null("")
    )["text"]
    rows = zip(prompt_words(texts).tolist(), prompts["prompt_id"], texts, strict=True)
    return {key: (prompt_id, text) for key, prompt_id, text in rows}


def _where(parts: list[Part], key: Any) -> str:
    for name, keys, at in parts:
        rows = np.flatnonzero(keys == key)
        if len(rows):
            return f"{name} {place(at[int(rows[0])])}"
    raise AssertionError("a key that no part has")

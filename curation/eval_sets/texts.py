"""An evaluation set as texts to stay clear of, whatever file or dataset it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import polars as pl

from curation.words.texts import split_words, texts_of

Kind = Literal["math", "knowledge", "code", "instruction", "chat", "safety"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class EvalText(NamedTuple):
    """One text of one eval row; a row with two fields, or with two user turns, is two of these."""

    row: str
    field: str
    text: str


@dataclass(frozen=True)
class EvalSet:
    name: str
    source: str  # Hub repository, or name of a file
    config: str | None  # several are joined by "+", as the Hub joins splits
    split: str | None
    revision: str | None  # the commit that was read; None for a file
    kind: Kind
    texts: list[EvalText]
    n_rows: int  # rows without any text, which nothing can be compared with, are counted here

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the words of all texts, by `curation.words`, whatever their order: what was compared."""
        words = split_words(texts_of(text.text for text in self.texts))
        hashes = words.hashes.astype("<u8")
        digests = [
            hashlib.sha256(hashes[start:end].tobytes()).digest()
            for start, end in zip(words.rows[:-1], words.rows[1:], strict=True)
        ]
        return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def eval_set_from_prompts(
    name: str, prompts: pl.DataFrame, split: str = "test", kind: Kind = "chat"
) -> EvalSet:
    """A run's own held-out prompts (PROMPTS rows of `split`) as an eval set; each user message is a text."""
    held_out = prompts.filter(pl.col("split") == split).sort("prompt_id")
    texts = [
        EvalText(prompt_id, f"messages.{i}.content", message["content"])
        for prompt_id, messages in held_out.select("prompt_id", "messages").iter_rows()
        for i, message in enumerate(messages)
        if message["role"] == "user"
    ]
    return EvalSet(name, "this run", None, split, None, kind, texts, held_out.height)

"""Copies among the rows of a table that is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.duplicates.copies import Copies, find_copies
from curation.duplicates.rule import Rule
from curation.duplicates.sketches import Sketches
from curation.words.texts import Texts, texts_of_arrow

_BATCH = 1 << 16
_UNIT = "\x1f"  # between the values of several columns


def copies_of(
    texts: pl.Series,
    rule: Rule,
    preference: NDArray[np.uint64] | None = None,
    within: NDArray[np.uint64] | None = None,
) -> Copies:
    """Copies among `texts` (n,); `preference` and `within` as in `Sketches.add`."""
    with tempfile.TemporaryDirectory() as folder, Sketches(Path(folder), rule) as sketches:
        for start in range(0, len(texts), _BATCH):
            part = slice(start, start + _BATCH)
            sketches.add(
                texts_of_series(texts[part]),
                None if preference is None else preference[part],
                None if within is None else within[part],
            )
        return find_copies(sketches)


def near_copies(frame: pl.DataFrame, text: str, key: str, within: Sequence[str], rule: Rule) -> pl.DataFrame:
    """The rows to drop as copies of others with the same values in `within`, as in `find_copies`.

    Of copies the row with the smallest `key` stays. Returns (key, kept: the key that stays for it,
    similarity, exact), in the order of `frame`.
    """
    preference = frame[key].rank("ordinal").cast(pl.UInt64).to_numpy()
    values = [pl.col(name).cast(pl.String).fill_null("") for name in within]
    alone = frame.select(pl.concat_str(values, separator=_UNIT)).to_series()
    found = copies_of(frame[text], rule, preference, hashes_of(alone))
    return pl.DataFrame(
        {
            key: frame[key],
            "kept": frame[key].gather(found.kept),
            "similarity": found.similarity,
            "exact": found.exact,
        }
    ).filter(~found.stays)


def prompt_texts(prompts: pl.DataFrame) -> pl.DataFrame:
    """(text, system): what is compared of each prompt's messages, and its system messages."""
    is_system = pl.element().struct.field("role") == "system"
    return prompts.select(text=messages_text("messages"), system=_contents("messages", is_system))


def messages_text(column: str, between: str = "\n") -> pl.Expr:
    """The contents of messages but system messages: a long one that all prompts share would make all of them
    copies."""
    return _contents(column, pl.element().struct.field("role") != "system", between)


def messages_roles(column: str) -> pl.Expr:
    """What `messages_text` leaves out: system messages, and the roles of all."""
    role = pl.element().struct.field("role")
    roles = pl.col(column).list.eval(role).list.join(_UNIT)
    return pl.concat_str(_contents(column, role == "system"), roles, separator=_UNIT)


def hashes_of(texts: pl.Series) -> NDArray[np.uint64]:
    """(n,): a hash of each text as it stands."""
    from curation.duplicates.kernels import text_hashes

    return text_hashes(*texts_of_series(texts))


def texts_of_series(series: pl.Series) -> Texts:
    return texts_of_arrow(series.to_arrow())


def _contents(column: str, which: pl.Expr, between: str = "\n") -> pl.Expr:
    return pl.col(column).list.eval(pl.element().struct.field("content").filter(which)).list.join(between)

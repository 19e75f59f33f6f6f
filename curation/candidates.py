"""What every set is built from: distinct, labelled completions of clean training prompts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from store.accounting import Account
from store.errors import InputError

Row = dict[str, Any]
# Polars keeps the separators U+001C to U+001F that Python strips: the same text must be the same to both.
_WHITESPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_BARE_TEXT = pl.col("text").str.strip_chars(_WHITESPACE)
NO_TEXT = _BARE_TEXT == ""
SAME_TEXT = ("prompt_id", _BARE_TEXT)

EXCLUDED = pl.Schema({"completion_id": pl.String(), "reason": pl.String()})  # what a set is built without


def usable_completions(
    prompts: pl.DataFrame, completions: pl.DataFrame, excluded: pl.DataFrame | None, account: Account
) -> pl.DataFrame:
    """Completions of training prompts that are not `excluded` (EXCLUDED), in the order of their ids."""
    for name, column in (("prompt", prompts["prompt_id"]), ("completion", completions["completion_id"])):
        if column.is_duplicated().any():
            raise InputError(
                f"{name} {column.filter(column.is_duplicated())[0]} is there twice; ids must be unique"
            )
    known = completions.join(prompts.select("prompt_id", "split"), "prompt_id", "left")
    strangers = known.filter(pl.col("split").is_null())
    if strangers.height:
        raise InputError(
            f"completion {strangers['completion_id'][0]} answers a prompt that is not in the prompts"
        )
    known = without(known, pl.col("split") != "train", "held_out_prompt", account)
    if excluded is not None:
        known = known.join(once(excluded).select(EXCLUDED.names()), "completion_id", "left")
        for reason in known["reason"].drop_nulls().unique().sort():
            known = without(known, pl.col("reason").eq_missing(pl.lit(reason)), reason, account)
    known = without(known, NO_TEXT, "empty_text", account)
    return known.select("prompt_id", "completion_id", "text").sort("prompt_id", "completion_id")


def with_values(
    candidates: pl.DataFrame, known: pl.DataFrame, account: Account, value: str = "label"
) -> pl.DataFrame:
    """Candidates with what is known of them (LABELS, SCORES), less those of which nothing is."""
    joined = candidates.join(once(known), "completion_id", "left").with_columns(
        pl.col("reason").fill_null("no_" + value)
    )
    undecided = joined.filter(pl.col(value).is_null())
    for reason, n in undecided["reason"].value_counts().sort("reason").iter_rows():
        account.reject(reason, n)
    return joined.filter(pl.col(value).is_not_null()).sort("prompt_id", "completion_id")


def once(known: pl.DataFrame) -> pl.DataFrame:
    """`known` itself; InputError where it says two things of one completion, which a join would use both."""
    ids = known["completion_id"]
    if ids.is_duplicated().any():
        raise InputError(
            f"completion {ids.filter(ids.is_duplicated())[0]} is labelled or scored twice; keep one row of it"
        )
    return known


def distinct_texts(candidates: pl.DataFrame, account: Account, value: str = "label") -> pl.DataFrame:
    """One row per text of a prompt; a text with two different values has none of them."""
    return first_of_texts(without(candidates, conflicting(value), "conflicting_" + value, account), account)


def conflicting(value: str) -> pl.Expr:
    """Rows whose text has two different values in its prompt."""
    return pl.col(value).n_unique().over(SAME_TEXT) > 1


def first_of_texts(candidates: pl.DataFrame, account: Account) -> pl.DataFrame:
    """The completion of each text of a prompt that has the smallest id."""
    first = pl.col("completion_id") == pl.col("completion_id").min().over(SAME_TEXT)
    return without(candidates, ~first, "duplicate_text", account).sort("prompt_id", "completion_id")


def without(frame: pl.DataFrame, condition: pl.Expr, reason: str, account: Account) -> pl.DataFrame:
    kept = frame.filter(~condition)
    if frame.height > kept.height:
        account.reject(reason, frame.height - kept.height)
    return kept


def by_prompt(frame: pl.DataFrame) -> Iterator[tuple[str, list[Row]]]:
    for key, group in frame.group_by("prompt_id", maintain_order=True):
        yield str(key[0]), group.to_dicts()


def answer(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def messages_of(prompts: pl.DataFrame) -> dict[str, list[Row]]:
    return dict(prompts.select("prompt_id", "messages").iter_rows())


def table(rows: list[Row], schema: pl.Schema, *order: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema).sort(*order)

"""What the checks look at, computed once for each batch of a table.

`place` is where a row stands. Rows of a set of ours are named by their ids, those of a file by their number,
which is in the column `file_row` then.
"""

from __future__ import annotations

import polars as pl

# Polars keeps the separators U+001C to U+001F that Python strips: the same text must be the same to both.
WHITESPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
FILE_ROW = "file_row"
SEPARATOR = "\x1e"  # between the texts of a row that are searched together

_IDS = {
    "preference": pl.format("{} > {}", "chosen_id", "rejected_id"),
    "ranking": pl.col("prompt_id"),
    "outcome": pl.col("completion_id"),
    "stepwise": pl.col("completion_id"),
    "attributes": pl.col("completion_id"),
}
_LISTS = ("ranking", "stepwise")  # tables whose answers are in the column `completions`
TEXTS = {  # columns of answers that `derived` adds, one text a row
    "preference": ("chosen_text", "rejected_text"),
    "ranking": (),
    "outcome": ("text",),
    "stepwise": ("text",),
    "attributes": ("text",),
}


def derived(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with place, prompt_text, prompt_key (u64), the answers as texts, the list of all `texts` (of
    the messages of the prompt, the answers or steps), and everything as one text."""
    place = pl.format("row {}", FILE_ROW) if FILE_ROW in frame.columns else _IDS[table]
    frame = frame.with_columns(
        place=place.fill_null("a row without ids"),
        prompt_text=_contents("prompt"),
        prompt_key=pl.col("prompt")
        .list.eval(pl.concat_str(_part("role"), _part("content"), separator="\x1f"))
        .list.join("\x1d")
        .hash(),
        **_answers(table),
    )
    asked = pl.col("prompt").list.eval(_part("content"))
    answers = pl.col("completions") if table in _LISTS else pl.concat_list(TEXTS[table])
    nothing = pl.lit([], pl.List(pl.String))
    frame = frame.with_columns(texts=pl.concat_list(one.fill_null(nothing) for one in (asked, answers)))
    return frame.with_columns(everything=pl.col("texts").list.join(SEPARATOR, ignore_nulls=True))


def bare(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars(WHITESPACE)


def _answers(table: str) -> dict[str, pl.Expr]:
    if table == "preference":
        return {f"{side}_text": bare(_contents(side)) for side in ("chosen", "rejected")}
    if table == "stepwise":
        return {"text": pl.col("completions").list.join("")}
    return {} if table == "ranking" else {"text": bare(_contents("completion"))}


def _contents(messages: str) -> pl.Expr:
    return pl.col(messages).list.eval(_part("content")).list.join("\n").fill_null("")


def _part(field: str) -> pl.Expr:
    return pl.element().struct.field(field).fill_null("")

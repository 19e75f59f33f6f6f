r"""Final answers that contradict their labels: equal numbers labelled right and wrong, and different numbers
both labelled right.

Only a number that plainly is the whole answer is read: `\boxed{18}`, `#### 18`, or "the answer is 18" at the
end of the text, as an integer, a decimal or a fraction. It is no verifier: whatever else an answer is, it is
left alone.
"""

from __future__ import annotations

import polars as pl

from curation.audit.report import Tally, place

# Commas group three digits; 1,2 is a list.
_NUMBER = r"-?(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.\d{1,30})?(?:\s?/\s?\d{1,15})?"
_ENDINGS = (
    rf"(?s)^.*\\boxed\{{\s*\$?({_NUMBER})\s*\}}",
    rf"(?s)^.*####\s*\$?({_NUMBER})\.?\s*$",
    rf"(?is)^.*answer(?: is)?:?[\s$]*({_NUMBER})[\s.$]*$",
)
# Answers rounded to two digits are the same answer: one third is 0.33.
ROUNDING = 0.02


def number_of(text: pl.Expr) -> pl.Expr:
    """The final number of a text as a float; null where there is none."""
    parts = (
        pl.coalesce(text.str.extract(pattern, 1) for pattern in _ENDINGS)
        .str.replace_all(r"[,\s]", "")
        .str.split_exact("/", 1)
    )
    above = parts.struct.field("field_0").cast(pl.Float64, strict=False)
    below = parts.struct.field("field_1").cast(pl.Float64, strict=False).fill_null(1.0)
    value = above / below
    return pl.when(value.is_finite()).then(value)


def contradictions(seen: pl.DataFrame, tally: Tally) -> None:
    """`seen`: key of the prompt, hash `a` of the text, number, label and `at` of each labelled completion."""
    read = seen.filter(pl.col("number").is_not_null() & pl.col("label").is_not_null())
    prompts = read["key"].n_unique()
    both = _first_of_prompts(
        read.group_by("key", "number", maintain_order=True)
        .agg("at", texts=pl.col("a").n_unique(), labels=pl.col("label").n_unique())
        .filter((pl.col("labels") > 1) & (pl.col("texts") > 1))
    )
    tally.add(
        "same_answer_two_labels",
        both.height,
        prompts,
        (
            (place(at[0]), f"ends in {number:g}, and so does a completion with the other label")
            for number, at in both.select("number", "at").iter_rows()
        ),
    )
    low, high = pl.col("low"), pl.col("high")
    right = (
        read.filter(pl.col("label"))
        .group_by("key", maintain_order=True)
        .agg("at", low=pl.col("number").min(), high=pl.col("number").max())
        .filter(high - low > ROUNDING * pl.max_horizontal(high.abs(), low.abs()))
    )
    tally.add(
        "two_right_answers",
        right.height,
        prompts,
        (
            (place(at[0]), f"right completions of its prompt end in {a:g} and in {b:g}")
            for a, b, at in right.select("low", "high", "at").iter_rows()
        ),
    )


def _first_of_prompts(found: pl.DataFrame) -> pl.DataFrame:
    return found.unique("key", keep="first", maintain_order=True)

"""Checks of single rows, as expressions over the columns of a table and those of `columns.derived`."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from curation.audit.columns import bare


class RowCheck(NamedTuple):
    """`bad` rows, and for each what is wrong in it. What is counted is `amount` out of `out_of`, or rows."""

    check: str
    bad: pl.Expr
    detail: pl.Expr
    amount: pl.Expr | None = None
    out_of: pl.Expr | None = None


def _says(text: str) -> pl.Expr:
    return pl.lit(text)


def _any(values: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """Does the condition hold for an element of the list?"""
    return values.list.eval(condition).list.any()


def _steps_where(steps: pl.Expr) -> pl.Expr:
    return steps.list.eval(pl.element().fill_null(False).cast(pl.Int64)).list.sum()


def _is_bare(text: pl.Expr) -> pl.Expr:
    return text.is_null() | (bare(text) == "")


def _one_answer(*sides: str) -> RowCheck:
    roles = (pl.col(side).list.eval(pl.element().struct.field("role").fill_null("")) for side in sides)
    is_one = [((one.list.len() == 1) & (one.list.first() == "assistant")).fill_null(False) for one in roles]
    return RowCheck(
        "unreadable_row", ~pl.all_horizontal(is_one), _says(f"{' or '.join(sides)} is not one assistant turn")
    )


# The reader of the same rows in another format rejects these; in a table they may stand.
NO_PROMPT = RowCheck("no_prompt", bare(pl.col("prompt_text")) == "", _says("there is no prompt"))

_MARGIN, _SOFT = pl.col("margin"), pl.col("soft")
_TIE = _MARGIN.eq_missing(0.0)

PREFERENCE = (
    RowCheck(
        "same_text",
        (pl.col("chosen_id") == pl.col("rejected_id")) | (pl.col("chosen_text") == pl.col("rejected_text")),
        _says("chosen and rejected are the same"),
    ),
    RowCheck(
        "empty_text",
        (pl.col("chosen_text") == "") | (pl.col("rejected_text") == ""),
        _says("one side is empty"),
    ),
    RowCheck(
        "tie_as_preference",
        _TIE & _SOFT.ne_missing(0.5),
        pl.format("no margin, yet the soft preference is {}", _SOFT.cast(pl.String).fill_null("unknown")),
    ),
    RowCheck(
        "no_preference",
        ~_TIE & _SOFT.is_not_null() & ~((_SOFT > 0.5) & (_SOFT <= 1) & _SOFT.is_finite()),
        pl.format("soft preference {} does not prefer the chosen one", "soft"),
    ),
    RowCheck(
        "margin_against_choice",
        _MARGIN.is_not_null() & ~(_MARGIN.is_finite() & (_MARGIN >= 0)),
        pl.format("margin {}", "margin"),
    ),
    _one_answer("chosen", "rejected"),
)

_SCORES, _TEXTS = pl.col("scores"), pl.col("completions")
_GROUP_FITS = (_SCORES.list.len() == _TEXTS.list.len()).fill_null(False)

RANKING = (
    RowCheck(
        "lengths_differ",
        ~_GROUP_FITS | (pl.col("completion_ids").list.len() != _TEXTS.list.len()),
        pl.format(
            "{} texts, {} scores, {} ids",
            _TEXTS.list.len().fill_null(0),
            _SCORES.list.len().fill_null(0),
            pl.col("completion_ids").list.len().fill_null(0),
        ),
    ),
    RowCheck(
        "all_equal",
        _GROUP_FITS & (_TEXTS.list.len() > 1) & (_SCORES.list.n_unique() < 2),
        _says("every score is the same: nothing to learn"),
    ),
    RowCheck(
        "score_missing",
        _GROUP_FITS & _any(_SCORES, pl.element().is_null() | ~pl.element().is_finite()),
        _says("a score is missing or not finite"),
    ),
    RowCheck(
        "same_text",
        _TEXTS.list.eval(bare(pl.element())).list.n_unique() < _TEXTS.list.len(),
        _says("two completions are the same"),
    ),
    RowCheck("empty_text", _any(_TEXTS, _is_bare(pl.element())), _says("a completion is empty")),
    RowCheck("too_few_completions", _TEXTS.list.len() < 2, _says("there is nothing to compare with")),
)

OUTCOME = (
    RowCheck("label_missing", pl.col("label").is_null(), _says("no label")),
    RowCheck("empty_text", pl.col("text") == "", _says("the completion is empty")),
    _one_answer("completion"),
)

ATTRIBUTES = OUTCOME[1:]

_LABELS, _VALUES, _STEPS = pl.col("labels"), pl.col("values"), pl.col("completions")


def _beside_steps(name: str, optional: bool = True) -> pl.Expr:
    """Has the list one element for each step? One that is not there at all is no defect if it is optional."""
    fits = pl.col(name).list.len() == _STEPS.list.len()
    return fits.fill_null(False) | (pl.col(name).is_null() & optional)


_BESIDE = {
    "labels": _beside_steps("labels", optional=False),
    "values": _beside_steps("values"),
    "confidences": _beside_steps("confidences"),
}
_STEPS_FIT = (_STEPS.list.len() > 0).fill_null(False) & pl.all_horizontal(*_BESIDE.values())
# Label less value of each step. Lists of two lengths cannot be subtracted, and the checks below need none of
# the rows where they differ.
_GAP = pl.when(_STEPS_FIT).then(_LABELS).otherwise(None).cast(pl.List(pl.Float64)) - pl.when(_STEPS_FIT).then(
    _VALUES
).otherwise(None)
_IS_WRONG = _LABELS.list.eval((~pl.element()).fill_null(False))
# Behind the first wrong step nothing need be known.
_NEEDED = (
    pl.when(_IS_WRONG.list.any())
    .then(_LABELS.list.head(_IS_WRONG.cast(pl.List(pl.Int8)).list.arg_max() + 1))
    .otherwise(_LABELS)
)
_ONLY_A_NUMBER = r"(?i)^\s*step\s+\d+\s*[:.]?\s*$"
_STEP_TAG = r"(?:^|\s)ки(?:\s|$)|<extra_0>"  # Math-Shepherd's and Qwen's, which end steps in their texts

STEPWISE = (
    RowCheck(
        "lengths_differ",
        ~_STEPS_FIT,
        pl.concat_str(
            pl.format("{} steps", _STEPS.list.len().fill_null(0)),
            *(
                pl.when(~fits).then(pl.format(f"{{}} {name}", pl.col(name).list.len().fill_null(0)))
                for name, fits in _BESIDE.items()
            ),
            separator=", ",
            ignore_nulls=True,
        ),
    ),
    RowCheck(
        "label_missing",
        _STEPS_FIT & _any(_NEEDED, pl.element().is_null()),
        pl.format(
            "step {} has no label", _LABELS.list.eval(pl.element().is_null().cast(pl.Int8)).list.arg_max() + 1
        ),
    ),
    RowCheck("empty_text", _any(_STEPS, _is_bare(pl.element())), _says("a step has no text")),
    RowCheck(
        "step_without_content",
        _any(_STEPS, pl.element().str.contains(_ONLY_A_NUMBER)),
        _says("a step is only its number"),
    ),
    RowCheck(
        "step_marks_in_text",
        _any(_STEPS, pl.element().str.contains(_STEP_TAG)),
        _says("a step holds the tag that ends steps"),
    ),
    RowCheck(
        "value_out_of_range",
        _any(_VALUES, (pl.element() < 0) | (pl.element() > 1) | pl.element().is_nan()),
        _says("a step value is not a probability"),
    ),
    RowCheck(
        "label_against_value",
        _any(_GAP, pl.element().abs() == 1),
        _says("a step that always (or never) led to the answer is labelled otherwise"),
    ),
    RowCheck(
        "right_after_wrong",
        _STEPS_FIT
        & _any(_LABELS.list.drop_nulls().cast(pl.List(pl.Int8)).list.diff(), pl.element() == 1),
        pl.format(
            "labels {}",
            _LABELS.list.eval(
                pl.when(pl.element().is_null()).then(pl.lit("?"))
                .when(pl.element()).then(pl.lit("+")).otherwise(pl.lit("-"))
            ).list.join(""),
        ),
    ),
    RowCheck(
        "weak_step_called_right",
        _any(_GAP, (pl.element() > 0.5) & (pl.element() < 1)),
        _says("a step is labelled right, its value is below a half"),
        amount=_steps_where(_GAP.list.eval((pl.element() > 0.5) & (pl.element() < 1))),
        out_of=_STEPS.list.len(),
    ),
)  # fmt: skip

# A neutral rating (0) has no label of its own: it is one of three classes.
RATED = tuple(
    one._replace(
        bad=_STEPS_FIT
        & (
            (pl.col("ratings").list.len() != _STEPS.list.len()).fill_null(True)
            | _any(pl.col("ratings"), pl.element().is_null())
        )
    )
    if one.check == "label_missing"
    else one
    for one in STEPWISE
)

ROW_CHECKS: dict[str, tuple[RowCheck, ...]] = {
    "preference": PREFERENCE,
    "ranking": RANKING,
    "outcome": OUTCOME,
    "stepwise": STEPWISE,
    "attributes": ATTRIBUTES,
}

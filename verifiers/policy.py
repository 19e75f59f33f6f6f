"""What counts as the same answer where mathematicians disagree, and the limits of what is read at all."""

from __future__ import annotations

from typing import Literal, NamedTuple


class LimitExceeded(ValueError):
    """The answer is larger than anything worth reading; checked before any arithmetic."""


class Policy(NamedTuple):
    """How to read answers. The defaults accept what a careful grader accepts.

    last_number   read the last number of a text that marks no answer; intermediate results then count
    boxes         of several boxes, read the "last", or the "union" of the boxes of the final statement
    ordered       a bare list `1, 2` is ordered; by default only tuples and brackets are
    percent       "either": 28% is 28 and 0.28 where only one side has the sign; "fraction": only 0.28
    units         "lenient": a missing unit is fine, known units convert, different ones differ;
                  "strict": both or neither; "ignore"
    simplified    an unreduced fraction or unevaluated sum is not an answer
    choices       the letters of a multiple-choice question ("ABCD"); empty: not one
    """

    last_number: bool = False
    boxes: Literal["last", "union"] = "last"
    ordered: bool = False
    percent: Literal["either", "fraction"] = "either"
    units: Literal["lenient", "strict", "ignore"] = "lenient"
    simplified: bool = False
    choices: str = ""


DEFAULT = Policy()

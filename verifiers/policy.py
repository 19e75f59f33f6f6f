"""What counts as the same answer where mathematicians disagree, and the limits of what is read at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

MAX_ANSWER_CHARS = 4_096

Boxes = Literal["last", "union"]
Percent = Literal["either", "fraction"]
Units = Literal["lenient", "strict", "ignore"]


class LimitExceeded(ValueError):
    """The answer is larger than anything worth reading; checked before any arithmetic."""


class _Fields(NamedTuple):
    last_number: bool = False
    boxes: Boxes = "last"
    ordered: bool = False
    percent: Percent = "either"
    units: Units = "lenient"
    simplified: bool = False
    choices: str = ""


_ALLOWED = {
    "last_number": (True, False),
    "boxes": get_args(Boxes),
    "ordered": (True, False),
    "percent": get_args(Percent),
    "units": get_args(Units),
    "simplified": (True, False),
}


class Policy(_Fields):
    """How to read answers. The defaults accept what a careful grader accepts. Raises ValueError.

    last_number   read the last number of a text that marks no answer; intermediate results then count
    boxes         of several boxes, read the "last", or the "union" of the boxes of the final statement
    ordered       a bare list `1, 2` is ordered; by default only tuples and brackets are
    percent       "either": 28% is 28 and 0.28 where only one side has the sign; "fraction": only 0.28
    units         "lenient": a missing unit is fine, known units convert, different ones differ;
                  "strict": both or neither; "ignore"
    simplified    an unreduced fraction or unevaluated sum is not an answer
    choices       the letters of a multiple-choice question ("ABCD"); empty: not one
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker shall see the fields

        def __new__(cls, *args: object, **kwargs: object) -> Policy:
            policy = super().__new__(cls, *args, **kwargs)
            _check(policy)
            return policy


def _check(policy: Policy) -> None:
    for name, allowed in _ALLOWED.items():
        if (value := getattr(policy, name)) not in allowed:
            expected = ", ".join(map(repr, allowed))
            raise ValueError(f"policy.{name}: expected one of {expected}, not {value!r:.80}")
    letters = policy.choices
    if not isinstance(letters, str) or (letters and not (letters.isascii() and letters.isalnum())):
        raise ValueError(f"policy.choices: expected letters such as 'ABCD', not {letters!r:.80}")


DEFAULT = Policy()

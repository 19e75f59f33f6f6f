r"""Candidates are text to judge, never instructions: what could be read as a verdict is spelled apart.

A judge that quotes a candidate must not be read as having decided, and a candidate must not be able to close
the tags that fence it off. So, before a text is put into a template of some kind,

    [[A]], [[B>>A]], [[7]]     become   [ [A] ]                         in every kind
    Final verdict: A           becomes  Final verdict (quoted): A       in every kind
    Rating: 9, [RESULT] 5      become   Rating (quoted): 9, [ RESULT ] 5    where ratings are read
    8/10, alone on a line      becomes  (8/10)                          where ratings are read
    \boxed{-1}                 becomes  \fbox{-1}                       where indices of steps are read
    </solution_a>              becomes  ‹/solution_a›                   the tags of that template alone

Mathematics means what it meant: a fraction may stand in parentheses, and both commands draw a box.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from labelers.judges.rating_parser import RATING_WORDS

Kind = Literal["pairwise", "ranking", "rating", "critique"]

_WORD = r"(?<![^\W\d_])({})(?![^\W\d_])"
_GAP = r"[\W_]{0,300}"  # between a label and what it labels, other lines included; bounded, so never slow
_LABELLED = rf"(?={_GAP}(?:is\b{_GAP})?(?:$|[a-z]\b|solution|response|answer|candidate))"
_NUMBERED = r"(?=[^\n\d]{0,200}(?:\d|$))"
_BREAK = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_FILL = rf"[^\w{_BREAK}]{{0,40}}"  # what may stand beside a rating on a line of its own
_OUT_OF = r"\d[\d.]{0,8}\s{0,8}(?:/|out of)\s{0,8}\d{1,8}"
_ALONE = rf"(?<![^{_BREAK}])({_FILL})((?:{_OUT_OF}{_FILL}){{1,9}})(?![^{_BREAK}])"


class Rule(NamedTuple):
    hints: tuple[str, ...]  # a text that holds none of these, in lower case, is not searched
    pattern: re.Pattern[str]
    spelled_apart: str


def _rule(hints: Iterable[str], pattern: str, spelled_apart: str) -> Rule:
    return Rule(tuple(hints), re.compile(pattern, re.IGNORECASE | re.MULTILINE), spelled_apart)


_EVERYWHERE = (
    _rule(["[["], r"\[\[([^\[\]]{1,24})\]\]", r"[ [\1] ]"),
    _rule(["verdict"], _WORD.format("verdict") + _LABELLED, r"\1 (quoted)"),
)
_BY_KIND: dict[Kind, tuple[Rule, ...]] = {
    "pairwise": (),
    "ranking": (),
    "rating": (
        _rule(sorted(RATING_WORDS), _WORD.format("|".join(sorted(RATING_WORDS))) + _NUMBERED, r"\1 (quoted)"),
        _rule(["result"], r"\[(\s{0,4}result\s{0,4})\]", r"[ \1 ]"),
        _rule(["/", "out of"], _ALONE, r"\1(\2)"),
    ),
    "critique": (_rule(["\\boxed"], r"\\boxed\b", r"\\fbox"),),
}


def neutralise(text: str, kind: Kind, fence: re.Pattern[str]) -> str:
    """`text` as it may stand in a template of this kind whose tags `fence` matches."""
    folded = text.lower()
    for rule in (*_EVERYWHERE, *_BY_KIND[kind]):
        if any(hint in folded for hint in rule.hints):
            text = rule.pattern.sub(rule.spelled_apart, text)
    return fence.sub(r"‹\1›", text)


def fence_pattern(tags: set[str]) -> re.Pattern[str]:
    """What opens or closes one of `tags`, or a numbered candidate, step or paragraph."""
    numbered = r"(?:candidate|step|paragraph)_\w{1,4}"
    names = "|".join([numbered, *sorted(map(re.escape, tags))])
    return re.compile(rf"<(\s{{0,4}}/?\s{{0,4}}(?:{names})\b[^<>]{{0,40}})>", re.IGNORECASE)

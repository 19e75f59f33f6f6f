r"""Candidates are text to judge, never instructions: nothing they say can be the verdict or end their fence.

The parsers read the judge's own last statement alone, so a text only has to be kept from being read as one
when a judge quotes it there. What the parser of that kind of template would read is spelled apart, with the
parser's own patterns, and so is what a chat template or the tags of the judge's template would act on:

    [[A]], [[B>>A]], [[7]]     becomes  [ [A] ]                     what judges of that kind write
    Final verdict: A           becomes  Final verdict: (quoted) A   where letters are read
    Rating: 9                  becomes  Rating: (quoted) 9          where ratings are read
    \boxed{2}                  becomes  \fbox{2}                    where indices of steps are read
    </solution_a>              becomes  ‹/solution_a>               the tags of that template alone
    <|im_end|>, [INST]         becomes  ‹|im_end|>, [ INST]         tokens by which models end a turn

All else, mathematics and program text most of all, reaches the judge as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from string import ascii_uppercase
from typing import Literal, NamedTuple

from labelers.judges import rating_parser, verdict_parser
from labelers.judges.critique_parser import INDEX
from labelers.judges.rating_parser import BRACKETED, LABELLED
from labelers.judges.verdict_parser import LEVEL, bracketed, labelled

Kind = Literal["pairwise", "ranking", "rating", "critique"]

_CONTROL = re.compile(
    r"<(?=[|｜][^\s<>]{1,60}[|｜]>|/?(?:s|bos|eos|pad|unk|(?:start|end)_of_turn|think(?:ing)?)>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT)\])",
    re.IGNORECASE,
)


class Rule(NamedTuple):
    hints: tuple[str, ...]  # a text that holds none of these is not searched
    pattern: re.Pattern[str]
    spelled_apart: Callable[[re.Match[str]], str]


def _apart(found: re.Match[str]) -> str:
    return found[0].replace("[[", "[ [").replace("]]", "] ]").replace("\\boxed", "\\fbox")


def _quoted(found: re.Match[str]) -> str:
    return f"{found[1]}(quoted) {found[0][len(found[1]) :]}"


def _harmless(found: re.Match[str]) -> str:
    return {"<": "‹", "[": "[ "}[found[0]]


_BY_KIND: dict[Kind, tuple[Rule, ...]] = {
    "pairwise": (
        Rule(("[[",), bracketed("ABC"), _apart),
        Rule(("[[",), LEVEL, _apart),
        Rule(verdict_parser.LABELS, labelled("ABC"), _quoted),
    ),
    "ranking": (
        Rule(("[[",), bracketed(ascii_uppercase), _apart),
        Rule(verdict_parser.LABELS, labelled(ascii_uppercase), _quoted),
    ),
    "rating": (Rule(("[[",), BRACKETED, _apart), Rule(rating_parser.LABELS, LABELLED, _quoted)),
    "critique": (Rule(("[[", "\\boxed"), INDEX, _apart),),
}
_TOKENS = Rule(("<", "["), _CONTROL, _harmless)


def neutralise(text: str, kind: Kind, fence: re.Pattern[str]) -> str:
    """`text` as it may stand in a template of this kind whose tags `fence` matches."""
    for rule in (*_BY_KIND[kind], _TOKENS, Rule(("<",), fence, _harmless)):
        if any(hint in text for hint in rule.hints):
            text = rule.pattern.sub(rule.spelled_apart, text)
    return text


def fence_pattern(tags: Iterable[str]) -> re.Pattern[str]:
    """The "<" that opens or closes one of `tags`, or a numbered candidate, step or paragraph."""
    numbered = r"(?:candidate|step|paragraph)_\w{1,8}"
    names = "|".join([numbered, *sorted(map(re.escape, tags))])
    closing, opening = rf"\s*+/\s*+(?:{names})\b", rf"(?:{names})(?:\s[^<>=]*+=[^<>]*+|\s*+)>"
    return re.compile(rf"<(?={closing}|{opening})", re.IGNORECASE)

"""Whether a line plainly claims an equation that stands in it.

A claim is recognised by what may stand in it, not by what may not:

- the line is made of numbers, the four operators, powers, brackets, currency, commas and full stops, and of
  known words: those below, units of measure, and the words of the prompt, which name what is counted;
- before the left side stands nothing, a stop, an equals sign, or a word that introduces a result ("so", "is",
  "makes", "earns"); after the right side stands nothing, a stop, an equals sign, or words up to one;
- one thing is counted, and a unit of measure stands on both sides or on neither.

So a function, a variable, an operator of somebody's own, a negation, a condition, a question, a guess, or
anything else that nobody thought of makes it no claim.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile

from labelers.equations import Equation, Side, Token
from verifiers.expressions.units import NOT_UNITS, singular, spell

# May stand directly before an expression: what follows is a complete one, and said to be so.
_INTRODUCE = frozenset(
    """
    so then therefore thus hence now finally because since is are was were be equals means has have had
    gets get got makes make made gives give gave comes took takes take earns earn earned pays pay paid
    spends spend spent costs cost sells sell sold buys buy bought uses use used saves saved owes owed
    loses lost collects collected receives received contains holds held produces produced reads read
    eats eat ate runs run ran walks walk walked drives drove plays played cooks cooked bakes baked
    catches caught altogether
    """.split()
)
# May stand directly after one, before the words that tell more of it.
_FOLLOW = frozenset(
    "in for left from per each every altogether total on at this these to because so by".split()
)
_OTHER = frozenset(
    """
    a an the this that these those it its he she they we i you his her their our my your him them us
    there who which of in on at to from by with for after before during over up out per each every all
    both as and also next first lastly total totals sum amount number rest share change price money
    value profit income earnings weight length height area distance age time old new same saw seen need
    needs needed will been combined remaining remains remain left together overall result answer find
    calculate compute determine add adding added subtract subtracting multiply multiplying divide
    dividing
    """.split()
)
_PLAIN_WORDS = _INTRODUCE | _FOLLOW | _OTHER
_KINDS = frozenset({"number", "operator", "(", ")", "money", "unit", "word", "equals", "stop"})
_CONDITIONAL = frozenset("if would could should might may not no never guess try tries test check".split())
# Name a computation or a number of things: "the average is 4 + 5 + 6", "5 pairs + 3".
_COMPUTED = frozenset(
    """
    average mean median product square squared cube cubed double doubled triple tripled twice thrice pair
    couple score difference quotient ratio fraction digit nickel dime penny pence
    """.split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’]s)?(?![\w'’])")


def is_claim(equation: Equation, prompt: str) -> bool:
    left, right, before, after = equation
    line = [*before, *left.tokens, *right.tokens, *after]
    return (
        all(t.kind in _KINDS and (t.kind not in ("word", "unit") or _is_known(t, prompt)) for t in line)
        and _may_precede(before)
        and _may_follow(after)
        and (left.operations > 0 or (bool(before) and before[-1].kind == "equals"))  # "Day 2 = 5 + 3"
        and _counts_one_thing(left, right, after)
    )


def _is_known(token: Token, prompt: str) -> bool:
    word = _root(token.text)
    if token.text == "/" or word in _PLAIN_WORDS or word in _subjects(prompt):
        return True
    return len(word) > 1 and word not in NOT_UNITS and spell(word) is not None


@lru_cache(256)
def _subjects(prompt: str) -> frozenset[str]:
    """What the prompt is about: its words, but for numbers, computations, conditions and letters."""
    words = {_root(word) for word in _WORD.findall(prompt)}
    return frozenset(w for w in words if len(w) > 1 and w not in NOT_UNITS | _CONDITIONAL | _COMPUTED)


def _root(word: str) -> str:
    word = re.sub(r"['’]s$", "", word.lower())
    return word if word in _PLAIN_WORDS else singular(word)


def _may_precede(before: tuple[Token, ...]) -> bool:
    """Nothing before the expression belongs to it."""
    if not before or before[-1].kind == "equals":
        return True
    clause = list(takewhile(lambda t: t.kind not in ("stop", "equals"), reversed(before)))
    if clause:  # in `25 boys + his 1 teacher + 1 friend` the sum begins further left
        return _root(clause[0].text) in _INTRODUCE and all(
            t.kind in ("word", "number", "money") for t in clause
        )
    # `14, 400 / 80` and `8 + . 84` are slips of the pen
    return len(before) < 2 or before[-2].kind not in ("number", "operator")


def _may_follow(after: tuple[Token, ...]) -> bool:
    """Nothing after the expression belongs to it."""
    clause = list(takewhile(lambda t: t.kind not in ("stop", "equals"), after))
    if not clause:
        return True
    if any(t.kind != "word" and t.text != "/" for t in clause) or not clause[0].is_spaced:
        return False
    word = _root(clause[0].text)
    return word in _FOLLOW or (word not in _INTRODUCE and word not in _OTHER)


def _counts_one_thing(left: Side, right: Side, after: tuple[Token, ...]) -> bool:
    said = [_nouns(left.tokens), _nouns((*right.tokens, *after[:1]))]
    measures = [{known for noun in nouns if (known := spell(noun)) and known != "$"} for nouns in said]
    return len(said[0] | said[1]) <= 1 and measures[0] == measures[1]


def _nouns(tokens: tuple[Token, ...]) -> set[str]:
    words = {_root(t.text) for t in tokens if t.kind in ("unit", "word") and t.text != "/"}
    return words - _FOLLOW

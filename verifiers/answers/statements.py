"""The one value that a sentence states, as a careful human grader would read it; nothing when in doubt.

`stated` reads a sentence that is known to give the answer ("the answer is ..."). `concluded` looks for such a
sentence at the end of a completion that marks no answer: a last line that is a value or a formula, a sentence
that begins like a conclusion ("So she needs 12 apples."), or one whose subject is the answer ("The total is
$45."). Of several values in a sentence only the result of the last calculation before it counts. Negated
values, questions, assumptions, program text and sentences that only mention a number state nothing.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from verifiers.answers.formulas import (
    TAIL_CHARS,
    content,
    exact_value,
    final_formula,
    formulas,
    last_result,
    masked,
    prose_words,
    result,
)
from verifiers.answers.letters import written_choice
from verifiers.answers.normal import plain
from verifiers.answers.rational import is_unit_word
from verifiers.answers.wording import is_other_amount, is_stated, signed
from verifiers.expressions.units import spell

MAX_BARE_CHARS = 256
MAX_REMARKS = 2  # sentences without a value that may follow the conclusion
MAX_WORDS = 3  # of a unit or a counted thing after a bare number

_SENTENCE = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bvs)[.!?](?:\*\*|\$|\\\))?\s+(?=[^a-z\s])"
    r"|(?:\\\]|\$\$|\\end\{[a-z]+\*?\})[.,]?\s*(?=[A-Z][a-z]|\(|so\b)"
    r"|(?<=\$)\s+(?=(?:So|Thus|Therefore|Hence)\b)|\n+"
)
_HEAD = re.compile(r"(?:(?:\d{1,2}[.)](?!\d)|step \d{1,2}[:.]|[-*•>#(]+(?!\d))\s*)+", re.IGNORECASE)
_CONCLUSION = re.compile(
    r"(?:and |finally, )?(?:so|therefore|thus|hence|consequently|accordingly|overall|altogether|finally"
    r"|final|in (?:conclusion|total|summary|all|the end)|as a result|total|result|answer"
    r"|(?:this|that|which|it) (?:means|follows|gives|implies)|we (?:conclude|find|get|have found|obtain)"
    r"|∴|\\therefore)\b[,:]?\s*(?:(?:that|we have|we get|we find)\s+)?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?:[,;]|\\\]|\$|\))\s*(?:and )?(?:so|thus|therefore|hence|giving|which gives)\b(?: that)?,?\s*"
)
_NO_STATEMENT = re.compile(
    r"(?:first|firstly|second|secondly|third|next|now|let|suppose|assume|assuming|given|note|notice|recall"
    r"|remember|maybe|perhaps|unless|for example|i (?:am|don|do|can|need)|we (?:need|must|can|want))\b"
    r"|wait|hmm",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"(?:if|whether|(when|since|because|as))\b", re.IGNORECASE)
_SUBJECT = re.compile(r"(?:the|its|his|her|their|our|my|your|this|that|it|we)\b", re.IGNORECASE)
_REMARK = re.compile(
    r"\b(?:but|however|not|wrong|mistake|incorrect|wait|actually|instead|though|unless|unclear|cannot|error"
    r"|assum\w*|sorry|apologi\w*|let me (?!know))\b|n't\b|\?\Z",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|been|being|equals?|becomes?|gives?|yields?|total (?:[a-z]+ )?of"
    r"|(?:simplifies|evaluates|reduces|works out|comes|amounts|adds up|sums up|solves)(?: down)? to"
    r"|(?:we|you|to) (?:find|get|obtain|conclude|have)|(?:it|that)'s)\b|:(?![0-9])|=)\s*"
    r"(?:(?:that|now|then|therefore|thus|also|just|only|exactly|simply|equal to|approximately|about"
    r"|a total of)\b\s*){0,2}"
)
REASON = re.compile(r",?\s(?:because|since|as|so|which(?! is (?:not|wrong|incorrect)))\s.*", re.DOTALL)
_NOT = re.compile(
    r"(?:\b(?:not|never|no|instead of|rather than|except(?: for)?|excluding|other than)|n't)\s+"
    r"(?:[a-z]+\s+){0,3}\Z",
    re.IGNORECASE,
)
_SIDE_REMARK = re.compile(r"\b(?:equality (?:occurs|holds)|[Nn]ote that)\b[^.]*\Z")
_PART = re.compile(  # the number after it is not the value, and the value is not written
    r"\b(?:half|third|quarter|twice|double|thrice|triple|times|percent of|% of)\s+(?:of\s+)?(?:the\s+)?"
    r"[$€£0-9\0]",
    re.IGNORECASE,
)
_CLAUSE_START = re.compile(r"[A-Z]|(?:that|there|he|she|it|they|we|you|each|every)\b")
_VAGUE = re.compile(
    r"\bbetween [$€£0-9\\]|\b(?:either|maybe|perhaps|possibly)\b|\b(?:might|may|could) be [$€£0-9\\]",
    re.IGNORECASE,
)

_BOLD = re.compile(r"(?<![\w)*])\*\*(?=\S)|(?<=[^\s*])\*\*(?![\w(*])")
_CALCULATOR = re.compile(r"<<[^<>\n]{0,200}>>")  # GSM8K's annotations: `3*4=<<3*4=12>>12`
_CODE = re.compile(
    r"(?<![\\A-Za-z])(?!(?:arc|a)?(?:sin|cos|tan|sec|csc|cot)h?\b|(?:or|and)[A-Za-z]\()"
    r"(?!(?:sqrt|cbrt|log|ln|exp|abs|min|max|gcd|lcm|det|binom|floor|ceil)\b)"
    r"[A-Za-z_]{2,}[(\[](?!e?s\))|__|<<|\w\.\w+\(|['\"]\s?[\])]"
)
_NUMBER = re.compile(
    r"(?<![\w.,\\^_/:({\[-])(?<![0-9] )(?<![-+*/×÷^] )"
    r"[-−+]?(?:\\?\$|[€£¥])?\s?[-−]?"
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+,[0-9]{2}|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![0-9])"
    r"(?:\s[0-9]+/[0-9]+|/[0-9]+|(?::[0-9]+){1,3})?"
    r"(?:\s?(?:\\?%|percent\b|[€£¥°]|\\?\$(?![0-9])))?(?!\s?[-+*/^×÷=]\s?[\w(\\$.]| [0-9]{3}(?![0-9]))"
    r"(?!\s?\\(?!text|mbox|mathrm)[A-Za-z])"
)
_NEXT_WORD = re.compile(r"(\s?)([A-Za-z]+)")
_RATE = re.compile(r"(?:/| per )([A-Za-z]+)")
_ORDINALS = ("st", "nd", "rd", "th")
_AND_OR = re.compile(r"\b(?:and|or)\b")
_MATHEMATICS = re.compile(r"[<>=]|\\[a-z]{2}|[0-9]")
_SOLUTION = re.compile(r"\\?[A-Za-z]+(?:_\{?\w{1,4}\}?)?(?:\(\w\))?\s?=[^=]*|\([^=]*\)\s?=[^=]*")
_SENTENCE_WORDS = frozenset("is are was were if unless which when not wrong incorrect too".split())
_RELATION = re.compile(r"[=<>≤≥≠]")
_COMPACT_EQUATION = re.compile(r"[a-z]{1,3}(?:[-+*/^][a-z0-9]{1,3})*=[a-z0-9/.]{1,9}")  # xy+yz=6
_BARE_START = re.compile(r"[-+$.0-9\\(\[{|−€£√π]|_\{?[0-9]")
_SCALE = re.compile(r"\s(?:hundred|thousand|million|billion|trillion|dozen)\b")


class _Value(NamedTuple):
    """A number or a formula in a sentence; of a calculation, its result."""

    text: str
    number: Fraction | None
    start: int
    end: int


def is_bare(line: str) -> bool:
    """An answer by itself: mathematics or a number, at most with the words of a unit."""
    if not line or len(line) > MAX_BARE_CHARS or is_code(line) or _are_steps(line):
        return False
    words = prose_words(line)
    if _COMPACT_EQUATION.fullmatch(line):
        return True
    if not starts_like_mathematics(line):
        return not words and bool(_RELATION.search(line))
    if not words:
        return True
    if any(word.lower() in _SENTENCE_WORDS for word in words):
        return False
    if len(_values(line)) > 1:
        return all(map(is_unit_word, words))
    return len(words) <= MAX_WORDS and not _AND_OR.search(line)


def _are_steps(line: str) -> bool:
    """Several equations of which one is a calculation or not solved: "k-1=1, and k=2"."""
    equations = [content(formula) for formula in formulas(line) if "=" in formula[0]]
    return len(equations) > 1 and not all(map(_SOLUTION.fullmatch, equations))


def is_code(line: str) -> bool:
    return bool(_CODE.search(line))


def starts_like_mathematics(line: str) -> bool:
    return bool(_BARE_START.match(line))


def stated(sentence: str, before: str = "") -> str:
    """The value in a sentence that gives the answer, else the sentence itself; `before` is the text above."""
    if is_code(masked(sentence)) or written_choice(plain(sentence)) or _VAGUE.search(sentence):
        return sentence
    sentence = signed(_BOLD.sub("", sentence))
    short = REASON.sub("", sentence).strip(" *_")
    if is_bare(short) or not prose_words(sentence):
        return _without_counted_things(short or sentence)
    verb = -1 if _CLAUSE_START.match(sentence) else 0  # "answer is" comes before it
    return _one_value(sentence, before, True, verb) or short or sentence


def concluded(text: str) -> str | None:
    """The answer in the conclusion of a text that marks none."""
    tail = _BOLD.sub("", _CALCULATOR.sub("", text[-TAIL_CHARS:])).rstrip(" \n*`")
    if formula := final_formula(tail):
        return None if _SIDE_REMARK.search(tail) else formula
    pieces = _split(tail)
    for remarks, (start, sentence) in enumerate(reversed(pieces[-MAX_REMARKS - 1 :])):
        if sentence[0] + sentence[-1] == "()":
            continue
        if is_code(masked(sentence)) or _VAGUE.search(sentence) or sentence.endswith("?"):
            return None
        value = _conclusion(signed(sentence), tail[:start], alone=len(pieces) == 1, last=remarks == 0)
        if value or _values(sentence) or _REMARK.search(sentence):
            return value
    return None


def corrected(sentence: str) -> str | None:
    """The value in a sentence that puts another right: "6", "it should be 6"."""
    sentence = signed(_BOLD.sub("", sentence)).strip(" *_.\n")
    value = _bare_value(sentence) or _one_value(sentence, "", False)
    return None if is_code(masked(sentence)) or _VAGUE.search(sentence) or sentence.endswith("?") else value


def _conclusion(sentence: str, before: str, *, alone: bool, last: bool) -> str | None:
    """The value in what may be the concluding sentence; `last` when no remark follows it."""
    head = _HEAD.match(sentence)
    sentence = sentence[head.end() :] if head else sentence
    starter = _CONCLUSION.match(sentence)
    if not starter and not last:
        return None
    rest = sentence[starter.end() :] if starter else sentence
    clauses = list(_CLAUSE.finditer(rest))
    ending = rest[clauses[-1].end() :] if clauses else ""
    if value := _bare_value(ending) or _one_value(ending, before, True) or _bare_value(rest):
        return value
    if starter:
        return _one_value(rest, before, True)
    return None if _NO_STATEMENT.match(sentence) else _neutral(sentence, before, alone)


def _neutral(sentence: str, before: str, alone: bool) -> str | None:
    """The value of a last sentence that does not begin like a conclusion."""
    if condition := _CONDITION.match(sentence):
        rest = _main_clause(sentence, is_reason=condition[1] is not None)
        value = _bare_value(rest) or _clause_value(rest, before)
    else:
        value = _one_value(sentence, before, False) if alone else _clause_value(sentence, before)
    return value or _computed_value(_values(sentence), masked(sentence), before + sentence)


def _main_clause(sentence: str, is_reason: bool) -> str:
    """What "When adding: ..." announces, or what follows the comma of "Since it is even, ..."."""
    if ": " in sentence:
        return sentence.rpartition(": ")[2]
    comma = masked(sentence).rfind(", ")
    return sentence[comma + 2 :] if is_reason and comma > 0 else ""


def _clause_value(clause: str, before: str) -> str | None:
    return _one_value(clause, before, False) if _SUBJECT.match(clause) else None


def _bare_value(sentence: str) -> str | None:
    short = REASON.sub("", sentence).strip(" *_.,:")
    return _without_counted_things(short) if is_bare(short) and _MATHEMATICS.search(short) else None


def _without_counted_things(answer: str) -> str:
    """The result of a bare answer without the words that count: "60 instructions to read" is 60."""
    for text in (answer, result(answer)):
        values = _values(text) if prose_words(text) or any(c in text for c in "$€£%") else []
        if len(values) == 1 and values[0].start == 0 and exact_value(text) is None:
            return text if is_other_amount(text, values[0].end) else values[0].text
    return text


def _one_value(sentence: str, before: str, any_place: bool, verb: int = -1) -> str | None:
    """What follows the last "is", else the only value (with `any_place`), else the one just calculated.

    `verb` is where the words after a verb begin when the sentence has no other; -1 when none is needed.
    """
    blank = masked(sentence)
    copulas = [copula.end() for copula in _COPULA.finditer(blank)]
    for copula in copulas:  # from the left: "are x = 3 and x = 4"
        rest = sentence[copula:].strip(" *_.,")
        if is_bare(rest) and not _NOT.search(blank, 0, copula) and is_stated(blank, copula, copula, copula):
            return _without_counted_things(rest) if _MATHEMATICS.search(rest) or formulas(rest) else None
    values = _values(sentence)
    last = [value for value in values if copulas and value.start >= copulas[-1]]
    if len(last) == 1 and not blank[copulas[-1] : last[0].start].strip(" *_"):
        if is_stated(blank, copulas[-1], last[0].start, last[0].end):
            return last[0].text
    if any_place and len(values) == 1 and not _PART.search(blank):
        (value,) = values
        copula = max((end for end in copulas if end <= value.start), default=verb)
        if is_stated(blank, copula, value.start, value.end):
            return value.text
    return _computed_value(values, blank, before + sentence)


def _computed_value(values: list[_Value], blank: str, before: str) -> str | None:
    computed = last_result(before) if values else None
    for value in values:
        if value.number is not None and value.number == computed:
            return value.text if is_stated(blank, -1, value.start, value.end, computed=True) else None
    return None


def _values(sentence: str) -> list[_Value]:
    """The distinct numbers and formulas of a sentence that are not negated; lone variables do not count."""
    found, blank = [], masked(sentence)
    for formula in formulas(sentence):
        if _MATHEMATICS.search(content(formula)):
            text = result(content(formula)) + _unit_after(sentence, formula.end())
            found.append(_Value(text, exact_value(text), formula.start(), formula.end()))
    for number in _NUMBER.finditer(blank):
        word = _NEXT_WORD.match(blank, number.end())
        scale = _SCALE.match(blank, number.end())
        unit = scale[0] if scale else _unit_after(blank, number.end())
        if unit or not word or word[1] or word[2] in _ORDINALS:
            text = number[0].strip() + unit
            found.append(_Value(text, exact_value(text), number.start(), number.end() + len(unit)))
    distinct: dict[Fraction | str, _Value] = {}
    for value in sorted(found, key=lambda v: v.start):
        if not _NOT.search(blank, max(0, value.start - 40), value.start):
            distinct.setdefault(value.text if value.number is None else value.number, value)
    return list(distinct.values())


def _unit_after(text: str, end: int) -> str:
    word = _NEXT_WORD.match(text, end)
    if not word or not is_unit_word(word[2]):
        return ""
    rate = _RATE.match(text, word.end())
    return word[0] + rate[0] if rate and spell(rate[1]) else word[0]


def _split(tail: str) -> list[tuple[int, str]]:
    """(start, sentence) of the sentences and lines with something in them."""
    pieces, start = [], 0
    for stop in [*(end.end() for end in _SENTENCE.finditer(tail)), len(tail)]:
        sentence = tail[start:stop].strip(" \n*")
        if sentence:
            pieces.append((start, sentence))
        start = stop
    return pieces

"""What the words around a value make of it: the value itself, another one, or a denial.

"The total is 5 apples" states 5; "at least 5", "the root of 5", "5 or more", "5 is wrong" and "in step 5" do
not. After "is" only filler words may come before the value; where no verb says what the value is, at least
the word before it must not give it another role. A later "wait, that is wrong" takes a statement back.
"""

from __future__ import annotations

import re

RETRACTION_CHARS = 2_000

_FILLERS = frozenset(
    "a about again at all also altogether an and answer approximately around clearly equal exactly finally "
    "hence in indeed it its just located merely now number obviously of only precisely roughly simply "
    "still that the then there therefore these thus to total value was we have get is are".split()
)
_NEGATIVE = re.compile(
    r"\bnegative\s+(?=[$€£]?[0-9.])|(?:(?<=\bis)|(?<=\A)|(?<==))\s*minus\s+(?=[$€£]?[0-9.])"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z']*|[^\w\s.,:;'\"*_~()$€£\[\]\0\\-]")
_CONTRAST = re.compile(r"\bnot \S+,? but\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;:]\s|\b(?:so|therefore|thus|hence)\b", re.IGNORECASE)
_ROLE = re.compile(  # the word before a number says that it is not the value
    r"(?:\b(?:than|from|over|under|below|above|beyond|past|minus|plus|times|modulo|mod|base|root"
    r"|log|ln|least|most|(?:anything|everything|all) but|cubed?|squared?"
    r"|theorem|lemma|equation|step|case|section|figure|chapter|page"
    r"|problem|question|exercise|part|line|add|subtract|try|check|guess|test|adding|subtracting|exclude|excludes|excluding|eliminate|reject"
    r"|discard|avoid|jan(?:uary)?|feb(?:ruary)?|march|april|may|june|july|august|sept(?:ember)?|october"
    r"|november|december|(?:root|cube|square|reciprocal|opposite|inverse|multiple|factor|divisor|half|third"
    r"|quarter|power|logarithm) of(?: the)?)"
    r"|[≠<>≤≥+*/^×÷])[\s~]*\Z",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"(?:(?<!creased )\bby|\bin|\bto)[\s~]*\Z", re.IGNORECASE)
_DENIAL = re.compile(
    r"\b(?:impossible|contradict\w*|not the case|not true|unable|cannot|can't|no way"
    r"|doubt(?:s|ed|ful)?|unlikely|wrong\w*|incorrect\w*|exclud\w+"
    r"|someone|somebody|people (?:would |might |may |will )?(?:say|think|believe|guess)|mistake\w*|tempting"
    r"|undefined)\b|n't (?:think|be|equal|get|believe)\b",
    re.IGNORECASE,
)
_SUCH_THAT = re.compile(r"\b(?:such that|where|satisf\w+)\b[^,;]*=\s*\Z|\bfor [a-z]\s?=\s*\Z", re.IGNORECASE)
_SETTING = re.compile(r"\b(?:when|if|whenever)\b[^,;]*=\s*\Z", re.IGNORECASE)
_PLURAL_PARTS = r"(?:halve|third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth)s"
_PARTS = (
    r"hal(?:f|ves)|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth)s?"
)
_OTHER_AMOUNT = re.compile(
    rf"\s*(?:(?:{_PLURAL_PARTS}|dozens?|squared|cubed|factorial|plus|minus|pi)\b"
    rf"|and (?:a|an|one|two|three) (?:{_PARTS})\b"
    r"|(?:times|over|divided by|multiplied by) (?:pi\b|\0|(?!a\b)[a-z]\b|[0-9])|to the power|by [0-9]"
    r"|or (?:more|less|fewer|greater|above|below|higher|lower|so)\b)|\s?[!^√π]",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\s*(?:[a-z]+ )?(?:more|less|fewer|greater) than (?:\0|[a-z]\b|[0-9]|twice\b|half\b|double\b)",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(r"\b(?:if|unless|provided)\b", re.IGNORECASE)
_REJECTED = re.compile(
    r"\b(?:(?:is|are|was|were|be|seems?)(?: clearly| obviously| also)? (?:not|too|impossible|false)"
    r"|isn't|wasn't)"
    r"(?: (?:the|an?|right|correct|possible|valid|allowed|large|small|big)\b|[.!]?\Z)"
    r"|\b(?:can't|cannot) be\b|\b(?:wrong|incorrect)\b",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"\bwait\b(?=\s*[,.!:…—-]|\s+(?:no|actually|i|that|let|but|a)\b)"
    r"|\b(?:hold on|scratch that|oops|my mistake)\b"
    r"|\bcorrection\b|\bedit:|\bactually,? (?:it|that|this|the|no|[0-9$\\])|\bi apologi[sz]e|\bsorry\b"
    r"|\b(?:made|found|(?<!if )there (?:is|was)) (?:an?|some|my) (?:[a-z]+ )?(?:error|mistake)"
    r"|(?<!if )(?<!whether )\b(?:that|this|it)(?:'s| is| was) (?:not (?:right|correct)|wrong|incorrect)\b"
    r"|(?:\A|[.!?\n])[\s*]*(?:no|hmm|or(?! (?:equivalently|simply|about|approximately)))\b[, ]",
    re.IGNORECASE,
)
_INTERJECTION = re.compile(
    r"(?:\b(?:no|wait|correction|edit|actually|sorry|oops|hold on|hmm)\b[\s.!,:;*—-]*)+",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:can't|cannot|can not|could not|couldn't|isn't|is not|was not|wasn't|not|never)"
    r"|\b(?:might|may|could)(?= be\b))\s*(?:possibly )?"
    r"(?:be|equal|get|have)?\s*(?:equal )?(?:to )?[$\\(\[*]{0,4}\Z"
    r"|\bif\b[^.\n]{0,60}\bwere\b[^.\n]{0,60}\bwould (?:get|be|have|obtain)\s*[$\\(\[*]{0,4}\Z",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[$\\)\]*.,]{0,4}\s{0,4},?\s{0,4}(?:which )?(?:(?:is|was|would be|seems|must be)\s{1,4}"
    r"(?:clearly |obviously |also )?(?:not|wrong|incorrect|impossible|false)\b"
    r"|(?:isn't|wasn't|cannot be|can't be|is too|(?:does not|doesn't) (?:work|fit|satisfy|equal))\b)",
    re.IGNORECASE,
)


def signed(sentence: str) -> str:
    """ "Negative 5" is -5, and so is "is minus 5"."""
    return _NEGATIVE.sub(" -", sentence) if "egative" in sentence or "minus" in sentence else sentence


def is_other_amount(text: str, end: int) -> bool:
    """The words after the number that ends at `end` change it: "5 halves", "5 or more", "5 times pi"."""
    return bool(_OTHER_AMOUNT.match(text, end) or _COMPARED.match(text, end))


def is_stated(sentence: str, copula: int, start: int, end: int, *, computed: bool = False) -> bool:
    """The value at `start:end` is what a (masked) sentence says; `copula` ends the verb before it, or is -1.

    The result of the last calculation (`computed`) needs no verb, and may be "5 more than" something.
    """
    before, after = sentence[:start], sentence[end:]
    clause = before[max((m.end() for m in _CLAUSE_END.finditer(before)), default=0) :]
    between = sentence[max(copula, 0) : start]
    if (
        _DENIAL.search(clause)
        or _ROLE.search(between)
        or _SUCH_THAT.search(before)
        or _OTHER_AMOUNT.match(after)
        or _REJECTED.search(after)
    ):
        return False
    if computed:
        return True
    if _COMPARED.match(after) or _CONDITIONAL.search(after) or _SETTING.search(before):
        return False
    if copula < 0:
        return not _PREPOSITION.search(between)
    return all(word.lower() in _FILLERS for word in _WORD.findall(_CONTRAST.sub("", between)))


def is_denied(text: str, start: int, end: int) -> bool:
    """What stands at `start:end` is mentioned to say that it is not the answer, or only might be."""
    before = text[max(0, start - 160) : start]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(text, end))


def correction(rest: str) -> str | None:
    """What follows the words in `rest` that take back what was said before it; None when nothing does."""
    found = list(_RETRACTION.finditer(rest[:RETRACTION_CHARS]))
    return _INTERJECTION.sub(" ", rest[found[-1].start() :], count=1).strip() if found else None

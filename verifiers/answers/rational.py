"""Read an answer as one exact rational number, or not at all.

Integers with well-formed thousands groups, decimals, repeating decimals, `a/b`, `\\frac`, mixed numbers,
scientific notation, percent, currency, `x =` labels, scale words and trailing units. The whole string must be
understood: "4\\sqrt2", "5 or 6", "1,2345", "2xy" and "5!" are not numbers, whatever digits they begin with.

Sizes are checked before any arithmetic, so no answer can cost more than a thousand-digit fraction.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from verifiers.expressions.limits import MAX_EXPONENT
from verifiers.expressions.units import NOT_UNITS, POWER_AFTER, POWER_BEFORE, SCALES, singular, spell
from verifiers.policy import DEFAULT, LimitExceeded, Policy

MAX_NUMBER_CHARS = 1_000

_INT = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_DEC = rf"(?:{_INT}(?:\.[0-9]*)?|\.[0-9]+)"
_SIGNED = rf"[-+]?\s?{_DEC}"
_ARG = rf"\s?(?:\{{\s?({_SIGNED})\s?\}}|([0-9]))"
_PLAIN = re.compile(rf"[-+]?{_DEC}")
_LABEL = re.compile(r"(\|?[A-Za-z]{1,2}\|?(?:_\{?[0-9A-Za-z]{1,3}\}?)?(?:\([a-z]\))?)\s?=\s?([^=<>]+)")
_LABEL_LAST = re.compile(r"([^=<>]+?)\s?=\s?([A-Za-z])")
_SIGN = re.compile(r"\s?([-+])?\s?([$€£¥])?\s?([-+])?\s?")
_LATEX_FRACTION = re.compile(rf"(?:({_INT})\s?(?:and\s)?)?\\frac{_ARG}{_ARG}")
_SLASH_FRACTION = re.compile(rf"(?:({_INT})\s(?:and\s)?)?({_DEC})\s?/\s?([-+]?{_DEC})")
_REPEATING = re.compile(r"([0-9]*)\.([0-9]*)\\overline\s?\{([0-9]+)\}")
_SCIENTIFIC = re.compile(
    rf"({_DEC})(?:[eE]([-+]?[0-9]+)|\s?[*x]\s?10\s?(?:\^|\*\*)\s?\{{?\s?([-+]?\s?[0-9]+)\s?\}}?)"
)
_POWER_OF_TEN = re.compile(r"(10)\s?(?:\^|\*\*)\s?(?:\{\s?([-+]?[0-9]+)\s?\}|([-+]?[0-9]+))")
_DECIMAL = re.compile(_DEC)
_DECIMAL_COMMA = re.compile(r"([-+]?)[$€£¥]?\s?([0-9]+),([0-9]{2})\s?[$€£¥]?")
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion|dozen)s?(?![A-Za-z])")
_SCALES = SCALES | {"dozen": 12}
_PERCENT = re.compile(r"\s?(?:%|percent|per cent|pct)")
_UNIT = re.compile(r"(\s?)([A-Za-z]+(?:[ /-][A-Za-z]+){0,4})\.?(?:\s?\^\s?\{?[234]\}?)?")

_OTHER_WORDS = frozenset(
    ("in", "am", "min", "st", "nd", "rd", "th", "rev", "no", "at", "as", "unit", "units")
)
_RATES = ("", "per", "each", "every")  # what may follow an amount of money

_ONES = "one two three four five six seven eight nine"
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {"zero": 0, "a": 1, "an": 1} | {word: n for n, word in enumerate(f"{_ONES} {_TEENS}".split(), 1)}
_WORDS |= {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_PARTS = {"half": 2, "halve": 2, "quarter": 4}
_PARTS |= {part: n for n, part in enumerate("third fourth fifth sixth seventh eighth ninth tenth".split(), 3)}
_IN_WORDS = re.compile(
    rf"(?:({_TENS.replace(' ', '|')})[ -]({_ONES.replace(' ', '|')})|({'|'.join(_WORDS)}))"
    rf"(?:[ -](?:({'|'.join(_PARTS)})s?|(hundred|thousand|million|billion|dozen)))?",
    re.IGNORECASE,
)


class Number(NamedTuple):
    """`unit` is "%", a currency sign, unit words in one spelling, or empty; `label` is the x of `x = 5`.

    `reduced` is False for a fraction that is not in lowest terms.
    """

    value: Fraction
    unit: str = ""
    label: str = ""
    reduced: bool = True


def parse_number(text: str) -> Number | None:
    """The number that the whole of `text` (as `normal.plain` leaves it) writes; None when it is not one."""
    if len(text) > MAX_NUMBER_CHARS:
        if text.strip("-+0123456789.,") == "":
            raise LimitExceeded
        return None
    if _PLAIN.fullmatch(text):
        return Number(_decimal(text))
    if text[:1].isalpha() and (value := _in_words(text)) is not None:
        return Number(value)
    label, text = _split_label(text)
    text = _strip_brackets(text)
    sign = _SIGN.match(text)
    assert sign is not None  # every part of the pattern is optional
    if sign[1] and sign[3]:
        return None
    value, end = _magnitude(text, sign.end())
    if value is None:
        return None
    if power := POWER_AFTER.get(text[end:].strip()):  # "5 squared" is 25
        return Number((-1 if "-" in (sign[1], sign[3]) else 1) * value**power, sign[2] or "", label)
    scale, unit = _tail(text[end:])
    if sign[2] and unit is not None and unit != sign[2]:
        unit = f"{sign[2]} {unit}".strip() if unit.split(" ")[0] in _RATES else None
    if unit is None:
        return None
    negative = "-" in (sign[1], sign[3])
    reduced = _is_reduced(text[sign.end() : end], value)
    return Number((-value if negative else value) * scale, unit, label, reduced)


def _in_words(text: str) -> Fraction | None:
    """ "Twelve", "forty-two", "two thirds", "a dozen" or "five hundred", and no larger composition."""
    match = _IN_WORDS.fullmatch(text)
    if not match or text.lower() in ("a", "an"):
        return None
    *words, part, scale = match.groups()
    count = sum(_WORDS[word.lower()] for word in words if word)
    return Fraction(count * _SCALES.get((scale or "").lower(), 1), _PARTS.get((part or "").lower(), 1))


def _split_label(text: str) -> tuple[str, str]:
    if "=" not in text:
        return "", text
    if match := _LABEL.fullmatch(text):
        return match[1].strip("|"), match[2]
    if match := _LABEL_LAST.fullmatch(text):
        return match[2], match[1]
    return "", text


def _strip_brackets(text: str) -> str:
    """`(5)` and `{5}` are 5, but `(1,234)` may be a pair."""
    while text[:1] + text[-1:] in ("()", "{}") and not any(c in text[1:-1] for c in "(){},"):
        text = text[1:-1].strip()
    return text


def _magnitude(text: str, start: int) -> tuple[Fraction | None, int]:
    """The unsigned number at `start` and where it ends."""
    if match := _LATEX_FRACTION.match(text, start):
        return _fraction(match[1], match[2] or match[3], match[4] or match[5]), match.end()
    if match := _SLASH_FRACTION.match(text, start):
        return _fraction(match[1], match[2], match[3]), match.end()
    if match := _SCIENTIFIC.match(text, start):
        return _decimal(match[1]) * _ten_to(match[2] or match[3]), match.end()
    if match := _POWER_OF_TEN.match(text, start):
        return _ten_to(match[2] or match[3]), match.end()
    if match := _REPEATING.match(text, start):
        return _repeating(*match.groups()), match.end()
    if match := _DECIMAL.match(text, start):
        return _decimal(match[0]), match.end()
    return None, start


def _is_reduced(written: str, value: Fraction) -> bool:
    """Not a fraction, or one whose denominator cannot be smaller."""
    if "/" not in written and "\\frac" not in written:
        return True
    return value.denominator > 1 and written.rstrip("} ").endswith(str(value.denominator))


def _fraction(whole: str | None, numerator: str, denominator: str) -> Fraction | None:
    """None for division by zero, and for an improper "mixed number", which may be a product."""
    over, under = _decimal(numerator), _decimal(denominator)
    if under == 0 or (whole and not 0 < over < under):
        return None
    return over / under + (_decimal(whole) if whole else 0)


def _decimal(text: str) -> Fraction:
    digits = text.replace(",", "").replace(" ", "")
    if "." not in digits:
        return Fraction(int(digits))
    integer, _, decimals = digits.partition(".")
    return Fraction(int(integer + decimals), 10 ** len(decimals))


def _repeating(integer: str, fixed: str, period: str) -> Fraction:
    shift, nines = 10 ** len(fixed), 10 ** len(period) - 1
    return Fraction(int(integer + fixed or "0") * nines + int(period), shift * nines)


def _ten_to(exponent: str) -> Fraction:
    digits = exponent.replace(" ", "")
    if len(digits.lstrip("+-")) > 9 or abs(int(digits)) > MAX_EXPONENT:
        raise LimitExceeded
    return Fraction(10) ** int(digits)


def _tail(tail: str) -> tuple[int, str | None]:
    """(scale, unit) of what follows the number; the unit is None when it cannot be one."""
    scale = 1
    if match := _SCALE.match(tail):
        scale, tail = _SCALES[match[1]], tail[match.end() :]
    tail = tail.strip(" ") if tail.startswith(" ") and len(tail) == 2 else tail
    if not tail or tail in "$€£¥":
        return scale, tail
    if _PERCENT.fullmatch(tail):
        return scale, "%"
    if tail[0] == "/":
        word = tail[1:].strip(" .")
        return scale, f"per {spell(word)}" if len(word) > 2 and spell(word) else None  # 5/s is a fraction
    return scale, _unit(tail)


def _unit(tail: str) -> str | None:
    """One spelling of unit words; letters glued to the number, or very few, may be variables (`2xy`)."""
    match = _UNIT.fullmatch(tail)
    if not match:
        return None
    words = re.split("[ /-]", match[2])
    first = words[0].lower()
    if first in POWER_AFTER or any(word.lower() in NOT_UNITS or len(word) < 2 for word in words):
        return None
    known = spell(words[0]) or first in POWER_BEFORE
    if not known and (not match[1] or len(first) < 3 or not set(first) & set("aeiou")):
        return None
    power = tail[-2:].strip("{}^ ") if "^" in tail else ""
    return " ".join(spell(word) or singular(word.lower()) for word in words) + power


def is_unit_word(word: str) -> bool:
    """A known unit that is no other word: "in" and "am" are."""
    return len(word) > 1 and word not in _OTHER_WORDS and spell(word) is not None


def is_decimal_comma(text: str, decimal: str) -> bool:
    """`text` is `decimal` with a comma, digit by digit: 1000,99 is 1000.99, but 1,50 is not 1.5: a list?"""
    if len(text) > MAX_NUMBER_CHARS or not (match := _DECIMAL_COMMA.fullmatch(text)):
        return False
    return f"{match[1]}{match[2]}.{match[3]}" == decimal.replace(",", "").strip("$€£¥ ")


def same_number(a: Number, b: Number, policy: Policy = DEFAULT) -> bool | None:
    """Exact comparison of the gold `a` and the answer `b`; None when units or labels differ.

    A percent sign on one side only is read both ways (28 % is 28 and 0.28), unless the policy says that it
    is a fraction; on both sides it cancels.
    """
    if a.label and b.label and a.label != b.label:
        return None
    if "%" in (a.unit, b.unit) and a.unit != b.unit:
        percent, other = (a, b) if a.unit == "%" else (b, a)
        if other.unit and policy.units != "ignore":
            return None
        readings = {percent.value / 100} | ({percent.value} if policy.percent == "either" else set())
        return other.value in readings and not _unreduced(b, policy)
    if a.unit != b.unit and policy.units != "ignore":
        if a.unit and b.unit:
            return None
        if policy.units == "strict":
            return False
    return a.value == b.value and not _unreduced(b, policy)


def _unreduced(answer: Number, policy: Policy) -> bool:
    return policy.simplified and not answer.reduced

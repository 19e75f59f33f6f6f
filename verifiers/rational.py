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

MAX_NUMBER_CHARS = 1_000
MAX_EXPONENT = 1_000

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
_DECIMAL_COMMA = re.compile(r"([-+]?[0-9]+),([0-9]{2})")
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion)s?(?![A-Za-z])")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PERCENT = re.compile(r"\s?(?:%|percent|per cent|pct)")
_UNIT = re.compile(r"(\s?)([A-Za-z]+(?:[ /-][A-Za-z]+){0,4})\.?(?:\s?\^\s?\{?[234]\}?)?")

_SHORT_UNITS = {
    "cm": "centimeter",
    "mm": "millimeter",
    "km": "kilometer",
    "kg": "kilogram",
    "mg": "milligram",
}
_SHORT_UNITS |= {
    "ml": "milliliter",
    "ft": "foot",
    "feet": "foot",
    "in": "inch",
    "inches": "inch",
    "lb": "pound",
}
_SHORT_UNITS |= {
    "lbs": "pound",
    "oz": "ounce",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "mins": "minute",
}
_SHORT_UNITS |= {"sec": "second", "secs": "second", "mph": "mph", "kph": "kph", "yd": "yard", "yds": "yard"}
_SHORT_UNITS |= {
    "am": "am",
    "pm": "pm",
    "sq": "square",
    "cu": "cubic",
    "dollars": "$",
    "dollar": "$",
    "usd": "$",
}
_SHORT_UNITS |= {"euros": "€", "euro": "€", "eur": "€", "meters": "meter", "metres": "meter", "deg": "degree"}

_RATES = ("", "per", "each", "every")  # what may follow an amount of money

# Words that change the number before them, or make the text something other than a quantity.
_NOT_UNITS = frozenset(
    "pi sqrt root sin cos tan cot csc arcsin arccos arctan sinh cosh tanh log exp mod inf infinity infty "
    "factorial squared cubed times plus minus divided multiplied over and or nor not to than choose power "
    "base dozen dozens half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths "
    "seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth "
    "thousandths hundred thousand million billion trillion zero one two three four five six seven eight "
    "nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty "
    "forty fifty sixty seventy eighty ninety alpha beta gamma delta epsilon theta lambda sigma omega phi "
    "psi rho tau is was are were be been would could should might may can cannot wrong incorrect false "
    "but because since if when where while approximately about rounded remainder percent pct nan mu xi "
    "eta zeta chi".split()
)


class LimitExceeded(ValueError):
    """The answer is a number too large to be worth reading."""


class Number(NamedTuple):
    """`unit` is "%", a currency sign, unit words in one spelling, or empty; `label` is the x of `x = 5`."""

    value: Fraction
    unit: str = ""
    label: str = ""


def parse_number(text: str) -> Number | None:
    """The number that the whole of `text` (as `normal.plain` leaves it) writes; None when it is not one."""
    if len(text) > MAX_NUMBER_CHARS:
        if text.strip("-+0123456789.,") == "":
            raise LimitExceeded
        return None
    if _PLAIN.fullmatch(text):
        return Number(_decimal(text))
    label, text = _split_label(text)
    text = _strip_brackets(text)
    sign = _SIGN.match(text)
    assert sign is not None  # every part of the pattern is optional
    if sign[1] and sign[3]:
        return None
    value, end = _magnitude(text, sign.end())
    if value is None:
        return None
    scale, unit = _tail(text[end:])
    if sign[2] and unit is not None and unit != sign[2]:
        unit = f"{sign[2]} {unit}".strip() if unit.split(" ")[0] in _RATES else None
    if unit is None:
        return None
    negative = "-" in (sign[1], sign[3])
    return Number((-value if negative else value) * scale, unit, label)


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
    return scale, _unit(tail)


def _unit(tail: str) -> str | None:
    """One spelling of unit words; letters glued to the number, or very few, may be variables (`2xy`)."""
    match = _UNIT.fullmatch(tail)
    if not match:
        return None
    words = re.split("[ /-]", match[2].lower())
    if any(word in _NOT_UNITS or len(word) < 2 for word in words):
        return None
    first_known = words[0] in _SHORT_UNITS
    if not first_known and (not match[1] or len(words[0]) < 3 or not set(words[0]) & set("aeiou")):
        return None
    power = tail[-2:].strip("{}^ ") if "^" in tail else ""
    return " ".join(_SHORT_UNITS.get(w) or (w[:-1] if w.endswith("s") else w) for w in words) + power


def decimal_comma(text: str) -> Fraction | None:
    """`1000,99` as a decimal: two places exactly, as it is neither thousands nor usually a list."""
    match = _DECIMAL_COMMA.fullmatch(text) if len(text) <= MAX_NUMBER_CHARS else None
    return _decimal(f"{match[1]}.{match[2]}") if match else None


def same_number(a: Number, b: Number) -> bool | None:
    """Exact comparison; None when both carry different units or labels, which only a reader could settle.

    A percent sign on one side only is read both ways (28 % is 28 and 0.28); on both sides it cancels.
    """
    if a.label and b.label and a.label != b.label:
        return None
    if a.unit and b.unit and a.unit != b.unit:
        return None
    if a.unit != b.unit and "%" in (a.unit, b.unit):
        percent, other = (a, b) if a.unit == "%" else (b, a)
        return other.value in (percent.value, percent.value / 100)
    return a.value == b.value

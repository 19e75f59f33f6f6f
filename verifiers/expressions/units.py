"""Units of measurement: one spelling for each, and exact factors between those of one dimension.

A unit is a string such as "meter", "meter^2", "kilometer/hour" or "$". `spell` maps a written word to that
spelling, `measure` reads it back as powers of base units with an exact rational factor (the international
yard and pound, the US gallon). Months and years convert to each other and not to days, temperatures to
nothing, because there the factor is no constant. Any other word is its own unit ("apple").
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_PREFIXES = {
    "nano": ("n", Fraction(1, 10**9)),
    "micro": ("µ", Fraction(1, 10**6)),
    "milli": ("m", Fraction(1, 1000)),
    "centi": ("c", Fraction(1, 100)),
    "deci": ("d", Fraction(1, 10)),
    "kilo": ("k", Fraction(1000)),
    "mega": ("M", Fraction(10**6)),
    "giga": ("G", Fraction(10**9)),
    "tera": ("T", Fraction(10**12)),
}
# Base unit: abbreviation, dimension, factor, and the prefixes in use with it.
_METRIC = {
    "meter": ("m", "length", Fraction(1), "nano micro milli centi deci kilo"),
    "gram": ("g", "mass", Fraction(1), "micro milli kilo"),
    "second": ("s", "time", Fraction(1), "nano micro milli"),
    "liter": ("L", "length^3", Fraction(1, 1000), "milli centi deci kilo"),
    "joule": ("J", "energy", Fraction(1), "kilo mega"),
    "watt": ("W", "power", Fraction(1), "milli kilo mega giga"),
    "newton": ("N", "force", Fraction(1), "kilo"),
    "volt": ("V", "voltage", Fraction(1), "milli kilo"),
    "ampere": ("A", "current", Fraction(1), "milli"),
    "pascal": ("Pa", "pressure", Fraction(1), "kilo mega"),
    "hertz": ("Hz", "frequency", Fraction(1), "kilo mega giga"),
    "calorie": ("cal", "calorie", Fraction(1), "kilo"),
    "mole": ("mol", "amount", Fraction(1), "milli"),
    "bit": ("b", "information", Fraction(1), "kilo mega giga"),
    "byte": ("B", "information", Fraction(8), "kilo mega giga tera"),
    "ohm": ("Ω", "resistance", Fraction(1), "kilo"),
}
_INCH = Fraction(254, 10_000)
_GALLON = 231 * _INCH**3
_POUND = Fraction(45_359_237, 100_000)
_OTHER = {
    "inch": ("length", _INCH),
    "foot": ("length", 12 * _INCH),
    "yard": ("length", 36 * _INCH),
    "mile": ("length", 63_360 * _INCH),
    "acre": ("length^2", 43_560 * (12 * _INCH) ** 2),
    "hectare": ("length^2", Fraction(10_000)),
    "gallon": ("length^3", _GALLON),
    "quart": ("length^3", _GALLON / 4),
    "pint": ("length^3", _GALLON / 8),
    "cup": ("length^3", _GALLON / 16),
    "tablespoon": ("length^3", _GALLON / 256),
    "teaspoon": ("length^3", _GALLON / 768),
    "pound": ("mass", _POUND),
    "ounce": ("mass", _POUND / 16),
    "tonne": ("mass", Fraction(10**6)),
    "minute": ("time", Fraction(60)),
    "hour": ("time", Fraction(3600)),
    "day": ("time", Fraction(86_400)),
    "week": ("time", Fraction(604_800)),
    "month": ("month", Fraction(1)),
    "year": ("month", Fraction(12)),
    "decade": ("month", Fraction(120)),
    "century": ("month", Fraction(1200)),
    "degree": ("angle", Fraction(1)),
    "arcminute": ("angle", Fraction(1, 60)),
    "arcsecond": ("angle", Fraction(1, 3600)),
    "revolution": ("angle", Fraction(360)),
    "radian": ("radian", Fraction(1)),
    "celsius": ("celsius", Fraction(1)),
    "fahrenheit": ("fahrenheit", Fraction(1)),
    "kelvin": ("kelvin", Fraction(1)),
    "$": ("dollar", Fraction(1)),
    "cent": ("dollar", Fraction(1, 100)),
    "€": ("euro", Fraction(1)),
    "£": ("sterling", Fraction(1)),
    "¥": ("yen", Fraction(1)),
    "₹": ("rupee", Fraction(1)),
    "am": ("am", Fraction(1)),
    "pm": ("pm", Fraction(1)),
    "unit": ("unit", Fraction(1)),
    "ordinal": ("ordinal", Fraction(1)),
}
_ALSO_WRITTEN = {
    "foot": "feet ft",
    "inch": "inches in",
    "yard": "yd yds",
    "mile": "mi",
    "kilometer": "kms",
    "centimeter": "cms",
    "centimeter^3": "cc",
    "hectare": "ha",
    "gallon": "gal",
    "quart": "qt",
    "pint": "pt",
    "tablespoon": "tbsp",
    "teaspoon": "tsp",
    "liter": "l",
    "milliliter": "ml",
    "pound": "lb lbs",
    "ounce": "oz",
    "gram": "gramme gms",
    "kilogram": "kilo kgs",
    "second": "sec secs",
    "minute": "min mins",
    "hour": "h hr hrs",
    "week": "wk",
    "year": "yr yrs",
    "century": "centuries",
    "mile/hour": "mph",
    "kilometer/hour": "kph kmh kmph",
    "foot/second": "fps",
    "meter/second": "mps",
    "degree": "deg",
    "radian": "rad",
    "revolution": "rev",
    "kelvin": "K",
    "ampere": "amp",
    "kilobyte": "KB",
    "kilowatt*hour": "kWh",
    "hertz": "hz",
    "$": "dollar usd buck",
    "€": "euro eur",
    "£": "gbp",
    "¥": "yen",
    "₹": "rupee",
    "ordinal": "st nd rd th",
}
SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
POWER_BEFORE = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
POWER_AFTER = {"squared": 2, "cubed": 3}
# Letters that are a unit where the source sets them upright, and variables where it does not.
UPRIGHT = frozenset("msghLlJNWVAK")
# Words that change the number before them, or make the text something other than a quantity.
NOT_UNITS = frozenset(
    "pi sqrt root sin cos tan cot csc arcsin arccos arctan sinh cosh tanh log exp mod inf infinity infty "
    "factorial plus minus divided multiplied over and or nor not to than choose power base dozen "
    "dozens half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh "
    "sevenths "
    "eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth thousandths hundred thousand "
    "million billion trillion zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety alpha beta gamma delta epsilon theta lambda sigma omega phi psi rho tau is was are were be been "
    "would could should might may can cannot wrong incorrect false but because since if when where while "
    "for with approximately about rounded remainder percent pct nan mu xi eta zeta chi such that otherwise "
    "more less most least greater fewer none".split()
)


class Measure(NamedTuple):
    """`known`: every part of the unit is in the table, so a different `dimension` is a different quantity."""

    dimension: tuple[tuple[str, int], ...]
    factor: Fraction
    known: bool


def _build() -> tuple[dict[str, tuple[str, Fraction]], dict[str, str]]:
    units = dict(_OTHER)
    spellings = {word: name for name, words in _ALSO_WRITTEN.items() for word in words.split()}
    for name, (short, dimension, factor, prefixes) in _METRIC.items():
        units[name] = (dimension, factor)
        spellings.setdefault(short, name)
        for prefix in prefixes.split():
            letter, scale = _PREFIXES[prefix]
            units[prefix + name] = (dimension, scale * factor)
            spellings.setdefault(letter + short, prefix + name)
    return units, spellings


_UNITS, _BY_SPELLING = _build()


def spell(word: str) -> str | None:
    """The one spelling of a known unit ("Feet", "ft" and "foot" are "foot"); None for any other word."""
    lower = word.lower().replace("metre", "meter").replace("litre", "liter")
    for form in (word, lower, singular(lower)):
        if form in _BY_SPELLING:
            return _BY_SPELLING[form]
        if form in _UNITS:
            return form
    return None


def singular(word: str) -> str:
    """One form of a word and its plural; that "cookies" becomes "cooky" only has to hold for "cookie" too."""
    if word.endswith(("ies", "ie")) and len(word) > 4:
        return word[: word.rindex("ie")] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


@lru_cache(1024)
def measure(unit: str) -> Measure:
    """What a `Quantity.unit` measures; factors are relative to the meter, gram, second, degree and dollar."""
    powers: dict[str, int] = {}
    factor, known = Fraction(1), True
    for i, part in enumerate(unit.split("/")):
        for piece in part.split("*"):
            name, _, exponent = piece.partition("^")
            power = int(exponent or 1) * (1 if i == 0 else -1)
            dimension, scale = _UNITS.get(name, (name, Fraction(1)))
            known = known and (name in _UNITS or not name)
            base, _, base_power = dimension.partition("^")
            powers[base] = powers.get(base, 0) + power * int(base_power or 1)
            factor *= scale**power
    dimension_powers = sorted((base, power) for base, power in powers.items() if power and base)
    return Measure(tuple(dimension_powers), factor, known)

"""Units: one spelling each, exact conversion within a dimension, none between dimensions."""

from fractions import Fraction

import pytest

from verifiers.expressions.nodes import Num, Quantity
from verifiers.expressions.parser import parse
from verifiers.expressions.units import measure, spell


@pytest.mark.parametrize(
    ("larger", "factor", "smaller"),
    [
        ("kilometer", "1000", "meter"),
        ("meter", "100", "centimeter"),
        ("inch", "2.54", "centimeter"),
        ("foot", "12", "inch"),
        ("yard", "3", "foot"),
        ("mile", "5280", "foot"),
        ("meter^2", "10000", "centimeter^2"),
        ("foot^3", "1728", "inch^3"),
        ("liter", "1000", "centimeter^3"),
        ("milliliter", "1", "centimeter^3"),
        ("gallon", "4", "quart"),
        ("gallon", "231", "inch^3"),
        ("acre", "43560", "foot^2"),
        ("kilogram", "1000", "gram"),
        ("pound", "16", "ounce"),
        ("pound", "453.59237", "gram"),
        ("week", "7", "day"),
        ("day", "86400", "second"),
        ("year", "12", "month"),
        ("meter/second", "3.6", "kilometer/hour"),
        ("mile/hour", "1.609344", "kilometer/hour"),
        ("$", "100", "cent"),
        ("$/hour", "24", "$/day"),
        ("degree", "60", "arcminute"),
        ("megabyte", "8", "megabit"),
    ],
)
def test_known_units_convert_exactly(larger: str, factor: str, smaller: str) -> None:
    above, below = measure(larger), measure(smaller)
    assert above.dimension == below.dimension and above.known and below.known
    assert above.factor / below.factor == Fraction(factor)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("meter", "second"),
        ("meter", "meter^2"),
        ("meter", "meter/second"),
        ("year", "day"),  # no constant number of days
        ("celsius", "fahrenheit"),  # no constant factor
        ("$", "€"),
        ("am", "pm"),
        ("gram", "newton"),
        ("apple", "pear"),
    ],
)
def test_different_dimensions_differ(a: str, b: str) -> None:
    assert measure(a).dimension != measure(b).dimension


def test_an_unknown_word_is_its_own_unit() -> None:
    assert measure("apple") == ((("apple", 1),), 1, False)
    assert not measure("apple/day").known


@pytest.mark.parametrize(
    ("words", "unit"),
    [
        ("meters", "meter"),
        ("metres", "meter"),
        ("m", "meter"),
        ("Feet", "foot"),
        ("inches", "inch"),
        ("lbs", "pound"),
        ("mL", "milliliter"),
        ("ml", "milliliter"),
        ("kWh", "kilowatt*hour"),
        ("MB", "megabyte"),
        ("Mb", "megabit"),
        ("hours", "hour"),
        ("dollars", "$"),
        ("apple", None),
        ("x", None),
        ("e", None),
        ("i", None),
    ],
)
def test_a_unit_has_one_spelling(words: str, unit: str | None) -> None:
    assert spell(words) == unit


@pytest.mark.parametrize(
    "texts",
    [
        ["5 cm", "5cm", r"5\text{ cm}", r"5\,\mathrm{cm}", "5 centimeters", r"5~\textrm{centimetres}"],
        ["5 square meters", r"5\text{ m}^2", "5 sq meters", "5 meters squared", r"5 \text{ m}^{2}"],
        ["5 miles per hour", "5 mph", r"5\text{ mi/h}", "5 miles an hour", r"5\ \text{mi}\cdot\text{h}^{-1}"],
        ["$5", r"\$5", "5 dollars", r"5\text{ USD}", "5$", r"\$5 \text{ dollars}"],
        ["5 boxes", r"5\text{ box}", "5 Boxes"],
        ["5 cookies", "5 cookie"],
        ["5 Mb/h", "5 megabits per hour", r"5\text{ Mb/h}"],
        ["5 degrees", r"5^\circ", "5°", r"5^{\circ}", r"5\text{ deg}"],
        ["5 pm", "5 p.m.", r"5\text{ PM}", r"5\,\mathrm{p.m.}"],
    ],
)
def test_spellings_of_a_quantity_are_one_tree(texts: list[str]) -> None:
    trees = {parse(text) for text in texts}
    assert len(trees) == 1 and isinstance(trees.pop(), Quantity)


def test_a_unit_is_only_read_after_a_number_and_at_the_end() -> None:
    assert parse(r"5\text{ cm}") == Quantity(Num(Fraction(5)), "centimeter")
    for text in (r"x\text{ apples}", r"5\text{ cm } 3", r"5\text{ or}", r"\text{cm } 5"):
        assert not isinstance(parse(text), Quantity), text

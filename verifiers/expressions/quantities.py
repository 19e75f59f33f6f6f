"""Units, percent signs and prices around numbers.

A unit is only read after a number and at the end of its item, so that `2x` keeps its variable. Letters
of a formula are a unit where that is the only sensible reading: a known abbreviation of two letters or more,
or an English-looking word after a space.
"""

from __future__ import annotations

from verifiers.expressions import build, units
from verifiers.expressions.expression import Expression
from verifiers.expressions.lexer import Token, Unreadable
from verifiers.expressions.nodes import Add, Node, Percent, Quantity

# Abbreviations that are read without a space before them (`5cm`); others could be products there.
_GLUED = frozenset(
    "cm mm km kg mg ml mL ft in lb lbs oz hr hrs min mins sec secs mph kph yd yds am pm".split()
)
_GLUED |= frozenset("st nd rd th cms kms kgs deg usd".split())
_ENDS = frozenset(
    {"end of text", ",", ";", ")", "]", "}", "rset", "rnull", "rel", "and", "or", "row", "&", "end"}
)
_ENDS |= frozenset({"+", "-", "pm", "mp", "setop", "given", "num", "|", "rbar"})
MAX_UNIT_WORDS = 8
_PER = frozenset({"per", "a", "an", "each", "every"})
_VOWELS = frozenset("aeiouy")


class Quantities(Expression):
    """What may stand behind a number."""

    def may_measure(self, token: Token) -> bool:
        """Cheaply, whether a unit could begin here: most letters after a number are variables."""
        if token.kind in ("percent", "%", "currency"):
            return True
        if token.kind != "letter" or len(token.run) != 1:
            return bool(token.run)
        if token.upright:
            return self.tokens[self.at - 1].kind != "letter"
        return token.spaced and self.ahead().kind == "/"

    def measured(self, value: Node) -> Node:
        """`value` with the unit or percent sign that follows it, or `value` itself when none does."""
        if isinstance(value, Quantity | Percent):
            return value
        token = self.tokens[self.at]
        if token.kind in ("percent", "%"):
            self.at += 1
            return Percent(build.operand(value))
        if token.run == "per" and self._run(self.at + 3 if token.kind == "letter" else self.at + 1) == "cent":
            self.at += 7 if token.kind == "letter" else 2
            return Percent(build.operand(value))
        if not build.is_numeric(value) and not (token.upright and units.spell(token.run)):
            return value
        if token.kind == "currency":
            if self.ahead().kind not in _ENDS:
                return value
            self.at += 1
            return Quantity(build.operand(value), token.value)
        unit = self._unit("")
        if not unit and token.upright and token.run in units.UPRIGHT:
            raise Unreadable  # meters inside a product are neither a unit of it nor a variable
        return Quantity(build.operand(value), unit) if unit else value

    def price(self) -> Node:
        """`\\$5`, `-\\$5`, `\\$5 per hour`."""
        currency = self.take().value
        value = self.signed_factor()
        unit = currency
        word = self._run(self.at).lower()
        if word in _PER:
            unit = self._unit(currency) or currency
        elif units.spell(word) == currency:
            unit = self._unit("")  # "$5 dollars"
        return Quantity(build.operand(value), unit)

    def more_quantities(self, first: Node) -> Node:
        """`5 feet 3 inches`, `30^\\circ 15'`: further parts of one measurement."""
        if self.kind != "num" or not isinstance(first, Quantity):
            return first
        self.deeper()
        rest = self.term()
        self.depth -= 1
        parts = [first, *(rest.terms if isinstance(rest, Add) else (rest,))]
        measurement = combined(parts)
        if measurement is None:
            raise Unreadable
        return measurement

    def _run(self, at: int) -> str:
        return self.tokens[at].run if at < len(self.tokens) else ""

    def _unit(self, before: str) -> str:
        """The unit phrase at the cursor, which moves behind it; empty, without moving, when it is none.

        `before` is a currency that was written before the number.
        """
        phrase = _Phrase(before)
        at = self.at
        while len(phrase.parts) + len(phrase.words) < MAX_UNIT_WORDS:
            token = self.tokens[at]
            if self._is_word(at, phrase):
                if not phrase.take(token.run, token.upright, token.spaced):
                    return ""
                at += len(token.run) if token.kind == "letter" else 1
            elif token.kind == "^" and phrase.parts:
                power, at = self._exponent(at + 1)
                phrase.raise_last(power)
            elif token.kind in ("/", "*") and phrase.parts and self._run(at + 1):
                phrase.divided, phrase.complete = token.kind == "/", False
                at += 1
            elif token.kind == "-" and phrase.words and not token.spaced and len(self._run(at + 1)) > 2:
                at += 1
            else:
                break
        unit = phrase.unit()
        if not unit or self.tokens[at].kind not in _ENDS:
            return ""
        self.at = at
        return unit

    def _is_word(self, at: int, phrase: _Phrase) -> bool:
        """Whether a word begins here; a single letter only set upright, or in `m/s` and `\\$5 a day`."""
        token = self.tokens[at]
        if token.kind == "fn":  # min and sec
            return units.spell(token.run) is not None
        if not token.run or token.kind not in ("letter", "word"):
            return False
        if token.kind != "letter" or len(token.run) > 1:
            return True
        if token.upright:
            return token.run in units.UPRIGHT or bool(phrase.parts)
        if phrase.parts:
            return phrase.divided or token.run == "a" or phrase.parts[-1][0] == "degree"
        return (
            token.spaced and self.tokens[at + 1].kind == "/" and token.run + self._run(at + 2) in ("ms", "gL")
        )

    def _exponent(self, at: int) -> tuple[int, int]:
        """The power at a position and the position behind it; 0 when it is no small integer."""
        braced = self.tokens[at].kind == "{"
        at += braced
        negative = self.tokens[at].kind == "-"
        at += negative
        token = self.tokens[at]
        if token.kind != "num" or token.value not in ("1", "2", "3", "4"):
            return 0, at
        at += 1
        if braced and self.tokens[at].kind != "}":
            return 0, at
        return -int(token.value) if negative else int(token.value), at + braced


class _Phrase:
    """Collects the words of a unit: known units with powers, or unknown words as one name."""

    def __init__(self, currency: str) -> None:
        self.parts: list[tuple[str, int]] = [(currency, 1)] if currency else []
        self.words: list[str] = []
        self.power = 1
        self.divided = False
        self.complete = True  # "5 dollars each", but not "5 dollars per"
        self.valid = True

    def take(self, word: str, upright: bool, spaced: bool) -> bool:
        """Add a word; False when no unit can contain it."""
        lower = word.lower()
        started = bool(self.parts or self.words)
        if started and lower in _PER:
            self._close_words()
            self.divided, self.complete = True, lower == "each"
        elif lower in units.POWER_BEFORE and not self.words:
            self.power = units.POWER_BEFORE[lower]
        elif lower in units.POWER_AFTER and self.parts:
            self.raise_last(units.POWER_AFTER[lower])
        elif lower in units.NOT_UNITS:
            return False
        elif self.parts and self.parts[-1][0] == "degree" and lower[0] in "cfk":
            self.parts[-1] = ({"c": "celsius", "f": "fahrenheit", "k": "kelvin"}[lower[0]], 1)
        else:
            return self._take_name(word, upright, spaced, started)
        return True

    def _take_name(self, word: str, upright: bool, spaced: bool, started: bool) -> bool:
        known = units.spell(word)
        if known and (upright or started or self.power > 1 or word in _GLUED or spaced or len(word) > 3):
            self._add(known)
        elif self.parts and not self.divided:
            pass  # "5 years old": the known unit is what counts
        elif upright or started or self.power > 1 or self._looks_english(word, spaced):
            self.words.append(units.singular(word.lower()))
        else:
            return False
        return True

    @staticmethod
    def _looks_english(word: str, spaced: bool) -> bool:
        return spaced and len(word) > 2 and bool(_VOWELS & set(word.lower()))

    def _add(self, name: str) -> None:
        self.words.clear()  # "blue liters" are liters
        self.parts.append((name, -self.power if self.divided else self.power))
        self.power, self.divided, self.complete = 1, False, True

    def _close_words(self) -> None:
        if self.words:
            self._add_words()

    def _add_words(self) -> None:
        name = " ".join(self.words)
        self._add(name)

    def raise_last(self, power: int) -> None:
        """`m^2`; a power of a power (`m^2^2^2`) is no unit, and its factor would have no bound."""
        self._close_words()
        if not self.parts:
            return
        name, old = self.parts[-1]
        if not power or abs(old) > 1:
            self.valid = False
        self.parts[-1] = (name, old * power)

    def unit(self) -> str:
        """One spelling of the phrase; empty when it is not complete."""
        self._close_words()
        if not self.valid or not self.complete or not self.parts:
            return ""
        above = "*".join(_raised(name, power) for name, power in self.parts if power > 0)
        below = "".join("/" + _raised(name, -power) for name, power in self.parts if power < 0)
        return above + below


def _raised(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{power}"


def combined(parts: list[Node]) -> Node | None:
    """The sum of quantities of one known dimension in different units: `3 hours and 20 minutes`."""
    names = [part.unit for part in parts if isinstance(part, Quantity)]
    measures = [units.measure(name) for name in names]
    if len(names) < len(parts) or len(set(names)) < len(names) or len({m.dimension for m in measures}) > 1:
        return None
    return Add(tuple(parts)) if all(measure.known for measure in measures) else None

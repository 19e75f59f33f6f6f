"""Split an answer into tokens: one regular expression, one pass, no nesting.

Numbers come out whole (thousands groups, repeating decimals, numerals with a base), LaTeX spelling
disappears (sizing, spacing, fonts, delimiters of mathematics), and `\\text{...}` becomes words. Letters in a
row become one token each, since `xy` is a product; the first of them remembers the whole run, since it may be
a unit or a word instead, and only the parser can see which.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifiers.expressions import limits
from verifiers.expressions.vocabulary import (
    ALIGNED,
    CASES,
    CHARACTERS,
    COMMANDS,
    ESCAPES,
    GLUED_FUNCTIONS,
    LOWERED,
    MATRICES,
    NAMES,
    RAISED,
    SUBSCRIPT,
    SUPERSCRIPT,
    UNICODE,
    WORDS,
)
from verifiers.policy import LimitExceeded


class Unreadable(Exception):
    """The text is not an answer that can be read whole."""


class Token(NamedTuple):
    """`run`: the word that begins here; `upright`: set as text; `spaced`: a space stands before it;
    `wide`: one that separates items (a new line, `\\quad`).
    """

    kind: str
    value: str
    spaced: bool
    upright: bool = False
    run: str = ""
    wide: bool = False


_SEPARATOR = r"(?:\{,\}|\\[,;:! ]|~|,\s?\\!\s?|\\!\s?,|\{\\,\})"
_END_OF_NAME = "(?![A-Za-z])"
_MASTER = re.compile(
    rf"""
      (?P<space>\s+|~)
    | (?P<repeating>[0-9]{{0,60}}\.[0-9]{{0,60}}\\(?:overline|bar|dot)\s?(?:\{{[0-9]{{1,60}}\}}|[0-9]))
    | (?P<endless>[0-9]{{0,60}}\.[0-9]{{1,60}}(?:\.\.\.|\\(?:ldots|dots|cdots){_END_OF_NAME}))
    | (?P<clock>(?<![0-9:.])(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?![0-9:.]))
    | (?P<base>[0-9][0-9A-Z]{{0,63}}_(?:[0-9]{{1,2}}(?![0-9])
        |\{{\s?(?:\\text\s?\{{)?\(?(?:base\s?)?(?:[0-9]{{1,2}}|[a-z]{{3,11}})\)?\}}{{1,2}}))
    | (?P<grouped>[1-9][0-9]{{0,2}}(?:\s?{_SEPARATOR}\s?[0-9]{{3}})+(?![0-9])(?:\.[0-9]+)?)
    | (?P<comma>[0-9]+\{{,\}}[0-9]+)
    | (?P<thousands>(?<![0-9],)[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+(?![0-9]|,[0-9])(?:\.[0-9]+)?)
    | (?P<num>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+\.(?=\s*\\%))
    | (?P<roman>\{{\s?\\(?:rm|mathrm|text){_END_OF_NAME}(?!\s*\{{)\s*)
    | \\(?:left|[bB]igg?l){_END_OF_NAME}\s*(?P<open>\||\\vert{_END_OF_NAME}|\.|<)
    | \\(?:right|[bB]igg?r){_END_OF_NAME}\s*(?P<close>\||\\vert{_END_OF_NAME}|\.|>)
    | \^\s?(?P<degree>\{{\s?\\(?:circ|degree)\s?\}}|\\(?:circ|degree){_END_OF_NAME})
    | \^\s?(?P<prime>\{{(?:\\prime\s?){{1,3}}\}}|\\prime{_END_OF_NAME})
    | \\begin\s?\{{(?P<begin>[A-Za-z]+)\*?\}}(?:\s?\[[a-z]\])?(?:(?<=array\}})\s?\{{[^{{}}]*\}})?
    | \\end\s?\{{(?P<end>[A-Za-z]+)\*?\}}
    | (?P<stop>\.(?=\s*(?:\\end{_END_OF_NAME}|\}}|$)))
    | (?P<row>\\\\(?:\[[0-9.]+[a-z]+\])?|\\cr{_END_OF_NAME})
    | \\not\s?(?P<negated>=|\\in{_END_OF_NAME})
    | (?P<blank>\\h?phantom\s?\{{\s?[-+=]?\s?\}})
    | \\(?P<command>[A-Za-z]+)(?:(?:(?<=operatorname)|(?<=[hv]space))\*)?
    | (?P<without>\\\s+(?=\\?\{{))
    | \\(?P<escape>.)
    | (?P<meridiem>[ap]\.\s?m\b\.?)
    | (?P<abbreviation>(?<![A-Za-z])(?:sq|cu|ft|in|lbs?|oz|hrs?|mins?|secs?|yds?)\.(?![0-9]))
    | (?P<times>[xX](?=\s?10\s?(?:\^|\*\*)))
    | (?P<letters>[A-Za-z]+)
    | \{{(?P<braced>[,:=<>])\}}
    | (?P<character>\*\*|<=|>=|!=|==|:=|=<|->|<>|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
GLUED = re.compile(rf"([a-zA-Z]?)({GLUED_FUNCTIONS})([a-gi-zA-Z]?)|(or|and)([A-Za-z])")  # sinx, xcosx, 1orx
_BACKSLASHES = re.compile(r"\\+")
_DOUBLED = re.compile(r"\\\\[A-Za-z]{2}")
_AMOUNT = re.compile(r"\s*[-+]?[0-9][0-9,.]*\s*")
_RAISED = re.compile(f"[{RAISED}]+")
_LOWERED = re.compile(f"[{LOWERED}]+")
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_BASE_WORDS |= {"ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16}
_OPENERS = frozenset({"(", "[", "lset"})
_CLOSERS = frozenset({")", "]", "rset"})
END = Token("end of text", "", False)


def tokenize(text: str) -> list[Token]:
    """The tokens of an answer, with `END` after the last.

    Raises:
        LimitExceeded: the text has too many tokens or digits.
        Unreadable: a character or command with no meaning in an answer.
    """
    reader = _Reader()
    for match in _MASTER.finditer(_one_spelling(text)):
        reader.read(str(match.lastgroup), match)
    reader.tokens.append(END)
    return reader.tokens


def _one_spelling(text: str) -> str:
    if not text.isascii():
        text = _RAISED.sub(lambda m: "^{" + m[0].translate(SUPERSCRIPT) + "}", text)
        text = _LOWERED.sub(lambda m: "_{" + m[0].translate(SUBSCRIPT) + "}", text)
        text = text.translate(UNICODE)
    if _DOUBLED.search(text) and all(len(run) % 2 == 0 for run in _BACKSLASHES.findall(text)):
        text = text.replace("\\\\", "\\")
    return _currency(text) if "$" in text else text


def _currency(text: str) -> str:
    """Dollars that delimit mathematics become spaces, those that are money `\\$`."""
    parts = re.split(r"(?<!\\)\$", text.replace("$$", " "))
    starts_number = [bool(re.match(r"\s?[-+]?[0-9.]", part)) for part in parts[1:]]
    if len(parts) % 2 == 1 and not all(starts_number):
        return " ".join(parts)
    if len(parts) == 2:
        is_money = starts_number[0] or (not parts[1].strip(" .") and _AMOUNT.fullmatch(parts[0]))
        return ("\\$" if is_money else " ").join(parts)
    return ("\\$" if all(starts_number) else " ").join(parts)


class _Reader:
    """Collects tokens; `braces` says what each open brace encloses: text, something dropped, or a group."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.braces: list[str] = []
        self.spaced = False
        self.wide = False
        self.pending = ""  # a wrapper command that waits for its brace
        self.upright = 0
        self.dropped = 0
        self.brackets = 0
        self.environments: list[str] = []

    def read(self, group: str, match: re.Match[str]) -> None:
        text = match[group]
        if self.pending and group != "space" and self._open_wrapper(text):
            return
        if self.dropped and text not in ("{", "}"):
            return
        if group == "num":
            self._add("num", text)
        elif group == "space":
            self.spaced, self.wide = True, self.wide or "\n" in text
        elif group == "letters":
            self._letters(text)
        elif group == "character":
            self._character(text)
        elif group == "command":
            self._command(text)
        else:
            _HANDLERS[group](self, text)

    def _open_wrapper(self, text: str) -> bool:
        """Enter the group of `\\text`, which has no effect without one; what is dropped must have one."""
        pending, self.pending = self.pending, ""
        if text != "{" and pending == "drop":
            raise Unreadable
        if text != "{":
            return False
        self._enter(pending)
        return True

    def _enter(self, wrapper: str) -> None:
        self.braces.append(wrapper)
        self.upright += wrapper == "text"
        self.dropped += wrapper == "drop"

    def _leave(self) -> str:
        wrapper = self.braces.pop() if self.braces else ""
        self.upright -= wrapper == "text"
        self.dropped -= wrapper == "drop"
        return wrapper

    def _add(self, kind: str, value: str, run: str = "") -> None:
        self.tokens.append(Token(kind, value, self.spaced, self.upright > 0, run, self.wide))
        self.spaced = self.wide = False
        if len(self.tokens) > limits.MAX_TOKENS:
            raise LimitExceeded

    def _character(self, text: str) -> None:
        dropped = self.dropped
        if text == "}" and self._leave():
            return
        if text == "{":
            self._enter("")
        if dropped:
            return
        if text == "!=" and not self.spaced and self.tokens:
            self._glued_inequality(self.tokens[-1].kind)
            return
        kind, value = CHARACTERS.get(text, ("", ""))
        if not kind and text == "." and self.upright:
            return  # the full stop of `\\text{ ways.}`
        if not kind:
            raise Unreadable
        if kind == "&" and not self.environments:
            return
        self._bracket(kind)
        self._add(kind, value)

    def _glued_inequality(self, before: str) -> None:
        """`5!=120` is a factorial, `x != 1` an inequality; `x!=1` may be either."""
        if before == "letter":
            raise Unreadable
        self._add("!", "")
        self._add("rel", "=")

    def _bracket(self, kind: str) -> None:
        if kind in _OPENERS:
            self.brackets += 1
        elif kind in _CLOSERS and self.brackets:
            self.brackets -= 1

    def _command(self, name: str) -> None:
        if name not in COMMANDS and name.startswith(("quad", "qquad")):
            self.spaced = self.wide = True  # `\quadx`, a slip for `\quad x`
            self._letters(name[name.index("quad") + 4 :])
            return
        kind, value = COMMANDS.get(name, ("", ""))
        if kind == "space":
            self.spaced, self.wide = True, self.wide or value == "wide"
        elif kind in ("text", "drop"):
            self.pending = kind
            self.spaced = self.spaced or name == "hspace"
        elif kind == "letter":
            self._add("letter", value, value)
        elif not kind:
            raise Unreadable
        elif kind != "skip":
            self._bracket(kind)
            self._add(kind, value)

    def _escape(self, char: str) -> None:
        kind, value = ESCAPES.get(char, ("", ""))
        if not kind:
            raise Unreadable
        if kind == "space":
            self.spaced = True
        elif kind != "skip":
            self._bracket(kind)
            self._add(kind, value)

    def _letters(self, run: str) -> None:
        if len(run) == 1:
            self._add("letter", run, run)
        elif kind_value := WORDS.get(run.lower()) or NAMES.get(run):
            self._add(*kind_value, run)
        elif self.upright:
            self._add("word", run, run)
        elif glued := GLUED.fullmatch(run):
            for part in filter(None, glued.groups()):
                self._letters(part)
        else:
            self._add("letter", run[0], run)
            for letter in run[1:]:
                self._add("letter", letter)

    def _thousands(self, text: str) -> None:
        """Inside brackets `1,234` is two items; only `1{,}234` or `1\\,234` is one number there."""
        if not self.brackets:
            self._add("num", text.replace(",", ""))
            return
        for i, part in enumerate(text.split(",")):
            if i:
                self._add(",", "")
            self._add("num", part)

    def _base(self, text: str) -> None:
        digits, _, written = text.partition("_")
        name = re.sub(r"\\text|base|[^0-9a-z]", "", written)
        base = int(name) if name.isdigit() else _BASE_WORDS.get(name, 0)
        if 2 <= base <= 36 and all(int(digit, 36) < base for digit in digits):
            self._add("base", f"{digits}_{base}")
            return
        product = re.fullmatch(r"([0-9]+)([A-Z]+)", digits)  # 2S_{10} is two times a symbol
        if not product:
            raise Unreadable
        self._add("num", product[1])
        self._letters(product[2])
        for match in _MASTER.finditer("_" + written):
            self.read(str(match.lastgroup), match)

    def _without(self, text: str) -> None:
        """The backslash of `R \\ {0}`; after a number it is a space."""
        if self.tokens and self.tokens[-1].kind in ("}", ")", "]", "rset", "letter"):
            self._add("setop", "difference")
        self.spaced = True

    def _blank(self, text: str) -> None:
        """The room of a sign, which aligns `\\phantom{-}3` with the -4 below it."""
        self.spaced = True

    def _times(self, text: str) -> None:
        """The x of `3 x 10^8`."""
        is_sign = self.tokens and self.tokens[-1].kind == "num"
        self._add("*" if is_sign else "letter", text, "" if is_sign else text)

    def _begin(self, name: str) -> None:
        if name in ALIGNED:
            return
        if name not in MATRICES and name not in CASES:
            raise Unreadable
        self.environments.append(name)
        self._add("begin", name)

    def _end(self, name: str) -> None:
        if name in ALIGNED:
            return
        if not self.environments or self.environments.pop() != name:
            raise Unreadable
        self._add("end", name)


_HANDLERS = {
    "base": _Reader._base,
    "thousands": _Reader._thousands,
    "escape": _Reader._escape,
    "grouped": lambda self, text: self._add("num", re.sub(r"[^0-9.]", "", text)),
    "comma": lambda self, text: self._add("num", text.replace("{,}", ".")),
    "repeating": lambda self, text: self._add("repeating", text),
    "endless": lambda self, text: self._add("endless", text),
    "clock": lambda self, text: self._add("clock", text),
    "open": lambda self, text: self._add({".": "lnull", "<": "langle"}.get(text, "lbar"), ""),
    "close": lambda self, text: self._add({".": "rnull", ">": "rangle"}.get(text, "rbar"), ""),
    "degree": lambda self, text: self._add("degree", ""),
    "prime": lambda self, text: self._add("'", "'" * text.count("prime")),
    "roman": lambda self, text: self._enter("text"),
    "begin": _Reader._begin,
    "end": _Reader._end,
    "braced": _Reader._character,
    "without": _Reader._without,
    "blank": _Reader._blank,
    "times": _Reader._times,
    "abbreviation": lambda self, text: self._letters(text[:-1]),
    "stop": lambda self, text: None,
    "row": lambda self, text: self._add("row", ""),
    "negated": lambda self, text: self._add("rel", "!=" if text == "=" else "notin"),
    "meridiem": lambda self, text: self._add("word", text[0] + "m", text[0] + "m"),
}

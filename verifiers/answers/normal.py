"""Spelling differences that never change an answer: LaTeX dialect, Unicode, spacing, delimiters.

`plain` rewrites an answer into one spelling that keeps words apart; `string_key` squeezes that into the form
in which two answers are compared as strings. Nothing that carries meaning is dropped: a factorial keeps its
"!", an ellipsis its dots, two numbers side by side their space, and "1, 234" is not "1,234".
"""

from __future__ import annotations

import re

from verifiers.characters import ASCII, VULGAR

_SYMBOLS = {
    "×": "\\times ",
    "⋅": "\\cdot ",
    "·": "\\cdot ",
    "÷": "/",
    "⁄": "/",
    "π": "\\pi ",
    "∞": "\\infty ",
}
_SYMBOLS |= {"°": " degrees ", "√": "\\sqrt ", "≤": "\\leq ", "≥": "\\geq "}
_UNICODE = str.maketrans(ASCII | {c: f" {f} " for c, f in VULGAR.items()} | _SYMBOLS)

_CURRENCY = "\ue000"  # stands for an escaped dollar while dollars that delimit mathematics are removed
_GROUPED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:(?:\\,|\\ |~)[0-9]{3})+(?![0-9])")
_SEPARATOR = re.compile(r"\\,|\\ |~")
_LOST_DOLLAR = re.compile(r"(?<!\\)\\(?=[0-9])")  # `\\15` is what a shell leaves of `\\$15`
_DOUBLE_COMMAND = re.compile(r"(?<!\\)\\\\[A-Za-z]{2,}")
_SINGLE_COMMAND = re.compile(r"(?<!\\)\\(?:\\\\)*[A-Za-z]")
_THIN_NEGATIVE = re.compile(r"\\!\s*")
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:> ]|q?quad(?![A-Za-z]))|~")
_SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_FRAC = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|normal|sf|tt)?|math(?:rm|bf|it|sf)|mbox|hbox|operatorname)\s{0,4}\{([^{}]*)\}"
)
_DEGREES = re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ)|\\degree(?![A-Za-z])")
_PAIRED_DOLLARS = re.compile(r"\$\$?([^$]*)\$\$?")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]")
_SYNONYMS = {
    "\\lt": "<",
    "\\gt": ">",
    "\\le": "\\leq",
    "\\ge": "\\geq",
    "\\cdot": "*",
    "\\times": "*",
    "\\ne": "\\neq",
}
_SYNONYM = re.compile(r"\\(?:lt|gt|le|ge|cdot|times|ne)(?![A-Za-z])")

_SHORT_FRAC = re.compile(r"\\frac\s*([0-9])\s*([0-9])")
_HALF_SHORT_FRAC = re.compile(r"\\frac\s*([0-9])\s*\{|(\\frac\{[^{}]*\})\s*([0-9])")
_SHORT_SQRT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_SINGLE_BRACES = re.compile(r"([\^_])\{([0-9A-Za-z])\}")
_THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])")
_SAME_WORDS = {"nosolutions": "nosolution", "none": "nosolution", "doesnotexist": "dne"}
_LOOSE_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")


def unescaped(text: str) -> str:
    """`text` with single backslashes where all its commands have two, as JSON inside JSON leaves them."""
    if "\\\\" in text and _DOUBLE_COMMAND.search(text) and not _SINGLE_COMMAND.search(text):
        return text.replace("\\\\", "\\")
    return text


def plain(text: str) -> str:
    """`text` without delimiters, sizing, wrappers and LaTeX spacing; words stay separated by one space."""
    text = text.strip()
    if text.isascii() and not any(c in text for c in "\\$~{*"):
        return _trim(text)
    text = text.translate(_UNICODE)
    text = _LOST_DOLLAR.sub("", _THIN_NEGATIVE.sub("", text)).replace("{,}", ",")
    text = _GROUPED.sub(lambda m: _SEPARATOR.sub("", m[0]), text)
    text = _SIZING.sub("", _SPACING.sub(" ", text))
    text = _FRAC.sub(r"\\frac", _DEGREES.sub(" degrees ", text))
    text = _unwrap(text).replace("\\%", "%").replace("\\$", _CURRENCY)
    text = _PAIRED_DOLLARS.sub(r" \1 ", _DELIMITERS.sub(" ", text)).replace(_CURRENCY, "$")
    return _trim(_SYNONYM.sub(lambda m: _SYNONYMS[m[0]], text))


def _unwrap(text: str) -> str:
    for _ in range(4):  # wrappers nest, but no answer nests them deeper
        text, changes = _TEXT.subn(r" \1 ", text)
        if not changes:
            break
    return text


def _trim(text: str) -> str:
    """Outer spaces, emphasis, and the full stop of the sentence go; an ellipsis is part of the answer."""
    text = " ".join(text.split()).strip("*").strip()
    while text[-1:] in {".", ",", ";", ":", "\\"} and not text.endswith(".."):
        text = text[:-1].rstrip(" *")
    return text.lstrip("=: ")


def string_key(text: str) -> str:
    """The string by which `plain` texts are compared: equal keys mean the same answer."""
    if text.isascii() and text.isdigit():
        return text
    if "\\" in text or "{" in text:
        text = _SHORT_FRAC.sub(r"\\frac{\1}{\2}", text)
        text = _HALF_SHORT_FRAC.sub(_brace_fraction, text)
        text = _SINGLE_BRACES.sub(r"\1\2", _SHORT_SQRT.sub(r"\\sqrt{\1}", text))
    if not any(c in text for c in "([{"):  # inside brackets 1,234 may be a pair
        text = _THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)
    text = _LOOSE_SPACE.sub("", text)
    if len(text) == 3 and text[0] == "(" and text[2] == ")" and text[1].isalpha():
        return text[1]
    is_word = text.isalpha() and (len(text) > 2 or text == "No")  # AB and ab may be two segments
    return _SAME_WORDS.get(text.lower(), text.lower()) if is_word else text


def _brace_fraction(match: re.Match[str]) -> str:
    return f"\\frac{{{match[1]}}}{{" if match[1] else f"{match[2]}{{{match[3]}}}"

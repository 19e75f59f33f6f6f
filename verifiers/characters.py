"""Unicode characters that are only another way to write ASCII ones, and the fractions of one character.

The tables say what a character stands for; how that is spelled (`\\frac12` or ` 1/2 `) is up to the reader.
"""

from __future__ import annotations

MINUS = dict.fromkeys("−‐‑‒–—﹣", "-")
SPACES = dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000", " ")
INVISIBLE = dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(ord("!"), ord("~") + 1)}
ASCII = MINUS | SPACES | INVISIBLE | FULL_WIDTH

VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5"}
VULGAR |= {"⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}

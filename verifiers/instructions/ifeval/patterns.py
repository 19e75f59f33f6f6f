"""Arguments that the published checkers put into a regular expression as they are.

Published ones are plain words. Others could keep a search busy for hours, so only patterns whose search takes
time in proportion to the text stay patterns, at most 2 ** MOST_CHOICES steps for each character; any other
argument is searched as the text it is.
"""

from __future__ import annotations

import re

MOST_CHOICES = 6  # each doubles the ways to match
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_LAST_REPETITION = re.compile(r"[*+]{1,2}\??$")
_SLOW = re.compile(r"[*+{]|\)\?|\(\?")


def pattern_of(argument: str, *, last: bool = True) -> str:
    """`argument` as a pattern, escaped where it is none or a slow one.

    A repetition is let in as the end of the pattern only (the C++ of a list of keywords), and not at all
    where more of the pattern follows (`last` false).
    """
    bare = _ESCAPED.sub("", argument)
    repeated = _LAST_REPETITION.sub("", bare) if last and not bare.rstrip("*+?").endswith(")") else bare
    if _SLOW.search(repeated) or repeated.count("?") + repeated.count("|") > MOST_CHOICES:
        return re.escape(argument)
    try:
        re.compile(argument)
    except (re.error, RecursionError, OverflowError):
        return re.escape(argument)
    return argument

r"""The first wrong step a critic named, read strictly from the last line of its reply: an index, or nothing.

    \boxed{2}    [[2]]             perhaps behind a lead-in: "The first error is in paragraph 2: $\boxed{2}$"

Steps count from 0, and -1 says that no step is wrong (ProcessBench, arXiv 2412.06559). A step that does not
exist, two different indices, and a lead-in that contradicts its index are nothing.
"""

from __future__ import annotations

import re

from labelers.judges.last_line import LEAD_IN, last_lines, stands_alone

LEAD_WORDS = LEAD_IN | frozenset(
    "first earliest wrong incorrect erroneous error mistake step paragraph index number occurs appears lies "
    "found located at of where with since because as solution process".split()
)
NONE_WORDS = LEAD_WORDS | frozenset(
    "no errors mistakes all every each steps paragraphs are correct right sound there contains has return "
    "none 1".split()
)

_FAULT = re.compile(
    r"\b(?:is|are|contains|has) (?:errors?|mistakes?|wrong|incorrect|erroneous)\b|(?<![-−])\b1\b"
)
_INDEX = re.compile(r"(?:\\boxed(\{)|\[\[)\s*([-−]?[0-9]{1,4})\s*(?(1)\}|\]\])")


def parse_first_error(reply: str, n_steps: int) -> int | None:
    """Index of the first wrong step, -1 where the critic found none; None for what cannot be read."""
    last, _ = last_lines(reply)
    found = list(_INDEX.finditer(last.text))
    indices = {int(one[2].replace("−", "-")) for one in found}
    if len(indices) != 1:
        return None
    index = indices.pop()
    words = NONE_WORDS if index == -1 else LEAD_WORDS | {str(index)}
    if not -1 <= index < n_steps or not stands_alone(last.text, found, words):
        return None
    return None if index == -1 and _finds_fault(last.text[: found[0].start()].lower()) else index


def _finds_fault(lead: str) -> bool:
    """Do the words before a -1 say that something is wrong, or name step 1?"""
    return _FAULT.search(lead) is not None and not re.search(r"\b(?:no|none)\b", lead)

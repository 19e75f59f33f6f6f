r"""The first wrong step a critic named, read strictly from its last statement: an index, or nothing.

    \boxed{2}    [[2]]             perhaps behind a lead-in: "The first error is in paragraph 2: $\boxed{2}$"

Steps count from 0, and -1 says that no step is wrong (ProcessBench, arXiv 2412.06559). A lead-in to -1 may
say that there is no error, a lead-in to k that step k is the wrong one. A step that does not exist and two
different indices are nothing; so is every other lead-in, for critics box values of the question too.
"""

from __future__ import annotations

import re

from labelers.judges.last_line import ANSWER, VERDICT, are_last, is_lead_in, last_statement
from labelers.judges.verdict_parser import BRACKETS

_WRONG = "(?:wrong|incorrect|erroneous)"
_ERROR = "(?:error|mistake)"
_STEP = "(?:step|paragraph)"
_FIRST = f"(?:(?:the )?(?:first|earliest) (?:{_ERROR}|{_WRONG} {_STEP}))"
_AT = f"(?:{_FIRST}|the {_ERROR} first) (?:is|occurs|appears|lies|is found) (?:in|at) {_STEP}"
_LABEL = f"{VERDICT}|{ANSWER}|{_FIRST}(?: is)?|(?:the )?index(?: of {_FIRST})?(?: is)?"
_NO_ERROR = (
    f"(?:there (?:is|are) )?no (?:{_ERROR}s?|{_WRONG} {_STEP}s?)(?: (?:is |was |were )?found)?"
    f"|no {_STEP} (?:is {_WRONG}|(?:has|contains) (?:an )?{_ERROR}s?)"
    f"|none of the {_STEP}s (?:is|are) {_WRONG}"
    f"|(?:all (?:the )?{_STEP}s are|(?:each|every) {_STEP} is|the solution is) (?:correct|right)"
)

INDEX = re.compile(rf"(?:\\boxed(\{{)|{BRACKETS})\s{{0,4}}([-−]1|0|[1-9][0-9]{{0,3}})\s{{0,4}}(?(1)\}}|\]\])")


def parse_first_error(reply: str, n_steps: int) -> int | None:
    """Index of the first wrong step, -1 where the critic found none; None for what cannot be read."""
    text, _, _ = last_statement(reply)
    found = list(INDEX.finditer(text))
    indices = {int(one[2].replace("−", "-")) for one in found}
    if len(indices) != 1 or not are_last(text, found):
        return None
    index = indices.pop()
    lead, clause = text[: found[0].start()], _NO_ERROR if index == -1 else _error_at(index)
    label = _LABEL if index == -1 else f"{_LABEL}|{_AT}|{_STEP}"
    readable = is_lead_in(lead, f"(?:{label})(?:[ ,]{index})?", clause)
    return index if readable and index < n_steps else None


def _error_at(index: int) -> str:
    """What a lead-in may say of the step that the index names, and of no other."""
    step, error = f"{_STEP} {index}", f"(?:an |the )?(?:first |earliest )?{_ERROR}"
    where = f"is where (?:{_FIRST}|the {_ERROR}) (?:occurs|is)"
    wrong = f"is {_WRONG}|is {_FIRST}|(?:contains|has) {error}|{where}"
    return f"{_AT} {index}|{_FIRST} is {step}|{step} (?:{wrong})"

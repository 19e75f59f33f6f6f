"""Solutions cut into steps, losing nothing: `"".join(split_steps(text)) == text`.

A step keeps the line breaks that end it, so a prefix of steps is exactly the text a policy
wrote up to there and can be handed back to it to go on from. Three policies:

- `newline`: every line is a step (the embedded policy, GSM8K).
- `blank-line`: every paragraph is a step (the "Lessons" recipe, arXiv 2501.07301).
- `step`: every line that begins with "Step k:" begins a step (Math-Shepherd, arXiv 2312.08935).

Blank lines, and whatever stands before the first step, never are steps of their own.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

SplitPolicy = Literal["newline", "blank-line", "step"]

# Only "\n" ends a line: str.splitlines would also cut at form feeds and U+2028 inside a step.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_STEP_HEAD = re.compile(r"\s*(?:[#*>-]+\s*)?Step\s+\d+\s*\**\s*[:.)]", re.IGNORECASE)


def split_steps(text: str, policy: SplitPolicy = "newline") -> list[str]:
    """The steps of `text`, in order; none for an empty text, one where nothing separates two."""
    if policy not in get_args(SplitPolicy):
        raise ValueError(f"split_steps: unknown policy {policy!r}; one of {', '.join(get_args(SplitPolicy))}")
    steps: list[str] = []
    current, has_words, after_blank, headed = "", False, False, False
    for line in _LINE.findall(text):
        blank, head = not line.strip(), bool(_STEP_HEAD.match(line))
        begins = {"newline": True, "blank-line": after_blank, "step": head and headed}[policy] and not blank
        if begins and has_words:
            steps.append(current)
            current, has_words = "", False
        current += line
        has_words, after_blank, headed = has_words or not blank, blank, headed or head
    return [*steps, current] if current else steps

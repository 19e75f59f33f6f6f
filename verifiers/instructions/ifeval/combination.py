"""combination:*"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.instructions.arguments import need_text
from verifiers.instructions.base import Instruction, Mode, register

_SIX_STARS = re.compile(r"(?<!\*)\*{6}(?!\*)")


@register("combination:repeat_prompt", "ifeval")
@dataclass(frozen=True, kw_only=True)
class RepeatPrompt(Instruction):
    prompt_to_repeat: str

    def __post_init__(self) -> None:
        need_text(self, "prompt_to_repeat")

    def describe(self) -> str:
        return (
            "Begin by repeating the following request word for word, with nothing before it, and then answer "
            f"it:\n{self.prompt_to_repeat}"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the repetition alone passes, nothing answered, and a line broken elsewhere fails.
            return response.strip().lower().startswith(self.prompt_to_repeat.lower())
        said, request = (" ".join(text.casefold().split()) for text in (response, self.prompt_to_repeat))
        return said.startswith(request) and any(map(str.isalnum, said[len(request) :]))


@register("combination:two_responses", "ifeval")
@dataclass(frozen=True, kw_only=True)
class TwoResponses(Instruction):
    def describe(self) -> str:
        return "Give two different responses, with six asterisks (******) between them and nowhere else."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream also cuts inside longer rows of asterisks, and the same answer in other case or
        # spacing is a different one.
        parts = _SIX_STARS.split(response) if mode == "fixed" else response.split("******")
        given = [stripped for part in parts if (stripped := part.strip())]
        if len(given) != 2 or not all(part.strip() for part in parts[1:-1]):
            return False
        first, second = (" ".join(text.casefold().split()) if mode == "fixed" else text for text in given)
        return first != second

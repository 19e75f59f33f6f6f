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
            # Defect: the repetition alone passes, nothing answered, and so does one that goes on in its last
            # word ("a joke" as "a jokester"); a line broken elsewhere fails.
            return response.strip().lower().startswith(self.prompt_to_repeat.lower())
        said, request = (" ".join(text.casefold().split()) for text in (response, self.prompt_to_repeat))
        after = said[len(request) :]
        whole = not (request[-1].isalnum() and after[:1].isalnum())
        return said.startswith(request) and whole and any(map(str.isalnum, after))


@register("combination:two_responses", "ifeval")
@dataclass(frozen=True, kw_only=True)
class TwoResponses(Instruction):
    def describe(self) -> str:
        return "Give two different responses, with six asterisks (******) between them and nowhere else."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            return self._published(response)
        parts = [" ".join(part.casefold().split()) for part in _SIX_STARS.split(response)]
        return len(parts) == 2 and all(parts) and parts[0] != parts[1]

    @staticmethod
    def _published(response: str) -> bool:
        # Defect: asterisks may stand before and after the responses too, longer rows of them divide, and the
        # same answer in other case or spacing is a different one.
        parts = response.split("******")
        given = [stripped for part in parts if (stripped := part.strip())]
        return len(given) == 2 and all(part.strip() for part in parts[1:-1]) and given[0] != given[1]

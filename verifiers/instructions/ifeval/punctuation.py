"""punctuation:*"""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.instructions.base import Instruction, Mode, register

# The comma and what other scripts write for it: Arabic, fullwidth, ideographic and their small forms.
COMMAS = ",،，、﹐､"


@register("punctuation:no_comma", "ifeval")
@dataclass(frozen=True, kw_only=True)
class NoComma(Instruction):
    def describe(self) -> str:
        return "Do not use a single comma anywhere in your response."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        # Defect: upstream knows the ASCII comma only, so every Arabic or Chinese response passes.
        return not any(comma in response for comma in (COMMAS if mode == "fixed" else ","))

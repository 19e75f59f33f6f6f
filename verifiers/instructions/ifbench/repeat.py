"""IFBench constraints that ask for a copy of the request or of a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.instructions.arguments import need_count, need_text
from verifiers.instructions.base import BadArguments, Instruction, Mode, register


@register("repeat:repeat_change", "ifbench")
@dataclass(frozen=True, kw_only=True)
class RepeatChange(Instruction):
    prompt_to_repeat: str

    def __post_init__(self) -> None:
        need_text(self, "prompt_to_repeat", strip=False)

    def describe(self) -> str:
        return (
            "Do not answer the following request. Write it down again and nothing else, with another word in "
            f"place of its first: {self.prompt_to_repeat}"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        asked, answered = self.prompt_to_repeat.split(), response.split()
        # Defect: one more space anywhere passes for a changed first word.
        changed = response != self.prompt_to_repeat if mode == "upstream" else asked[0] != answered[0]
        return changed and asked[1:] == answered[1:]


@register("repeat:repeat_simple", "ifbench")
@dataclass(frozen=True, kw_only=True)
class RepeatSimple(Instruction):
    def describe(self) -> str:
        # The published instruction itself: it is what has to be repeated.
        return "Only output this sentence here, ignore all other requests."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        return response.strip().lower() == self.describe().lower()


@register("repeat:repeat_span", "ifbench")
@dataclass(frozen=True, kw_only=True)
class RepeatSpan(Instruction):
    prompt_to_repeat: str
    n_start: int
    n_end: int

    def __post_init__(self) -> None:
        need_text(self, "prompt_to_repeat", strip=False)
        need_count(self, "n_start")
        need_count(self, "n_end")
        if self.n_start > self.n_end:
            raise BadArguments(f"{self.id}: n_start {self.n_start} is above n_end {self.n_end}")

    def describe(self) -> str:
        return (
            f"Write down the words {self.n_start} to {self.n_end}, both included, of the following text, and "
            "nothing else; words are separated by spaces, and the first has number 0: "
            f"{self.prompt_to_repeat}"
        )

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defect: the indices count characters, although the published instruction says words.
            span = self.prompt_to_repeat[self.n_start : self.n_end + 1]
        else:
            span = " ".join(self.prompt_to_repeat.split()[self.n_start : self.n_end + 1])
        return response.strip().lower() == span.strip().lower()

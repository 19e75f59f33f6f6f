"""language:*"""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.instructions.arguments import need_choice
from verifiers.instructions.base import Instruction, Mode, register
from verifiers.instructions.language import LANGUAGES, detect, written_in
from verifiers.instructions.text import paragraphs


@register("language:response_language", "ifeval")
@dataclass(frozen=True, kw_only=True)
class ResponseLanguage(Instruction):
    language: str  # a code of LANGUAGES

    def __post_init__(self) -> None:
        need_choice(self, "language", sorted(LANGUAGES))

    def describe(self) -> str:
        return f"Write your whole response in {LANGUAGES[self.language]} and in no other language."

    def check(self, response: str, mode: Mode, prompt: str | None) -> bool:
        if mode == "upstream":
            # Defects: a text without letters passes in every language, a few words are judged by chance,
            # words in capitals are not looked at, and a long part in another language is outvoted.
            return detect(response) in (self.language, None)
        # A request that had to be repeated word for word is in the language of the request; an answer that
        # is a word of the prompt and nothing else is still the answer.
        own = "\n\n".join(part for part in paragraphs(response) if not prompt or part not in prompt)
        return written_in(own or response, self.language)

"""What a judge is shown: prompts, their reference answers, and completions, looked up by id."""

from __future__ import annotations

import polars as pl

from labelers.judges.templates import Template
from samplers.engine import Message
from store.errors import InputError


class Material:
    """The texts behind the ids that a labeler is given; InputError for an id that has none."""

    def __init__(self, form: Template, prompts: pl.DataFrame, completions: pl.DataFrame) -> None:
        self.form = form
        rows = prompts.select("prompt_id", "messages", "answer").iter_rows()
        self.prompts = {prompt_id: shown for prompt_id, *shown in rows}
        self.texts = dict(completions.select("completion_id", "text").iter_rows())
        self.completions = completions

    def judged(self) -> list[tuple[str, str]]:
        """(prompt_id, completion_id) of every completion, once, in the order of the ids."""
        return self.completions.select("prompt_id", "completion_id").unique().sort(pl.all()).rows()

    def prompt(self, prompt_id: str) -> dict[str, str]:
        """The fields {prompt} and {reference} of the template."""
        if prompt_id not in self.prompts:
            raise InputError(f"judge: {prompt_id} is to be judged but not among the prompts")
        messages, answer = self.prompts[prompt_id]
        if self.form.needs_reference and answer is None:
            raise InputError(
                f"judge: template {self.form.name} wants a reference and prompt {prompt_id} has no answer; "
                "use a template without {reference} or leave the prompt out"
            )
        return {"prompt": as_text(messages), "reference": answer or ""}

    def text(self, completion_id: str) -> str:
        if completion_id not in self.texts:
            raise InputError(f"judge: {completion_id} is to be judged but not among the completions")
        return self.texts[completion_id]


def as_text(messages: list[Message]) -> str:
    """A prompt as the judge reads it: one user message as it is, a conversation with its roles."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)

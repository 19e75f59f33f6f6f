"""Section about duplicates: which prompts, and which completions of a prompt, are copies."""

from __future__ import annotations

from pydantic import Field

from curation.duplicates.rule import Rule
from flows.recipe.section import Section


class DeduplicateStage(Section):
    """Drop prompts with the same words as another one, or nearly the same words and the same numbers and
    symbols; of copies one stays."""

    words: int = Field(5, ge=1, le=20, description="words in a run of words, by which texts are compared")
    similarity: float = Field(
        0.7, gt=0, le=1, description="shared runs over all runs of two prompts (Jaccard) that make a copy"
    )
    completions: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the same for completions of one prompt with the same label, when sets are built; "
        "default: only equal texts are dropped",
    )

    @property
    def rule(self) -> Rule:
        return Rule(self.words, self.similarity)

    @property
    def completion_rule(self) -> Rule | None:
        return Rule(self.words, self.completions) if self.completions else None

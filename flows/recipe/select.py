"""Sections about which prompts are worth completions: annotated by a judge, then chosen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flows.recipe.section import Section
from labelers.annotate import LETTERS, TOPICS
from samplers.engines import EngineConfig


class AnnotateStage(Section):
    """Topic and quality of every prompt: a judge says them of a sample, a classifier learns from that and
    says them of the rest. `select` chooses by them."""

    engine: EngineConfig | None = Field(None, description="the judge; null: the policy itself")
    topics: dict[str, str] = Field(
        TOPICS,
        description="name -> what belongs to it; {} asks for no topic, default: a dozen general ones",
    )
    quality: bool = Field(True, description="rate from 1 to 5 how clear, complete and demanding a prompt is")
    max_prompts: int | None = Field(
        2000, ge=50, description="prompts the judge sees, chosen by content; null: all, without classifier"
    )
    min_probability: float = Field(
        0.5, ge=0, lt=1, description="a topic that the classifier is less sure of is none"
    )
    max_tokens: int = Field(16, ge=1, description="of a reply; more for a judge that thinks before it speaks")
    structured: bool = Field(
        False, description="the reply is a verdict and nothing else, where the engine can see to it"
    )

    @model_validator(mode="after")
    def _asks_something(self) -> AnnotateStage:
        if not self.topics and not self.quality:
            raise ValueError("nothing to annotate: give topics, or quality: true")
        if self.topics and not 2 <= len(self.topics) <= len(LETTERS):
            raise ValueError(f"topics: give 2 to {len(LETTERS)}, or {{}} for none; not {len(self.topics)}")
        return self


class SelectStage(Section):
    """Keep the prompts that pass every filter; quotas limit what is left of the training prompts."""

    min_words: int | None = Field(None, ge=1, description="words of a prompt at least, system messages aside")
    max_words: int | None = Field(None, ge=1, description="words of a prompt at most, system messages aside")
    languages: list[str] = Field(
        [], description="codes, [en, de]: drop prompts that are plainly in none of them"
    )
    topics: list[str] = Field([], description="keep these topics of `annotate` alone")
    min_quality: float | None = Field(None, ge=1, le=5, description="of `annotate`")
    quota_by: Literal["domain", "topic", "source"] = "domain"
    quotas: dict[str, Annotated[int, Field(ge=0)]] = Field(
        {}, description='training prompts at most: {math: 5000, "*": 1000}; "*" is each other group'
    )

    @model_validator(mode="after")
    def _sensible(self) -> SelectStage:
        if self.min_words and self.max_words and self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        if self.quota_by != "domain" and not self.quotas:
            raise ValueError(f"quota_by {self.quota_by} has no quotas: give `quotas`, or leave it out")
        return self

    @model_validator(mode="after")
    def _known_languages(self) -> SelectStage:
        if self.languages:
            from verifiers.instructions.language import LANGUAGES

            if strangers := sorted(set(self.languages) - set(LANGUAGES)):
                known = ", ".join(LANGUAGES)
                raise ValueError(f"languages: {strangers[0]!r} cannot be told; there are {known}")
        return self

    def check_annotations(self, annotate: AnnotateStage | None) -> None:
        """Raises ValueError for a filter by something that `annotate` does not say."""
        by_topic = self.topics or self.quota_by == "topic"
        if by_topic and (annotate is None or not annotate.topics):
            raise ValueError("select: topics are said by `annotate`: add it, with topics")
        if self.min_quality is not None and (annotate is None or not annotate.quality):
            raise ValueError("select.min_quality: quality is said by `annotate`: add it, with quality: true")
        if annotate is None:
            return
        named = [*self.topics, *(set(self.quotas) - {"*"} if self.quota_by == "topic" else ())]
        if strangers := sorted(set(named) - set(annotate.topics)):
            raise ValueError(
                f"select: {strangers[0]!r} is no topic of `annotate` ({', '.join(annotate.topics)})"
            )

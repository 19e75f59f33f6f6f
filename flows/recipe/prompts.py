"""Sections about prompts: where they come from, and what is appended to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from flows.recipe.section import Section


class WorldPrompts(Section):
    """Generated arithmetic word problems of the embedded world: every step is exactly checkable."""

    source: Literal["world"]
    n_train: int = Field(600, ge=1, description="training problems")
    n_test: int = Field(150, ge=1, description="held-out problems for the evaluation")
    planted_leaks: int = Field(
        6,
        ge=0,
        description="test problems copied among the training prompts, to see decontamination find them",
    )


class RowFields(Section):
    """Where a row keeps its parts; dotted names reach into nested objects."""

    prompt: str = Field("prompt", description="question text, or a list of {role, content} messages")
    answer: str | None = Field(None, description="reference answer, or a solution that ends with it")
    constraints: str | None = Field(
        None, description="constraints that the prompt states: a list of {instruction_id, kwargs}, or of ids"
    )
    constraint_kwargs: str | None = Field(None, description="list of arguments, where constraints has ids")
    tests: str | dict[str, str] | None = Field(
        None,
        description="tests of a program: one field, or part -> field: {test: test, entry_point: entry_point}",
    )
    json_schema: str | None = Field(None, description="JSON schema that the answer must fit")
    choices: str | None = Field(None, description="options of a multiple-choice question")
    domain: str | None = Field(None, description="what this prompt is about; default: the source's domain")


class FilePrompts(Section):
    """Your own prompts, one row each: .jsonl, .jsonl.gz, .json, .csv or .parquet."""

    source: Literal["file"]
    path: str | None = Field(None, description="the file; required")
    fields: RowFields = RowFields()
    test_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts held out, chosen by content")
    limit: int | None = Field(None, ge=1, description="use only this many prompts, chosen by content")
    domain: str = Field("unknown", description="what the prompts are about, for the card")


class HubPrompts(Section):
    """Prompts from a dataset on the Hugging Face Hub."""

    source: Literal["hub"]
    dataset: str = Field(description="repository, e.g. openai/gsm8k")
    config: str | None = None
    split: str = "train"
    revision: str | None = Field(None, description="commit or tag; pin it for a reproducible run")
    fields: RowFields = RowFields()
    test_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts held out, chosen by content")
    limit: int | None = Field(None, ge=1, description="use only this many prompts, chosen by content")
    domain: str = "unknown"


class ProcessBenchPrompts(Section):
    """Solutions whose first wrong step people marked: rows of QwenLM/ProcessBench."""

    source: Literal["processbench"]
    path: str | None = Field(None, description="its file, e.g. gsm8k.json; required")
    golds: list[str] = Field(
        [], description="files with reference answers, found by the question's text: GSM8K's test.jsonl"
    )
    question: str = Field("question", description="field of the question in the files of reference answers")
    answer: str = Field("answer", description="field of the answer, or of a solution that ends with it")
    limit: int | None = Field(None, ge=1, description="use only this many problems, chosen by content")
    domain: str = Field("math", description="what the problems are about, for the card")


Prompts = Annotated[
    WorldPrompts | FilePrompts | HubPrompts | ProcessBenchPrompts, Field(discriminator="source")
]
SOURCES: dict[Any, type[Section]] = {
    "world": WorldPrompts,
    "file": FilePrompts,
    "hub": HubPrompts,
    "processbench": ProcessBenchPrompts,
}


class ConstrainStage(Section):
    """Append constraints that a program can check to prompts that have none."""

    count: int = Field(2, ge=1, le=5, description="constraints a prompt")
    suites: list[Literal["ifeval", "ifeval-train"]] = Field(
        ["ifeval", "ifeval-train"], min_length=1, description="where they are drawn from"
    )

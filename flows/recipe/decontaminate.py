"""The section about evaluation sets that the data must not touch, and what happens to rows that do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from flows.recipe.section import Section
from samplers.engines import EngineConfig

OWN_TEST = "test split of this run"  # the evaluation set that a run's own test prompts make


class AgainstSet(Section):
    """An evaluation set; a name alone is one of `flows decontaminate --list`, or a suite of them.

    A listed set with a `path` is read from that file, in the listed columns.
    """

    name: str
    path: str | None = Field(None, description="local file: .jsonl, .jsonl.gz, .json, .csv or .parquet")
    dataset: str | None = Field(None, description="or a Hub repository")
    configs: str | list[str] | None = None
    splits: str | list[str] | None = Field(None, description="default: test")
    revision: str | None = Field(None, description="commit or tag; pin it for a reproducible run")
    columns: str | list[str] | None = Field(
        None, description="where the questions are: prompt, turns.content, passage+question"
    )
    id: str | None = Field(None, description="column that names a row; default: its number")
    kind: Literal["math", "knowledge", "code", "instruction", "chat", "safety"] | None = Field(
        None, description="what a judge of paraphrases looks at; default: chat"
    )

    def selected(self) -> dict[str, Any]:
        """As `curation.eval_sets` takes it."""
        return self.model_dump(exclude_none=True)


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


class ParaphraseJudge(Section):
    """Ask a judge about prompts that share rare words with an evaluation text and were not flagged."""

    engine: EngineConfig | None = Field(None, description="default: the recipe's engine")
    min_dice: float = Field(
        0.3, gt=0, le=1, description="weighted overlap of words, 0 to 1, from which a pair is judged"
    )
    max_tokens: int = Field(1024, ge=1, description="of a reply")
    temperature: float = Field(0.0, ge=0)


class DecontaminateStage(Section):
    """Drop training prompts that touch an evaluation set. The run's own test prompts always count as one."""

    against: list[Annotated[AgainstSet, BeforeValidator(_named)]] = Field(
        [], description="sets or suites by name (`flows decontaminate --list`), or sets of your own"
    )
    preset: Literal["default", "tulu3", "gpt3", "s1", "decon"] = Field(
        "default", description="the rule: ours, or that of a published data set, for comparison"
    )
    twins: Literal["drop", "warn", "off"] | None = Field(
        None,
        description="prompts that match but for their numbers; default: drop, and of the embedded world, as "
        "suits all prompts that are made from templates, warn",
    )
    missing: Literal["stop", "skip"] = Field(
        "stop", description="when a set cannot be loaded; skip lists it as not compared"
    )
    completions: Literal["warn", "drop", "off"] = Field(
        "warn", description="completions that repeat an evaluation text which their prompt does not"
    )
    judge: ParaphraseJudge | None = Field(
        None, description="find paraphrases, which share no phrases; {} for the recipe's engine"
    )

    @model_validator(mode="after")
    def _distinct_names(self) -> DecontaminateStage:
        names = [eval_set.name for eval_set in self.against]
        if len({*names, OWN_TEST}) <= len(names):
            raise ValueError(f"eval sets need names of their own, other than {OWN_TEST!r}; given: {names}")
        return self

"""Sections about completions: drawn or recorded, checked by verifiers, voted on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from flows.recipe.section import Section
from verifiers.own import is_own
from verifiers.policy import Policy
from verifiers.registry import bind


class StopRule(Section):
    """Draw further samples of a prompt only until its majority is clear (Adaptive-Consistency)."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="P(the leader stays ahead of the second)")
    first: int = Field(4, ge=1, description="samples that every prompt gets")


class SampleStage(Section):
    """Draw completions from the policy."""

    n: int = Field(16, ge=1, description="completions a training prompt")
    n_test: int = Field(16, ge=1, description="completions a test prompt")
    temperature: float = Field(0.8, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: no limit")
    max_tokens: int = Field(512, ge=1, description="new tokens a completion at most")
    system: str | None = Field(None, description="system prompt put before every prompt")
    worse_systems: list[str] = Field(
        [],
        description="n more training completions under each; pairs that nothing else decides prefer earlier",
    )
    stop: StopRule | None = Field(
        None, description="n is the most: stop where the vote is clear; easy training prompts get fewer"
    )

    @model_validator(mode="after")
    def _different(self) -> SampleStage:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError("worse_systems: two are the same, or the same as `system`")
        return self

    @model_validator(mode="after")
    def _stops(self) -> SampleStage:
        if self.stop and self.stop.first > self.n:
            raise ValueError(f"stop.first is {self.stop.first} and n, the most, only {self.n}: lower `first`")
        return self

    @property
    def systems(self) -> list[str | None]:
        """The system prompts, the best first; None where there is none."""
        return [system or None for system in (self.system, *self.worse_systems)]


class RecordedStage(Section):
    """Use completions that already exist, from the rows of the prompts file."""

    completions: dict[str, str] = Field(
        {}, description="model name -> field that holds its completion; ProcessBench's own need none"
    )


class AnswerPolicy(Section):
    """How answers are read, in verdicts, votes and rollouts; fields of verifiers.policy.Policy."""

    last_number: bool = Field(False, description="read the last number of a text that marks no answer")
    boxes: Literal["last", "union"] = Field("last", description="which of several boxes is the answer")
    ordered: bool = Field(False, description="a bare list 1, 2 is ordered")
    percent: Literal["either", "fraction"] = Field("either", description="28% is 28 and 0.28, or only 0.28")
    units: Literal["lenient", "strict", "ignore"] = "lenient"
    simplified: bool = Field(False, description="an unreduced fraction is no answer")
    choices: str = Field("", description="letters, where every answer is one, e.g. ABCD")

    def policy(self) -> Policy:
        return Policy(**self.model_dump())


class VerifierUse(Section):
    """One verifier. `flows verifiers` lists the built-in ones with their options."""

    use: str = Field(description="an id, or your own FILE.py:FUNCTION")
    options: dict[str, Any] = {}
    when: list[Literal["answer", "constraints", "tests", "schema", "choices"]] | None = Field(
        None, description="fields a prompt must have to be judged by it; default: those it reads"
    )
    domain: str | None = Field(None, description="only prompts of this domain")

    @model_validator(mode="after")
    def _known(self) -> VerifierUse:
        if is_own(self.use):
            return self  # its file is looked for when the run is
        bind(self.use, self.options)
        return self


def _spelt_out(use: Any) -> Any:
    return {"use": use} if isinstance(use, str) else use


class VerifyStage(Section):
    """Check completions against what their prompts say. Where several verifiers apply, all must hold."""

    verifiers: list[Annotated[VerifierUse, BeforeValidator(_spelt_out)]] | None = Field(
        None, min_length=1, description="default: every built-in verifier that a prompt's fields call for"
    )
    policy: AnswerPolicy = AnswerPolicy()
    workers: int = Field(1, ge=0, description="worker processes; 0: algebra in this process, no deadline")
    deadline: float = Field(2.0, gt=0, le=3600, description="seconds for one row in a worker process")


class VoteStage(Section):
    """Majority vote over equivalence classes of answers."""

    min_margin: float = Field(0.25, ge=0, le=1, description="(n1 - n2)/n a pseudo-gold answer needs")

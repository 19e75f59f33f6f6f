"""Sections about labels that cost model calls: judges, rollouts, critiques."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from flows.recipe.section import Section
from samplers.engines import EngineConfig

StrategyName = Literal["changepoint", "exhaustive", "first-success", "witness", "bisect"]

# Which strategies know an option; one that a strategy would ignore is refused.
OPTIONS: dict[str, tuple[str, ...]] = {
    "n": ("exhaustive", "first-success", "witness", "bisect"),
    "threshold": ("exhaustive",),
    "stop": ("changepoint",),
    "budget": ("changepoint",),
    "repair": ("changepoint",),
    "audit": ("changepoint",),
}
# The same of a judge's modes. What is written in a recipe as it is by default does no harm.
MODE_OPTIONS: dict[str, tuple[str, ...]] = {
    "pairs_per_prompt": ("pairwise",),
    "candidates": ("ranking", "rating"),
    "combine": ("pairwise",),
}


class Gate(Section):
    """What a judge must reach on pairs that a verifier decides, or its labels are not used."""

    min_accuracy: float = Field(
        0.7,
        ge=0.5,
        le=1,
        description="lower end of the interval, between right and wrong answers",
    )
    min_pairs: int = Field(50, ge=1, description="preferences it takes to tell; fewer do not pass")


class JudgeStage(Section):
    """A judge, or a panel of them: pairs in both orders, rankings in every rotation, or ratings."""

    mode: Literal["pairwise", "ranking", "rating"] = "pairwise"
    engine: EngineConfig | None = Field(None, description="the judge; null: the policy itself")
    panel: list[EngineConfig] = Field([], description="several judges instead of one")
    combine: Literal["agree", "majority", "weighted", "dawid-skene"] = Field(
        "majority",
        description="pairwise: how a panel's verdicts on a pair become one; weighted: by calibration",
    )
    template: str | None = Field(None, description="built-in name or a file; default: the mode's own")
    criteria: list[str] = Field([], description="principles, judged one at a time: names or files")
    samples: int = Field(1, ge=1, le=64, description="replies to each question; above 1 wants a temperature")
    pairs_per_prompt: int = Field(1, ge=1, description="pairwise: pairs a prompt")
    candidates: int = Field(4, ge=2, le=26, description="ranking, rating: completions a prompt at most")
    max_prompts: int | None = Field(
        None, ge=1, description="judge completions of this many prompts, chosen by content"
    )
    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(512, ge=1)
    logprobs: int = Field(
        0, ge=0, le=20, description="top log-probabilities; > 0 gives soft preferences, expected ratings"
    )
    structured: bool = Field(
        False, description="the reply is one of the verdicts and nothing else, where the engine can see to it"
    )
    gate: Gate | None = Field(None, description="null: calibrated where it can be, never refused")

    @property
    def template_name(self) -> str:
        return self.template or (f"{self.mode}_direct" if self.structured else self.mode)

    @model_validator(mode="after")
    def _sensible(self) -> JudgeStage:
        if self.engine and self.panel:
            raise ValueError("give `engine` for one judge or `panel` for several, not both")
        if len(self.panel) == 1:
            raise ValueError("a panel has at least two judges; name one as `engine`")
        if len({engine.model_dump_json() for engine in self.panel}) < len(self.panel):
            raise ValueError("two judges of the panel are the same: their agreement would say nothing")
        if self.samples > 1 and not self.temperature:
            raise ValueError("samples above 1 need a temperature: at 0 every reply is the same")
        for option, modes in MODE_OPTIONS.items():
            if self._given(option) and self.mode not in modes:
                raise ValueError(
                    f"`{option}` is an option of {' and '.join(modes)}, and the mode is {self.mode}: take it "
                    "out, or choose the mode it is for"
                )
        if self._given("combine") and not self.panel:
            raise ValueError("`combine` says how a panel agrees, and there is none: give `panel`")
        if self.mode != "rating" and len(self.criteria) > 1:
            raise ValueError(f"{self.mode} verdicts are by one criterion; several are for mode: rating")
        if self.combine == "majority" and self.mode == "pairwise" and self.panel and not len(self.panel) % 2:
            raise ValueError("a majority needs an odd panel; add a judge, or choose another `combine`")
        if self.combine == "dawid-skene" and 0 < len(self.panel) < 3:
            raise ValueError("dawid-skene needs at least three judges in the panel")
        return self

    def _given(self, option: str) -> bool:
        return getattr(self, option) != type(self).model_fields[option].default


class Tree(Section):
    """Look for further wrong solutions from the prefixes of a prompt, and label what is found (OmegaPRM)."""

    searches: int = Field(20, ge=1, description="solutions searched a prompt at most")
    budget: int = Field(200, ge=1, description="rollouts a prompt at most")


class RolloutStage(Section):
    """Step labels from Monte Carlo rollouts (Math-Shepherd), by a strategy that spends them well."""

    strategy: StrategyName = "changepoint"
    n: int | None = Field(None, ge=1, description="rollouts a step at most; default 8 (not changepoint)")
    threshold: float | None = Field(
        None, ge=0, lt=1, description="a step is right above this share of successes; default 0 (exhaustive)"
    )
    stop: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="how sure of the first error to be, at which to stop (changepoint)",
    )
    budget: int | None = Field(
        None, ge=1, description="rollouts a solution at most; default 24 (changepoint)"
    )
    repair: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="chance that a step mends an error, to begin with; default 0.02 (changepoint)",
    )
    audit: bool | None = Field(
        None, description="look for wrong steps in right answers too; default false (changepoint)"
    )
    tree: Tree | None = Field(None, description="grow a tree of searched solutions for each prompt (bisect)")
    completers: list[EngineConfig] = Field(
        [],
        description="who continues; none: the policy; several: kept where they find one first error",
    )
    siblings: bool | None = Field(
        None,
        description="other samples of the prompt that begin with the same steps are rollouts that cost "
        "nothing; null: where the policy drew them as it draws rollouts",
    )
    checker: str | None = Field(
        None, description="program that may overrule: arithmetic, or your own FILE.py:FUNCTION"
    )
    segment: Literal["newline", "blank-line", "step", "sentence", "separator"] = "newline"
    separator: str = Field("", description="text that ends a step, where segment is separator")
    solutions_per_prompt: int = Field(4, ge=1, description="distinct solutions labelled a prompt")
    max_prompts: int | None = Field(None, ge=1, description="label this many prompts, chosen by content")
    temperature: float = Field(0.8, ge=0, le=2)
    max_tokens: int = Field(512, ge=1)

    @model_validator(mode="after")
    def _fitting(self) -> RolloutStage:
        for option, strategies in OPTIONS.items():
            if getattr(self, option) is not None and self.strategy not in strategies:
                raise ValueError(
                    f"`{option}` is an option of {' and '.join(strategies)}, and the strategy is "
                    f"{self.strategy}: take it out, or choose the strategy it is for"
                )
        if self.tree and (self.strategy != "bisect" or self.completers):
            raise ValueError("`tree` searches by bisection with the policy: strategy: bisect, no completers")
        if self.tree and self.tree.budget < (self.n or 8):
            raise ValueError("tree.budget is less than the rollouts of one step: raise it or lower `n`")
        if (self.segment == "separator") == (not self.separator):
            raise ValueError("`separator` and `segment: separator` belong together: give both or neither")
        if self.siblings and self.completers:
            raise ValueError("siblings are the policy's own samples: no rollouts of another completer")
        if len({engine.model_dump_json() for engine in self.completers}) < len(self.completers):
            raise ValueError("two completers are the same: that they agree would say nothing")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given, for the strategy."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}


class CritiqueStage(Section):
    """A judge names the first wrong step; solutions on which it and the rollouts agree are kept."""

    engine: EngineConfig | None = Field(None, description="the judge; null: the policy itself")
    template: str = Field("critique", description="built-in name (critique, critique_paragraph) or a file")
    samples: int = Field(1, ge=1, le=64, description="replies a solution, of which the majority counts")
    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(2048, ge=1)

    @model_validator(mode="after")
    def _sensible(self) -> CritiqueStage:
        if self.samples > 1 and not self.temperature:
            raise ValueError("samples above 1 need a temperature: at 0 every reply is the same")
        return self

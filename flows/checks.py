"""The verifiers of a recipe: which there are, what their verdicts depend on, and checks before any cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from curation.filters.limits import OTHERS
from flows.recipe import AnswerPolicy, JudgeStage, Recipe, SelectStage
from labelers.judges.templates import Template, load_template
from labelers.program import Checker, checker_for
from labelers.verdicts import references
from store.errors import InputError
from verifiers.registry import BadVerifier, Bound, bind, defaults, distinct
from verifiers.verdict import BadReference, Reference, Settings


def templates(config: JudgeStage) -> list[Template]:
    """The judge's template, once for each criterion. Raises InputError."""
    criteria: list[str | None] = [*config.criteria] or [None]
    return [load_template(config.template_name, config.mode, criterion) for criterion in criteria]


def check_quotas(config: SelectStage, prompts: pl.DataFrame) -> None:
    """Raises InputError for a quota of a domain or source that no prompt has; a topic may have none."""
    if config.quota_by == "topic":
        return
    there = set(prompts[config.quota_by].drop_nulls())
    if strangers := sorted(set(config.quotas) - there - {OTHERS}):
        raise InputError(
            f"select.quotas: no prompt has the {config.quota_by} {strangers[0]!r}; there are "
            f"{', '.join(map(repr, sorted(there)))}"
        )


def verifiers_of(recipe: Recipe) -> tuple[Bound, ...]:
    """Raises InputError for a user's verifier that cannot be loaded."""
    if recipe.verify.verifiers is None:
        return defaults()
    try:
        return distinct(bind(use.use, use.options, use.when, use.domain) for use in recipe.verify.verifiers)
    except BadVerifier as error:
        raise InputError(str(error)) from error


def checker_of(recipe: Recipe) -> Checker | None:
    """The program that may overrule step labels. Raises InputError where it cannot be loaded."""
    if recipe.rollout is None or recipe.rollout.checker is None:
        return None
    try:
        return checker_for(recipe.rollout.checker)
    except BadVerifier as error:
        raise InputError(f"rollout.checker: {error}") from error


def settings_of(recipe: Recipe) -> Settings:
    config = recipe.verify
    return Settings(config.policy.policy(), config.workers, config.deadline, recipe.allow_code_execution)


def identity_of(recipe: Recipe) -> dict[str, Any]:
    """What verdicts depend on: the verifiers, their options, the policy, the code of the user's own ones."""
    return {
        "verifiers": [dict(verifier.identity) for verifier in verifiers_of(recipe)],
        "policy": recipe.verify.policy.model_dump(),
        "deadline": recipe.verify.deadline,
    }


def policy_setting(recipe: Recipe) -> dict[str, Any]:
    """For stages that read answers themselves."""
    policy = recipe.verify.policy
    return {} if policy == AnswerPolicy() else {"policy": policy.model_dump()}


def check_prompts(recipe: Recipe, prompts: pl.DataFrame) -> None:
    """What would make completions of these prompts useless, said before one is paid for.

    It reads the table that the prompts stage may have made long ago, with other verifiers and permissions.
    Raises InputError.
    """
    verifiers, settings = verifiers_of(recipe), settings_of(recipe)
    known = references(prompts)
    for prompt_id, (reference, domain) in known.items():
        check_reference(verifiers, reference, domain, settings, f"prompt {prompt_id}")
    judged = [[one for one in verifiers if one.applies(*prompt)] for prompt in known.values()]
    if recipe.verify.verifiers is not None:
        for one in verifiers:
            if not any(one in found for found in judged):
                raise InputError(f"verify.verifiers: {one.name} applies to no prompt: {_why_not(one, known)}")
    others = recipe.judge or recipe.vote or (recipe.sample and recipe.sample.worse_systems)
    if recipe.build.sets and not any(judged) and not others:
        raise InputError(
            "no verifier applies to any prompt, and there is no judge: nothing could go into the sets; "
            "name the fields of the references (prompts.fields.answer, ...), or verifiers that need none"
        )
    if recipe.rollout:
        _check_rollouts(prompts, known, verifiers)
    if recipe.judge:
        _check_judged(recipe.judge, prompts)


def _why_not(verifier: Bound, known: dict[str, tuple[Reference, str | None]]) -> str:
    rows = [(reference._asdict(), domain) for reference, domain in known.values()]
    for name in verifier.needs:
        if all(fields[name] is None for fields, _ in rows):
            field = "json_schema" if name == "schema" else name
            return f"none has {name}; say where it is with prompts.fields.{field}, or take the verifier out"
    if verifier.domain is not None and all(domain != verifier.domain for _, domain in rows):
        return f"none has the domain {verifier.domain!r}"
    fields = [*verifier.needs, *(f"no {name}" for name in verifier.without)]
    return f"none has {' and '.join(fields)}" + (f" in domain {verifier.domain!r}" if verifier.domain else "")


def _check_rollouts(
    prompts: pl.DataFrame, known: dict[str, tuple[Reference, str | None]], verifiers: Sequence[Bound]
) -> None:
    """Rollouts are compared with the answer; a verdict that rests on more would contradict their labels."""
    rolled = prompts.filter((pl.col("split") == "train") & pl.col("answer").is_not_null())
    for prompt_id in rolled["prompt_id"]:
        mine = [one for one in verifiers if one.applies(*known[prompt_id])]
        if any(one.identity["use"] != "math" for one in mine):
            raise InputError(
                f"rollout: step labels are judged by math alone, but prompt {prompt_id} by "
                f"{' and '.join(one.name for one in mine)}; leave `rollout` and the stepwise set out, or set "
                "verify.verifiers=[math]"
            )


def _check_judged(config: JudgeStage, prompts: pl.DataFrame) -> None:
    """A judge that is shown the reference answer can only judge prompts that have one."""
    unknown = prompts.filter((pl.col("split") == "train") & pl.col("answer").is_null())
    for template in templates(config):
        if template.needs_reference and unknown.height:
            raise InputError(
                f"judge.template {template.name} shows the reference answer, and prompt "
                f"{unknown['prompt_id'][0]} has none; name the field of the answers (prompts.fields.answer), "
                "or choose a template without {reference}"
            )


def check_reference(
    verifiers: Sequence[Bound], reference: Reference, domain: str | None, settings: Settings, where: str
) -> None:
    """Raises InputError when a verifier that will judge this prompt's completions cannot read it."""
    for verifier in verifiers:
        if verifier.applies(reference, domain):
            try:
                verifier.check(reference, settings)
            except (BadReference, PermissionError) as error:
                raise InputError(f"{where}: {error}") from error

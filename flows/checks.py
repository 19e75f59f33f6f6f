"""The verifiers of a recipe: which there are, what their verdicts depend on, and checks before any cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.recipe import AnswerPolicy, Recipe
from store.errors import InputError
from verifiers.registry import BadVerifier, Bound, bind, defaults
from verifiers.verdict import BadReference, Reference, Settings


def verifiers_of(recipe: Recipe) -> tuple[Bound, ...]:
    """Raises InputError for a user's verifier that cannot be loaded."""
    if recipe.verify.verifiers is None:
        return defaults()
    try:
        return tuple(bind(use.use, use.options, use.when, use.domain) for use in recipe.verify.verifiers)
    except BadVerifier as error:
        raise InputError(str(error)) from error


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


def check_reference(
    verifiers: Sequence[Bound], reference: Reference, domain: str, settings: Settings, where: str
) -> None:
    """Raises InputError when a verifier that will judge this prompt's completions cannot read it."""
    for verifier in verifiers:
        if verifier.applies(reference, domain):
            try:
                verifier.check(reference, settings)
            except (BadReference, PermissionError) as error:
                raise InputError(f"{where}: {error}") from error

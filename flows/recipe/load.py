"""Recipes by name or file, with `--set key=value` overrides, as one checked `Recipe`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from flows.recipe.explain import explain
from flows.recipe.prompts import SOURCES
from flows.recipe.whole import Recipe
from store.errors import InputError

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_path(name_or_file: str) -> Path:
    """The file of a recipe given by path or by built-in name."""
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if not path.is_file():
            raise InputError(f"recipe file {path} does not exist")
        return path
    if name_or_file in recipe_names():
        return RECIPES / f"{name_or_file}.yaml"
    near = difflib.get_close_matches(name_or_file, recipe_names(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"no recipe named {name_or_file!r}{hint} (there are: {', '.join(recipe_names())})")


def load_recipe(name_or_file: str, overrides: list[str] | None = None) -> Recipe:
    """Read, override (`a.b=value`, values in YAML) and validate a recipe.

    Raises InputError naming the file, the key and the nearest valid name.
    """
    path = recipe_path(name_or_file)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: a recipe is a mapping of sections, this is {type(data).__name__}")
    for override in overrides or []:
        _apply(data, override)
    return validate_recipe(data, str(path))


def validate_recipe(data: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise InputError(explain(error, where)) from error


def _apply(data: dict[str, Any], override: str) -> None:
    key, sep, text = override.partition("=")
    if not sep or not key:
        raise InputError(f"--set {override!r}: write key=value, e.g. --set sample.n=8")
    *parents, last = key.split(".")
    node: Any = data
    for part in parents:
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = _child(node, part, override)
    value = yaml.safe_load(text)
    if key == "prompts.source" and isinstance(node, dict):
        _change_source(node, value)
    if isinstance(node, list):
        _child(node, last, override)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise InputError(f"--set {override!r}: {'.'.join(parents)} is a plain value, it has no {last!r}")


def _change_source(prompts: dict[str, Any], source: str) -> None:
    """Drop what the recipe says of its own source and the new one cannot have: dataset, n_train."""
    old, new = SOURCES.get(prompts.get("source", "")), SOURCES.get(source)
    if old and new:
        for key in set(old.model_fields) - set(new.model_fields):
            prompts.pop(key, None)


def _child(node: Any, part: str, override: str) -> Any:
    if isinstance(node, dict):
        return node[part]
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    raise InputError(f"--set {override!r}: there is no {part!r} to set")

"""What pydantic found wrong with a recipe, a line a mistake: the key, the fix, the nearest valid name."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.recipe.prompts import SOURCES
from flows.recipe.whole import Recipe


def explain(error: ValidationError, where: str) -> str:
    lines = []
    for item in error.errors():
        # A discriminated union puts its tag into the location; it is no key of the file.
        loc = [part for part in item["loc"] if part not in SOURCES]
        key = ".".join(map(str, loc)) or "recipe"
        if item["type"] == "extra_forbidden":
            names = _valid_names(item["loc"][:-1])
            near = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(names)}"
            lines.append(f"{where}: unknown key {key!r}; {hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = "" if item["type"] in ("missing", "value_error") else f" (given: {item['input']!r})"
            lines.append(f"{where}: {key}: {message}{given}")
    return "\n".join(lines)


def _valid_names(loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the section at `loc`, found by walking the models' annotations."""
    models: list[type[BaseModel]] = [Recipe]
    for part in loc:
        found = [
            inner
            for model in models
            if isinstance(part, str) and part in model.model_fields
            for inner in _models_in(model.model_fields[part].annotation)
        ]
        tagged = [
            m
            for m in models
            if "source" in m.model_fields and str(part) in str(m.model_fields["source"].annotation)
        ]
        models = found or tagged or models
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner)]

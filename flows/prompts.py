"""Load the prompts: from the embedded world, a file, or the Hub, as one checked table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows.inputs import dotted, hub_rows
from flows.recipe import FilePrompts, HubPrompts, Prompts, Recipe, RowFields, WorldPrompts
from flows.stage import Outcome, Stage, require
from samplers.policy import world
from store.accounting import Account
from store.errors import InputError
from store.ids import content_id, derived_seed
from store.inputs import read_rows
from store.shards import write_table
from store.tables import PROMPTS
from verifiers.math import extract

LOADED = "tables/prompts.parquet"


def stage(recipe: Recipe) -> Stage:
    source = recipe.prompts
    settings = source.model_dump() | {"seed": recipe.seed, "licence": recipe.licence}
    if not isinstance(source, FilePrompts):
        return Stage("prompts", work, settings, outputs=(LOADED,))
    require(source.path is not None, f"recipe {recipe.name}: name your file: --set prompts.path=FILE")
    path = Path(str(source.path)).resolve()
    require(path.is_file(), f"prompts.path: there is no file {source.path}")
    return Stage("prompts", work, settings | {"path": path.name}, inputs=(str(path),), outputs=(LOADED,))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    rows, where = _rows(recipe.prompts, recipe)
    account = Account("prompts", len(rows))
    if isinstance(recipe.prompts, WorldPrompts):
        kept = rows
    else:
        parsed = [_parse(row, recipe.prompts.fields, f"{where} row {i + 1}") for i, row in enumerate(rows)]
        kept = _select(parsed, recipe.prompts, recipe, account)
    account.keep(len(kept))
    require(bool(kept), f"{where}: no usable prompt left: {account.line()}")
    table = pl.DataFrame(kept, schema=PROMPTS).sort("split", "prompt_id", descending=[True, False])
    write_table(table, run_dir / LOADED, PROMPTS)
    splits = dict(table.group_by("split").len().sort("split").iter_rows())
    return Outcome(account, {LOADED: table.height}, facts={"splits": splits})


def _rows(source: Prompts, recipe: Recipe) -> tuple[list[dict[str, Any]], str]:
    if isinstance(source, WorldPrompts):
        return _world(source, recipe), "world"
    if isinstance(source, FilePrompts):
        return read_rows(Path(str(source.path))), str(source.path)
    return hub_rows(source, "--set prompts.source=file --set prompts.path=FILE"), source.dataset


def _world(source: WorldPrompts, recipe: Recipe) -> list[dict[str, Any]]:
    problems = world.problems(source.n_train + source.n_test, derived_seed("world", recipe.seed))
    test, train = problems[: source.n_test], problems[source.n_test :]
    rows = [_row(p.text, p.answer, "test", "world", recipe) for p in test]
    rows += [_row(p.text, p.answer, "train", "world", recipe) for p in train]
    for i, problem in enumerate(test[: source.planted_leaks]):
        rows.append(_row(_disguise(problem.text, i), problem.answer, "train", "planted", recipe))
    return rows


def _disguise(text: str, variant: int) -> str:
    """A leak as they come: with other spacing, in capitals, or without punctuation."""
    return [text + " ", text.upper(), text.replace(".", "").replace("?", "")][variant % 3]


def _row(text: str, answer: object, split: str, source: str, recipe: Recipe) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {
        "prompt_id": content_id("prompt", messages),
        "split": split,
        "messages": messages,
        "answer": str(answer),
        "constraints": None,
        "source": source,
        "domain": "arithmetic",
        "licence": recipe.licence,
    }


def _parse(row: dict[str, Any], fields: RowFields, where: str) -> dict[str, Any]:
    """Messages and answer of one row; `messages` is None when the prompt is empty."""
    return {
        "messages": _messages(dotted(row, fields.prompt, where), where),
        "answer": None if fields.answer is None else _answer(dotted(row, fields.answer, where)),
    }


def _messages(value: Any, where: str) -> list[dict[str, str]] | None:
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value.strip() else None
    ok = isinstance(value, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
        for m in value
    )
    if not ok:
        raise InputError(
            f"{where}: the prompt must be a string or a list of {{role, content}} messages, not {value!r:.80}"
        )
    return [{"role": m["role"], "content": m["content"]} for m in value] or None


def _answer(value: Any) -> str | None:
    """The final answer of a reference: itself, or what a worked solution ends with."""
    if value is None:
        return None
    text = str(value)
    return extract(text).text or text.strip()


def _select(
    parsed: list[dict[str, Any]], source: FilePrompts | HubPrompts, recipe: Recipe, account: Account
) -> list[dict[str, Any]]:
    by_id: dict[str, dict[str, Any]] = {}
    conflicting: set[str] = set()
    for item in parsed:
        if item["messages"] is None:
            account.reject("empty_prompt", 1)
            continue
        prompt_id = content_id("prompt", item["messages"])
        if prompt_id in by_id:
            account.reject("duplicate", 1)
            if by_id[prompt_id]["answer"] != item["answer"]:
                conflicting.add(prompt_id)
            continue
        by_id[prompt_id] = item
    for prompt_id in conflicting:  # the same question with two answers: neither can be trusted
        del by_id[prompt_id]
        account.reject("conflicting_answers", 1)
    chosen = sorted(by_id, key=lambda i: content_id("limit", recipe.seed, i))
    if source.limit is not None and len(chosen) > source.limit:
        account.reject("over_limit", len(chosen) - source.limit)
        chosen = chosen[: source.limit]
    name = source.dataset if isinstance(source, HubPrompts) else Path(str(source.path)).name
    return [
        by_id[prompt_id]
        | {
            "prompt_id": prompt_id,
            "split": "test" if _share("test", recipe.seed, prompt_id) < source.test_fraction else "train",
            "constraints": None,
            "source": name,
            "domain": source.domain,
            "licence": recipe.licence,
        }
        for prompt_id in chosen
    ]


def _share(*parts: Any) -> float:
    """A number in [0, 1) that is a function of `parts`."""
    return int(content_id(*parts)[:12], 16) / 16**12

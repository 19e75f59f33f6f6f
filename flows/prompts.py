"""Load the prompts: from the embedded world, a file, or the Hub, as one checked table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from curation.splits import prompt_groups
from flows import processbench
from flows.checks import check_reference, settings_of, verifiers_of
from flows.inputs import dotted, hub_rows
from flows.prompt_tables import LOADED
from flows.recipe import (
    FilePrompts,
    HubPrompts,
    ProcessBenchPrompts,
    Prompts,
    Recipe,
    RowFields,
    WorldPrompts,
)
from flows.stage import Outcome, Stage, require
from labelers.verdicts import REFERENCE_COLUMNS, last_user_text
from samplers.policy import world
from store.accounting import Account
from store.errors import InputError
from store.ids import content_id, derived_seed
from store.inputs import read_rows
from store.shards import write_table
from store.tables import PROMPTS
from verifiers.instructions.constraints import BadConstraints, constraints_from_json, constraints_to_json
from verifiers.math import extract
from verifiers.verdict import Reference


def stage(recipe: Recipe) -> Stage:
    source = recipe.prompts
    settings = source.model_dump() | {"seed": recipe.seed, "licence": recipe.licence}
    if not isinstance(source, FilePrompts | ProcessBenchPrompts):
        return Stage("prompts", work, settings, outputs=(LOADED,), version=3)
    require(source.path is not None, f"recipe {recipe.name}: name your file: --set prompts.path=FILE")
    files = [str(source.path), *(source.golds if isinstance(source, ProcessBenchPrompts) else ())]
    paths = [Path(file).resolve() for file in files]
    for file, path in zip(files, paths, strict=True):
        require(path.is_file(), f"prompts: there is no file {file}")
    settings["path"] = paths[0].name  # a moved file is the same file: its content is an input
    if len(paths) > 1:
        settings["golds"] = [path.name for path in paths[1:]]
    return Stage("prompts", work, settings, inputs=tuple(map(str, paths)), outputs=(LOADED,), version=3)


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    kept, account = _kept(recipe.prompts, recipe)
    account.keep(len(kept))
    require(bool(kept), f"prompts: no usable prompt left: {account.line()}")
    table = pl.DataFrame(kept, schema=PROMPTS).sort("split", "prompt_id", descending=[True, False])
    write_table(table, run_dir / LOADED, PROMPTS)
    splits = dict(table.group_by("split").len().sort("split").iter_rows())
    return Outcome(account, {LOADED: table.height}, facts={"splits": splits})


def _kept(source: Prompts, recipe: Recipe) -> tuple[list[dict[str, Any]], Account]:
    if isinstance(source, ProcessBenchPrompts):
        return processbench.prompt_rows(source, recipe)
    if isinstance(source, WorldPrompts):
        rows = _world(source, recipe)
        return rows, Account("prompts", len(rows))
    if isinstance(source, FilePrompts):
        rows, where = read_rows(Path(str(source.path))), str(source.path)
    else:
        rows = hub_rows(source, "--set prompts.source=file --set prompts.path=FILE")
        where = source.dataset
    account = Account("prompts", len(rows))
    parsed = [_parse(row, source, f"{where} row {i + 1}") for i, row in enumerate(rows)]
    _check_references(recipe, parsed, where)
    return _select(parsed, source, recipe, account), account


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
        "source": source,
        "domain": "arithmetic",
        "licence": recipe.licence,
    }


def _parse(row: dict[str, Any], source: FilePrompts | HubPrompts, where: str) -> dict[str, Any]:
    """Messages and references of one row; `messages` is None when the prompt is empty."""
    fields = source.fields
    domain = dotted(row, fields.domain, where) if fields.domain else None
    return {
        "messages": _messages(dotted(row, fields.prompt, where), where),
        "answer": None if fields.answer is None else _answer(dotted(row, fields.answer, where)),
        "constraints": None if fields.constraints is None else _constraints(row, fields, where),
        "tests": _tests(row, fields.tests, where),
        "schema": None if fields.json_schema is None else _json(dotted(row, fields.json_schema, where)),
        "choices": None if fields.choices is None else _json(dotted(row, fields.choices, where)),
        "domain": str(domain) if domain else source.domain,
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


def _tests(row: dict[str, Any], field: str | dict[str, str] | None, where: str) -> str | None:
    """The tests of one field, or an object of parts from several; None where all of them are empty."""
    if not isinstance(field, dict):
        return None if field is None else _json(dotted(row, field, where))
    parts = {part: dotted(row, name, where) for part, name in field.items()}
    return _json(parts) if any(parts.values()) else None


def _json(value: Any) -> str | None:
    """Text is JSON already; None for nothing."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _check_references(recipe: Recipe, parsed: list[dict[str, Any]], where: str) -> None:
    """Tests, schemas and choices that cannot be read stop the run before a completion is paid for."""
    verifiers, settings = verifiers_of(recipe), settings_of(recipe)
    for i, item in enumerate(parsed):
        if item["messages"] is not None:
            fields = [item[name] for name in REFERENCE_COLUMNS]
            reference = Reference(last_user_text(item["messages"]), *fields)
            check_reference(verifiers, reference, item["domain"], settings, f"{where} row {i + 1}")


def _constraints(row: dict[str, Any], fields: RowFields, where: str) -> str | None:
    """The constraints as the prompt table keeps them; None where a row has none."""
    value = dotted(row, str(fields.constraints), where)
    if not value:
        return None
    if fields.constraint_kwargs is not None:
        kwargs = dotted(row, fields.constraint_kwargs, where)
        if not isinstance(value, list) or not isinstance(kwargs, list) or len(value) != len(kwargs):
            raise InputError(
                f"{where}: {fields.constraints} and {fields.constraint_kwargs} must be lists of one length"
            )
        value = [{"instruction_id": name, "kwargs": given} for name, given in zip(value, kwargs, strict=True)]
    try:
        return constraints_to_json(constraints_from_json(value))
    except BadConstraints as error:
        raise InputError(f"{where}: {error}") from error


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
            if any(by_id[prompt_id][name] != item[name] for name in REFERENCE_COLUMNS):
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
    held_out = _held_out({i: by_id[i]["messages"] for i in chosen}, source.test_fraction, recipe.seed)
    return [
        by_id[prompt_id]
        | {
            "prompt_id": prompt_id,
            "split": "test" if prompt_id in held_out else "train",
            "source": name,
            "licence": recipe.licence,
        }
        for prompt_id in chosen
    ]


def _held_out(messages: dict[str, list[dict[str, str]]], fraction: float, seed: int) -> set[str]:
    """The test prompts; near copies of one are test prompts, too, for none of them may be trained on."""
    if not fraction:
        return set()
    columns = {"prompt_id": list(messages), "messages": list(messages.values())}
    schema = {"prompt_id": PROMPTS["prompt_id"], "messages": PROMPTS["messages"]}
    groups = prompt_groups(pl.DataFrame(columns, schema=schema))
    return {i for i, group in groups.iter_rows() if _share("test", seed, group) < fraction}


def _share(*parts: Any) -> float:
    """A number in [0, 1) that is a function of `parts`."""
    return int(content_id(*parts)[:12], 16) / 16**12

"""How well each labeler finds the first wrong step that people marked (ProcessBench)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows.processbench import Marked, people_say
from flows.prompt_tables import CLEAN
from flows.quality import QUALITY_FILE, first_errors_of, label_files, measure_location
from flows.recipe import ProcessBenchPrompts, Recipe
from flows.stage import Outcome, Stage
from store.accounting import Account
from store.shards import read_table, write_json
from store.tables import PROMPTS


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    assert isinstance(recipe.prompts, ProcessBenchPrompts)
    path = str(Path(str(recipe.prompts.path)).resolve())
    inputs = (CLEAN, path, *label_files(run_dir, recipe))
    return Stage("quality", work, {}, inputs, (QUALITY_FILE,), version=2)


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    """First errors of every labeler against people's, in all and by who wrote the solution."""
    assert isinstance(recipe.prompts, ProcessBenchPrompts)
    wanted = set(read_table(run_dir / CLEAN, PROMPTS)["prompt_id"])
    people = people_say(recipe.prompts, wanted)
    located = first_errors_of(run_dir, recipe)
    metrics = {name: _measure(found, people) for name, found in located.items()}
    account = Account("quality", located["rollouts"].height)
    account.keep(metrics["rollouts"]["solutions"])
    account.reject("undecided_step", metrics["rollouts"]["undecided"])
    write_json(run_dir / QUALITY_FILE, metrics)
    return Outcome(account, {QUALITY_FILE: 1}, facts=metrics)


def _measure(found: pl.DataFrame, people: dict[str, Marked]) -> dict[str, Any]:
    truth = {completion_id: row.first_error for completion_id, row in people.items()}
    writers = found["completion_id"].replace_strict({i: row.generator for i, row in people.items()})
    by_generator = {
        str(generator): measure_location(part, truth)["first_error"]
        for (generator,), part in sorted(found.with_columns(_writer=writers).group_by("_writer"))
    }
    return measure_location(found, truth) | {"by_generator": by_generator}

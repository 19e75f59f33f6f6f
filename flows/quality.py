"""How right the step labels are where a program knows: the embedded world checks every step exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from evaluators.metrics import first_error, processbench, step_agreement
from flows.decontaminate import CLEAN
from flows.recipe import Recipe
from flows.rollout import STEPS_DIR
from flows.stage import Outcome, Stage
from samplers.policy import world
from store.accounting import Account
from store.shards import read_table, write_json
from store.tables import PROMPTS, STEPS

QUALITY_FILE = "scores/label_quality.json"


@dataclass
class _Compared:
    """Parallel over steps (labels, true, solvable) and over solutions (first errors)."""

    labels: list[bool] = field(default_factory=list)
    true: list[bool] = field(default_factory=list)
    solvable: list[bool] = field(default_factory=list)
    first_truth: list[int] = field(default_factory=list)
    first_label: list[int] = field(default_factory=list)


def stage(run_dir: Path, recipe: Recipe) -> Stage:
    shards = sorted(path.name for path in (run_dir / STEPS_DIR).glob("*.parquet"))
    return Stage("quality", work, {}, (CLEAN, *(f"{STEPS_DIR}/{name}" for name in shards)), (QUALITY_FILE,))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    prompts = read_table(run_dir / CLEAN, PROMPTS)
    steps = read_table(run_dir / STEPS_DIR, STEPS).sort("completion_id", "step_index")
    texts = {row["prompt_id"]: row["messages"][-1]["content"] for row in prompts.iter_rows(named=True)}
    found = _Compared()
    solutions = steps.partition_by("completion_id", maintain_order=True)
    account = Account("quality", len(solutions))
    for solution in solutions:
        if solution["label"].null_count():
            account.reject("undecided_step")
            continue
        account.keep()
        _compare(world.parse(texts[solution["prompt_id"][0]]), solution, found)
    metrics = {
        "solutions": account.kept,
        "against_correctness": step_agreement(found.labels, found.true)._asdict(),
        "against_solvability": step_agreement(found.labels, found.solvable)._asdict(),
        "first_error": processbench(found.first_truth, found.first_label)._asdict(),
    }
    write_json(run_dir / QUALITY_FILE, metrics)
    return Outcome(account, {QUALITY_FILE: 1}, facts=metrics)


def _compare(problem: Any, solution: pl.DataFrame, found: _Compared) -> None:
    lines = [text.strip() for text in solution["text"]]
    labels = solution["label"].to_list()
    truth = world.check_steps(problem, lines)
    found.labels += labels
    found.true += truth
    found.solvable += [world.solvable(problem, lines[: i + 1]) for i in range(len(lines))]
    found.first_truth.append(first_error(truth))
    found.first_label.append(first_error(labels))

"""Drop training prompts that touch an evaluation set, before anything is spent on them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.decontamination import REPORT, TOTALS, Settings, decontaminate
from curation.evalsets import EvalRow, eval_set_from_prompts, load_eval_set
from flows.inputs import dotted, hub_rows
from flows.prompts import LOADED
from flows.recipe import OWN_TEST, EvalSet, Recipe
from flows.stage import Outcome, Stage
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import PROMPTS

CLEAN = "tables/clean_prompts.parquet"  # what all later stages read
BARE = "tables/unconstrained_prompts.parquet"  # what constraints are appended to
CONTAMINATION = "tables/contamination.parquet"


def stage(recipe: Recipe) -> Stage:
    config = recipe.decontaminate
    files = [str(Path(e.path).resolve()) for e in config.against if e.path is not None]
    # A moved file is the same eval set: its content is an input, its path no setting.
    settings = config.model_dump() | {"against": [e.model_dump(exclude={"path"}) for e in config.against]}
    table = BARE if recipe.constrain else CLEAN
    return Stage("decontaminate", work, settings, (LOADED, *files), (table, CONTAMINATION))


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    config = recipe.decontaminate
    prompts = read_table(run_dir / LOADED, PROMPTS)
    eval_sets = {e.name: _rows(e) for e in config.against}
    if prompts.filter(pl.col("split") == "test").height:
        eval_sets[OWN_TEST] = eval_set_from_prompts(OWN_TEST, prompts)
    found = decontaminate(prompts, eval_sets, settings=Settings(n=config.ngram, threshold=config.threshold))
    account = Account("decontaminate", prompts.height)
    account.reject("touches_eval_set", len(found.dropped))
    clean = prompts.filter(~pl.col("prompt_id").is_in(found.dropped))
    account.keep(clean.height)
    write_table(clean, run_dir / stage.outputs[0], PROMPTS)
    write_table(found.report, run_dir / CONTAMINATION, REPORT)
    planted = prompts.filter(pl.col("source") == "planted")["prompt_id"]
    facts = {
        "eval_sets": found.totals.select(TOTALS.names()).to_dicts(),
        "planted": len(planted),
        "planted_found": int(planted.is_in(found.dropped).sum()),
    }
    rows = {stage.outputs[0]: clean.height, CONTAMINATION: found.report.height}
    return Outcome(account, rows, facts=facts)


def _rows(eval_set: EvalSet) -> list[EvalRow]:
    if eval_set.path is not None:
        return load_eval_set(eval_set.name, eval_set.path, [eval_set.field])
    here = f"{{name: {eval_set.name}, path: FILE, field: {eval_set.field}}}"
    rows = hub_rows(eval_set, f"--set 'decontaminate.against=[{here}]'")
    return [
        EvalRow(
            eval_set.name,
            str(i),
            eval_set.field,
            str(dotted(row, eval_set.field, f"{eval_set.dataset} row {i}")),
        )
        for i, row in enumerate(rows)
    ]

"""Check completions against the reference answers, shard by shard."""

from __future__ import annotations

from pathlib import Path

from flows.decontaminate import CLEAN
from flows.recipe import Recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome, Stage
from labelers.verdicts import label_verdicts
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS

VERDICTS_DIR = "tables/verdicts"


def stages(run_dir: Path, recipe: Recipe) -> list[Stage]:
    shards = sorted(path.name for path in (run_dir / COMPLETIONS_DIR).glob("*.parquet"))
    return [
        Stage(
            f"verify/{name.removesuffix('.parquet')}",
            work,
            {},
            (CLEAN, f"{COMPLETIONS_DIR}/{name}"),
            (f"{VERDICTS_DIR}/{name}",),
        )
        for name in shards
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    completions = read_table(run_dir / stage.inputs[1], COMPLETIONS)
    account = Account(stage.name, completions.height)
    table = label_verdicts(completions, prompts, account)
    account.keep(table.height)
    write_table(table, run_dir / stage.outputs[0], COMPLETION_VERDICTS)
    counts = dict(table.group_by("verdict").len().sort("verdict").iter_rows())
    return Outcome(account, {stage.outputs[0]: table.height}, facts={"verdicts": counts})

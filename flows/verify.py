"""Check completions with the verifiers that apply to their prompts, shard by shard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from flows.checks import identity_of, settings_of, verifiers_of
from flows.prompt_tables import CLEAN
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
    settings = identity_of(recipe)
    return [
        Stage(
            f"verify/{name.removesuffix('.parquet')}",
            work,
            settings,
            (CLEAN, f"{COMPLETIONS_DIR}/{name}"),
            (f"{VERDICTS_DIR}/{name}",),
            version=3,
        )
        for name in shards
    ]


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    completions = read_table(run_dir / stage.inputs[1], COMPLETIONS)
    account = Account(stage.name, completions.height)
    tally: Counter[tuple[str, str]] = Counter()
    verifiers = verifiers_of(recipe)
    table = label_verdicts(completions, prompts, account, verifiers, settings_of(recipe), tally)
    account.keep(table.height)
    write_table(table, run_dir / stage.outputs[0], COMPLETION_VERDICTS)
    counts = dict(table.group_by("verdict").len().sort("verdict").iter_rows())
    by_verifier: dict[str, dict[str, int]] = {}
    for (name, status), n in sorted(tally.items()):
        by_verifier.setdefault(name, {})[status] = n
    options = {one.name: dict(one.options) for one in verifiers if one.name in by_verifier}
    facts = {"verdicts": counts, "by_verifier": by_verifier, "options": options} | _walls(by_verifier)
    return Outcome(account, {stage.outputs[0]: table.height}, facts=facts)


def _walls(by_verifier: dict[str, dict[str, int]]) -> dict[str, dict[str, bool]]:
    """Behind which walls programs ran, where some did."""
    if not any(name.split()[0] == "code" for name in by_verifier):
        return {}
    from verifiers.code import probe

    isolation = probe()
    return {"isolation": isolation._asdict()} if isolation else {}

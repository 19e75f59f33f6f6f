"""Drop copies of prompts, before anything is spent on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from curation.duplicates.files import group_facts
from curation.duplicates.frames import copies_of, hashes_of, prompt_texts
from flows.prompt_tables import prompts_in, prompts_out
from flows.recipe import Recipe
from flows.stage import Outcome, Stage
from store.accounting import Account
from store.shards import read_table, write_table
from store.tables import PROMPTS

DUPLICATE_PROMPTS = "tables/duplicate_prompts.parquet"
DUPLICATES = pl.Schema(
    {
        "prompt_id": pl.String(),
        "kept": pl.String(),  # the prompt that stays for it
        "similarity": pl.Float32(),
        "exact": pl.Boolean(),  # the same words
        "text": pl.String(),
        "kept_text": pl.String(),
    }
)
EXAMPLES, EXAMPLE_CHARACTERS = 5, 400


def stage(recipe: Recipe) -> Stage:
    assert recipe.deduplicate
    settings = recipe.deduplicate.rule._asdict()
    outputs = (prompts_out(recipe, "deduplicate"), DUPLICATE_PROMPTS)
    return Stage("deduplicate", work, settings, (prompts_in(recipe, "deduplicate"),), outputs, version=2)


def work(run_dir: Path, recipe: Recipe, stage: Stage) -> Outcome:
    """Prompts of one split with the same system messages are compared; of copies the smallest id stays."""
    assert recipe.deduplicate
    prompts = read_table(run_dir / stage.inputs[0], PROMPTS)
    texts = prompt_texts(prompts)
    alone = texts.select(pl.concat_str(prompts["split"], pl.col("system").fill_null(""), separator="\x1f"))
    order = prompts["prompt_id"].rank("ordinal").cast(pl.UInt64).to_numpy()
    found = copies_of(texts["text"], recipe.deduplicate.rule, order, hashes_of(alone.to_series()))
    copies = pl.DataFrame(
        {
            "prompt_id": prompts["prompt_id"],
            "kept": prompts["prompt_id"].gather(found.kept),
            "similarity": found.similarity,
            "exact": found.exact,
            "text": texts["text"],
            "kept_text": texts["text"].gather(found.kept),
        },
        schema=DUPLICATES,
    ).filter(~found.stays)
    distinct = prompts.filter(found.stays)
    exact = int(copies["exact"].sum())
    account = Account("deduplicate", prompts.height)
    account.keep(distinct.height)
    account.reject("same_words", exact)
    account.reject("near_copy", copies.height - exact)
    write_table(distinct, run_dir / stage.outputs[0], PROMPTS)
    write_table(copies.sort("prompt_id"), run_dir / DUPLICATE_PROMPTS, DUPLICATES)
    facts = group_facts(found) | {
        "exact": exact,
        "near": copies.height - exact,
        "examples": _examples(copies),
    }
    rows = {stage.outputs[0]: distinct.height, DUPLICATE_PROMPTS: copies.height}
    return Outcome(account, rows, facts=facts)


def _examples(copies: pl.DataFrame) -> list[dict[str, Any]]:
    """The least alike copies, which tell a reader most about what is called one."""
    chosen = copies.sort("similarity", "exact", "prompt_id", descending=[False, False, False]).head(EXAMPLES)
    return chosen.select(
        kept=pl.col("kept_text").str.head(EXAMPLE_CHARACTERS),
        dropped=pl.col("text").str.head(EXAMPLE_CHARACTERS),
        similarity=pl.col("similarity").cast(pl.Float64).round(3),
        exact="exact",
    ).to_dicts()

"""Splits that cannot leak: near copies of a prompt are on one side, all rows of a prompt with them.

A group goes to the test side where a hash of the seed and its name falls below the test fraction. Neither
the order of rows nor other prompts matter; a new prompt moves only a group that it joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curation.duplicates.files import SUMMARY_FILE, check_request, copies_in_files, group_sizes
from curation.duplicates.frames import copies_of, prompt_texts
from curation.duplicates.rule import Rule
from curation.duplicates.staging import appear_together
from curation.row_files import write_kept
from store.errors import InputError
from store.files import write_json
from store.ids import content_id

# Looser than what is dropped as a copy: on one side, prompts that only look alike do no harm.
ALIKE = Rule(words=3, similarity=0.6)


def prompt_groups(prompts: pl.DataFrame, rule: Rule = ALIKE) -> pl.DataFrame:
    """(prompt_id, group: the smallest prompt_id of its near copies) of each of `prompts` (PROMPTS).

    System messages are not compared.
    """
    found = copies_of(prompt_texts(prompts)["text"], rule)
    named = prompts.select("prompt_id").with_columns(group=pl.Series(found.group))
    return named.with_columns(pl.col("prompt_id").min().over("group").alias("group"))


def split_by_group(
    frame: pl.DataFrame, groups: pl.DataFrame, test_fraction: float, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(train, test) of `frame`, which has a prompt_id; `groups` as `prompt_groups` gives them.

    Raises InputError for a prompt that has no group.
    """
    known = frame.select("prompt_id").join(groups, "prompt_id", "left", maintain_order="left")
    strangers = known.filter(pl.col("group").is_null())
    if strangers.height:
        raise InputError(f"prompt {strangers['prompt_id'][0]} is in no group; group all prompts of the set")
    names = known["group"].unique()
    held_out = names.filter(
        pl.Series([is_held_out(name, test_fraction, seed) for name in names], dtype=pl.Boolean)
    )
    is_test = known["group"].is_in(held_out.implode())
    return frame.filter(~is_test), frame.filter(is_test)


def is_held_out(group: str, test_fraction: float, seed: int) -> bool:
    """Whether the group falls on the test side."""
    return int(content_id("split", seed, group)[:16], 16) < test_fraction * 2**64


def split_files(
    paths: Sequence[Path], out: Path, columns: Sequence[str], test_fraction: float, seed: int = 0
) -> dict[str, int]:
    """Write the rows of each file to a file of its name in `out`/train or `out`/test.

    Rows go by the near-copy group of the text in `columns`; one with nothing to compare is a group, drawn by
    its place. Returns the rows of both sides, the number of groups and the rows of the largest; a summary in
    `out` has them, too. Raises InputError, and writes nothing, where a side would be empty.
    """
    check_request(paths, columns)
    names = [f"{side}/{path.name}" for side in ("train", "test") for path in paths]
    with appear_together(out, [*names, SUMMARY_FILE], paths) as folder:
        found = copies_in_files(paths, folder, columns, ALIKE)
        is_test = _held_out_rows(found.copies.group, test_fraction, seed)
        sizes = {"train": int((~is_test).sum()), "test": int(is_test.sum())}
        sizes |= group_sizes(found.copies.group)
        for side in ("train", "test"):
            if not sizes[side]:
                raise InputError(
                    f"{paths[0]}: the {side} side would be empty: {len(is_test):,} rows are "
                    f"{sizes['groups']:,} groups of near copies, the largest has "
                    f"{sizes['largest'] / len(is_test):.0%} of the rows; compare another column, drop copies "
                    "first, or try another seed or share"
                )
        starts = np.cumsum([0, *found.rows])
        for path, start, end in zip(paths, starts, starts[1:], strict=False):
            write_kept(path, folder / "train" / path.name, ~is_test[start:end])
            write_kept(path, folder / "test" / path.name, is_test[start:end])
        settings = {"columns": list(columns), "test_fraction": test_fraction, "seed": seed}
        write_json(folder / SUMMARY_FILE, settings | sizes | {"rule": ALIKE._asdict()})
    return sizes


def dominated(rows: int, largest: int) -> str | None:
    """What to warn of where one group of near copies has more than half of the rows."""
    if 2 * largest <= rows:
        return None
    return (
        f"the largest group of near copies has {largest / rows:.0%} of the {rows:,} rows, all on one side of "
        "the split: compare another column, or drop copies first"
    )


def _held_out_rows(groups: NDArray[np.uint64], test_fraction: float, seed: int) -> NDArray[np.bool_]:
    """A draw for the group of each row. `is_held_out` draws by the smallest prompt id, which files have not:
    with one seed a prompt can be on another side in a run and in files."""
    from curation.words.kernels import mix

    drawn = mix(groups ^ np.uint64(int(content_id("split", seed)[:16], 16)))
    return drawn < np.uint64(test_fraction * 2**64)

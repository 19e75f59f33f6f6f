"""Pairs of any number, made from seeds: what `benchmarks/scale.py` runs the verbs for files on.

A row is {prompt, chosen, rejected}: 20 to 60 made-up words, and twice 6 to 18, drawn by Zipf's law. Of the
prompts, 5 % are the very same as another one, 5 % another one with two more words, 0.1 % a prompt of an
evaluation set with five words in front. Of the pairs, 0.1 % are another one with chosen and rejected changed
over. The rows of a small corpus are the first ones of a larger one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

SEED = 20
ORIGINALS, OTHERS, EVAL = 1, 2, 3  # first in each seed: [2, 3] and [2, 3, 0] are the same one to numpy
VOCABULARY, ZIPF = 50_000, 1.05
CHUNK = 50_000  # rows made at a time, and those of a row group
EXACT, NEAR, LEAKED, TURNED = 0.05, 0.05, 0.001, 0.001
EVAL_SETS, EVAL_PROMPTS = 20, 950  # sets, and prompts of each
SCHEMA = pa.schema([(name, pa.string()) for name in ("prompt", "chosen", "rejected")])


class Planted(NamedTuple):
    """Rows of a corpus whose prompt is a copy or a leak, or whose pair says the opposite of another one."""

    exact: int
    near: int
    leaked: int
    turned: int


def write_eval_sets(folder: Path) -> list[Path]:
    """One .jsonl file of {prompt} a set."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = _eval_prompts().to_pylist()
    paths = [folder / f"made-{k + 1:02d}.jsonl" for k in range(EVAL_SETS)]
    for k, path in enumerate(paths):
        mine = texts[k * EVAL_PROMPTS : (k + 1) * EVAL_PROMPTS]
        path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in mine), encoding="utf-8")
    return paths


def write_corpus(path: Path, rows: int) -> Planted:
    """`rows`, a multiple of CHUNK, as Parquet."""
    assert rows % CHUNK == 0
    leaks, first = _eval_prompts(), _originals(0)
    planted = np.zeros(len(Planted._fields), dtype=int)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for k in range(rows // CHUNK):
            table, counts = _chunk(k, first, leaks)
            writer.write_table(table)
            planted += counts
    return Planted(*planted.tolist())


def _chunk(k: int, first: pa.Array, leaks: pa.Array) -> tuple[pa.Table, Planted]:
    """Half of its copies are of the first chunk's prompts, half of its own."""
    rng = np.random.default_rng([OTHERS, SEED, k])
    originals = _originals(k)
    n_exact, n_near, n_leaked, n_turned = counts = Planted(
        *(int(share * CHUNK) for share in (EXACT, NEAR, LEAKED, TURNED))
    )
    pool = pa.concat_arrays([first, originals])
    exact = pool.take(pa.array(rng.integers(0, len(pool), n_exact)))
    near = pool.take(pa.array(rng.integers(0, len(pool), n_near)))
    near = pc.binary_join_element_wise(near, _texts(rng, np.full(n_near, 2)), " ")
    leaked = leaks.take(pa.array(rng.integers(0, len(leaks), n_leaked)))
    leaked = pc.binary_join_element_wise(_texts(rng, np.full(n_leaked, 5)), leaked, " ")
    prompts = pa.concat_arrays([originals[:n_turned], originals, exact, near, leaked])
    chosen, rejected = (_texts(rng, rng.integers(6, 19, CHUNK - n_turned)) for _ in range(2))
    table = pa.table(
        [
            prompts,
            pa.concat_arrays([rejected[:n_turned], chosen]),
            pa.concat_arrays([chosen[:n_turned], rejected]),
        ],
        schema=SCHEMA,
    )
    return table.take(pa.array(rng.permutation(CHUNK))), counts


def _originals(k: int) -> pa.Array:
    """Prompts that are in chunk `k` whatever else is."""
    rng = np.random.default_rng([ORIGINALS, SEED, k])
    others = sum(int(share * CHUNK) for share in (EXACT, NEAR, LEAKED, TURNED))
    return _texts(rng, rng.integers(20, 61, CHUNK - others))


def _eval_prompts() -> pa.Array:
    rng = np.random.default_rng([EVAL, SEED])
    return _texts(rng, rng.integers(20, 61, EVAL_SETS * EVAL_PROMPTS))


def _texts(rng: np.random.Generator, lengths: NDArray[np.int64]) -> pa.Array:
    """Texts of so many words each."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    drawn = np.searchsorted(_SHARES, rng.random(offsets[-1], dtype=np.float32))
    words = _WORDS.take(pa.array(np.minimum(drawn, VOCABULARY - 1)))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words), " ")


def _shares() -> NDArray[np.float32]:
    weights = np.arange(1, VOCABULARY + 1) ** -ZIPF
    return (np.cumsum(weights) / weights.sum()).astype(np.float32)


def _words() -> pa.Array:
    """Frequent words are short ones, of syllables as in "ba", "ke"."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]

    def spelled(number: int) -> str:
        number, at = divmod(number, len(syllables))
        return (spelled(number - 1) if number else "") + syllables[at]

    return pa.array([spelled(number) for number in range(VOCABULARY)])


_SHARES, _WORDS = _shares(), _words()

"""The prompts and eval sets of the decontamination benchmark, from seeds; the real texts from ../shared/data.

Prompts: GSM8K train (clean, near the domain), edits of it (clean, nearer still), planted leaks (every edit of
`curation.decontamination.planted` of every eval set's texts), and made-up texts whose words follow a Zipf
law, in shuffled order. Eval sets: six published ones, filled up to 20 sets and about 19,200 rows by made-up
ones with the lengths that multiple-choice questions have. Made-up words are five letters long, so that a
made-up prompt has the words and bytes of a real one; nothing in it but its words resembles a language.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.decontamination.planted import EDITS, plant
from curation.eval_sets import EvalSet, EvalText, load

SEED = 20
VOCABULARY = 100_000
EXPONENT = 1.05
WORDS = (3.9, 0.55)  # mean and deviation of the logarithm of a prompt's words: 57 words on average
EVAL_WORDS = (3.15, 0.75)  # of a made-up eval text: 2 % under 5 words, 8 % under 8, 22 % under 13
EVAL_SETS, EVAL_ROWS = 20, 19_200
CHUNK = 50_000
PUBLISHED = {
    "gsm8k": "gsm8k/test.jsonl",
    "math-500": "math500/test.jsonl",
    "processbench": "processbench/gsm8k.json",
    "ifeval": "ifeval/input_data.jsonl",
    "ifbench": "ifbench/IFBench_test.jsonl",
    "humaneval": "humaneval/HumanEval.jsonl.gz",
}
NEGATIVES = ("other numbers and names", "10% of words replaced", "12% words inserted", "sentences shuffled")
SCHEMA = pa.schema(
    [
        ("prompt", pa.large_string()),
        ("origin", pa.string()),  # gsm8k train, edited gsm8k train, made up, or the edit of a planted leak
        ("eval_set", pa.string()),
        ("eval_row", pa.string()),
    ]
)


class Zipf:
    """Made-up texts; the same words for prompts and eval sets, as in a language."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        consonants, vowels = np.array(list("bcdfghjklmnprstvwxyz")), np.array(list("aeiou"))
        shapes = self.random.permutation(20 * 5 * 20 * 20 * 5)[:VOCABULARY]
        letters, rest = [], shapes
        for alphabet in (consonants, vowels, consonants, consonants, vowels):
            rest, at = np.divmod(rest, len(alphabet))
            letters.append(alphabet[at])
        self.words = np.array(["".join(word) for word in zip(*letters, strict=True)], dtype=object)
        weights = 1.0 / np.arange(1, VOCABULARY + 1) ** EXPONENT
        self.cumulative = np.cumsum(weights) / weights.sum()

    def texts(self, n: int, words: tuple[float, float]) -> list[str]:
        lengths = np.clip(self.random.lognormal(*words, n), 3, 600).astype(int)
        drawn = np.searchsorted(self.cumulative, self.random.random(lengths.sum()))
        stops = self.random.random(lengths.sum()) < 1 / 12
        tokens = np.where(stops, self.words[drawn] + ".", self.words[drawn]).tolist()
        ends = np.cumsum(lengths).tolist()
        return [
            " ".join(tokens[end - length : end]) for end, length in zip(ends, lengths.tolist(), strict=True)
        ]


def eval_sets(data: Path) -> list[EvalSet]:
    """The published sets in `data` and the made-up ones: 20 sets."""
    sets = load([{"name": name, "path": str(data / path)} for name, path in PUBLISHED.items()]).sets
    left, made = EVAL_ROWS - sum(s.n_rows for s in sets), EVAL_SETS - len(sets)
    zipf = Zipf(SEED)
    for i in range(made):
        texts = zipf.texts(left // made, EVAL_WORDS)
        rows = [EvalText(str(row), "question", text) for row, text in enumerate(texts)]
        sets.append(EvalSet(f"made-{i}", "made up", None, "test", None, "knowledge", rows, len(rows)))
    return sets


def write_corpus(path: Path, data: Path, rows: int) -> dict[str, int]:
    """A Parquet file of SCHEMA with `rows` prompts; returns how many there are of each origin."""
    special = list(_special(data, rows))
    Random(SEED).shuffle(special)
    zipf, random = Zipf(SEED), Random(SEED + 1)
    zipf.random = np.random.default_rng(SEED + 2)  # other texts than those of the eval sets
    counts: dict[str, int] = {}
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for first in range(0, rows, CHUNK):
            n = min(CHUNK, rows - first)
            chunk = special[len(special) * first // rows : len(special) * (first + n) // rows]
            made = zipf.texts(n - len(chunk), WORDS)
            chunk = chunk + [(text, "made up", None, None) for text in made]
            random.shuffle(chunk)
            frame = pl.DataFrame(chunk, schema=SCHEMA.names, orient="row")
            for origin, count in frame.group_by("origin").len().iter_rows():
                counts[origin] = counts.get(origin, 0) + count
            writer.write_table(frame.to_arrow().cast(SCHEMA))
    return counts


def _special(data: Path, rows: int) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Everything that is not made up, in the proportions of a million rows."""
    lines = (data / "gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    train = [json.loads(line)["question"] for line in lines]
    for text in train[: max(1, len(train) * rows // 1_000_000)] if rows < 1_000_000 else train:
        yield text, "gsm8k train", None, None
    for i in range(67_000 * rows // 1_000_000):
        name = NEGATIVES[i % len(NEGATIVES)]
        edited = EDITS[name][0](train[i % len(train)], Random(f"{SEED} {i}"))
        yield edited, "edited gsm8k train", None, None
    for leak in plant(eval_sets(data), SEED, max(10, 2_000 * rows // 1_000_000)):
        yield leak.text, leak.edit, leak.eval_set, leak.eval_row

"""One side of the decontamination benchmark, in a process of its own.

    python benchmarks/decontamination_sides.py SPEC.json

SPEC names the side, the corpus, how many of its rows to take, and where the peers are installed. What comes
back: seconds on the clock and on the processor for the scan alone (index, JIT and reading of the corpus are
counted apart), the peak of resident memory, and which rows were flagged.

Every side gets what favours it. Peers get their texts as Python strings, ours gets the Arrow column that the
file holds. The set of 8-grams is the rule of s1 and open-r1: lower case, white space separates, any shared
8-gram. They split every text anew for each eval set; here one dictionary holds all of them. datatrove's
indexer does not run (it asks lighteval for a class that is gone), so its index is made by its own
`compute_hashes`, prompts included, which is not its default; without, it would find none of them. Janitor
runs in Python; its C++ helper takes every n-gram for a contaminated one.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from decontamination_corpus import eval_sets  # noqa: E402

Spec = dict[str, Any]
Flags = Sequence[bool] | np.ndarray


def main() -> None:
    spec: Spec = json.loads(Path(sys.argv[1]).read_text())
    if spec["peers"]:
        sys.path.insert(0, spec["peers"])
    found = SIDES[spec["side"]](spec)
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(spec["result"]).write_text(json.dumps(found))


class Clock:
    """Seconds since it was made, on the clock and on the processor (all threads of this process)."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def found(self, name: str) -> dict[str, float]:
        return {
            f"{name}_seconds": time.perf_counter() - self.wall,
            f"{name}_cpu_seconds": time.process_time() - self.cpu,
        }


def column(spec: Spec) -> pa.ChunkedArray:
    """Every k-th prompt: a slower side gets a sample of the same mix."""
    prompts = pq.read_table(spec["corpus"], columns=["prompt"], memory_map=True)["prompt"]
    return prompts if spec["step"] == 1 else prompts.take(list(range(0, len(prompts), spec["step"])))


def timed(spec: Spec, index: Callable[[list[str]], Callable[[str], bool]]) -> dict[str, Any]:
    """A peer that answers text by text."""
    texts = [text.text for eval_set in eval_sets(Path(spec["data"])) for text in eval_set.texts]
    prompts = column(spec).to_pylist()
    clock = Clock()
    is_flagged = index(texts)
    report = clock.found("index")
    clock = Clock()
    flags = [is_flagged(prompt) for prompt in prompts]
    return report | clock.found("scan") | result(spec, flags)


def result(spec: Spec, flags: Flags) -> dict[str, Any]:
    flags = np.asarray(flags, dtype=bool)
    where = Path(spec["result"]).with_suffix(".npy")
    np.save(where, flags)
    return {"rows": len(flags), "flags": str(where)}


def ours(spec: Spec) -> dict[str, Any]:
    """`scan`: candidates alone, which is what a rule without a report is compared with; `report`: all."""
    from curation.decontamination import PRESETS, Scanner
    from curation.words.texts import texts_of_arrow

    sets, prompts = eval_sets(Path(spec["data"])), column(spec)
    rule = PRESETS[spec["rule"]]
    clock = Clock()
    Scanner(sets[:1], rule).scan(["warm up " * 10, sets[0].texts[0].text])
    report = clock.found("jit")
    clock = Clock()
    scanner = Scanner(sets, rule)
    report |= clock.found("index")
    clock = Clock()
    for chunk in prompts.chunks:
        scanner.candidates(texts_of_arrow(chunk))
    report |= clock.found("scan")
    clock = Clock()
    frames = [scanner.scan(texts_of_arrow(chunk)) for chunk in prompts.chunks]
    report |= clock.found("report")
    flags, pairs, first = np.zeros(len(prompts), bool), [], 0
    for chunk, frame in zip(prompts.chunks, frames, strict=True):
        rows = first + frame["row"].to_numpy().astype(np.int64)
        flags[rows] = True
        pairs += zip(rows.tolist(), frame["eval_set"].to_list(), frame["eval_row"].to_list(), strict=True)
        first += len(chunk)
    where = Path(spec["result"]).with_suffix(".pairs.json")
    where.write_text(json.dumps(pairs))
    return report | result(spec, flags) | {"matches": len(pairs), "pairs": str(where)}


def ours_files(spec: Spec) -> dict[str, Any]:
    """End to end: index, read, scan, report with spans and coverages, clean file; the imports, too."""
    clock = Clock()
    from curation.decontamination import Settings
    from curation.decontamination.files import decontaminate_files

    sets = eval_sets(Path(spec["data"]))
    with tempfile.TemporaryDirectory(dir=Path(spec["result"]).parent) as out:
        folder = Path(out) / "clean"
        found = decontaminate_files([Path(spec["corpus"])], sets, Settings(), {"prompt": "prompt"}, folder)
    return clock.found("end_to_end") | {"rows": found.account.rows_in, "kept": found.account.kept}


def published_set(spec: Spec) -> dict[str, Any]:
    """As data sets were published: all n-grams of a text in a list, looked up in a dictionary one by one."""

    def grams(text: str) -> list[str]:
        words = " ".join(text.lower().strip().split()).split()
        return [" ".join(words[i : i + 8]) for i in range(len(words) - 7)]

    def index(texts: list[str]) -> Callable[[str], bool]:
        known: dict[str, set[int]] = {}
        for i, text in enumerate(texts):
            for gram in grams(text):
                known.setdefault(gram, set()).add(i)
        return lambda text: any({gram in known for gram in set(grams(text))})

    return timed(spec, index)


def bare_set(spec: Spec) -> dict[str, Any]:
    """The same rule with nothing left to save: one set, no list, no eval rows."""

    def grams(text: str) -> Iterator[str]:
        words = text.lower().split()
        return map(" ".join, zip(*(words[i:] for i in range(8)), strict=False))

    def index(texts: list[str]) -> Callable[[str], bool]:
        known = {gram for text in texts for gram in grams(text)}
        return lambda text: not known.isdisjoint(grams(text))

    return timed(spec, index)


def datatrove(spec: Spec) -> dict[str, Any]:
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
    from datatrove.utils.logging import logger

    logger.remove()
    config = NGramsDecontConfig(find_query_ngrams=True, find_overlap_ngrams=False)

    def index(texts: list[str]) -> Callable[[str], bool]:
        NGramsDecontIndexer._requires_dependencies = []  # lighteval is only for its own task lists
        indexer = NGramsDecontIndexer(tempfile.gettempdir(), config=config)  # writes nothing by itself
        hashes = {h for text in texts for h in indexer.compute_hashes("", text)}
        with tempfile.TemporaryDirectory() as folder:
            np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(f"{folder}/all.index.hashes")
            step = NGramsDecontFilter(folder, config=config)
            step.load_index_hashes()
        return lambda text: step.filter(Document(text=text, id="0")) is not True

    return timed(spec, index)


def janitor(spec: Spec) -> dict[str, Any]:
    from lm_eval.decontamination.janitor import Janitor

    class Seen(Janitor):
        """It drops every row under 200 characters, clean or not; what it found is what counts here."""

        def _split_chunks(self, dirty_string: str, dirty_parts: Any) -> list[str]:
            parts = list(dirty_parts)
            self.found = bool(parts)
            return super()._split_chunks(dirty_string, parts)

    def index(texts: list[str]) -> Callable[[str], bool]:
        cleaner = Seen()
        for text in texts:
            cleaner.register_contaminant_python(text)

        def is_flagged(text: str) -> bool:
            cleaner.clean_python(text)
            return cleaner.found

        return is_flagged

    return timed(spec, index)


SIDES: dict[str, Callable[[Spec], dict[str, Any]]] = {
    "ours": ours,
    "ours, files": ours_files,
    "published set": published_set,
    "bare set": bare_set,
    "datatrove": datatrove,
    "janitor": janitor,
}

if __name__ == "__main__":
    main()

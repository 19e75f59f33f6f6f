"""Near duplicates: ours beside rensa and datasketch on one generated corpus.

    python benchmarks/duplicates.py [--rows 100000] [--peers FOLDER] [--out benchmarks/results]

FOLDER holds the peers (`pip install --no-deps --target FOLDER rensa==0.5.0 datasketch==2.0.0 scipy`); without
it only ours runs. The corpus is made from a seed: texts of words drawn by Zipf's law, three in ten of them
with one or two copies in which up to a third of the words are replaced, so that similarities lie between 0.1
and 1. All tools look for Jaccard similarity 0.7 of 5-word shingles, with 125 or 128 permutations.

A row is a copy where another row has similarity 0.7 or more; that is computed exactly for all pairs of a
family (unrelated rows share hardly a run of five words, and every row that a tool flags is compared with all
that share one). Every side is a process of its own and counts its processor time, from texts in memory to the
flags; the compiled kernels of ours are warmed up before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

SEED, WORDS, SIMILARITY, PERMUTATIONS = 0, 5, 0.7, 128
VOCABULARY, EXPONENT, MEAN_WORDS = 100_000, 1.05, 58


def corpus(rows: int) -> tuple[list[str], list[int]]:
    """(texts, the family of each)."""
    draw = np.random.default_rng(SEED)
    weights = 1 / np.arange(1, VOCABULARY + 1) ** EXPONENT
    names = np.array([in_letters(k + 26**2) for k in range(VOCABULARY)])
    cumulative = np.cumsum(weights / weights.sum())
    texts, family = [], []
    while len(texts) < rows:
        number = len(texts)
        words = np.searchsorted(cumulative, draw.random(max(8, int(draw.gamma(4, MEAN_WORDS / 4)))))
        copies = int(draw.integers(1, 3)) if draw.random() < 0.3 else 0
        for copy in range(copies + 1):
            mine = words.copy()
            if copy:
                changed = draw.random(len(mine)) < draw.random() ** 2 / 3
                mine[changed] = np.searchsorted(cumulative, draw.random(int(changed.sum())))
            texts.append(" ".join(names[np.minimum(mine, VOCABULARY - 1)]))
            family.append(number)
    order = draw.permutation(len(texts))[:rows]
    return [texts[k] for k in order], [family[k] for k in order]


def in_letters(k: int) -> str:
    """`k` in letters, so that words are words to every tokeniser."""
    found = ""
    while k:
        found, k = chr(97 + k % 26) + found, k // 26
    return found


def shingles(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[k : k + WORDS]) for k in range(len(words) - WORDS + 1)}


def ours(texts: list[str]) -> np.ndarray:
    from curation.duplicates import Rule, copies_of

    found = copies_of(pl.Series(texts), Rule(WORDS, SIMILARITY))
    _, group, sizes = np.unique(found.group, return_inverse=True, return_counts=True)
    return sizes[group] > 1


def datasketch(texts: list[str]) -> np.ndarray:
    """With the bands that it chooses for the threshold."""
    from datasketch import MinHash, MinHashLSH

    index, sketches = MinHashLSH(SIMILARITY, PERMUTATIONS), []
    with index.insertion_session() as session:
        for k, text in enumerate(texts):
            sketch = MinHash(PERMUTATIONS)
            sketch.update_batch([shingle.encode() for shingle in shingles(text)])
            session.insert(k, sketch)
            sketches.append(sketch)
    return np.array([len(index.query(sketch)) > 1 for sketch in sketches])


def rensa(texts: list[str]) -> np.ndarray:
    """Its fastest way: one matrix of sketches, and flags without pairs; with the bands of ours."""
    from rensa import RMinHash, RMinHashLSH

    sets = [list(shingles(text)) for text in texts]
    matrix = RMinHash.digest_matrix_from_token_sets(sets, 125, 42)
    index = RMinHashLSH(threshold=SIMILARITY, num_perm=125, num_bands=25)
    return np.array(index.query_duplicate_flags_matrix_one_shot(matrix))


SIDES: dict[str, Callable[[list[str]], np.ndarray]] = {"ours": ours, "rensa": rensa, "datasketch": datasketch}


def true_copies(texts: list[str], family: list[int], flagged: np.ndarray) -> np.ndarray:
    """Which rows have another one with the similarity, exactly."""
    sets, members = [], defaultdict(list)
    for k, text in enumerate(texts):
        sets.append({hash(shingle) for shingle in shingles(text)})
        members[family[k]].append(k)
    found = np.zeros(len(texts), np.bool_)
    for rows in members.values():
        for a in rows:
            found[a] = found[a] or any(b != a and jaccard(sets[a], sets[b]) >= SIMILARITY for b in rows)
    doubtful = [int(a) for a in np.flatnonzero(flagged & ~found)]
    holders: dict[int, list[int]] = {shingle: [] for a in doubtful for shingle in sets[a]}
    for k, mine in enumerate(sets):
        for shingle in mine & holders.keys():
            holders[shingle].append(k)
    for a in doubtful:
        others = {b for shingle in sets[a] for b in holders[shingle]} - {a}
        found[a] = any(jaccard(sets[a], sets[b]) >= SIMILARITY for b in others)
    return found


def jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def run_side(name: str, rows: int, result: Path) -> None:
    texts, _ = corpus(rows)
    side = SIDES[name]
    if name == "ours":
        side(texts[:100])
    before = memory()
    started, clock = time.process_time(), time.perf_counter()
    flags = side(texts)
    seconds = {"cpu_seconds": time.process_time() - started, "seconds": time.perf_counter() - clock}
    np.save(result, flags)
    print(json.dumps(seconds | {"peak_mb": memory(), "corpus_mb": before}))


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run_side(args.side, args.rows, args.result)
        return
    texts, family = corpus(args.rows)
    found: dict[str, dict[str, Any]] = {}
    flags = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in SIDES if args.peers else ["ours"]:
            result = Path(folder) / f"{name}.npy"
            found[name] = measured(name, args.rows, result, args.peers)
            flags[name] = np.load(result)
    truth = true_copies(texts, family, np.logical_or.reduce(list(flags.values())))
    for name, mine in flags.items():
        right = int((mine & truth).sum())
        found[name] |= {"flagged": int(mine.sum()), "wrong": int((mine & ~truth).sum())}
        found[name] |= {"recall": right / int(truth.sum()), "precision": right / int(mine.sum())}
    for name in flags:
        versions = [] if args.peers is None else args.peers.glob(f"{name}-*.dist-info")
        found[name]["version"] = "".join(folder.stem.split("-")[1] for folder in versions)
    write(args.out, args.rows, int(truth.sum()), sum(map(len, texts)) / 1e6, found)


def measured(name: str, rows: int, result: Path, peers: Path | None) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    if peers:
        environment["PYTHONPATH"] = str(peers.resolve())
    command = [sys.executable, __file__, "--side", name, "--rows", str(rows), "--result", str(result)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def write(out: Path, rows: int, copies: int, megabytes: float, found: dict[str, dict[str, Any]]) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    about = {"rows": rows, "copies": copies, "megabytes": round(megabytes, 1), "machine": machine}
    about["date"] = date.today().isoformat()
    (out / "duplicates.json").write_text(json.dumps(about | {"sides": found}, indent=2) + "\n")
    best = found["ours"]["cpu_seconds"]
    head = ("tool", "CPU s", "rows / CPU s", "our speed", "recall", "precision", "wrong", "MB", "corpus MB")
    lines = [
        "# Near duplicates: ours and its peers",
        "",
        f"{machine}, {about['date']}. Made by `python benchmarks/duplicates.py`, which says how. One process "
        "and one thread a side.",
        f"{rows:,} generated rows ({megabytes:.1f} MB), {copies:,} of them with a copy: another row whose "
        f"exact Jaccard similarity of 5-word shingles is {SIMILARITY} or more.",
        "",
        "Ours verifies every candidate pair, says which row stands in for which, and keeps its sketches on "
        "disk; rensa flags rows; neither peer verifies. wrong: rows flagged without a copy. MB: the process "
        "at its highest, and before the search.",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for name, row in found.items():
        ratio = "" if name == "ours" else f"{row['cpu_seconds'] / best:.0f}x"
        lines.append(
            f"| {name} {row['version']} | {row['cpu_seconds']:.2f} | {rows / row['cpu_seconds']:,.0f} "
            f"| {ratio} | {row['recall']:.2%} | {row['precision']:.2%} | {row['wrong']:,} "
            f"| {row['peak_mb']:,} | {row['corpus_mb']:,} |"
        )
    (out / "duplicates.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

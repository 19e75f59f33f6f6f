"""Paraphrases proposed to a judge: how many are found, among how many other pairs, at what speed.

    python benchmarks/paraphrases.py [--data FOLDER] [--rephrased FILE] [--rows 1000000] [--work FOLDER]

The paraphrases are of GSM8K test questions: `data/gsm8k_paraphrases.jsonl`, written for this project (no
training text: it is test material), and a FILE of {"row", "text"} with the number of the test question, such
as the GPT-4 rephrasings of LMSYS's decontaminator. They are looked for among the 20 eval sets of
`decontamination_corpus`, which hold the questions themselves and about 19,000 texts more. The other pairs are
those of GSM8K's training questions, every one of them a problem of its own, with any eval text.

Other ways to weigh shared words are compared at a threshold of theirs that gives as many other pairs. The
speed is that of one thread over the corpus of the decontamination benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from decontamination_corpus import eval_sets, write_corpus  # noqa: E402

from curation.decontamination import Scanner, preset  # noqa: E402
from curation.decontamination.paraphrases import MIN_DICE, MOST, ParaphraseIndex, propose  # noqa: E402
from curation.words.texts import plain_words, texts_of, texts_of_arrow  # noqa: E402

OWN = ROOT / "benchmarks/data/gsm8k_paraphrases.jsonl"
THRESHOLDS = (0.2, 0.25, MIN_DICE, 0.35)
BATCH = 16_384
Rows = list[dict[str, Any]]
Pairs = Callable[[Sequence[str]], list[list[tuple[int, float]]]]  # of each text its (eval text, nearness)


def ours(evals: list[str], min_dice: float, most: int = 1_000_000) -> Pairs:
    index = ParaphraseIndex.of(texts_of(evals))

    def near(texts: Sequence[str]) -> list[list[tuple[int, float]]]:
        found: list[list[tuple[int, float]]] = [[] for _ in texts]
        for row, eval_text, dice in propose(index, texts_of(texts), min_dice, most)[:, :3].iter_rows():
            found[row].append((eval_text, dice))
        return found

    return near


def plain(evals: list[str], kind: str) -> Pairs:
    """Words as they stand: `dice` weighed by ln(N / d), `cosine` of tf-idf vectors, `jaccard` unweighed."""
    bags = [set(plain_words(text, masked=True)) - {"#"} for text in evals]
    frequency = Counter(word for bag in bags for word in bag)
    unknown = float(np.log(len(evals)))

    def weight(word: str) -> float:
        idf = float(np.log(len(evals) / frequency[word])) if word in frequency else unknown
        return {"dice": idf, "cosine": idf**2, "jaccard": 1.0}[kind]

    postings = defaultdict(list)
    for place, bag in enumerate(bags):
        for word in bag:
            postings[word].append(place)
    places = {word: np.array(found) for word, found in postings.items()}
    totals = np.array([sum(map(weight, bag)) for bag in bags])

    def near(texts: Sequence[str]) -> list[list[tuple[int, float]]]:
        return [_nearest(set(plain_words(text, masked=True)) - {"#"}) for text in texts]

    def _nearest(bag: set[str]) -> list[tuple[int, float]]:
        common = np.zeros(len(evals))
        for word in sorted(bag & places.keys()):
            common[places[word]] += weight(word)
        total = sum(map(weight, sorted(bag)))
        nearness = {
            "dice": lambda: 2 * common / (total + totals),
            "cosine": lambda: common / np.sqrt(np.maximum(total * totals, 1e-12)),
            "jaccard": lambda: common / (total + totals - common),
        }[kind]()
        return [(int(e), float(nearness[e])) for e in np.flatnonzero(nearness > 0.1)]

    return near


def measure(data: Path, rephrased: Rows, rows: int, work: Path) -> dict[str, Any]:
    sets = eval_sets(data)
    evals = list(dict.fromkeys(text.text for one in sets for text in one.texts))
    place = {text: at for at, text in enumerate(evals)}
    test = [row["question"] for row in _read(data / "gsm8k/test.jsonl")]
    clean = [row["question"] for row in _read(data / "gsm8k/train.jsonl")]
    written = _read(OWN) + [{**row, "changed": "rephrased"} for row in rephrased]
    right = [place[test[row["row"]]] for row in written]
    texts = [row["text"] for row in written]

    methods = [_counted(f"ours, dice {t:g}", ours(evals, t), written, right, clean, t) for t in THRESHOLDS]
    capped = ours(evals, MIN_DICE, MOST)
    methods.append(_counted(f"ours, dice {MIN_DICE:g}, nearest {MOST}", capped, written, right, clean, 0.0))
    budget = methods[THRESHOLDS.index(MIN_DICE)]["other_pairs"]
    for kind, label in {
        "dice": "words, ln(N/d), dice",
        "cosine": "tf-idf, cosine",
        "jaccard": "Jaccard",
    }.items():
        near = plain(evals, kind)
        others = np.sort([n for found in near(clean) for _, n in found])[::-1]
        methods.append(_counted(label, near, written, right, clean, float(others[budget - 1])))
    for rule in ("default", "s1"):
        flagged = Scanner(sets, preset(rule)).flagged(texts)
        methods.append({"method": f"the scan alone, {rule}", "found": _shares(written, flagged)})
    return {
        "eval_sets": len(sets),
        "eval_texts": len(evals),
        "clean": len(clean),
        "methods": methods,
        "speed": _speed(work, data, evals, rows) if rows else None,
    }


def _counted(
    method: str, near: Pairs, written: Rows, right: list[int], clean: list[str], threshold: float
) -> dict[str, Any]:
    found = [
        any(e == wanted and n >= threshold for e, n in pairs)
        for pairs, wanted in zip(near([row["text"] for row in written]), right, strict=True)
    ]
    others = [sum(n >= threshold for _, n in pairs) for pairs in near(clean)]
    return {
        "method": method,
        "found": _shares(written, np.array(found)),
        "threshold": threshold,
        "other_pairs": sum(others),
        "other_texts": sum(n > 0 for n in others),
    }


def _shares(written: Rows, found: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    counts = {}
    for name in dict.fromkeys(row["changed"] for row in written):
        mine = [hit for row, hit in zip(written, found, strict=True) if row["changed"] == name]
        counts[name] = (int(sum(mine)), len(mine))
    own = [counts[name] for name in counts if name != "rephrased"]
    return counts | {"all own": (sum(hit for hit, _ in own), sum(n for _, n in own))}


def _speed(work: Path, data: Path, evals: list[str], rows: int) -> dict[str, Any]:
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"corpus-{rows}.parquet"
    if not path.exists():
        write_corpus(path, data, rows)
    start = time.process_time()
    index = ParaphraseIndex.of(texts_of(evals))
    indexed = time.process_time() - start
    propose(index, texts_of_arrow(pa.array(evals[:2])))  # compiled, or from the compiler's cache
    spent, pairs, n_bytes = 0.0, 0, 0
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(BATCH, columns=["prompt"]):
        texts = texts_of_arrow(batch.column(0))
        start = time.process_time()
        pairs += propose(index, texts).height
        spent += time.process_time() - start
        n_bytes += int(texts.offsets[-1] - texts.offsets[0])
    return {
        "rows": rows,
        "cpu_seconds": spent,
        "index_cpu_seconds": indexed,
        "rows_per_cpu_second": rows / spent,
        "megabytes_per_cpu_second": n_bytes / 1e6 / spent,
        "pairs": pairs,
    }


def _read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_markdown(result: dict[str, Any]) -> str:
    names = list(result["methods"][0]["found"])
    lines = [
        "# Paraphrases proposed to a judge",
        "",
        f"Of GSM8K test questions, among {result['eval_texts']:,} eval texts of {result['eval_sets']} sets; "
        f"other pairs: {result['clean']:,} GSM8K training questions with any eval text; "
        "`python benchmarks/paraphrases.py`. What was changed: `words` alone, `names` too, `setting`: names "
        "and things, `numbers`: names, numbers and mostly things. `rephrased`: by GPT-4 (LMSYS). Methods "
        "without a number are at the threshold that gives as many other pairs as our default.",
        "",
        "| method | " + " | ".join(names) + " | other pairs | of texts |",
        "|---" * (len(names) + 3) + "|",
    ]
    for row in result["methods"]:
        shares = [f"{hit} of {n}" for hit, n in row["found"].values()]
        others = [f"{row[name]:,}" if name in row else "" for name in ("other_pairs", "other_texts")]
        lines.append(f"| {row['method']} | " + " | ".join(shares + others) + " |")
    if speed := result["speed"]:
        lines += [
            "",
            f"Speed, one thread: {speed['rows']:,} prompts in {speed['cpu_seconds']:.1f} CPU-seconds "
            f"({speed['rows_per_cpu_second']:,.0f} prompts, {speed['megabytes_per_cpu_second']:.0f} MB a "
            f"CPU-second), {speed['pairs']:,} pairs proposed; the index {speed['index_cpu_seconds']:.1f}.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("REWARDSMITH_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data", help="folder with the real inputs")
    parser.add_argument("--rephrased", type=Path, help='JSON lines {"row", "text"}')
    parser.add_argument("--rows", type=int, default=1_000_000, help="prompts to time; 0: none")
    parser.add_argument("--work", type=Path, help="keep the corpus here, and take it if it is there")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    rephrased = _read(args.rephrased) if args.rephrased else []
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.data, rephrased, args.rows, args.work or Path(folder))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "paraphrases.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (args.out / "paraphrases.md").write_text(as_markdown(result), encoding="utf-8")
    print(as_markdown(result), end="")


if __name__ == "__main__":
    main()

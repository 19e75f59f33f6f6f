"""Agreement and speed of the instruction checks on GPT-4's answers to IFEval, next to lm-eval's checkers.

    python benchmarks/instructions.py DATA [--peer PYTHON] [--out FOLDER]

DATA holds ifeval/input_data.jsonl, ifeval/input_response_data_gpt4_20231107_145030.jsonl and
conformance/ifeval_gpt4_labelled.jsonl. PYTHON is an interpreter with `lm-eval[ifeval]`; its checkers run on
the same rows in the same minutes, with an untrained Punkt splitter so that nothing is downloaded and with
langdetect seeded. Rates are instructions per second of one process, the median of five passes over all rows;
the first pass, which loads profiles, is not counted. More responses come between two passes over one of them
than are remembered, so every check does its work.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Rows = list[dict[str, Any]]
Labels = list[list[bool]]
PASSES = 5

# Runs in the peer's interpreter: rows on stdin, labels and rates on stdout.
PEER = """
import json, statistics, sys, time, types
import nltk
nltk.data.find = lambda *_: True  # nothing to download
from nltk.tokenize import NLTKWordTokenizer, PunktSentenceTokenizer
import langdetect
langdetect.DetectorFactory.seed = 0
import importlib.metadata, importlib.util, pathlib
root = pathlib.Path(importlib.util.find_spec("lm_eval").origin).parent
# Without the imports of lm_eval itself, which need torch.
for name in ("lm_eval", "lm_eval.tasks", "lm_eval.tasks.ifeval"):
    package = types.ModuleType(name)
    package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = package
from lm_eval.tasks.ifeval import instructions_util, utils
punkt, words = PunktSentenceTokenizer(), NLTKWordTokenizer()
instructions_util._get_sentence_tokenizer = lambda: punkt
nltk.word_tokenize = lambda text: [word for part in punkt.tokenize(text) for word in words.tokenize(part)]
rows, passes = json.load(sys.stdin)
examples = [utils.InputExample(0, row["instruction_id_list"], row["prompt"], row["kwargs"]) for row in rows]
checks = sum(len(row["instruction_id_list"]) for row in rows)
result = {"version": importlib.metadata.version("lm_eval")}
for name in ("strict", "loose"):
    check = getattr(utils, f"test_instruction_following_{name}")
    rates = []
    for _ in range(passes + 1):
        started = time.perf_counter()
        outcome = [check(example, row["response"]) for example, row in zip(examples, rows)]
        rates.append(checks / (time.perf_counter() - started))
    result[name] = [one.follow_instruction_list for one in outcome]
    result[name + "_rate"] = statistics.median(rates[1:])
json.dump(result, sys.stdout)
"""


def read_jsonl(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def load_rows(data: Path) -> Rows:
    """The prompts that have a response, with it."""
    responses = {
        row["prompt"]: row["response"]
        for row in read_jsonl(data / "ifeval" / "input_response_data_gpt4_20231107_145030.jsonl")
    }
    prompts = read_jsonl(data / "ifeval" / "input_data.jsonl")
    return [{**row, "response": responses[row["prompt"]]} for row in prompts if row["prompt"] in responses]


def timed(check: Callable[[], Labels], checks: int) -> tuple[Labels, float]:
    rates = []
    for _ in range(PASSES + 1):
        started = time.perf_counter()
        labels = check()
        rates.append(checks / (time.perf_counter() - started))
    return labels, statistics.median(rates[1:])


def our_labels(rows: Rows, mode: str, strict: bool) -> Labels:
    from verifiers.instructions import check_rows

    return [list(one.followed) for one in check_rows(rows, mode=mode, strict=strict)]  # type: ignore[arg-type]


def agreement(ours: Labels, theirs: Labels, left_out: list[list[int]]) -> str:
    pairs = [
        a == b
        for mine, other, unstable in zip(ours, theirs, left_out, strict=True)
        for i, (a, b) in enumerate(zip(mine, other, strict=True))
        if i not in unstable
    ]
    return f"{sum(pairs):,} of {len(pairs):,}"


def measure(data: Path, peer: str | None) -> dict[str, Any]:
    rows = load_rows(data)
    checks = sum(len(row["instruction_id_list"]) for row in rows)
    labelled = read_jsonl(data / "conformance" / "ifeval_gpt4_labelled.jsonl")
    unstable = [row["unstable_index"] or [] for row in labelled]
    everything: list[list[int]] = [[] for _ in rows]
    theirs = None
    if peer:
        done = subprocess.run(
            [peer, "-c", PEER], input=json.dumps([rows, PASSES]), capture_output=True, text=True, check=True
        )
        theirs = json.loads(done.stdout)
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "prompts": len(rows),
        "instructions": checks,
        "peer": f"lm-eval {theirs['version']}" if theirs else None,
        "evaluation": {},
    }
    for name, strict in (("strict", True), ("loose", False)):
        upstream, rate = timed(lambda strict=strict: our_labels(rows, "upstream", strict), checks)  # type: ignore[misc]
        fixed, fixed_rate = timed(lambda strict=strict: our_labels(rows, "fixed", strict), checks)  # type: ignore[misc]
        published = [row[f"expected_{name}"] for row in labelled]
        one = {
            "published_labels": agreement(our_labels(labelled, "upstream", strict), published, unstable),
            "upstream_rate": rate,
            "fixed_rate": fixed_rate,
            "fixed_as_upstream": agreement(fixed, upstream, everything),
        }
        if theirs:
            one["peer_labels"] = agreement(upstream, theirs[name], everything)
            one["peer_rate"] = theirs[f"{name}_rate"]
            one["ratio"] = rate / one["peer_rate"]
        result["evaluation"][name] = one
    return result


def as_markdown(result: dict[str, Any]) -> str:
    peer = result["peer"] or "no peer"
    lines = [
        "# Instruction checks on IFEval",
        "",
        f"{result['prompts']} prompts, {result['instructions']} instructions, GPT-4's answers. "
        f"One process; {result['machine']}. `python benchmarks/instructions.py`.",
        "",
        f"| evaluation | published labels | same as {peer} | upstream checks/s | fixed checks/s "
        f"| {peer} checks/s | ratio | fixed says the same as upstream |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in result["evaluation"].items():
        peer_rate, ratio = (f"{one[key]:,.1f}" if key in one else "-" for key in ("peer_rate", "ratio"))
        lines.append(
            f"| {name} | {one['published_labels']} | {one.get('peer_labels', '-')} "
            f"| {one['upstream_rate']:,.0f} | {one['fixed_rate']:,.0f} | {peer_rate} | {ratio} "
            f"| {one['fixed_as_upstream']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with lm-eval[ifeval]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    result = measure(args.data, args.peer)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "instructions.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (args.out / "instructions.md").write_text(as_markdown(result), encoding="utf-8")
    print(as_markdown(result), end="")


if __name__ == "__main__":
    main()

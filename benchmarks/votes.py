"""Labels that need neither judge nor rollouts: adaptive votes, pseudo-gold, and steps checked by a program.

    python benchmarks/votes.py [DATA] [--prompts N] [--out FOLDER]

Adaptive sampling runs through the real sampler, ledger and verifier on a policy that is right with a known
probability and else gives one of six wrong answers with probabilities 1 : 1/2 : ... : 1/6. The majority of
40 samples is the one that the same policy gives to the same 40 seeds.

DATA holds gsm8k/{train,test,example_model_solutions}.jsonl and processbench/gsm8k.json. From them: how often
the majority of four real models is wrong by its margin, and how often a program's accusation of a step is.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelers.adaptive import sample_until_clear
from labelers.arithmetic import check_arithmetic
from labelers.votes import audit_pseudo_gold, vote
from samplers.engine import Completion, Request, Sampling
from samplers.sample import completion_table, streams
from store.ids import content_id
from store.ledger import Ledger
from store.tables import COMPLETIONS, PROMPTS

PASS_RATES = (0.97, 0.8, 0.6, 0.5, 0.4, 0.3)
SAMPLES = 40
WRONG = 6  # wrong answers a prompt has


class ZipfPolicy:
    """Implements samplers.engine.Engine; a prompt is "NUMBER PASS-RATE", the right answer 0."""

    kind, model, revision = "zipf", "zipf", "1"

    def render(self, request: Request) -> str:
        return request.messages[-1]["content"]

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        source = iter(requests)
        while flight := list(islice(source, 256)):
            yield from ((request, self.answer(request)) for request in flight)

    def answer(self, request: Request) -> Completion:
        name, rate = self.render(request).split()
        rng = random.Random(f"{name}|{request.seed}")
        ranks = range(1, WRONG + 1)
        right = rng.random() < float(rate)
        value = 0 if right else rng.choices(ranks, [1 / rank for rank in ranks])[0]
        return Completion("", f"The answer is {value}.", "stop", 8, 6)


def prompt_table(n: int, rate: float) -> pl.DataFrame:
    texts = [f"{i} {rate}" for i in range(n)]
    rows = [{"prompt_id": content_id(t), "messages": [{"role": "user", "content": t}]} for t in texts]
    return pl.DataFrame(rows, schema=PROMPTS)


def majorities(completions: pl.DataFrame) -> dict[str, str]:
    winners = vote(completions).filter("is_majority").unique("prompt_id")
    return dict(winners.select("prompt_id", "answer").iter_rows())


def measure_stopping(n_prompts: int) -> list[dict[str, float]]:
    rows = []
    for rate in PASS_RATES:
        engine, prompts = ZipfPolicy(), prompt_table(n_prompts, rate)
        with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
            early = sample_until_clear(engine, ledger, prompts, SAMPLES)
        every = (s.request(i, Sampling()) for s in streams(prompts, 0) for i in range(SAMPLES))
        full = completion_table(engine, ((request, engine.answer(request)) for request in every), None)
        short, whole = majorities(early), majorities(full)
        rows.append(
            {
                "pass_rate": rate,
                "mean_samples": early.height / n_prompts,
                "fewer": SAMPLES * n_prompts / early.height,
                "same_majority": sum(short[p] == whole[p] for p in whole) / n_prompts,
                "right": sum(answer == "0" for answer in short.values()) / n_prompts,
                "right_of_all": sum(answer == "0" for answer in whole.values()) / n_prompts,
            }
        )
    return rows


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure_audit(data: Path) -> dict[str, Any]:
    """Four recorded solutions a problem: 6B and 175B, finetuned and verified."""
    solved = read_jsonl(data / "gsm8k" / "example_model_solutions.jsonl")
    rows = [
        {
            "completion_id": f"{i}-{model}",
            "prompt_id": str(i),
            "text": said["solution"],
            "finish_reason": "stop",
        }
        for i, problem in enumerate(solved)
        for model, said in problem.items()
        if isinstance(said, dict)
    ]
    golds = pl.DataFrame(
        {"prompt_id": [str(i) for i in range(len(solved))], "answer": [p["ground_truth"] for p in solved]}
    )
    return audit_pseudo_gold(vote(pl.DataFrame(rows, schema=COMPLETIONS)), golds)


def measure_program(data: Path) -> dict[str, Any]:
    golds = [row for name in ("train", "test") for row in read_jsonl(data / "gsm8k" / f"{name}.jsonl")]
    lines = [(line, row["question"]) for row in golds for line in row["answer"].split("\n")]
    started = time.perf_counter()
    checked = [check_arithmetic([line], question)[0] for line, question in lines]
    seconds = time.perf_counter() - started
    bench = json.loads((data / "processbench" / "gsm8k.json").read_text(encoding="utf-8"))
    found = [(row["label"], check_arithmetic(row["steps"], row["problem"])) for row in bench]
    accused = [(label, right.index(False)) for label, right in found if False in right]
    return {
        "gold_lines": len(lines),
        "gold_hold": checked.count(True),
        "gold_accused": checked.count(False),
        "lines_per_second": len(lines) / seconds,
        "processbench_accused": len(accused),
        "at_first_error": sum(label == t for label, t in accused),
        "after_it": sum(-1 < label < t for label, t in accused),
        "before_it": sum(label == -1 or label > t for label, t in accused),
    }


def as_markdown(result: dict[str, Any]) -> str:
    lines = [
        "# Votes and programs",
        "",
        f"Adaptive sampling, confidence .95, at most {SAMPLES} samples, {result['prompts']} prompts a row; "
        "`python benchmarks/votes.py`.",
        "",
        "| pass rate | mean samples | times fewer | same majority as 40 | majority right | of 40 |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['pass_rate']} | {r['mean_samples']:.1f} | {r['fewer']:.1f} | {r['same_majority']:.1%} "
        f"| {r['right']:.1%} | {r['right_of_all']:.1%} |"
        for r in result["stopping"]
    ]
    if audit := result.get("audit"):
        lines += ["", "Majority of four real models' solutions to GSM8K, by margin:", ""]
        lines += ["| margin | majorities | wrong | false positive rate, 95 % interval |", "|---|---|---|---|"]
        lines += [
            f"| {b['margin_from']}-{b['margin_to']} | {b['n']} | {b['wrong']} "
            f"| {b['false_positive_rate']:.1%} ({b['low']:.1%}-{b['high']:.1%}) |"
            for b in audit["bins"]
            if b["n"]
        ]
    if p := result.get("program"):
        lines += [
            "",
            f"Arithmetic in steps, {p['lines_per_second']:,.0f} lines/s: of {p['gold_lines']:,} lines of "
            f"GSM8K's own solutions {p['gold_hold']:,} hold and {p['gold_accused']} are accused; each "
            "of those is a mistake (tests/labelers/test_arithmetic.py lists them). "
            f"On ProcessBench-gsm8k {p['processbench_accused']} solutions are accused: "
            f"{p['at_first_error']} at the step that people marked, {p['after_it']} after it, "
            f"{p['before_it']} before it or where people found none.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--prompts", type=int, default=1000, help="prompts for each pass rate")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    result: dict[str, Any] = {"prompts": args.prompts, "stopping": measure_stopping(args.prompts)}
    if args.data:
        result |= {"audit": measure_audit(args.data), "program": measure_program(args.data)}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "votes.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (args.out / "votes.md").write_text(as_markdown(result), encoding="utf-8")
    print(as_markdown(result), end="")


if __name__ == "__main__":
    main()

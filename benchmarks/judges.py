"""What a judge call costs beside the judge, how replies are read, and how much position bias is left.

    python benchmarks/judges.py [--pairs 1000] [--out FOLDER]

Cost: processor time of this process per call of `judge_pairs`, every thread included, each pair in both
orders: live over a real socket to a server in another process, live with an engine that answers at once, and
from the ledger. Texts of a few hundred tokens, as judges get them.

Replies: the corpus in tests/labelers/judges/corpus, by our parsers and by the rules in common use. A wrong
label is one where a careful reader finds none, or another.

Position bias: a simulated judge that leans by a known number of logits to what it sees first; see
position_bias.py.

Writes judges.md and judges.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

import position_bias  # noqa: E402
from simulated_policy import completion_table  # noqa: E402
from stub_judge_server import SAID  # noqa: E402
from verdict_corpus import OURS, PEERS, load, score  # noqa: E402

from labelers.judges.choosing import choose_pairs  # noqa: E402
from labelers.judges.pairwise import judge_pairs  # noqa: E402
from samplers.engine import Completion, Engine, Request  # noqa: E402
from samplers.openai_engine import OpenAIEngine  # noqa: E402
from store.ledger import Ledger  # noqa: E402
from store.tables import PROMPTS  # noqa: E402

REPEATS = 3
TARGETS = {"live": 1.0, "cached": 0.2}  # milliseconds of processor time per call
STEP = "Then we multiply {i} by 7, which gives {p}, and write down the carry. "
Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


class InstantJudge:
    """Answers at once, in this process."""

    kind, model, revision = "instant", "judge", "1"

    def render(self, request: Request) -> Any:
        return {"messages": list(request.messages), "prefill": request.prefill}

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        for request in requests:
            yield request, Completion("", SAID, "stop", 700, 14)

    def start(self) -> None: ...

    def close(self) -> None: ...


@contextmanager
def served_judge() -> Iterator[Engine]:
    """An OpenAI engine before a server in another process."""
    command = [sys.executable, str(Path(__file__).with_name("stub_judge_server.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        engine = OpenAIEngine("judge", (f"http://127.0.0.1:{int(process.stdout.readline())}/v1",))
        try:
            yield engine
        finally:
            engine.close()
            process.terminate()


def material(n: int) -> Tables:
    """`n` prompts with two solutions of about 1,000 characters each, and their pairs."""
    asks = [
        {"prompt_id": f"p{i}", "messages": [{"role": "user", "content": f"How many are {i} boxes of 7?"}]}
        for i in range(n)
    ]
    steps = "".join(STEP.format(i=i, p=7 * i) for i in range(15))
    rows = [
        {"completion_id": f"p{i}-{j}", "prompt_id": f"p{i}", "text": f"Solution {j} of {i}. {steps}"}
        for i in range(n)
        for j in range(2)
    ]
    prompts = pl.DataFrame([dict.fromkeys(PROMPTS) | ask for ask in asks], schema=PROMPTS)
    completions = completion_table(rows)
    return prompts, completions, choose_pairs(completions, per_prompt=1)


def milliseconds(engine: Engine, ledger: Ledger, tables: Tables) -> float:
    """Processor time per call."""
    prompts, completions, pairs = tables
    started = time.process_time()
    judge_pairs(engine, ledger, pairs, completions, prompts)
    return 1000 * (time.process_time() - started) / (2 * pairs.height)


def cost(n: int) -> dict[str, float]:
    tables, warm_up = material(n), material(20)
    times: dict[str, list[float]] = {"live, server": [], "live, engine": [], "cached": []}
    with served_judge() as server:
        for _ in range(REPEATS):
            for name, engine in (("live, server", server), ("live, engine", InstantJudge())):
                with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
                    milliseconds(engine, ledger, warm_up)
                    times[name].append(milliseconds(engine, ledger, tables))
                    if engine is not server:
                        times["cached"].append(milliseconds(engine, ledger, tables))
    return {name: round(statistics.median(found), 3) for name, found in times.items()}


def replies() -> list[dict[str, Any]]:
    rules = [(kind, "ours", rule) for kind, rule in OURS.items()]
    rules += [(kind, name, rule) for kind in PEERS for name, rule in PEERS[kind].items()]
    order = list(OURS)
    rules.sort(key=lambda rule: order.index(rule[0]))
    return [{"kind": kind, "rule": name, **score(load(kind), rule)._asdict()} for kind, name, rule in rules]


def as_markdown(result: dict[str, Any]) -> str:
    spent = result["cost"]
    lines = [
        "# Judges",
        "",
        f"{result['machine']}. `python benchmarks/judges.py`.",
        "",
        f"## Processor time per call, {result['calls']:,} calls",
        "",
        "| call | ms | to reach |",
        "|---|---|---|",
        *(
            f"| {name} | {ms:.3f} | {_verdict(ms <= limit, f'at most {limit}')} |"
            for name, ms in spent.items()
            for limit in [TARGETS[name.split(",")[0]]]
        ),
        "",
        f"## Replies of the corpus, {result['replies_read']} in all",
        "",
        "| asked for | rule | right | of | wrong labels |",
        "|---|---|---|---|---|",
        *(
            f"| {row['kind']} | {row['rule']} | {row['right']} | {row['rows']} | {row['wrong_labels']} |"
            for row in result["replies"]
        ),
        "",
        "## Position bias of a simulated judge",
        "",
        *position_bias.as_markdown(result["bias"]),
    ]
    return "\n".join(lines) + "\n"


def _verdict(reached: bool, target: str) -> str:
    return f"{target}: {'reached' if reached else 'MISSED'}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    read = replies()
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "calls": 2 * args.pairs,
        "cost": cost(args.pairs),
        "replies_read": sum(row["rows"] for row in read if row["rule"] == "ours"),
        "replies": read,
        "bias": position_bias.report(),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "judges.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (args.out / "judges.md").write_text(as_markdown(result), encoding="utf-8")
    print(as_markdown(result), end="")


if __name__ == "__main__":
    main()

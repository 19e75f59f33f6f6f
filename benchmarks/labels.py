"""Step labelers side by side: what they cost and how right their labels are, all in one run.

    python benchmarks/labels.py [--quick] [--tiers A B] [--out FOLDER]

Tier A: policies whose steps and values are known exactly (`label_worlds`), through the real driver, ledger
and verifier; several seeds, and only problems that some samples solve and some do not. The worlds called
"extra" have no goal: error rates that are none of the labeler's levels, and hard solutions of 20-30 steps.
Tier B: the embedded policy through vLLM, its steps checked exactly, its values measured by many rollouts for
some prefixes. All is compared with `exhaustive`, 8 rollouts for every step, on the same solutions in the same
run, each strategy with a ledger of its own. Intervals resample problems.

Writes labels.md and labels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import polars as pl  # noqa: E402
from label_metrics import Interval, Measured, Row, compared, pooled  # noqa: E402
from label_worlds import WORLDS, ChainPolicy, World, chains, prompt_table  # noqa: E402

from labelers.rollouts.label import StepLabels, label_steps  # noqa: E402
from labelers.rollouts.labels import relabel  # noqa: E402
from labelers.rollouts.strategies import strategy_for  # noqa: E402
from labelers.segment import split_steps  # noqa: E402
from samplers.cached import sample_through  # noqa: E402
from samplers.engine import Engine, Request, Sampling  # noqa: E402
from samplers.engines import EngineConfig, open_engine  # noqa: E402
from samplers.policy import world as embedded  # noqa: E402
from samplers.sample import sample_prompts  # noqa: E402
from store.ids import content_id, derived_seed  # noqa: E402
from store.ledger import Ledger  # noqa: E402
from verifiers.math import verify  # noqa: E402

N = 8
SAMPLING = Sampling(temperature=0.8, max_tokens=160)
SAMPLES_A, SAMPLES_B = 8, 12  # solutions of a problem
STRATEGIES = ("exhaustive", "first-success", "witness", "bisect", "changepoint")
SIBLINGS, DECODED = "changepoint + siblings", "exhaustive draws, changepoint labels"


class Sizes(NamedTuple):
    seeds: tuple[int, ...]
    problems_a: int  # of each seed; a costly world has a `share` of them
    problems_b: int
    prefixes: int  # whose value is measured in tier B
    reference: int  # rollouts of each


FULL = Sizes((402, 403, 404), 60, 150, 100, 512)
QUICK = Sizes((401,), 40, 30, 20, 64)


class Subject(NamedTuple):
    """Solutions to label, and the truth about them."""

    engine: Engine
    prompts: pl.DataFrame
    samples: pl.DataFrame
    solutions: pl.DataFrame
    truth: pl.DataFrame  # completion_id, prompt_id, true_error
    values: pl.DataFrame  # completion_id, step_index, true_value
    options: dict[str, Any]  # of changepoint


class Goal(NamedTuple):
    text: str
    measured: str
    reached: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few problems, wide intervals")
    parser.add_argument("--tiers", nargs="+", choices=("A", "B"), default=("A", "B"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    sizes, began, tables = QUICK if args.quick else FULL, time.perf_counter(), {}
    if "A" in args.tiers:
        for world in WORLDS:
            tables[world.name] = simulated(world, sizes)
            print(rendered(world.name, tables[world.name]), flush=True)
    if "B" in args.tiers:
        tables["embedded policy"] = sampled(sizes)
        print(rendered("embedded policy", tables["embedded policy"]), flush=True)
    goals = judged(tables)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = f"{machine}; {time.perf_counter() - began:.0f} s in all; sizes {sizes._asdict()}"
    write(args.out, head, tables, goals)


def simulated(world: World, sizes: Sizes) -> list[Row]:
    """Tier A: one world, its seeds pooled."""
    runs: dict[str, list[Measured]] = {}
    problems = max(1, round(world.share * sizes.problems_a))
    for seed in sizes.seeds:
        for measured in measure(simulated_subject(world, problems, seed), seed, siblings=False):
            runs.setdefault(measured.name, []).append(measured)
    return compare({name: pooled(parts) for name, parts in runs.items()})


def simulated_subject(world: World, n: int, seed: int) -> Subject:
    problems = chains(world, n, seed)
    prompts = prompt_table({problem.text: problem.path[-1] for problem in problems})
    with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
        writer = ChainPolicy(world, problems)
        samples = sample_prompts(writer, ledger, prompts, SAMPLES_A, SAMPLING, seed)
    solutions = mixed(samples, prompts)
    known = {content_id(problem.text): problem for problem in problems}
    truth, values = [], []
    for completion_id, prompt_id, text in solutions.select("completion_id", "prompt_id", "text").iter_rows():
        problem, lines = known[prompt_id], text.splitlines()
        truth.append((completion_id, prompt_id, problem.first_error(lines)))
        scores = problem.values(lines, world)[:-1]  # the last step is the outcome, nobody estimates it
        values += [(completion_id, t, value) for t, value in enumerate(scores)]
    engine = ChainPolicy(world, problems, world.completer)
    options = {"foreign": world.completer != 1}
    return Subject(engine, prompts, samples, solutions, _truth(truth), _values(values), options)


def sampled(sizes: Sizes) -> list[Row]:
    """Tier B: the embedded policy, every rollout drawn by vLLM."""
    engine = open_engine(EngineConfig(kind="vllm"))
    try:
        engine.start()
        seed = sizes.seeds[0]
        runs = list(measure(embedded_subject(engine, sizes, seed), seed, siblings=True))
    finally:
        engine.close()
    return compare({measured.name: measured for measured in runs})


def embedded_subject(engine: Engine, sizes: Sizes, seed: int) -> Subject:
    problems = embedded.problems(sizes.problems_b, derived_seed("labels", seed))
    prompts = prompt_table({problem.text: problem.answer for problem in problems})
    known = {content_id(problem.text): problem for problem in problems}
    with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
        samples = sample_prompts(engine, ledger, prompts, SAMPLES_B, SAMPLING, seed)
        solutions = mixed(samples, prompts)
        values = reference_values(engine, ledger, solutions, known, sizes, seed)
    truth = []
    for completion_id, prompt_id, text in solutions.select("completion_id", "prompt_id", "text").iter_rows():
        steps = [step.strip() for step in split_steps(text)]
        truth.append((completion_id, prompt_id, embedded.first_error(known[prompt_id], steps)))
    return Subject(engine, prompts, samples, solutions, _truth(truth), values, {})


def mixed(samples: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """The samples of the problems that some of them solve and some do not."""
    rows = samples.join(prompts.select("prompt_id", "answer"), on="prompt_id")
    right = [
        verify(gold, text, truncated=finish == "length").status == "correct"
        for gold, text, finish in rows.select("answer", "text", "finish_reason").iter_rows()
    ]
    rate = pl.col("solved").mean().over("prompt_id")
    rows = rows.with_columns(solved=pl.Series(right)).filter((rate > 0) & (rate < 1))
    return rows.select(samples.columns)


def reference_values(
    engine: Engine,
    ledger: Ledger,
    solutions: pl.DataFrame,
    known: dict[str, embedded.Problem],
    sizes: Sizes,
    seed: int,
) -> pl.DataFrame:
    """The values of some prefixes, by rollouts that no labeler sees."""
    places: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for completion_id, prompt_id, text in solutions.select("completion_id", "prompt_id", "text").iter_rows():
        for t, prefix in enumerate(list(accumulate(split_steps(text)))[:-1]):
            places.setdefault((prompt_id, prefix), []).append((completion_id, t))
    chosen = random.Random(seed).sample(sorted(places), min(sizes.prefixes, len(places)))
    solved = dict.fromkeys(chosen, 0)

    def requests() -> Iterator[Request]:
        for prompt_id, prefix in chosen:
            message = {"role": "user", "content": known[prompt_id].text}
            base = derived_seed(seed, "reference", prompt_id, prefix)
            for i in range(sizes.reference):
                yield Request((message,), SAMPLING, base + i, i, prefix, (prompt_id, prefix))

    for request, said in sample_through(ledger, engine, requests()):
        gold = str(known[request.tag[0]].answer)
        solved[request.tag] += verify(gold, request.prefill + said.text).status == "correct"
    return _values([(*place, solved[key] / sizes.reference) for key in chosen for place in places[key]])


def measure(subject: Subject, seed: int, siblings: bool) -> Iterator[Measured]:
    """Every strategy on one set of solutions."""

    def run(name: str, strategy: str, use_siblings: bool, options: dict[str, Any]) -> Measured:
        with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
            began = time.perf_counter()
            labels = label_steps(
                subject.engine,
                ledger,
                subject.solutions,
                subject.prompts,
                strategy_for(strategy, **options),
                SAMPLING,
                seed,
                samples=subject.samples,
                use_siblings=use_siblings,
            )
            seconds = time.perf_counter() - began
        return Measured(name, labels, seconds, subject.truth, subject.values)

    runs = {
        name: run(name, name, False, subject.options if name == "changepoint" else {"n": N})
        for name in STRATEGIES
    }
    yield from runs.values()
    if siblings:
        yield run(SIBLINGS, "changepoint", True, subject.options)
    yield decoded(subject, runs["exhaustive"].labels, runs["changepoint"])


def decoded(subject: Subject, exhaustive: StepLabels, changepoint: Measured) -> Measured:
    """What the change-point model makes of the exhaustive draws."""
    began = time.perf_counter()
    strategy = strategy_for(**changepoint.labels.facts["strategy"])
    steps = relabel(exhaustive.rollouts, subject.solutions, strategy)
    labels = StepLabels(exhaustive.rollouts, steps, exhaustive.facts)
    return Measured(DECODED, labels, time.perf_counter() - began, subject.truth, subject.values)


def compare(runs: dict[str, Measured]) -> list[Row]:
    return [compared(measured, runs["exhaustive"], seed=0) for measured in runs.values()]


def judged(tables: dict[str, list[Row]]) -> list[Goal]:
    """The goals, as far as the tiers were run."""
    goals = []
    rows = {(world, row.strategy): row for world, table in tables.items() for row in table}
    for (world, strategy), row in rows.items():
        real, headline = world == "embedded policy", world == "repair 2 %"
        if world.startswith("extra"):
            continue
        if strategy == "first-success":
            if world in ("no repair", "repair 2 %"):
                goals.append(_goal(world, row, 2.5, lambda r: r.times_rollouts.value, "rollouts"))
            same = row.same_labels == 1
            goals.append(Goal(f"{world}: first-success labels equal", f"{row.same_labels:.2%}", same))
        elif strategy == "changepoint" or (strategy == SIBLINGS and real):
            least = 4.0 if real else 8.0 if headline else 5.0
            goals.append(_goal(world, row, least, lambda r: r.times_rollouts.value, "rollouts"))
            goals.append(_goal(world, row, least, lambda r: r.times_tokens.value, "decode tokens"))
            if strategy == SIBLINGS:
                goals.append(_goal(world, row, least, lambda r: r.times_calls, "calls made"))
            gain = row.f1_gain.value
            goals.append(Goal(f"{world}: {strategy} F1 not below", f"{gain:+.1f} points", gain >= 0))
            if headline:
                more = row.accuracy_gain.value
                text = f"{world}: {strategy} first-error accuracy at least +10 points"
                goals.append(Goal(text, f"{more:+.1f} points", more >= 10))
    return goals


def _goal(world: str, row: Row, least: float, times: Callable[[Row], float], what: str) -> Goal:
    text = f"{world}: {row.strategy} at least {least:g} times fewer {what}"
    return Goal(text, f"{times(row):.1f}", times(row) >= least)


HEADER = (
    "| strategy | rollouts | calls | decode | prefill | seconds "
    "| fewer rollouts | fewer calls | fewer decode "
    "| first error % | F1 % | F1 gain | false pos % | false neg % | Brier | kept % | flagged % | positive % |"
)


def rendered(world: str, rows: list[Row]) -> str:
    lines = [f"## {world}", "", HEADER, "|---" * HEADER.count(" | ") + "|---|"]
    for row in rows:
        cells = [
            row.strategy,
            *(f"{x:,}" for x in (row.rollouts, row.calls, row.decode_tokens, row.prefill_tokens)),
            f"{row.seconds:.1f}",
            _cell(row.times_rollouts),
            f"{row.times_calls:.1f}",
            _cell(row.times_tokens),
            _cell(row.error_accuracy, 100),
            _cell(row.f1, 100),
            _cell(row.f1_gain),
            *(f"{100 * x:.1f}" for x in (row.false_positives, row.false_negatives)),
            f"{row.brier:.4f}",
            *(f"{100 * x:.1f}" for x in (row.kept, row.flagged, row.positive)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(interval: Interval, scale: float = 1) -> str:
    value, low, high = (scale * x for x in interval)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def write(out: Path, head: str, tables: dict[str, list[Row]], goals: list[Goal]) -> None:
    lines = [f"- {'reached' if goal.reached else 'MISSED'}: {goal.text}: {goal.measured}" for goal in goals]
    text = "\n".join(["# Step labelers", "", head, "", "## To reach", "", *lines, ""])
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    parts = [text, *(rendered(world, rows) for world, rows in tables.items())]
    (out / "labels.md").write_text("\n".join(parts))
    report = {
        "run": head,
        "goals": [goal._asdict() for goal in goals],
        "worlds": {world: [_plain(row) for row in rows] for world, rows in tables.items()},
    }
    (out / "labels.json").write_text(json.dumps(report, indent=1) + "\n")


def _plain(row: Row) -> dict[str, Any]:
    return {k: v._asdict() if isinstance(v, Interval) else v for k, v in row._asdict().items()}


def _truth(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["completion_id", "prompt_id", "true_error"], orient="row")


def _values(rows: list[tuple[str, int, float]]) -> pl.DataFrame:
    schema = {"completion_id": pl.String, "step_index": pl.Int32, "true_value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


if __name__ == "__main__":
    main()

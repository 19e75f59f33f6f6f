"""How well judges are seen through: planted accuracies, panels against truth, and intervals that should hold.

    python benchmarks/judge_statistics.py [--out FOLDER]

Worlds of simulated votes with known truth; nothing is fitted to them, and every table counts all of them.

Recovery: the largest error over five judges, and in how many worlds it is within .02 of the planted
accuracies; in how many it would be for someone who knows the truth, since what a judge does on 2,000 items
is itself sqrt(p (1 - p) / 2,000) away from the plan; and how far the model is from what the judges really
did, which is all that votes can tell.

Panels of three kinds of judges: independent ones of fixed accuracy; ones that see a noisy quality gap, and
so fail together on hard pairs; and the latter with three relatives, who share half of their noise. `kept`
is the share of pairs with a preference (posterior at least .9 where there is one), `right` how many of
these are right, `claimed` their mean posterior. Weights and the calibration slope are of the verified
pairs, all else of the rest.

Intervals: of a judge that draws its verdicts by length, place and nothing else.

Writes judge_statistics.md and judge_statistics.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labelers.judges import dawid_skene
from labelers.judges.bias import bias_report
from labelers.judges.calibration import calibrate_agreed, weight
from labelers.judges.pairwise import CONSENSUS
from labelers.judges.panel import combine
from store.tables import JUDGEMENTS

PAIRS, TRUTH_FOR = 4000, 300
RECOVERED = 0.95  # share of worlds
ACCURACIES = {"strong": (0.95, 0.9, 0.85, 0.8, 0.7), "mixed": (0.9, 0.8, 0.72, 0.65, 0.58)}

Bools = NDArray[np.bool_]
Figures = dict[str, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    report = {
        "recovery": [recovery(name, accuracies) for name, accuracies in ACCURACIES.items()],
        "panels": [line for world in ("independent", "hard pairs", "relatives") for line in panels(world)],
        "intervals": [coverage(length, position) for length, position in ((0.0, 0.0), (0.5, 0.8))],
    }
    (args.out / "judge_statistics.json").write_text(json.dumps(report, indent=1) + "\n")
    heading = (
        "# Judges seen through\n\nMade by `python benchmarks/judge_statistics.py`; see there what is shown.\n"
    )
    page = "\n".join([heading, *pages(report)])
    (args.out / "judge_statistics.md").write_text(page + "\n")
    print(page)


def pages(report: dict[str, list[dict[str, Any]]]) -> list[str]:
    titles = {
        "recovery": "Dawid-Skene: planted accuracies, 2,000 items x 5 judges, 100 worlds",
        "panels": f"Panels of five: {TRUTH_FOR} verified pairs, {PAIRS - TRUTH_FOR:,} others, 10 worlds",
        "intervals": "Share of 95 % intervals that hold the truth, 500 worlds of 300 pairs",
    }
    notes = {"recovery": recovered(report["recovery"])}
    return [f"## {titles[name]}\n\n{table(lines)}\n{notes.get(name, '')}" for name, lines in report.items()]


def recovered(lines: list[dict[str, Any]]) -> str:
    """Whether all five accuracies are recovered within .02, in at least RECOVERED of the worlds."""
    said = []
    for line in lines:
        planted, did = line["within .02"], line["of it within .02"]
        said.append(
            f"- {line['judges']}: planted accuracies within .02 in {planted:.0%} of the worlds "
            f"({line['with the truth known']:.0%} with the truth known): {_verdict(planted)}; what judges "
            f"really did within .02 in {did:.0%}: {_verdict(did)}."
        )
    return f"\nTo reach: all five within .02 in {RECOVERED:.0%} of the worlds.\n\n" + "\n".join(said) + "\n"


def _verdict(share: float) -> str:
    return "reached" if share >= RECOVERED else "MISSED"


def table(lines: list[dict[str, Any]]) -> str:
    rows = [
        list(lines[0]),
        ["---"] * len(lines[0]),
        *([cell(value) for value in line.values()] for line in lines),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def recovery(name: str, accuracies: tuple[float, ...], worlds: int = 100) -> dict[str, Any]:
    """The largest error over the judges of a world: of the model, and of someone who knows the truth."""
    blind, knowing, between = [], [], []
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        right = rng.random((2000, 5)) < accuracies
        votes = np.where(rng.random((2000, 1)) < 0.5, right, ~right).astype(int)
        fitted = dawid_skene.fit(np.eye(2, dtype=int)[votes], classes=2)
        found = np.einsum("jcc,c->j", fitted.confusion, fitted.prior)
        did = right.mean(axis=0)
        blind.append(np.abs(found - accuracies).max())
        knowing.append(np.abs(did - accuracies).max())
        between.append(np.abs(found - did).max())
    return {
        "judges": f"{name} {accuracies}",
        "largest error, mean": float(np.mean(blind)),
        "within .02": float(np.mean(np.array(blind) <= 0.02)),
        "with the truth known": float(np.mean(np.array(knowing) <= 0.02)),
        "model to what judges did": float(np.mean(between)),
        "of it within .02": float(np.mean(np.array(between) <= 0.02)),
    }


def votes_of(world: str, seed: int) -> tuple[Bools, Bools]:
    """(pairs, judges): judge says b; (pairs,): b is right."""
    rng = np.random.default_rng([seed, 7])
    gap = rng.normal(size=PAIRS) * np.sqrt(2)
    b_right = gap < 0
    if world == "independent":
        return (rng.random((PAIRS, 5)) < (0.89, 0.86, 0.83, 0.80, 0.77)) == b_right[:, None], b_right
    own, shared = rng.normal(size=(PAIRS, 5)), rng.normal(size=(PAIRS, 1))
    noise = np.where(np.arange(5) < 3, (own + shared) / np.sqrt(2), own) if world == "relatives" else own
    return gap[:, None] * (2, 1.5, 1.2, 1, 0.8) + noise < 0, b_right


def panels(world: str, worlds: int = 10) -> list[dict[str, Any]]:
    runs = [panel_run(world, seed) for seed in range(worlds)]
    return [
        {"judges": world, "panel": name} | {key: mean([run[name][key] for run in runs]) for key in first}
        for name, first in runs[0].items()
    ]


def panel_run(world: str, seed: int) -> dict[str, Figures]:
    says_b, b_right = votes_of(world, seed)
    agreed, verdicts = consensus_table(says_b), verdict_table(b_right)
    known, rest = verdicts.head(2 * TRUTH_FOR), verdicts.tail(-2 * TRUTH_FOR)
    weights = {str(name): weight(calibrate_agreed(rows, known)) for (name,), rows in agreed.group_by("judge")}
    best = agreed.filter(pl.col("judge") == max(sorted(weights), key=weights.__getitem__))
    runs = {"best judge": figures(best, rest)}
    for how in ("agree", "majority"):
        runs[how] = figures(combine(agreed, how).opinions, rest)
    for how in ("weighted", "dawid-skene"):
        given = weights if how == "weighted" else None
        for name, truth in ((how, None), (f"{how}, scaled", known)):
            found = combine(agreed, how, weights=given, verdicts=truth, min_posterior=0.9)
            claimed = found.opinions.drop_nulls("preference")["posterior"].mean()
            slope = found.facts["calibration_slope"]
            runs[name] = figures(found.opinions, rest) | {"claimed": claimed, "slope": slope}
    return runs


def figures(opinions: pl.DataFrame, verdicts: pl.DataFrame) -> Figures:
    facts = calibrate_agreed(opinions, verdicts)
    kept, right = facts["coverage"]["rate"], facts["accuracy"]["rate"]
    return {"kept": kept, "right": right, "claimed": None, "brier": facts["brier"]["mean"], "slope": None}


def mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def consensus_table(says_b: Bools) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": f"p{i:05d}",
            "a_id": f"a{i}",
            "b_id": f"b{i}",
            "judge": f"judge {j}",
            "template_hash": "t",
        }
        | {"preference": "B" if b else "A", "n_judgements": 2}
        for i, said in enumerate(says_b)
        for j, b in enumerate(said)
    ]
    return pl.DataFrame(rows, schema=CONSENSUS)


def verdict_table(b_right: Bools) -> pl.DataFrame:
    rows = [
        (f"{side}{i}", f"p{i:05d}", "correct" if (side == "b") == right else "incorrect")
        for i, right in enumerate(b_right)
        for side in "ab"
    ]
    return pl.DataFrame(rows, schema=["completion_id", "prompt_id", "verdict"], orient="row")


def coverage(length: float, position: float, worlds: int = 500) -> dict[str, Any]:
    """A judge that draws its verdicts by length, place, and being of its family; texts have no other
    worth."""
    held = {"length coefficient": 0, "flips to first": 0, "family gap": 0}
    lean = 1 / (1 + np.exp(-2 * position))
    for seed in range(worlds):
        report = drawn_report(length, position, np.random.default_rng([seed, 11]))
        w, flips, gap = (report[key] for key in ("length_coefficient", "flips_to_first", "self_family_gap"))
        held["length coefficient"] += w["low"] <= 2 * length <= w["high"]
        held["flips to first"] += flips["low"] <= lean <= flips["high"]
        held["family gap"] += gap["low"] <= 0 <= gap["high"]
    given = {"length": length, "position": position}
    return given | {name: float(n / worlds) for name, n in held.items()}


def drawn_report(
    length: float, position: float, rng: np.random.Generator, pairs: int = 300
) -> dict[str, Any]:
    sizes = rng.integers(20, 320, size=(pairs, 2))
    by = (sizes[:, 0] - sizes[:, 1]).astype(float)
    logit = length * np.tanh(by / np.sqrt(np.mean(by**2)))
    own_is_a, b_right = rng.random(pairs) < 0.5, rng.random(pairs) < 0.5
    rows = []
    for order, sign in (("ab", 1), ("ba", -1)):
        says_a = rng.random(pairs) < 1 / (1 + np.exp(-(logit + sign * position)))
        for i, a in enumerate(says_a):
            row = {
                "prompt_id": f"p{i:05d}",
                "a_id": f"a{i}",
                "b_id": f"b{i}",
                "order": order,
                "judge": "gpt-4o",
            }
            rows.append(
                row | {"template_hash": "t", "sample_index": 0, "attempt": 0, "verdict": "A" if a else "B"}
            )
    texts = [
        (f"{side}{i}", "gpt-4o-mini" if (side == "a") == own_is_a[i] else "claude-3", "x" * int(size))
        for i, pair in enumerate(sizes)
        for side, size in zip("ab", pair, strict=True)
    ]
    completions = pl.DataFrame(texts, schema=["completion_id", "model", "text"], orient="row")
    return bias_report(pl.DataFrame(rows, schema=JUDGEMENTS), completions, verdict_table(b_right))


if __name__ == "__main__":
    main()

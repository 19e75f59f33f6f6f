"""How much of a judge's position bias is left, and how much of what the judge truly prefers.

A simulated judge prefers a to b with probability p, and leans by a known number of logits to what it sees
first. Its preference is estimated from one order alone (a first), and from both by `consensus`:

    bias      mean of estimate - p; a rule that looks at neither text has none
    error     mean of (estimate - p)^2; of such a rule it is large
    right     share of pairs whose likelier side it finds, a half for an even estimate

The yardstick is one order of the same judge without the bias. To reach: BIAS_REMOVED of the bias of one
order, an error not above the yardstick's, and KEPT of its right sides.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from simulated_judge import SimulatedJudge, World, world, write_form

from labelers.judges.choosing import PAIR, choose_pairs
from labelers.judges.pairwise import consensus, judge_pairs
from samplers.engine import Sampling
from store.ledger import Ledger

BIAS_REMOVED = 0.95
KEPT = 0.95
ROUNDING = 1e-9
SAMPLES = 8
PAIRS = 3000
POSITIONS = (0.5, 1.0, 2.0)  # bias in logits

Floats = NDArray[np.float64]
Rule = Callable[[pl.DataFrame], pl.DataFrame]  # JUDGEMENTS -> (prompt_id, a_id, b_id, soft)


class Figures(NamedTuple):
    bias: float
    error: float
    right: float


def report(
    pairs: int = PAIRS, positions: Sequence[float] = POSITIONS, rule: Rule = consensus
) -> list[dict[str, Any]]:
    """A row for each kind of evidence and each bias."""
    given = world(pairs, per_prompt=2, seed=1)
    return [row for logprobs in (True, False) for row in _rows(given, positions, logprobs, rule)]


def reached(row: dict[str, Any]) -> bool:
    return bool(
        row["removed"] >= BIAS_REMOVED
        and row["both"]["error"] <= row["unbiased"]["error"] + ROUNDING
        and row["both"]["right"] >= KEPT * row["unbiased"]["right"]
    )


def _rows(given: World, positions: Sequence[float], logprobs: bool, rule: Rule) -> Iterator[dict[str, Any]]:
    unbiased = _figures(given, _one_order(_judged(given, 0.0, logprobs)))
    for position in positions:
        judgements = _judged(given, position, logprobs)
        one, both = (_figures(given, found) for found in (_one_order(judgements), rule(judgements)))
        yield {
            "mode": "log-probabilities" if logprobs else f"{SAMPLES} samples",
            "position": position,
            "one order": one._asdict(),
            "both": both._asdict(),
            "unbiased": unbiased._asdict(),
            "removed": 1 - abs(both.bias / one.bias),
        }


def _judged(given: World, position: float, logprobs: bool) -> pl.DataFrame:
    judge = SimulatedJudge(given.worth, position=position, logprobs=logprobs)
    sampling, samples = Sampling(temperature=0.0 if logprobs else 1.0), 1 if logprobs else SAMPLES
    pairs = choose_pairs(given.completions, per_prompt=1)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger") as ledger:
        tables = (ledger, pairs, given.completions, given.prompts, write_form(Path(folder)))
        return judge_pairs(judge, *tables, sampling, samples=samples)


def _one_order(judgements: pl.DataFrame) -> pl.DataFrame:
    """What the order with a first says, by the formula of an order in `labelers.judges.pairwise`."""
    verdict = pl.col("verdict").cast(pl.String)
    wins = (verdict == "A").sum() + (verdict == "tie").sum() / 2
    logit = (pl.col("logprob_a") - pl.col("logprob_b")).mean()
    soft = pl.coalesce(1 / (1 + (-logit).exp()), (wins + 0.5) / (pl.len() + 1))
    return judgements.filter(order="ab").group_by(PAIR).agg(soft=soft)


def _figures(given: World, found: pl.DataFrame) -> Figures:
    texts = given.completions.select("completion_id", "text").iter_rows()
    worth = {completion_id: given.worth[text] for completion_id, text in texts}
    gaps = [worth[a] - worth[b] for a, b in found.select("a_id", "b_id").iter_rows()]
    truth = np.array([1 / (1 + math.exp(-gap)) for gap in gaps])
    soft: Floats = found["soft"].to_numpy()
    for_a = (soft > 0.5) + 0.5 * (soft == 0.5)
    right = np.where(truth > 0.5, for_a, 1 - for_a)
    return Figures(float((soft - truth).mean()), float(((soft - truth) ** 2).mean()), float(right.mean()))


def as_markdown(rows: list[dict[str, Any]]) -> list[str]:
    """The table, with "unbiased" for one order of a judge without the bias."""
    lines = [
        "| verdicts by | bias in logits | bias: one order | both | removed | squared error: one order | both "
        "| unbiased | right side: one order | both | unbiased | |",
        "|" + "---|" * 12,
    ]
    for row in rows:
        one, both, fair = (row[name] for name in ("one order", "both", "unbiased"))
        lines.append(
            f"| {row['mode']} | {row['position']} | {one['bias']:+.3f} | {both['bias']:+.3f} "
            f"| {row['removed']:.1%} | {one['error']:.4f} | {both['error']:.4f} | {fair['error']:.4f} "
            f"| {one['right']:.1%} | {both['right']:.1%} | {fair['right']:.1%} "
            f"| {'reached' if reached(row) else 'MISSED'} |"
        )
    wanted = f"{BIAS_REMOVED:.0%} of the bias removed, an error not above that of one unbiased order, and"
    return [*lines, "", f"To reach: {wanted} {KEPT:.0%} of its right sides."]

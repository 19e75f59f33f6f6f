"""Pairwise judging: every pair is shown in both orders, and only what both agree on is a preference.

Verdicts are stored un-swapped (A is always `a_id`) together with the order the judge saw, so position bias
stays measurable. A reply that cannot be read is `unparsed`: neither a tie nor a coin flip.

With p1 = P(a wins | a first) and p2 = P(a wins | b first), a position bias that adds to the logit cancels in

    soft = sigmoid((logit p1 + logit p2) / 2)          bias = (logit p1 - logit p2) / 2

The log-odds come from the log-probabilities of the two verdict letters where an engine gives them, else from
the verdicts of several samples, a tie counting half: (wins + 1/2) / (n + 1) of each order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from labelers.judges.asking import Answer, Question, ask, last_attempts
from labelers.judges.choosing import PAIR
from labelers.judges.logprobs import letter_logprobs
from labelers.judges.material import Material
from labelers.judges.templates import Template, load_template
from labelers.judges.verdict_parser import JudgeVerdict, parse_level, parse_verdict
from samplers.cached import Budget, Progress
from samplers.engine import Completion, Engine, Sampling
from store.ledger import Ledger
from store.tables import JUDGEMENTS

Order = Literal["ab", "ba"]

CONSENSUS = pl.Schema(
    {
        "prompt_id": pl.String,
        "a_id": pl.String,
        "b_id": pl.String,
        "judge": pl.String,
        "template_hash": pl.String,
        "preference": pl.String,  # "A" (a_id wins), "B", or null
        "rejected": pl.String,  # why there is no preference: order_flip, tie, unparsed, one_order
        "mean_verdict": pl.Float64,  # over both orders, A = 1, tie = 1/2, B = 0; null where one is unread
        "soft": pl.Float64,  # P(a_id preferred), null without log-probabilities or samples in both orders
        "position_bias": pl.Float64,  # in logits, positive: the judge leans to what it sees first
        "n_judgements": pl.Int32,
    }
)
_QUESTION = (*PAIR, "order", "judge", "template_hash")
_SWAPPED: dict[JudgeVerdict, JudgeVerdict] = {"A": "B", "B": "A", "tie": "tie", "unparsed": "unparsed"}


class _Shown(NamedTuple):
    pair: tuple[str, str, str]
    order: Order


class _Said(NamedTuple):
    verdict: JudgeVerdict  # in the judge's own letters
    logprob_a: float | None = None
    logprob_b: float | None = None


def judge_pairs(
    engine: Engine,
    ledger: Ledger,
    pairs: pl.DataFrame,
    completions: pl.DataFrame,
    prompts: pl.DataFrame,
    template: str | Path = "pairwise",
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=1024),  # noqa: B008
    seed: int = 0,
    *,
    samples: int = 1,
    criterion: str | Path | None = None,
    structured: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """JUDGEMENTS of `pairs` (prompt_id, a_id, b_id), both orders of each, `samples` verdicts an order.

    A `structured` judge can say nothing but a verdict of the template, so it gives no reasons. Equal
    questions are asked once.
    """
    form = load_template(template, "pairwise", criterion)
    questions = _questions(form, pairs, Material(form, prompts, completions), structured)
    read = _read_level if form.five_level else _read_letter
    answers = ask(
        engine, ledger, questions, read, sampling, seed, samples=samples, budget=budget, progress=progress
    )
    rows = [_judgement(answer, engine.model, form.hash) for answer in answers]
    table = pl.DataFrame(rows, schema=JUDGEMENTS, orient="row")
    return table.sort(*PAIR, "order", "sample_index", "attempt")


def _questions(
    form: Template, pairs: pl.DataFrame, material: Material, structured: bool
) -> Iterator[Question]:
    choice = form.choices() if structured else ()
    for pair in pairs.select(PAIR).unique().sort(PAIR).iter_rows():
        prompt_id, *ids = pair
        shared, texts = material.prompt(prompt_id), [material.text(i) for i in ids]
        for order in get_args(Order):
            first, second = texts if order == "ab" else reversed(texts)
            yield Question(form.render(**shared, a=first, b=second), _Shown(pair, order), choice)


def _read_letter(said: Completion, _: _Shown) -> _Said | None:
    seen = parse_verdict(said.text)
    if seen.verdict == "unparsed":
        return None
    return _Said(seen.verdict, *(letter_logprobs(said.text, said.logprobs, seen.at, "AB") or ()))


def _read_level(said: Completion, _: _Shown) -> _Said | None:
    verdict = parse_level(said.text).verdict
    return None if verdict == "unparsed" else _Said(verdict)


def _judgement(answer: Answer[_Said], judge: str, template_hash: str) -> tuple[Any, ...]:
    """One JUDGEMENTS row, un-swapped."""
    shown: _Shown = answer.tag
    verdict, logprob_a, logprob_b = answer.reading or _Said("unparsed")
    if shown.order == "ba":
        verdict, logprob_a, logprob_b = _SWAPPED[verdict], logprob_b, logprob_a
    head = (answer.call_id, *shown.pair, shown.order, judge, template_hash)
    count = (answer.sample_index, answer.attempt)
    return (*head, *count, answer.raw, verdict, logprob_a, logprob_b, answer.seed)


def consensus(judgements: pl.DataFrame) -> pl.DataFrame:
    """One CONSENSUS row per pair, judge and template: a preference where the majorities of both orders agree.

    The majority of an order is the verdict given most often; where two are, there is none, which is a tie.
    """
    by_order = _by_order(last_attempts(judgements, *_QUESTION, "sample_index"))
    first, second = pl.col("logit").filter(order="ab").first(), pl.col("logit").filter(order="ba").first()
    rows = by_order.group_by(*PAIR, "judge", "template_hash").agg(
        orders=pl.len(),
        unread=(pl.col("n") == 0).any(),
        majorities=pl.col("majority").unique(),
        mean_verdict=pl.col("mean").mean(),
        soft=1 / (1 + (-(first + second) / 2).exp()),
        position_bias=(first - second) / 2,
        n_judgements=pl.col("asked").sum(),
    )
    agreed = pl.col("majorities").list.first()
    rejected = (
        pl.when("unread")
        .then(pl.lit("unparsed"))
        .when(pl.col("orders") < 2)
        .then(pl.lit("one_order"))
        .when(pl.col("majorities").list.len() > 1)
        .then(pl.lit("order_flip"))
        .when(agreed == "tie")
        .then(pl.lit("tie"))
    )
    both_read = ~pl.col("unread") & (pl.col("orders") == 2)
    rows = rows.with_columns(
        rejected=rejected, mean_verdict=pl.when(both_read).then("mean_verdict")
    ).with_columns(preference=pl.when(pl.col("rejected").is_null()).then(agreed))
    return rows.select(CONSENSUS.names()).cast(CONSENSUS).sort(*PAIR, "judge", "template_hash")


def _by_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Of every question: `n` readable verdicts, their `majority` and `mean`, and `logit`, log-odds of A.

    The log-odds are of log-probabilities if every readable verdict has them, else of two verdicts or more.
    """
    verdict = pl.col("verdict").cast(pl.String)
    a, b, tie = ((verdict == name).sum() for name in ("A", "B", "tie"))
    counted = rows.group_by(_QUESTION).agg(
        a=a,
        b=b,
        tie=tie,
        asked=pl.len(),
        letters=(pl.col("logprob_a") - pl.col("logprob_b")).filter(verdict != "unparsed"),
    )
    wins, n = pl.col("a") + pl.col("tie") / 2, pl.col("a") + pl.col("b") + pl.col("tie")
    majority = (
        pl.when(pl.col("a") > pl.max_horizontal("b", "tie"))
        .then(pl.lit("A"))
        .when(pl.col("b") > pl.max_horizontal("a", "tie"))
        .then(pl.lit("B"))
        .otherwise(pl.lit("tie"))
    )
    of_letters = pl.when(pl.col("letters").list.drop_nulls().list.len() == n).then(
        pl.col("letters").list.mean()
    )
    of_verdicts = pl.when(n > 1).then(((wins + 0.5) / (n - wins + 0.5)).log())
    return counted.with_columns(
        n=n, majority=majority, mean=wins / n, logit=pl.coalesce(of_letters, of_verdicts)
    )
